"""What a file that no importer knows comes nearest to, and why it is not that. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_SIGNS_OF: dict[str, Sequence[tuple[str, str]]] = {
    "har": (('"log"', r'"log"\s{0,4}:'), ('"entries"', r'"entries"\s{0,4}:'), ('"request"', r'"request"\s{0,4}:')),
    "json-log": (
        ("a time", r'"[^"]{0,40}?(?:time|date|start|ts|msec)[^"]{0,40}"\s{0,4}:'),
        ("a method", r'"[^"]{0,40}?(?:method|verb|request)[^"]{0,40}"\s{0,4}:'),
        ("a path", r'"[^"]{0,40}?(?:path|uri|url)[^"]{0,40}"\s{0,4}:'),
        ("a status", r'"[^"]{0,40}?(?:status|code)[^"]{0,40}"\s{0,4}:'),
    ),
    "access-log": (
        ("a time in brackets", r"\[\d\d/[A-Z][a-z]{2}/\d{4}:"),
        ('a request like "GET / HTTP/1.1"', r'"[A-Z]+ \S+ HTTP/'),
        ("a status behind it", r'" \d{3} '),
    ),
    "envoy-log": (
        ("a time like [2025-01-01T00:00:00.000Z]", r"\[\d{4}-\d\d-\d\dT"),
        ('a request like "GET / HTTP/1.1"', r'"[A-Z]+ \S+ HTTP/'),
        ("an authority in quotes", r'"[\w.:\-]+" "[\w.:\-]+"'),
    ),
    "claude-code": (
        ('"sessionId"', r'"sessionId"'),
        ('"parentUuid"', r'"parentUuid"'),
        ('"timestamp"', r'"timestamp"'),
    ),
    "codex": (('"payload"', r'"payload"'), ('"session_meta"', r'"session_meta"'), ('"timestamp"', r'"timestamp"')),
    "otlp": (
        ('"resourceSpans"', r'"resourceSpans"'),
        ('"traceId"', r'"traceId"'),
        ('"startTimeUnixNano"', r'"startTimeUnixNano"'),
    ),
    "langfuse": (
        ('"parentObservationId"', r'"parent_?[oO]bservation_?[iI]d"'),
        ('"startTime"', r'"start_?[tT]ime"'),
        ('"type"', r'"type"'),
    ),
    "langsmith": (('"run_type"', r'"run_type"'), ('"start_time"', r'"start_time"'), ('"trace_id"', r'"trace_id"')),
    "mooncake": (
        ('"timestamp"', r'"timestamp"'),
        ('"input_length"', r'"input_length"'),
        ('"output_length"', r'"output_length"'),
    ),
    "cloud-run": (
        ('"httpRequest"', r'"httpRequest"'),
        ('"requestUrl"', r'"requestUrl"'),
        ('"timestamp"', r'"timestamp"'),
    ),
    "vegeta": (
        ('"method"', r'"method"'),
        ('"url"', r'"url"\s{0,4}:\s{0,4}"https?:'),
        ("no other key", r"^[ \t]{0,4}\{[^{}]{0,40}\}"),
    ),
    "gor": (("a line like 1 ID NS", r"^[123] \w+ \d{19}"), ("a request", r"^[A-Z]+ \S+ HTTP/1")),
    "azure-llm": (
        ("TIMESTAMP", r"TIMESTAMP"),
        ("ContextTokens", r"ContextTokens"),
        ("GeneratedTokens", r"GeneratedTokens"),
    ),
    "burstgpt": (("Timestamp", r"Timestamp"), ("Request tokens", r"Request tokens"), ("Model", r"Model")),
}  # fmt: skip
_SIGNS = tuple(
    (name, tuple((sign, re.compile(pattern, re.MULTILINE).search) for sign, pattern in signs))
    for name, signs in _SIGNS_OF.items()
)
_SHOWN = 3
_MISPLACED = "all of its signs are there, but in no line as it writes them"


class Near(NamedTuple):
    """A format, and what of its signs the file lacks."""

    name: str
    lacks: tuple[str, ...]


def nearest(first_bytes: bytes) -> list[Near]:
    """The three formats of whose signs most are there; fewer where a file has less than half of those of any others."""
    text = first_bytes.decode("utf-8", "replace")
    found: list[tuple[float, Near]] = []
    for name, signs in _SIGNS:
        lacks = tuple(sign for sign, search in signs if search(text) is None)
        if len(lacks) * 2 <= len(signs):
            found.append((len(lacks) / len(signs), Near(name, lacks)))
    found.sort(key=lambda each: each[0])
    return [near for _, near in found[:_SHOWN]]


def told(near: Sequence[Near]) -> str:
    """For people; empty where nothing is near."""
    if not near:
        return ""
    each = [f"{name} ({'lacks ' + ', '.join(lacks) if lacks else _MISPLACED})" for name, lacks in near]
    could_be_json = any(name == "json-log" and lacks for name, lacks in near)
    keys = " Other keys of a JSON log are named with --keys." if could_be_json else ""
    are = "is" if len(each) == 1 else "are"
    return f" The nearest {are} {'; '.join(each)}.{keys}"
