r"""What stands behind the user agent in an access log, learned from its lines: the same things in the same order.

Pure. A layout is told by a pattern in which every value has the form that says what it is, so that a line which fits
means what replay/importers/logs/access_log.py says of it, read by itself. What no layout can tell for sure (two
durations, a time in ms, a value of unknown form) has none, and its lines are read one by one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

_WORDS = re.compile(
    r' (?:(?P<key>[A-Za-z_][\w.\-]{0,50}+)(?P<sep>[=:])"(?P<value>[^"\\]*+)"|"(?P<text>[^"\\]*+)"'
    r'|(?P<name>[A-Za-z_][\w.\-]{0,50}+)=(?P<bare_value>[^\s"]*+)|(?P<bare>[^\s"]++))(?=\Z| )',
    re.ASCII,
)
_FRACTION = r"\d{1,7}\.\d{1,6}"
_HEX_ID = "[0-9a-fA-F]{32}"
_IS_FRACTION = re.compile(_FRACTION, re.ASCII).fullmatch
_IS_HEX_ID = re.compile(_HEX_ID).fullmatch
_IS_NUMBER = re.compile(r"\d{1,18}", re.ASCII).fullmatch
_OF_INGRESS = 3
# Bare words that tell nothing, and cannot be taken for one that does.
_SILENT = (r"\d{1,20}", "-", r"\[[^\s\"=\]]*+\]", r"\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}")
# Not a duration nor an id in quotes, which count as bare ones.
_ADDRESSES = r'-|(?![0-9a-fA-F]*+")(?!\d++\.\d++")[0-9a-fA-F:., ]++'
_IS_FORWARDED = re.compile(rf'(?:{_ADDRESSES})"').fullmatch
_ID = r"[0-9a-fA-F\-]{1,64}"

_ROLES = {
    "rt": "took_s",
    "request_time": "took_s",
    "D": "took_us",
    "duration_us": "took_us",
    "urt": "upstream_s",
    "upstream_response_time": "upstream_s",
    "rid": "request_id",
    "request_id": "request_id",
    "host": "host",
    "http_host": "host",
    "vhost": "host",
    "server_name": "host",
    "request_length": "message_bytes",
}
_BARE_FRACTION = "fraction"
_BARE_NUMBER = r"\d{1,18}"
_TOOK = frozenset({"took_s", "took_us"})
_TIMES = _TOOK | {"upstream_s"}
_UNSUITED = frozenset({"msec", "content_length", "xff", "x_forwarded_for", "fwd"})
_MOST_WORDS = 30


class Layout(msgspec.Struct, frozen=True):
    """has_agent: whether a referer and a user agent stand there. roles: of what the pattern captures, in order.

    pattern: from behind these to the end of the line. has_host: whether a host and its port stand before the address.
    """

    has_agent: bool
    roles: tuple[str, ...]
    pattern: str
    has_host: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What is captured of a line from there on, and then of what stands before the address."""
        behind = ("referer", "agent", *self.roles) if self.has_agent else self.roles
        return (*behind, "host") if self.has_host else behind


@lru_cache(256)
def layout_of(rest: str, has_agent: bool, has_host: bool = False) -> Layout | None:
    """The layout of one line. rest: what stands there behind the user agent, or the size where there is none."""
    words = list(_words(rest))
    if len(words) > _MOST_WORDS:
        return None
    bare = [(n, found["bare"]) for n, found in enumerate(words) if found and found["bare"]]
    length_at = bare[0][0] if is_of_ingress([word for _, word in bare]) else None
    roles: list[str] = []
    patterns: list[str] = []
    for n, found in enumerate(words):
        told = None if found is None else _told(found, is_first=has_agent and n == 0)
        if told is None:
            return None
        role, pattern = told
        if n == length_at:
            role, pattern = "message_bytes", f" ({_BARE_NUMBER})"
        if role == _BARE_FRACTION:
            role = ("took_s", "upstream_s", "")[min(roles.count("took_s") + roles.count("upstream_s"), 2)]
            pattern = f" ({_FRACTION})" if role else pattern
        roles += [role] if role else []
        patterns.append(pattern)
    if not _is_sure(words, roles) or (has_host and "host" in roles):
        return None
    return Layout(has_agent, tuple(roles), "".join(patterns), has_host)


def is_of_ingress(bare: Sequence[str]) -> bool:
    """Whether words behind the user agent are ingress-nginx's: the request's length, its duration, the upstream."""
    if len(bare) < _OF_INGRESS or bare[2][0] != "[":
        return False
    return _IS_NUMBER(bare[0]) is not None and _IS_FRACTION(bare[1]) is not None


def _is_sure(words: "Sequence[re.Match[str] | None]", roles: Sequence[str]) -> bool:
    """Whether no value has a meaning that depends on what others hold."""
    bare = [found["bare"] for found in words if found is not None and found["bare"] is not None]
    has_fractions = any(map(_IS_FRACTION, bare))
    keys = {found["key"] or found["name"] for found in words if found is not None}
    by_key = {role for key in keys if (role := _ROLES.get(key or "", ""))} & _TIMES
    if has_fractions and by_key:
        return False
    # Whole numbers are told of where there is no duration.
    has_numbers = any(map(str.isdigit, bare))
    return len(set(roles)) == len(roles) and len(by_key & _TOOK) < 2 and (has_fractions or not has_numbers)


def _words(rest: str) -> "Iterator[re.Match[str] | None]":
    at = 0
    while at < len(rest):
        found = _WORDS.match(rest, at)
        yield found
        if found is None:
            return
        at = found.end()


def _told(found: "re.Match[str]", is_first: bool) -> tuple[str, str] | None:
    """The role of a word, "" for none, and its pattern; None where it has none that is sure."""
    text, bare = found["text"], found["bare"]
    if text is not None:
        return ("forwarded", f' "({_ADDRESSES})"') if is_first and _IS_FORWARDED(f'{text}"') else None
    if bare is not None:
        if _IS_FRACTION(bare):
            return _BARE_FRACTION, f" {_FRACTION}"
        if _IS_HEX_ID(bare):
            return "request_id", f" ({_HEX_ID})"
        pattern = next((each for each in _SILENT if re.fullmatch(each, bare)), None)
        return None if pattern is None else ("", f" {pattern}")
    key = found["key"] or found["name"]
    if key in _UNSUITED:
        return None
    role = _ROLES.get(key, "")
    value = _ID if role == "request_id" else r'[^"\\\n]*+' if found["key"] else r'[^\s"]*+'
    captured = f"({value})" if role else f"(?:{value})"
    quoted = f'"{captured}"' if found["key"] else captured
    return role, f" {re.escape(key)}{found['sep'] or '='}{quoted}"


def likely_layout(rests: Iterable[tuple[str, bool, bool]]) -> Layout | None:
    """The layout that most of these lines have. Of each: what `layout_of` takes."""
    found = Counter(layout for rest in rests if (layout := layout_of(*rest)) is not None)
    return found.most_common(1)[0][0] if found else None
