"""Long logs of a web service, as nginx writes them: many clients at once, most of whose requests are like no other.

A client is one of 50,000 addresses with one of 400 user agents; it comes for a session of twelve requests on average,
beside 3,000 others. Three targets in four have an id or a value of their own, one of 200 a secret. The same log every
time.
"""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from time import gmtime, strftime
from typing import NamedTuple

_FIRST_S = 1_760_000_000
_LINES_PER_S = 200
_CLIENTS, _AGENTS = 50_000, 400
_SESSIONS_AT_ONCE, _REQUESTS_A_SESSION = 3_000, 12
_BATCH = 1 << 13
_SYSTEMS = ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
_BROWSER = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.0 Safari/537.36"
# Each with how often it comes.
_TARGETS = {
    ("GET", "/"): 4, ("GET", "/static/app.{d}f3a9c1b.js"): 6, ("GET", "/static/site.{d}0be77d2.css"): 4,
    ("GET", "/api/v1/users/{n}"): 10, ("GET", "/api/v1/orders/{n}/items?page={d}&limit=20"): 8,
    ("GET", "/api/v1/orders/{x:08x}-1f2e-4c3d-8b9a-{y:012x}"): 8, ("GET", "/search?q=term{n}&sort=asc&page={d}"): 8,
    ("GET", "/products/{n}/reviews"): 8, ("GET", "/images/products/{n}.webp"): 14, ("GET", "/api/v1/cart"): 6,
    ("POST", "/api/v1/cart/{n}/items"): 5, ("POST", "/api/v1/events"): 12, ("PUT", "/api/v1/users/{n}/settings"): 2,
    ("DELETE", "/api/v1/cart/{n}/items/{d}"): 2, ("GET", "/login?token={x:08x}{y:012x}"): 0.5, ("GET", "/health"): 2,
}  # fmt: skip
_STATUSES = {200: 88, 304: 6, 404: 3, 302: 2, 500: 1}


class Logged(NamedTuple):
    """A request of a log, and its answer. at_s: when that was sent, from 1970."""

    at_s: float
    address: str
    agent: str
    method: str
    target: str
    status: int
    request_bytes: int
    response_bytes: int
    took_s: float
    referer: str
    id: str


def _logged() -> Iterator[Logged]:
    """Requests without end, in order of their answers."""
    rng = random.Random(1)
    agents = [_BROWSER.format(_SYSTEMS[n % 3], 100 + n % 40, n) for n in range(_AGENTS)]
    clients = [
        (".".join(str(rng.randrange(1, 224)) for _ in range(4)), rng.choice(agents)) for _ in range(_CLIENTS)
    ]
    here = [rng.choice(clients) for _ in range(_SESSIONS_AT_ONCE)]
    at_s = float(_FIRST_S)
    while True:
        called = rng.choices(list(_TARGETS), list(_TARGETS.values()), k=_BATCH)
        statuses = rng.choices(list(_STATUSES), list(_STATUSES.values()), k=_BATCH)
        for (method, target), status in zip(called, statuses, strict=True):
            at_s += rng.random() * 2 / _LINES_PER_S
            session, bits = rng.randrange(_SESSIONS_AT_ONCE), rng.getrandbits(128)
            x, y = bits >> 96, bits & 0xFFFFFFFFFFFF
            address, agent = here[session]
            yield Logged(
                at_s=at_s,
                address=address,
                agent=agent,
                method=method,
                target=target.format(n=x >> 12, d=bits >> 64 & 7, x=x, y=y),
                status=status,
                request_bytes=300 + (y & 0x1FF) + (method != "GET") * (x & 0xFFF),
                response_bytes=(x & 0xFFFF) * (status == 200),
                took_s=0.001 + (y >> 12 & 0x3FF) * (x & 0xFF) / 262_144,  # mostly a few tenths, 1 s at most
                referer=f"https://shop.example.com/products/{x & 0xFFF}" if y & 1 else "-",
                id=f"{bits:032x}",
            )
            if y % _REQUESTS_A_SESSION == 0:
                here[session] = rng.choice(clients)


def _access_line(found: Logged) -> str:
    clock = strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(found.at_s))
    request = f"{found.method} {found.target} HTTP/1.1"
    return (
        f'{found.address} - - [{clock}] "{request}" {found.status} {found.response_bytes} '
        f'"{found.referer}" "{found.agent}" rt={found.took_s:.3f}\n'
    )


def _json_line(found: Logged) -> str:
    ms = int(found.at_s % 1 * 1000)
    told = {
        "time_iso8601": strftime(f"%Y-%m-%dT%H:%M:%S.{ms:03}+00:00", gmtime(found.at_s)),
        "remote_addr": found.address,
        "request_method": found.method,
        "request_uri": found.target,
        "server_protocol": "HTTP/1.1",
        "status": found.status,
        "body_bytes_sent": found.response_bytes,
        "request_length": found.request_bytes,
        "request_time": round(found.took_s, 3),
        "upstream_response_time": f"{found.took_s * 0.9:.3f}",
        "upstream_addr": "10.0.0.7:8080",
        "http_referer": found.referer,
        "http_user_agent": found.agent,
        "request_id": found.id,
        "http_host": "shop.example.com",
        "scheme": "https",
    }
    return json.dumps(told) + "\n"


LINES: dict[str, Callable[[Logged], str]] = {"access-log": _access_line, "json-log": _json_line}
"""By the name of the format, as an import takes it."""


def write_log(path: Path, log_format: str, size_bytes: int) -> int:
    """Write a log of so many bytes, or of a few more; how many lines that are."""
    line_of = LINES[log_format]
    lines = written = 0
    with path.open("w", encoding="ascii", buffering=1 << 20) as log:
        for found in _logged():
            written += log.write(line_of(found))
            lines += 1
            if written >= size_bytes:
                break
    return lines
