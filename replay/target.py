"""A target: where steps are sent and how, and its TOML file."""

from typing import Literal

import msgspec

Plane = Literal["serverless", "vm", "hybrid"]


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How requests are authorised. Values come from the environment or a command, never from the file.

    bearer_env: variable that holds a bearer token. header_env: header name to variable name.
    command: prints a token, sent as a bearer token (or as `command_header`), cached for command_ttl_s.
    """

    bearer_env: str | None = None
    header_env: dict[str, str] = {}
    command: str | None = None
    command_header: str | None = None
    command_ttl_s: float = 300.0


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None


class Connections(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """reuse: pool (any idle one), session (one agent run keeps its own) or none. max: open at once."""

    reuse: Literal["pool", "session", "none"] = "pool"
    max: int = 4096
    prepare: bool = True


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits in seconds. first_byte and total count from sending; idle between two reads."""

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an llm step becomes a request."""

    kind: Literal["openai-chat"] = "openai-chat"
    path: str = "/v1/chat/completions"
    model: str | None = None
    ignore_eos: bool = False


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Steps of this kind and name (a glob; None matches all): send them elsewhere, or wait instead."""

    kind: str | None = None
    name: str | None = None
    send_to: str | None = None
    wait: bool = False


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """stale_unsafe: also resend unsafe methods when a kept-alive connection turns out closed."""

    stale_unsafe: bool = False


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One target. url: http(s)://host[:port][/prefix], or asgi:module:app. unix_socket: connect there instead.

    instance_header and cold_header name response headers in which the target tells which instance served,
    and whether it was cold.
    """

    url: str
    name: str = ""
    plane: Plane | None = None
    transport: Literal["fast", "httpx"] = "fast"
    http2: bool = False
    proxy: str | None = None
    unix_socket: str | None = None
    headers: dict[str, str] = {}
    auth: Auth = Auth()
    tls: Tls = Tls()
    connections: Connections = Connections()
    timeouts: Timeouts = Timeouts()
    shape: Shape = Shape()
    routes: tuple[Route, ...] = ()
    retry: Retry = Retry()
    traceparent: bool = True
    instance_header: str | None = None
    cold_header: str | None = None
