"""A target: where steps are sent and how, and its TOML file.

A target file holds no secrets: they come from environment variables that it names, or from a command's output.
"""

import ipaddress
import math
import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from replay.errors import InputError
from replay.keys import explained
from replay.toml import TomlError, read_toml
from replay.trace.redaction.secrets import may_be_secret
from replay.trace.redaction.shown_urls import REDACTED, problem_of, shown_url
from replay.trace.types import Expect
from replay.trace.values.expect import expect_problem

Plane = Literal["serverless", "vm", "hybrid"]

ASGI_PREFIX = "asgi:"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class TargetError(InputError):
    """A target cannot be used as it is written; str() is the whole message."""


def check_url(url: str) -> None:
    """Raises ValueError, with a reason, if steps cannot be sent to this URL."""
    if url.startswith(ASGI_PREFIX):
        if not re.fullmatch(r"asgi:[\w.]+:[\w.]+", url):
            raise ValueError("an asgi url is written asgi:module:app")
        return
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("url must begin with http://, https:// or asgi:")
    if not parts.hostname:
        raise ValueError("url has no host")
    _check_host(parts.hostname)
    if "@" in parts.netloc:
        raise ValueError("url holds a user or password; take them from the environment with [auth]")
    if parts.query or parts.fragment:
        raise ValueError("url must end before ? and #; paths and queries come from the trace")


def _check_host(host: str) -> None:
    """Raises ValueError, with a reason, if no name server can be asked for this name (RFC 1035, section 2.3.4)."""
    labels = host.removesuffix(".").split(".")
    if ":" not in host and (len(host) > 254 or not all(0 < len(label) < 64 for label in labels)):
        shown = host if len(host) < 64 else f"{host[:60]}…"
        raise ValueError(
            f"{shown!r} is not a valid host name: a name has at most 253 characters, with 1 to 63 between two dots"
        )


def _split(url: str, what: str = "url") -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{what} holds a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as cause:
        raise ValueError(f"{what} cannot be read: {problem_of(url, cause)}") from cause
    if "[" in parts.netloc:
        try:
            ipaddress.IPv6Address(parts.hostname or "")
        except ValueError as cause:
            raise ValueError(f"{what} has something in brackets that is not an IPv6 address") from cause
    return parts


