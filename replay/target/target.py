"""A target: where steps are sent and how, as its TOML file says it.

A target file holds no secrets: they come from environment variables that it names, or from a command's output.
"""

from typing import Any, Literal

import msgspec

from replay.target.checking import check_header
from replay.target.cost import Cost
from replay.target.routes import ExpectRule, Route
from replay.target.sending import Auth, Connections, Retry, SessionRules, Shape, Timeouts, Tls
from replay.target.urls import ASGI_PREFIX, check_other_url, check_url

Plane = Literal["serverless", "vm", "hybrid"]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One target. url: http(s)://host[:port][/prefix], or asgi:module:app. unix_socket: connect there instead.

    instance_header and cold_header name response headers in which the target tells which instance served,
    and whether it was cold (1, true, yes, cold; or Server-Timing with a metric named cold or boot).
    observe: an address that is polled once a second for what the plane says of itself. send_recorded_ms: tell a
    modelled plane how long each step took when it was recorded (x-replay-recorded-ms). expect: what answers have to be;
    of several that match, the last. answers: "kind" also looks into the answers of model APIs, MCP and JSON-RPC for
    errors that their status does not tell; "status" does not. simulate: the plane that
    `replay plane simulate` takes it for. slo: what `replay gate` holds it to. cost: what `replay pilot` prices it by.
    session: what a session keeps from one step to the next. provides: what is there of that which steps of a trace may
    need (their attribute `needs`): gpu, browser, or whatever it is.
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
    observe: str | None = None
    send_recorded_ms: bool = False
    expect: tuple[ExpectRule, ...] = ()
    answers: Literal["kind", "status"] = "kind"
    simulate: dict[str, Any] | None = None
    slo: tuple[str, ...] = ()
    cost: Cost | None = None
    session: SessionRules = SessionRules()
    provides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_url(self.url)
        if self.session.cookies:
            auths = [self.auth, *(route.auth for route in self.routes if isinstance(route.auth, Auth))]
            named = [
                *self.headers,
                *(n for auth in auths for n in (*auth.header_env, auth.command_header or "")),
            ]
            if any(name.lower() == "cookie" for name in named):
                raise ValueError("a cookie header for all and [session] cookies exclude each other; choose one")
        for name, value in self.headers.items():
            check_header(name, value)
        if self.observe is not None:
            check_other_url("observe", self.observe, ("http", "https"))
        if self.proxy is not None:
            check_other_url("proxy", self.proxy, ("http", "https", "socks5", "socks5h"))
        if self.transport == "fast":
            is_asgi = self.is_asgi or any((r.send_to or "").startswith(ASGI_PREFIX) for r in self.routes)
            for needs, what in ((self.http2, "http2"), (self.proxy, "proxy"), (is_asgi, "an asgi: url")):
                if needs:
                    raise ValueError(f'{what} needs transport = "httpx"')

    @property
    def is_asgi(self) -> bool:
        """Whether the target is an application in this process."""
        return self.url.startswith(ASGI_PREFIX)
