"""Servers' logs as they are in production: many clients, ids, secrets, odd and damaged lines; the same every time."""

import json
import random
from collections.abc import Iterator

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "curl/8.5",
    "python-httpx/0.27",
    "-",
    r"odd \"agent\" \xC3\xA9",
)
_PATHS = (
    "/", "/api/v1/users/{n}", "/api/v1/orders/{n}/items?page={d}&limit=20", "/search?q=term{d}+more&sort=asc",
    "/login?token={x:032x}", "/api/sessions/3b241101-e2bb-4255-8caf-{x:012x}", "/a%20b/{n}.png", "/files/{n}?sig=Ab{x}cdEf",
    "http://shop.example.com/cart/{n}", "/h;jsessionid=ABCDEF{x}", r"/q\x22{n}", "/v1/chat/completions",
)  # fmt: skip
_METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE", "ge(t")
_TAILS = {
    "common": "",
    "combined": ' "{referer}" "{agent}"',
    "timed": ' "{referer}" "{agent}" rt={rt:.3f} urt="{urt}"',
    "ids": ' "{referer}" "{agent}" {rt:.3f} {urt} {x:032x}',
    "keyed": ' "{referer}" "{agent}" request_time="{rt:.3f}" rid={x:016x} host=api.example.com request_length={n}',
    "forwarded": ' "{referer}" "{agent}" "203.0.113.{d}, 10.0.0.1"',
    "ingress": ' "{referer}" "{agent}" {n} {rt:.3f} [default-web-80] [] 10.0.0.1:80 {n} {urt} 200 {x:032x}',
    "apache": ' "{referer}" "{agent}" D={n} {n}',
    "vhost": ' "{referer}" "{agent}" rt={rt:.3f}',
    "unsure": ' "{referer}" "{agent}" 0/{n} msec=1700000000.{d:03}',
}
LAYOUTS = tuple(_TAILS)
_HOSTS = ("www.example.com:443", "shop.example.com:8080")
_ODD = (
    "garbage",
    "",
    "# a comment",
    '1.2.3.4 - bob smith [10/Oct/2025:13:55:37 +0000] "GET /a HTTP/1.1" 200 - "-" "curl" rt=0.5',
    'www.example.com:443 1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] "GET /x HTTP/1.0" 304 -',
    '1.2.3.4 - - [99/Oct/2025:13:55:42 +0000] "GET /z HTTP/1.1" 400 0 "-" "-"',
    '1.2.3.4 - - [10/Oct/2025:13:55:42 +0000] "\\x16\\x03\\x01" 400 0 "-" "-"',
    '1.2.3.4 - - [10/Oct/2025:13:55:43 +0000] "GET /z HTTP/1.1" 400 0099 "-" "-" "5.6.7.8" "0.123"',
    '1.2.3.4 - - [10/Oct/2025:13:55:43 +0000] "GET /z HTTP/1.1" 200 9 "-" "sk-' + "a" * 30 + '" rt=- urt="-"',
)  # fmt: skip


def access_lines(layout: str, lines: int, seed: int = 1, odd: float = 0.02) -> Iterator[str]:
    """Lines of an access log of this layout. odd: so many of them are not of it, or damaged."""
    rng = random.Random(seed)
    at_s = 1_760_000_000.0
    for _ in range(lines):
        at_s += rng.expovariate(5)
        n, d, x, rt = rng.randrange(5_000), rng.randrange(9), rng.getrandbits(48), rng.lognormvariate(-3, 1.5)
        day, second = divmod(int(at_s) - 1_760_000_000 + 32_000, 86_400)
        clock = f"{9 + day:02}/Oct/2025:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000"
        request = f"{rng.choice(_METHODS)} {rng.choice(_PATHS).format(n=n, d=d, x=x)} HTTP/1.1"
        size = rng.choice(["-", "0", str(n * 7)])
        tail = _TAILS[layout].format(
            referer=rng.choice(["-", "https://example.com/", ""]), agent=rng.choice(AGENTS), rt=rt, n=n, d=d, x=x,
            urt=rng.choice(["-", f"{rt * 0.9:.3f}"]) if layout in ("timed",) else f"{rt * 0.9:.3f}",
        )  # fmt: skip
        line = (
            f'192.0.2.{rng.randrange(60)} - - [{clock}] "{request}" {rng.choice([200, 404, 500])} {size}{tail}'
        )
        chance = rng.random()
        line = f"{rng.choice(_HOSTS)} {line}" if layout == "vhost" else line
        yield rng.choice(_ODD) if chance < odd / 2 else line[: len(line) // 2] if chance < odd else line


def json_lines(lines: int, seed: int = 1, odd: float = 0.02) -> Iterator[str]:
    """Lines of a log of nginx in JSON. odd: so many of them have other keys, other types, or are damaged."""
    rng = random.Random(seed)
    at_s = 1_760_000_000.0
    for _ in range(lines):
        at_s += rng.expovariate(5)
        n, d, x, rt = rng.randrange(5_000), rng.randrange(9), rng.getrandbits(48), rng.lognormvariate(-3, 1.5)
        entry = {
            "msec": f"{at_s:.3f}",
            "remote_addr": f"192.0.2.{rng.randrange(60)}",
            "request_method": rng.choice(_METHODS),
            "request_uri": rng.choice(_PATHS).format(n=n, d=d, x=x),
            "status": rng.choice([200, 404, "500"]) if rng.random() < odd else 200,
            "body_bytes_sent": n * 7,
            "request_length": 300 + d,
            "request_time": round(rt, 3),
            "upstream_response_time": f"{rt * 0.9:.3f}",
            "http_referer": rng.choice(["-", "https://example.com/", ""]),
            "http_user_agent": rng.choice(AGENTS),
            "request_id": f"{x:032x}",
            "http_host": "api.example.com",
        }
        if rng.random() < odd:
            entry.pop(rng.choice(list(entry)))
            entry["extra"] = {"n": n}
        line = json.dumps(entry)
        yield line[: len(line) // 2] if rng.random() < odd else line
