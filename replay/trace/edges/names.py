"""Names for recorded HTTP requests, so that requests to the same place share one.

Pure.
"""

import re
from functools import lru_cache
from urllib.parse import unquote

LONGEST_NAME = 200

_MOST_SEGMENTS = 8
# The same few paths come again with every request.
_MOST_NAMES = 1 << 14
_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*://[^/?#]*").match
_SHORTEST_HASH = 12  # of letters, too
_ID = re.compile(
    r"[+\-]?\d[\d.,_\-]*"  # a number, a date, a version made of numbers only
    r"|\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?"  # a UUID
    r"|(?=[a-f]*\d)[0-9a-f]{12,}|[0-9a-f]{16,}"  # a hash; twelve letters a to f without a digit may be a word
    r"|(?=[A-Z]*\d)[0-9A-HJKMNP-TV-Z]{26}"  # a ULID
    r"|[a-z]{2,16}_(?=[A-Z]*\d[A-Z]*\d)[0-9A-Z]{12,}",  # an id that says of what, as thread_5n1Zk7gQ0aBc
    re.IGNORECASE | re.ASCII,
).fullmatch
COMMON_ID = r"(?:[0-9]{1,64}+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}+)"
"""The pattern of segments of up to 64 characters that surely look like ids, which most do that do."""

_SUFFIX = re.compile(r"(?P<stem>.+)(?P<suffix>\.[a-zA-Z][a-zA-Z0-9]{0,7})", re.DOTALL).fullmatch


def name_of_call(method: str, path: str) -> str:
    """`METHOD /path` without scheme, host and query, with segments that look like ids as `*`.

    path: as on a request line; a whole URL is one too. At most eight segments are told, and 200 characters.
    """
    origin = _ORIGIN(path)
    if origin:
        path = path[origin.end() :]
    path = path.partition("?")[0].partition("#")[0]
    segments = path.lstrip("/").split("/", _MOST_SEGMENTS)
    if len(segments) > _MOST_SEGMENTS:
        segments[_MOST_SEGMENTS:] = ["..."]
    name = "/" + "/".join(_grouped(segment) for segment in segments)
    return f"{method[:20].upper()} {name}"[:LONGEST_NAME]


grouped_name = lru_cache(_MOST_NAMES)(name_of_call)


def _grouped(segment: str) -> str:
    """The segment, or `*` for an id; what stands behind its last dot or colon is kept, as in `7.json`."""
    if segment.isdigit() and segment.isascii():
        return "*"
    if segment.isalpha() and len(segment) < _SHORTEST_HASH:
        return segment
    segment = segment[: LONGEST_NAME + 1]
    text = unquote(segment) if "%" in segment else segment
    if _ID(text):
        return "*"
    named, colon, verb = text.partition(":")
    if colon and verb.isalpha() and _ID(named):
        return f"*:{verb}"
    found = _SUFFIX(text)
    return f"*{found['suffix']}" if found and _ID(found["stem"]) else segment
