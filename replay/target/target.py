"""A target: where steps are sent and how, as its TOML file says it.

A target file holds no secrets: they come from environment variables that it names, or from a command's output.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from replay.target.auth import Auth
from replay.target.checking import check_header
from replay.target.cost import Cost
from replay.target.grpc import Grpc
from replay.target.login import Login
from replay.target.mcp import Mcp
from replay.target.routes import ExpectRule, Route
from replay.target.sending import Connections, Follow, Retry, SessionRules, Shape, Timeouts, Tls, WebSocket
from replay.target.urls import ASGI_PREFIX, check_other_url, check_url
from replay.trace.origins import origin_of

Plane = Literal["serverless", "vm", "hybrid"]


NO_HTTP2 = "an HTTP proxy forwards http:// as HTTP/1.1 only; use https://, or leave http2 out"
FROM_ENVIRONMENT = "env"
"""In place of a proxy's URL: the one that the environment names, if any."""


def is_by_fast_path(proxy: str) -> bool:
    """Whether our own wires go through a proxy of this kind: one of HTTP, spoken to in clear."""
    return proxy == FROM_ENVIRONMENT or proxy.lower().startswith("http://")


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A target: where steps are sent, and how. Where a field is not said, the default holds."""

    url: Annotated[
        str,
        Meta(
            description=(
                "Where steps are sent: http(s)://host[:port][/prefix], or asgi:module:app for an "
                "application in the same process."
            )
        ),
    ]
    name: Annotated[str, Meta(description="What it is called; empty: the name of the file, or the host.")] = ""
    plane: Annotated[
        Plane | None, Meta(description="What execution plane it is; replay pilot needs to know.")
    ] = None
    transport: Annotated[
        Literal["fast", "httpx"],
        Meta(
            description=(
                "fast: our own HTTP/1.1 and HTTP/2. httpx: also https and SOCKS proxies, and applications in this "
                "process. Chosen by itself where it is not said."
            )
        ),
    ] = "fast"
    http2: Annotated[
        bool,
        Meta(
            description=(
                "Whether to speak HTTP/2: over TLS where the target agrees to it (ALPN), and with an http:// url "
                "from the first byte."
            )
        ),
    ] = False
    proxy: Annotated[
        str | None,
        Meta(
            description=(
                "The URL of a proxy to go through: http, https, socks5 or socks5h. env: the one that HTTPS_PROXY, "
                "HTTP_PROXY and NO_PROXY name for each URL."
            )
        ),
    ] = None
    unix_socket: Annotated[
        str | None, Meta(description="The path of a Unix socket to connect to, instead of the host.")
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Headers that every request has. No secrets: those come from [auth].")
    ] = {}
    auth: Annotated[Auth, Meta(description="How requests are authorised.")] = Auth()
    login: Annotated[
        Login | None, Meta(description="How each session logs in before its first step; absent: it does not.")
    ] = None
    tls: Annotated[Tls, Meta(description="How connections are secured.")] = Tls()
    connections: Annotated[Connections, Meta(description="How connections are kept and shared.")] = (
        Connections()
    )
    timeouts: Annotated[Timeouts, Meta(description="How long things may take.")] = Timeouts()
    shape: Annotated[
        Shape, Meta(description="How model calls that are known by token counts become requests.")
    ] = Shape()
    mcp: Annotated[Mcp, Meta(description="How steps with mcp become requests.")] = Mcp()
    grpc: Annotated[Grpc, Meta(description="How the messages of steps with grpc are known.")] = Grpc()
    websocket: Annotated[WebSocket, Meta(description="How WebSockets are spoken.")] = WebSocket()
    routes: Annotated[
        tuple[Route, ...],
        Meta(description=("Steps that go elsewhere, or are waited for instead; the first that fits holds.")),
    ] = ()
    retry: Annotated[Retry, Meta(description="What is sent again, and when.")] = Retry()
    traceparent: Annotated[
        bool,
        Meta(
            description=(
                "Whether requests carry a traceparent header, by which they are found in the "
                "target's own traces."
            )
        ),
    ] = True
    instance_header: Annotated[
        str | None, Meta(description="The response header that names the instance that served.")
    ] = None
    cold_header: Annotated[
        str | None,
        Meta(
            description=(
                "The response header that says whether that instance was cold: 1, true, yes or cold, "
                "or Server-Timing with a metric named cold or boot."
            )
        ),
    ] = None
    observe: Annotated[
        str | None, Meta(description="A URL that is polled once a second for what the plane says of itself.")
    ] = None
    send_recorded_ms: Annotated[
        bool,
        Meta(
            description=(
                "Whether to tell a modelled plane which step a request is, and how long it took when it was "
                "recorded (x-replay-recorded-ids, x-replay-recorded-ms)."
            )
        ),
    ] = False
    expect: Annotated[
        tuple[ExpectRule, ...],
        Meta(description="What answers have to be; of several rules that match, the last holds."),
    ] = ()
    answers: Annotated[
        Literal["kind", "status"],
        Meta(
            description=(
                "kind: look into the answers of model APIs, MCP and JSON-RPC for errors that their "
                "status does not tell. status: do not."
            )
        ),
    ] = "kind"
    simulate: Annotated[
        dict[str, Any] | None, Meta(description="The plane that it is taken for in virtual time.")
    ] = None
    slo: Annotated[tuple[str, ...], Meta(description="What replay gate holds it to, such as p99 < 800ms.")] = ()
    cost: Annotated[Cost | None, Meta(description="What it is paid for with.")] = None
    redirects: Annotated[Follow, Meta(description="Whether redirects are followed.")] = Follow()
    session: Annotated[SessionRules, Meta(description="What a session keeps from one step to the next.")] = (
        SessionRules()
    )
    provides: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "What is there of that which steps may need (their attribute needs): gpu, browser, "
                "or whatever it is."
            )
        ),
    ] = ()

    def __post_init__(self) -> None:
        check_url(self.url)
        if self.session.cookies:
            auths = [self.auth, *(route.auth for route in self.routes if isinstance(route.auth, Auth))]
            named = [
                *self.headers,
                *(name for auth in auths for name in auth.header_names),
            ]
            if any(name.lower() == "cookie" for name in named):
                raise ValueError("a cookie header for all and [session] cookies exclude each other; choose one")
        for name, value in self.headers.items():
            check_header(name, value)
        if self.observe is not None:
            check_other_url("observe", self.observe, ("http", "https"))
        if self.proxy is not None and self.proxy != FROM_ENVIRONMENT:
            check_other_url("proxy", self.proxy, ("http", "https", "socks5", "socks5h"))
        if self.shape.websocket and (self.proxy is not None or self.is_asgi):
            raise ValueError("shape.websocket needs a target that is reached directly")
        if self.transport == "fast":
            is_asgi = self.is_asgi or any((r.send_to or "").startswith(ASGI_PREFIX) for r in self.routes)
            is_other_proxy = self.proxy is not None and not is_by_fast_path(self.proxy)
            for needs, what in ((is_other_proxy, "a proxy of this kind"), (is_asgi, "an asgi: url")):
                if needs:
                    raise ValueError(f'{what} needs transport = "httpx"')
            if self.http2 and self.proxy is not None and self.url.startswith("http:"):
                raise ValueError(NO_HTTP2)
        elif self.proxy == FROM_ENVIRONMENT:
            raise ValueError('proxy = "env" goes with transport = "fast"')

        self._check_logins()

    def _check_logins(self) -> None:
        """Raises ValueError, with a reason, where a login gives nothing, or the header that something else gives."""
        own = {name.lower() for name in self.headers}
        self._check_login("[login]", self.login, [self.auth], own)
        for route in self.routes:
            url = route.send_to or ""
            is_ours = route.auth == "target" or origin_of(url) == origin_of(self.url)
            auths = [route.auth] if isinstance(route.auth, Auth) else [self.auth] if is_ours else []
            self._check_login("login of a route", route.login, auths, own)

    def _check_login(self, where: str, login: Login | None, auths: list[Auth], own: set[str]) -> None:
        if login is None:
            return
        carrier = login.carrier
        if carrier is None:
            if not self.session.cookies:
                raise ValueError(
                    f"{where} does not say where the token is: name token, token_header or token_cookie, or let "
                    "sessions keep cookies with [session] cookies = true"
                )
            return
        if carrier == "cookie" and self.session.cookies:
            raise ValueError(f"[session] cookies = true keeps all cookies of {where}; leave token_cookie out")
        if carrier in own:
            raise ValueError(f"[headers] and {where} would both give the {carrier} header; choose one of them")
        if any(auth.gives(carrier) for auth in auths):
            raise ValueError(f"[auth] and {where} would both give the {carrier} header; choose one of them")

    @property
    def is_asgi(self) -> bool:
        """Whether the target is an application in this process."""
        return self.url.startswith(ASGI_PREFIX)
