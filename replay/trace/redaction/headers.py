"""What of a recorded request is never imported: secrets, and headers that belong to one connection.

Pure. Names decide, not values: a secret under a harmless name passes, and a harmless value under a name like
`max_tokens` does not. Query values are replaced rather than removed, so that a path keeps its shape.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote_plus

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value

REDACTED = "redacted"

_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
# "author" and "authority" name no secret; "authorization" and "authorisation" do.
_SECRET_NAME = re.compile(
    r"auth(?!or(?!i[sz]))|token|secret|password|api[-_]?key|credential", re.IGNORECASE
).search
_ALSO_SECRET = re.compile(
    r"pass(?:wd|phrase|code)|pwd|private[-_]?key|access[-_]?key|jwt|bearer|[cx]srf", re.IGNORECASE
).search
# Headers alone, such as x-origin-verify and x-vercel-protection-bypass, by which a front knows who may pass.
_IS_SHARED = re.compile(
    r"(?<![a-z0-9])(?:psk|creds?|sas)\d*(?![a-z0-9])|shared[-_]?access|origin[-_]?verify|protection[-_]?bypass",
    re.IGNORECASE,
).search
# The same few names come again with every request.
_MOST_NAMES = 4096
# How URLs carry keys and signatures besides: Google's key, Azure's sig, the clouds' X-...-Signature.
_SECRET_PARAMETER = re.compile(r"(?:.*signature|sig|key|jwt|pwd|passwd)", re.IGNORECASE | re.DOTALL).fullmatch

# Those, and what whoever sends the request says that it can read.
_NOT_REPLAYED = NOT_OF_A_TRACE | {"accept-encoding"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,1000}").fullmatch


def is_secret_name(name: str) -> bool:
    """Whether a header, field or parameter of this name is taken to hold a secret."""
    return name.lower() in _SECRET_HEADERS or _SECRET_NAME(name) is not None


@lru_cache(_MOST_NAMES)
def is_credential_name(name: str) -> bool:
    """Whether a header, or a member of a JSON object, of this name is taken to hold a secret; wider than the above."""
    return is_secret_name(name) or _ALSO_SECRET(name) is not None


@lru_cache(_MOST_NAMES)
def is_secret_header(name: str) -> bool:
    """Whether a header of this name is taken to hold a secret, so that no trace holds it."""
    return is_credential_name(name) or _IS_SHARED(name) is not None


def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this name is taken to hold a secret."""
    return is_secret_name(name) or _SECRET_PARAMETER(name) is not None


def kept_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """The headers to replay, and how many were dropped because they hold secrets.

    Headers of the connection, and names or values that HTTP does not allow, are dropped without being counted.
    Names keep their case; the values of a name that occurs again are joined with a comma.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    kept: dict[str, str] = {}
    names: dict[str, str] = {}
    dropped = 0
    for name, value in pairs:
        lower = name.lower()
        if is_secret_header(lower):
            dropped += 1
        elif lower not in _NOT_REPLAYED and _TOKEN(name) and not is_not_for_value(value):
            first = names.setdefault(lower, name)
            kept[first] = f"{kept[first]}, {value}" if first in kept else value
    return kept, dropped


def redacted_path(path: str) -> str:
    """path with the values of query parameters that are named like secrets replaced by "redacted"."""
    before, mark, query = path.partition("?")
    if not mark:
        return path
    return f"{before}?{'&'.join(_redacted_pair(pair) for pair in query.split('&'))}"


def _redacted_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    decoded = unquote_plus(name)
    if equals and is_secret_parameter(decoded):
        return f"{name}={REDACTED}"
    return pair