def _check_other_url(what: str, url: str, schemes: tuple[str, ...]) -> None:
    """Raises ValueError, with a reason, if what the target file calls so is not a URL of one of these schemes."""
    parts = _split(url, what)
    if parts.scheme not in schemes:
        *first, last = (f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{what} must begin with {', '.join(first)} or {last}")
    if not parts.hostname:
        raise ValueError(f"{what} has no host")
    _check_host(parts.hostname)


def _quoted(key: str) -> str:
    return '"' + ascii(key)[1:-1][:60] + '"'


def _check_header(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{_quoted(name)} is not a valid header name")
    if not value.isprintable() and value:
        raise ValueError(f"the value of header {_quoted(name)} holds a control character")


# 31 years: what no clock of ours overflows at, and nobody means.
_LONGEST_S = 1e9
_MOST = 1e12


def _check_positive(options: msgspec.Struct, *names: str, most: float = _MOST) -> None:
    for name in names:
        value = getattr(options, name)
        if not value > 0:
            raise ValueError(f"{name} must be more than 0")
        if value > most:
            raise ValueError(f"{name} must be at most {most:,.0f}")


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
            _check_header(name, "")
        if self.command is not None and not self.command.strip():
            raise ValueError("command must not be empty")
        _check_positive(self, "command_ttl_s", most=_LONGEST_S)


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if self.server_name is not None:
            _check_host(self.server_name)


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
        _check_positive(self, "max", "dns_ttl_s", most=_LONGEST_S)


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits in seconds. first_byte and total count from sending; idle between two reads."""

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        _check_positive(self, "connect_s", "first_byte_s", "idle_s", "total_s", most=_LONGEST_S)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an llm step becomes a request.

    model: asked for instead of the trace's. salt: changes every prompt, so that no cache of an earlier run
    helps. ignore_eos: ask the server to generate all the tokens of the trace (vLLM and others).
    """

    kind: Literal["openai-chat"] = "openai-chat"
    path: str = "/v1/chat/completions"
    model: str | None = None
    salt: str = ""
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or not self.path.isprintable() or " " in self.path:
            raise ValueError("path must begin with / and hold no spaces")


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Steps of this kind and name (a glob; None matches all): send them elsewhere, or wait instead.

    auth: how requests there are authorised. "target": with all that goes to the target's own URL. Otherwise another
    origin gets nothing of that: no [auth], no header that may hold a secret, no client certificate, no cookies.
    """

    kind: str | None = None
    name: str | None = None
    send_to: str | None = None
    wait: bool = False
    auth: Auth | Literal["target"] | None = None

    def __post_init__(self) -> None:
        if self.wait == (self.send_to is not None):
            raise ValueError("a route needs one of send_to and wait")
        if self.send_to is not None:
            check_url(self.send_to)
        elif self.auth is not None:
            raise ValueError("auth of a route goes with send_to: nothing is sent for a wait")


class ExpectRule(Expect, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What the answers to steps of this kind and name have to be (globs; None matches all)."""

    kind: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        problem = expect_problem(expected_of(self))
        if problem is not None:
            raise ValueError(problem)


def expected_of(rule: ExpectRule) -> Expect:
    """What a rule expects, whichever steps it is for."""
    return Expect(**{name: getattr(rule, name) for name in Expect.__struct_fields__})


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
        _check_positive(self, "attempts", "backoff_s", "max_backoff_s", "budget_percent", most=_LONGEST_S)
        if self.idempotency_header is not None:
            _check_header(self.idempotency_header, "")


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the target is paid for with. price: a shipped price table, or the path of one.

    billing, vcpu, memory_gib, min_instances: of a serverless plane, by instance. machine: its kind in the price table;
    machines: how many of them the target stands for as it is now; headroom_percent: kept free at the peak. rps: the
    requests/s that one machine carries, or slots: the requests that it has at once, where that is known beforehand.
    scales: machines come and go with the load, as in a group that scales; else they are on all month.
    discount_percent: for a commitment. machine_price: of a hybrid, the table of its machines, where that is another.
    Beside the bill, never in it: staff_hours a month to keep the plane healthy, at staff_rate an hour; call_price for
    each model call, token_price_million for a million of its tokens. All of these are in the currency of `price`; rates
    says what one unit of a currency is worth in that of another target's prices, so that bills can be compared.
    """

    price: str
    billing: Literal["request", "instance"] = "request"
    vcpu: float = 1.0
    memory_gib: float = 0.5
    min_instances: int = 0
    machine: str | None = None
    machines: int = 1
    headroom_percent: float = 30.0
    discount_percent: float = 0.0
    machine_price: str | None = None
    staff_hours: float = 0.0
    staff_rate: float = 0.0
    call_price: float = 0.0
    token_price_million: float = 0.0
    rps: float | None = None
    slots: float | None = None
    rates: dict[str, float] = {}
    scales: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "vcpu", "memory_gib", "machines")
        _check_positive(self, *(name for name in ("rps", "slots") if getattr(self, name) is not None))
        for code, rate in self.rates.items():
            if not re.fullmatch("[A-Z]{3}", code):
                raise ValueError(f"rates: {_quoted(code)} is not a valid currency code; write it as EUR")
            if not 0 < rate < math.inf:
                raise ValueError(f"rates: one {code} must be worth more than 0")
        if self.rps is not None and self.slots is not None:
            raise ValueError("rps and slots exclude each other; state the one that you know")
        for name in (
            "min_instances",
            "headroom_percent",
            "staff_hours",
            "staff_rate",
            "call_price",
            "token_price_million",
        ):
            if not 0 <= getattr(self, name) <= _MOST:
                raise ValueError(f"{name} must be from 0 to {_MOST:,.0f}")
        if not 0 <= self.discount_percent < 100:
            raise ValueError("discount_percent must be from 0 to less than 100")


class SessionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a session keeps from one step to the next. cookies: those that the target sets, while it lasts."""

    cookies: bool = False


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
            _check_header(name, value)
        if self.observe is not None:
            _check_other_url("observe", self.observe, ("http", "https"))
        if self.proxy is not None:
            _check_other_url("proxy", self.proxy, ("http", "https", "socks5", "socks5h"))
        if self.transport == "fast":
            is_asgi = self.is_asgi or any((r.send_to or "").startswith(ASGI_PREFIX) for r in self.routes)
            for needs, what in ((self.http2, "http2"), (self.proxy, "proxy"), (is_asgi, "an asgi: url")):
                if needs:
                    raise ValueError(f'{what} needs transport = "httpx"')

    @property
    def is_asgi(self) -> bool:
        """Whether the target is an application in this process."""
        return self.url.startswith(ASGI_PREFIX)


def load_target(target: str) -> Target:
    """A target from what a user names: a URL (http, https, asgi:module:app) or the path of a TOML file.

    Raises TargetError, saying what is wrong, where, and what to do.
    """
    if "://" in target or target.startswith(ASGI_PREFIX):
        return _named(_converted({"url": target}, shown_url(target)), "")
    path = Path(target)
    try:
        written = read_toml(path.read_bytes())
    except FileNotFoundError as cause:
        raise TargetError(
            f"{target}: no such target file. Name a file, or a URL that begins with http:// or https://."
        ) from cause
    except OSError as cause:
        raise TargetError(f"{target}: the target file cannot be read ({cause.strerror}).") from cause
    except TomlError as cause:
        raise TargetError(f"{target}: {cause}.") from cause
    return _named(_converted(written, target), path.stem)


def secret_from_env(variable: str) -> str:
    """The value of an environment variable that a target file names; raises TargetError where it is not set."""
    value = os.environ.get(variable, "")
    if not value:
        raise TargetError(f"the environment variable {variable} is not set; the target takes a secret from it.")
    if not value.isprintable():
        raise TargetError(f"the environment variable {variable} holds a line end or another control character.")
    return value


def redacted(target: Target) -> dict[str, Any]:
    """The target as it may be written to a file: no secret in it."""
    shown: dict[str, Any] = msgspec.to_builtins(target)
    if target.headers:
        shown["headers"] = {
            name: REDACTED if may_be_secret(name, value) else value for name, value in target.headers.items()
        }
    for part in (shown, *shown.get("routes", ())):
        if isinstance(part.get("auth"), dict) and "command" in part["auth"]:
            part["auth"]["command"] = REDACTED
    for name in ("proxy", "observe"):
        if name in shown:
            shown[name] = shown_url(shown[name])
    return shown


def _named(target: Target, name: str) -> Target:
    if target.name:
        return target
    return msgspec.structs.replace(target, name=name or urlsplit(target.url).netloc or target.url)


def _converted(written: dict[str, Any], where: str) -> Target:
    """The Target that was written, its transport chosen where the file leaves it open."""
    if "transport" not in written:
        url = written.get("url")
        needs_httpx = written.get("http2") or written.get("proxy") or str(url).startswith(ASGI_PREFIX)
        written = {**written, "transport": "httpx" if needs_httpx else "fast"}
    try:
        return msgspec.convert(written, Target)
    except msgspec.ValidationError as cause:
        raise TargetError(f"{where}: {explained(cause, Target, written)}") from cause
