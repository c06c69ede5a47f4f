"""Headers and paths of recorded requests without what is named like a secret. Pure.

Values in a path are replaced rather than removed, so that it keeps its shape.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.trace.redaction.names import REDACTED, is_secret_header, is_secret_parameter

# Those, and what whoever sends the request says that it can read.
_NOT_REPLAYED = NOT_OF_A_TRACE | {"accept-encoding"}
# By which proxies pass on the address of whoever sent a request.
_ADDRESSES = frozenset(
    {
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "client-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-forwarded-for",
        "x-original-forwarded-for",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
    }
)
# A parameter of a segment (RFC 3986, section 3.3), as Java's `;jsessionid=`, and one of a query or fragment.
_MATRIX = re.compile(r"(;)([^=;/]*+)=([^;/]*+)")
_QUERY = re.compile(r"([?&;#])([^=&;#?]*+)=([^&;#]*+)")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,1000}").fullmatch


def kept_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """The headers to replay, and how many were dropped because they hold secrets.

    Headers of the connection, those that tell the client's address, and names or values that HTTP does not allow, are
    dropped without being counted.
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
        elif (
            lower not in _NOT_REPLAYED
            and lower not in _ADDRESSES
            and _TOKEN(name)
            and not is_not_for_value(value)
        ):
            if lower == "sec-websocket-protocol":
                value = _subprotocols(value)
            first = names.setdefault(lower, name)
            kept[first] = f"{kept[first]}, {value}" if first in kept else value
    return kept, dropped


def _subprotocols(value: str) -> str:
    """Those of a WebSocket, among which browsers send a token: in one named like a secret, or in the one behind it."""
    found: list[str] = []
    is_behind = False
    for protocol in value.split(","):
        is_named = is_secret_header(protocol.strip())
        found.append(f" {REDACTED}" if is_named or is_behind else protocol)
        is_behind = is_named
    return ",".join(found).strip()


def redacted_path(path: str) -> str:
    """A path or URL without the values of parameters that are named like secrets, of query, fragment and matrix."""
    if "=" not in path:
        return path
    at = min((at for mark in "?#" if (at := path.find(mark)) >= 0), default=len(path))
    before = _MATRIX.sub(_redacted_pair, path[:at]) if ";" in path[:at] else path[:at]
    return before + _QUERY.sub(_redacted_pair, path[at:])


def _redacted_pair(found: "re.Match[str]") -> str:
    mark, name, value = found.groups()
    if value and is_secret_parameter(_decoded(name), _decoded(value)):
        return f"{mark}{name}={REDACTED}"
    return found[0]


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text
