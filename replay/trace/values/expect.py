"""What an answer has to be: whether an expectation can be used, and whether an answer meets it. Pure.

A trace is not to be trusted, so its patterns are held to what cannot run for long
(replay/trace/values/patterns.py), and only the first 16 KiB of a body are searched for them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from replay.trace.types import Expect, JsonCheck
from replay.trace.values.extracting import found_in_body
from replay.trace.values.patterns import pattern_problem
from replay.trace.values.pointer import MISSING, pointed

_MOST_CHECKS = 100
_CLASSES = {f"{hundred}xx": range(100 * hundred, 100 * hundred + 100) for hundred in range(1, 6)}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def expect_problem(expect: Expect) -> str | None:
    """Why an expectation cannot be used, to follow its name; None if it can."""
    for status in _several(expect.status):
        is_known = status in _CLASSES if isinstance(status, str) else 100 <= status <= 599
        if not is_known:
            return f'expects the status {status!r}; write a number such as 404, or a class such as "2xx"'
    if len(expect.json) + len(expect.header) + len(_several(expect.contains)) > _MOST_CHECKS:
        return f"expects more than {_MOST_CHECKS} things"
    if any(not text for text in _several(expect.contains)):
        return "expects an empty text in contains, which every body holds"
    for pointer, check in expect.json.items():
        if pointer and not pointer.startswith("/"):
            return f"expects something at the JSON pointer {pointer!r}, which does not begin with /"
        if check == JsonCheck():
            return f"expects nothing at the JSON pointer {pointer!r}; say exists, equals, type, min or max"
    if expect.max_bytes is not None and expect.max_bytes < 0:
        return "expects max_bytes below 0"
    problem = None if expect.matches is None else pattern_problem(expect.matches)
    if problem is not None:
        return f"has in `matches` {problem.removeprefix('has ')}"
    if expect == Expect():
        return "expects nothing; say status, grpc_status, header, contains, matches, json or max_bytes"
    return None


def expected_statuses(expect: Expect) -> frozenset[int] | None:
    """Every status that is expected; None where the expectation names none."""
    named = _several(expect.status)
    if not named:
        return None
    found: set[int] = set()
    for status in named:
        found.update(_CLASSES[status] if isinstance(status, str) else (status,))
    return frozenset(found)


def reads_body(expect: Expect) -> bool:
    """Whether the body itself is looked at, rather than its size."""
    return bool(expect.contains or expect.json) or expect.matches is not None


def unmet(expect: Expect, headers: Mapping[str, str], body: bytes, body_bytes: int) -> str | None:
    """The name of the first check that an answer does not meet, its status aside; None if it meets them all.

    headers: by lower-case name. body: without its content coding, as far as it was kept. body_bytes: its whole size.
    """
    for name, wanted in expect.header.items():
        value = headers.get(name.lower())
        if value is None or not _is_like(value, wanted):
            return f"header {name.lower()}"
    if expect.max_bytes is not None and body_bytes > expect.max_bytes:
        return "max_bytes"
    for text in _several(expect.contains):
        if text.encode("utf-8", "surrogatepass") not in body:
            return "contains"
    if expect.matches is not None and found_in_body(expect.matches, body) is None:
        return "matches"
    return _unmet_json(expect.json, body) if expect.json else None


def _is_like(value: str, wanted: str) -> bool:
    """Whether a value is what is wanted, in which * stands for anything, and for nothing too.

    Each part between two stars is taken where it is found first, so the time is linear in both texts.
    """
    first, *rest = wanted.split("*")
    if not rest:
        return value == wanted
    *between, last = rest
    at, end = len(first), len(value) - len(last)
    if at > end or not value.startswith(first) or not value.endswith(last):
        return False
    for part in between:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _unmet_json(checks: Mapping[str, JsonCheck], body: bytes) -> str | None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "json"
    for pointer, check in checks.items():
        try:
            failed = _failed_at(pointed(document, pointer), check)
        except RecursionError:
            # Nested nearly as deep as JSON is read at all, and compared in twice as many calls.
            failed = "equals"
        if failed is not None:
            return f"json {pointer or '(whole)'} {failed}"
    return None


def _failed_at(value: Any, check: JsonCheck) -> str | None:
    """Which part of the check does not hold for what the pointer leads to."""
    is_there = value is not MISSING
    if check.exists is not None and is_there != check.exists:
        return "exists"
    if check.exists is False:
        return None
    if check.type is not None and not (is_there and _is_of(value, check.type)):
        return "type"
    if check.equals is not msgspec.UNSET and not (is_there and _equal(value, check.equals)):
        return "equals"
    is_number = is_there and _is_of(value, "number")
    if check.min is not None and not (is_number and value >= check.min):
        return "min"
    if check.max is not None and not (is_number and value <= check.max):
        return "max"
    return None


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _equal(value: Any, wanted: Any) -> bool:
    """Equality as in JSON: true is not 1, and 1 is 1.0."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_equal, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_equal(value[key], wanted[key]) for key in value)
    return bool(value == wanted)


def _several(given: Any) -> tuple[Any, ...]:
    return given if isinstance(given, tuple) else (given,)
