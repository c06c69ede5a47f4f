"""Signatures for AWS, version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Signed are the host, all headers of x-amz, and the body; others may be changed on the way without harm.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

from replay.http.fields import as_sent
from replay.wire.signin.sources import Keys

SIGNED_ANEW = frozenset(("authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"))
"""Headers that a signature brings itself, so that no recorded one may stay."""

_ALGORITHM = "AWS4-HMAC-SHA256"
# AWS takes a signature for five minutes; a clock may be off, and a request that was signed ahead waits.
_AGE_S = 60
_UNRESERVED = "-_.~"


class Signer:
    """Signs for one region and service, once it has keys.

    turn: another number whenever what was signed ahead is better signed anew. now_s: the time, in s since 1970.
    """

    def __init__(self, region: str, service: str, now_s: Callable[[], float] = time.time) -> None:
        self._region, self._service, self._now_s = region, service, now_s
        self._keys: Keys | None = None
        self._renewals = 0
        self._day_key: tuple[str, bytes] = ("", b"")

    def __repr__(self) -> str:
        return f"<Signer for {self._service} in {self._region}>"

    @property
    def turn(self) -> int:
        return int(self._now_s() / _AGE_S) + self._renewals

    def renew(self, keys: Keys) -> None:
        """Sign with these from now on."""
        self._keys = keys
        # More than the clock may make of it meanwhile, so that no turn comes twice.
        self._renewals += 1 << 32
        self._day_key = ("", b"")

    def lines(self, method: str, target: str, head: str, body: bytes) -> str:
        """The header lines that authorise a request. target: its path and query, as sent. head: its other lines."""
        keys = self._keys
        assert keys is not None, "signing begins once there are keys"
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now_s()))
        digest = hashlib.sha256(body).hexdigest()
        own = {"x-amz-content-sha256": digest, "x-amz-date": at}
        if keys.session_token:
            own["x-amz-security-token"] = keys.session_token
        signed = sorted((_of_the_request(head) | own).items())
        path, _, query = target.partition("?")
        names = ";".join(name for name, _ in signed)
        request = "\n".join(
            (
                method,
                self._canonical_path(path),
                _canonical_query(query),
                *(f"{name}:{' '.join(value.split())}" for name, value in signed),
                "",
                names,
                digest,
            )
        )
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(as_sent(request)).hexdigest()}"
        signature = hmac.new(self._key_of(at[:8], keys), to_sign.encode(), hashlib.sha256).hexdigest()
        written = "".join(f"{name}: {value}\r\n" for name, value in own.items())
        return (
            f"{written}authorization: {_ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}\r\n"
        )

    def _key_of(self, day: str, keys: Keys) -> bytes:
        known, key = self._day_key
        if known != day:
            key = b"AWS4" + keys.secret_key.encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._day_key = (day, key)
        return key

    def _canonical_path(self, path: str) -> str:
        if self._service.startswith("s3"):
            # As it is, each byte encoded once; elsewhere dots are resolved, and what is encoded is encoded again.
            return quote(unquote_to_bytes(as_sent(path)), safe="/" + _UNRESERVED)
        resolved = normpath("/" + path.lstrip("/"))
        if path.endswith("/") and resolved != "/":
            resolved += "/"
        return quote(as_sent(resolved), safe="/" + _UNRESERVED)


def _of_the_request(head: str) -> dict[str, str]:
    """By their names, the headers to be signed that a request has already."""
    found: dict[str, str] = {}
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        name = name.lower()
        if name == "host" or name.startswith("x-amz-"):
            found[name] = f"{found[name]},{value.strip()}" if name in found else value.strip()
    return found


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in sorted((_again(n), _again(v)) for n, _, v in pairs))


def _again(text: str) -> str:
    """Decoded, and encoded as AWS does: all but the unreserved characters of RFC 3986."""
    return quote(unquote_to_bytes(as_sent(text)), safe=_UNRESERVED)
