"""References to which a run itself gives the value, so that each copy of a session is a user of its own. Pure.

    {{copy}}                  the number of the copy; 0: the session as recorded
    {{session}}               its id, as steps.jsonl has it
    {{uuid}}, {{uuid.NAME}}   a UUID for this place; one for this name, the same wherever the session names it
    {{now}}, {{now+1h|unix}}  the time at which the request is sent, moved, and in another form
    {{row.NAME}}              this column of the session's row of the file that --data names

A trace is not to be trusted: lengths, offsets and forms are bounded, and only directives of strftime that Python
documents are let through.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from msgspec import Raw

from replay.trace.errors import shown
from replay.trace.types import GrpcCall, McpCall, Request, Step
from replay.trace.values.sockets import as_request

Kind = Literal["copy", "session", "uuid", "now", "row"]

# What is close to one of these and is none, such as {{now-playing}}, is a plain name, or text that means nothing.
RESERVED = r"copy|session|uuid(?:\.[^{}]*)?|row\.[^{}]*|now(?:(?:[+-][0-9]|[|+])[^{}]*)?"
MOST_IN_REQUEST = 1_000
LONGEST_FORM = 60
MOST_DAYS = 3_660
_LONGEST_NAME = 100

_find = re.compile(r"\{\{(" + RESERVED + r")\}\}").finditer
_is_reserved = re.compile(RESERVED).fullmatch
_NOW = re.compile(r"now(?:([+-])([0-9]{1,15})(ms|s|m|h|d))?(?:\|(.*))?")
_is_column = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .\-]*").fullmatch
_is_form = re.compile(r"[ !#-\[\]-z|~]+").fullmatch  # printable ASCII that JSON need not escape, without braces
_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWGuV%")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadReference(ValueError):
    """A reference begins like a reserved one and is none; str() says why, to follow it."""


class Reserved(NamedTuple):
    """One reference. name: of the UUID, or of the column. offset_ms, form: of the time; "" is ISO 8601."""

    kind: Kind
    name: str = ""
    offset_ms: int = 0
    form: str = ""


@lru_cache(maxsize=4096)
def reserved(text: str) -> Reserved | None:
    """What stands between the braces, understood; None where it is no reserved reference. Raises BadReference."""
    if _is_reserved(text) is None:
        return None
    if text == "copy":
        return Reserved("copy")
    if text == "session":
        return Reserved("session")
    if text.startswith("now"):
        return _now(text)
    kind, dot, name = text.partition(".")
    if dot and (len(name) > _LONGEST_NAME or not _is_column(name)):
        what = "column" if kind == "row" else "UUID"
        raise BadReference(
            f"names no {what}: letters, digits, _, -, dots and spaces can name one, at most {_LONGEST_NAME} of them"
        )
    return Reserved("row" if kind == "row" else "uuid", name)


def _now(text: str) -> Reserved:
    found = _NOW.fullmatch(text)
    if found is None:
        raise BadReference("has an offset that cannot be read; write it as +1h, -30m, +90s, +250ms or -7d")
    sign, number, unit, form = found.groups()
    offset_ms = 0 if number is None else int(number) * _MS[unit] * (-1 if sign == "-" else 1)
    if abs(offset_ms) > MOST_DAYS * _MS["d"]:
        raise BadReference(f"is moved too far; at most {MOST_DAYS:,} days are allowed")
    if form is not None and form not in ("unix", "unix_ms"):
        _check_form(form)
    return Reserved("now", "", offset_ms, form or "")


def _check_form(form: str) -> None:
    if not 0 < len(form) <= LONGEST_FORM or not _is_form(form):
        raise BadReference(
            f"has a form that is not 1 to {LONGEST_FORM} printable ASCII characters without quotes and backslashes"
        )
    unknown = [directive for directive in re.findall(r"%(.?)", form) if directive not in _DIRECTIVES]
    if unknown or "%" not in form:
        said = f"%{unknown[0]}" if unknown else form
        raise BadReference(
            f'has the form {shown(said)}; known are unix, unix_ms, and directives such as "%Y-%m-%d"'
        )


def time_text(wall_ns: int, reference: Reserved) -> str:
    """The time, in ns since 1970, as a reference asks for it; UTC."""
    ms = wall_ns // 1_000_000 + reference.offset_ms
    if reference.form == "unix":
        return str(ms // 1_000)
    if reference.form == "unix_ms":
        return str(ms)
    moment = _EPOCH + timedelta(milliseconds=ms)
    if reference.form:
        return moment.strftime(reference.form)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def found_in(step: Step) -> Iterator[tuple[str, str]]:
    """Each reserved reference of what a step sends with the field it stands in: (field, what stands between the
    braces).
    """
    if step.request is not None:
        yield from _found_in_request(step.request)
    elif step.mcp is not None:
        yield from _found_in_message(step.mcp)
    elif step.ws is not None:
        found = _found_in_request(as_request(step.ws))
        yield from ((field.replace("request", "ws"), text) for field, text in found)
    elif step.grpc is not None:
        yield from _found_in_grpc(step.grpc)


def _found_in_message(call: McpCall) -> Iterator[tuple[str, str]]:
    for field in ("tool", "name", "uri"):
        if (text := getattr(call, field)) is not None and "{{" in text:
            yield from ((f"mcp.{field}", found[1]) for found in _find(text))
    for field in ("arguments", "params"):
        yield from _found_in_json(f"mcp.{field}", getattr(call, field))


def _found_in_grpc(call: GrpcCall) -> Iterator[tuple[str, str]]:
    for text in call.metadata.values():
        if "{{" in text:
            yield from (("grpc.metadata", found[1]) for found in _find(text))
    yield from _found_in_json("grpc.message", call.message)


def _found_in_json(field: str, raw: Raw) -> Iterator[tuple[str, str]]:
    if b"{{" in (json := bytes(raw)):
        yield from ((field, found[1]) for found in _find(json.decode("utf-8", "surrogatepass")))


def _found_in_request(request: Request) -> Iterator[tuple[str, str]]:
    yield from (("request.path", found[1]) for found in _find(request.path))
    for text in request.headers.values():
        if "{{" in text:
            yield from (("request.headers", found[1]) for found in _find(text))
    if request.body is not None:
        yield from (("request.body", found[1]) for found in _find(request.body))
    yield from _found_in_json("request.json", request.json)
