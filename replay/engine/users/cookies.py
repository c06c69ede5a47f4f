"""The cookies of one session, by the rules of the standard library's http.cookiejar, in memory only.

A jar keeps to domain, path, Secure, Expires and Max-Age; what it holds goes to the hosts that the rules name, on
whatever port. What is asked with another jar, as an origin that gets none of the target's credentials, gets nothing of
it. Targets are not trusted: a cookie is at most 4 KiB long, and
a session keeps at most 100 in a jar.
"""

from collections.abc import Iterable
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from urllib.request import Request

MOST_COOKIES = 100
LONGEST_COOKIE_BYTES = 4096

# A cookie for a whole top-level domain is refused. The policy holds no state of a session, so all share it.
_POLICY = DefaultCookiePolicy(rfc2965=False, rfc2109_as_netscape=True, strict_domain=True)


class _Jar(CookieJar):
    def set_cookie(self, cookie: Cookie) -> None:
        if len(self) < MOST_COOKIES or any(
            (one.domain, one.path, one.name) == (cookie.domain, cookie.path, cookie.name) for one in self
        ):
            super().set_cookie(cookie)


class _Answer:
    """What the library asks of a response."""

    def __init__(self, set_cookies: Iterable[str]) -> None:
        self._message = Message()
        for value in set_cookies:
            self._message["set-cookie"] = value

    def info(self) -> Message:
        return self._message


class Cookies:
    """What one session was given to keep, in jars with names. Each is made with its first cookie: many get none."""

    __slots__ = ("_jars", "_names")

    def __init__(self) -> None:
        self._jars: dict[str, _Jar] = {}
        self._names: set[str] = set()

    def __repr__(self) -> str:
        return f"<Cookies {sum(map(len, self._jars.values()))}>"

    def take(self, url: str, headers: Iterable[tuple[bytes, bytes]], jar_name: str = "") -> None:
        """Keep in this jar, or forget, what the headers of an answer from this URL say."""
        said = [
            value.decode("latin-1")
            for name, value in headers
            if name.lower() == b"set-cookie" and len(value) <= LONGEST_COOKIE_BYTES
        ][:MOST_COOKIES]
        if not said:
            return
        jar = self._jars.setdefault(jar_name, _Jar(_POLICY))
        for value in said:
            if len(self._names) < 10 * MOST_COOKIES:
                self._names.add(value.partition(";")[0].partition("=")[0].strip())
        jar.extract_cookies(_Answer(said), Request(url))  # type: ignore[arg-type]

    def header_for(self, url: str, recorded: str, jar_name: str = "") -> str:
        """The value of the Cookie header of a request that this jar goes with; "" for none.

        recorded: that of the recording. Of it stays what the target has not set anew in this session, or taken back.
        """
        given = ""
        jar = self._jars.get(jar_name)
        if jar is not None:
            request = Request(url)
            jar.add_cookie_header(request)
            given = request.get_header("Cookie", "") or ""
        kept = [pair for pair in map(str.strip, recorded.split(";")) if self._stays(pair)]
        return "; ".join([*kept, given] if given else kept)

    def _stays(self, pair: str) -> bool:
        name, equals, _ = pair.partition("=")
        return bool(equals) and name.strip() not in self._names
