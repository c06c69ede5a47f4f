"""How requests go out to a target: authorised, secured, over which connections, in which shape, and how often."""

from typing import Literal

import msgspec

from replay.dialects.asked import prompting_of
from replay.dialects.types import PromptLayout
from replay.target.checking import LONGEST_S, check_header, check_positive
from replay.target.urls import check_host


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How requests are authorised. Values come from the environment or a command, never from the file.

    bearer_env: variable that holds a bearer token. header_env: header name to variable name.
    command: prints a token, sent as a bearer token (or as `command_header`), cached for command_ttl_s; it is run early
    when the target answers 401, at most every 5 s.
    """

    bearer_env: str | None = None
    header_env: dict[str, str] = {}
    command: str | None = None
    command_header: str | None = None
    command_ttl_s: float = 300.0

    def __post_init__(self) -> None:
        for name in (*self.header_env, *filter(None, (self.command_header,))):
            check_header(name, "")
        if self.command is not None and not self.command.strip():
            raise ValueError("command must not be empty")
        check_positive(self, "command_ttl_s", most=LONGEST_S)


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if self.server_name is not None:
            check_host(self.server_name)


class Connections(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """reuse: pool (any idle one), session (one agent run keeps its own) or none. max: open at once.

    dns_ttl_s: a connection that is opened later than this after the target's name was looked up has it looked up again,
    in the background; connections that are open stay as they are.
    """

    reuse: Literal["pool", "session", "none"] = "pool"
    max: int = 4096
    prepare: bool = True
    dns_ttl_s: float = 60.0

    def __post_init__(self) -> None:
        check_positive(self, "max", "dns_ttl_s", most=LONGEST_S)


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits in seconds. first_byte and total count from sending; idle between two reads."""

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        check_positive(self, "connect_s", "first_byte_s", "idle_s", "total_s", most=LONGEST_S)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an llm step becomes a request. kind: the API in which it asks. path: None: where that API has it.

    model: asked for instead of the trace's. salt: changes every prompt, so that no cache of an earlier run
    helps. ignore_eos: ask the server to generate all the tokens of the trace (vLLM and others).
    """

    kind: PromptLayout = "openai-chat"
    path: str | None = None
    model: str | None = None
    salt: str = ""
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        path = self.path
        if path is not None and (not path.startswith("/") or not path.isprintable() or " " in path):
            raise ValueError("path must begin with / and hold no spaces")

    @property
    def asked_at(self) -> str:
        """The path at which models are asked."""
        return prompting_of(self.kind).path if self.path is None else self.path


RetriedError = Literal[
    "connect",
    "dns",
    "tls",
    "reset",
    "timeout",
    "protocol",
    "proxy",
    "app",
    "check",
    "rpc_error",
    "tool_error",
    "model_error",
    "cut_short",
]


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an agent would send again, and when. Every attempt is recorded; response time counts them all.

    attempts: tries of a step at most, the first included; 1: none is repeated. statuses, errors: what is tried again.
    backoff_s: the most that the first wait lasts; it doubles with each further one, up to max_backoff_s, and is drawn
    from zero to that. retry_after: wait as long as the response says, if it does (at most max_backoff_s).
    budget_percent: retries are at most this share of the requests sent. unsafe: repeat POST and PATCH as well.
    idempotency_header: sent with the same value in all attempts of a step; such steps may be repeated, too.
    stale_unsafe: also resend unsafe methods when a kept-alive connection turns out closed.
    """

    attempts: int = 1
    statuses: tuple[int, ...] = (429, 502, 503, 504)
    errors: tuple[RetriedError, ...] = ("connect", "reset", "timeout")
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    retry_after: bool = True
    budget_percent: float = 20.0
    unsafe: bool = False
    idempotency_header: str | None = None
    stale_unsafe: bool = False

    def __post_init__(self) -> None:
        check_positive(self, "attempts", "backoff_s", "max_backoff_s", "budget_percent", most=LONGEST_S)
        if self.idempotency_header is not None:
            check_header(self.idempotency_header, "")


class SessionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a session keeps from one step to the next. cookies: those that the target sets, while it lasts."""

    cookies: bool = False
