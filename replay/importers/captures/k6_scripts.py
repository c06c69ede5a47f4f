"""Scripts of k6 (`k6-script`): the requests that stand in them, as har-to-k6 and people write them.

A script is not run. Read are calls of `http.get`, `post`, `put`, `patch`, `del`, `head`, `options`, `request` and
`batch` in the order in which they stand, each sent once, with what is written down of URL, body and headers: texts,
joined ones, objects (a body of these is a form), `JSON.stringify(...)` of an object, and constants of the file that are
texts, in `${NAME}` too. A call whose URL is not written down is counted, and so are those in loops or behind
conditions. Pauses (`sleep`) are left to `--arrivals`.

The calls are those of Grafana k6's documentation, "k6/http".
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.departures import Passed
from replay.reading.inputs import document_bytes
from replay.reading.node_values import value_at
from replay.trace.errors import shown_path
from replay.trace.redaction.names import REDACTED, is_secret_parameter

_TEXT = r"'(?:[^'\\\n]|\\.)*+'?|\"(?:[^\"\\\n]|\\.)*+\"?|`(?:[^`\\]|\\.)*+`?"
_COMMENT = re.compile(rf"{_TEXT}|(?P<comment>//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))", re.DOTALL)
_TOKEN = re.compile(
    rf"{_TEXT}|\bhttp\.(?P<call>get|post|put|patch|del|head|options|request|batch)\s*+\(|(?P<mark>[{{}};])"
    r"|\b(?P<word>if|else|for|while|do|switch|catch|forEach|map)\b",
    re.DOTALL,
)
_CONSTANT = re.compile(
    rf"\b(?:const|let|var)\s++(?P<name>[A-Za-z_$][\w$]{{0,100}}+)\s*+=\s*+(?P<value>{_TEXT})", re.DOTALL
)
_FILLED = re.compile(r"\$\{\s*+(?P<name>[^{}]{1,200}+)\}")
_NAME = re.compile(r"\s*+(?P<name>[A-Za-z_$][\w$]{0,100}+)(?=\s*+[,)+])").match
_STRINGIFY = re.compile(r"\s*+JSON\.stringify\s*+\(").match
_PLUS = re.compile(r"\s*+\+").match
_NEXT = re.compile(r"\s*+(?P<mark>[,)])").match
_UNREAD = "call(s) of http whose URL is not written down"
_MOST_ARGUMENTS = 10
_FORM = ("content-type", "application/x-www-form-urlencoded")


class _Unknown(Exception):
    """An argument that is not written down."""


def _tells(first_bytes: bytes) -> bool:
    return b"'k6/http'" in first_bytes or b'"k6/http"' in first_bytes


def _read(file: Path) -> Iterator[Target | Passed]:
    text = document_bytes(file).decode("utf-8", "replace")
    text = _COMMENT.sub(lambda found: found[0] if found["comment"] is None else " " * len(found[0]), text)
    constants = {found["name"]: str(value_at(found["value"], 0)[0]) for found in _CONSTANT.finditer(text)}
    blocks: list[bool] = []
    chooses = False
    line, counted_to = 1, 0
    for found in _TOKEN.finditer(text):
        if found["word"]:
            chooses = True
        elif found["mark"] == "{":
            blocks.append(chooses)
            chooses = False
        elif found["mark"] == "}":
            blocks = blocks[:-1]
            chooses = False
        elif found["mark"] == ";":
            chooses = False
        elif found["call"]:
            line, counted_to = line + text.count("\n", counted_to, found.start()), found.start()
            place = f"{shown_path(file)}, line {line}"
            yield from _targets(found["call"], text, found.end(), constants, place, chooses or any(blocks))


def _targets(
    call: str, text: str, at: int, constants: dict[str, str], place: str, is_conditional: bool
) -> Iterator[Target | Passed]:
    try:
        given = _arguments(text, at, constants)
        asked = [_asked(call, given)] if call != "batch" else list(map(_of_batch, _listed(given)))
        for method, url, body, params in asked:
            yield _target(place, method, url, body, params, constants, is_conditional)
    except _Unknown:
        yield Passed(_UNREAD, place)


def _asked(call: str, given: list[Any]) -> tuple[Any, Any, Any, Any]:
    """Method, URL, body and parameters of a call."""
    given = [*given, None, None, None, None]
    if call == "request":
        return given[0], given[1], given[2], given[3]
    if call in ("get", "head"):
        return call.upper(), given[0], None, given[1]
    return "DELETE" if call == "del" else call.upper(), given[0], given[1], given[2]


def _listed(given: list[Any]) -> list[Any]:
    """The requests of a batch. Raises _Unknown."""
    if not given or not isinstance(given[0], list | dict):
        raise _Unknown
    return given[0] if isinstance(given[0], list) else list(given[0].values())


def _of_batch(one: Any) -> tuple[Any, Any, Any, Any]:
    if isinstance(one, dict):
        return one.get("method", "GET"), one.get("url"), one.get("body"), one.get("params")
    return _asked("request", one) if isinstance(one, list) else ("GET", one, None, None)


def _target(
    place: str, method: Any, url: Any, body: Any, params: Any, constants: dict[str, str], is_conditional: bool
) -> Target:
    """Raises _Unknown."""
    if not isinstance(method, str) or not isinstance(url, str):
        raise _Unknown
    url = _filled(url, constants)
    if "://" not in url:
        raise _Unknown
    held = params.get("headers") if isinstance(params, dict) else None
    headers = [
        (name, _filled(str(value), constants)) for name, value in (held or {}).items() if value is not None
    ]
    sent: bytes | None = None
    if isinstance(body, dict):
        sent = urlencode({name: "" if value is None else value for name, value in body.items()}).encode()
        if not any(name.lower() == _FORM[0] for name, _ in headers):
            headers.append(_FORM)
    elif isinstance(body, str):
        sent = _filled(body, constants).encode("utf-8", "replace")
    has_unset = any(
        "${" in said for said in (url, *(value for _, value in headers), body if isinstance(body, str) else "")
    )
    return Target(place, method.upper(), url, headers, sent, has_unset=has_unset, is_conditional=is_conditional)


def _filled(text: str, constants: dict[str, str]) -> str:
    """The text with the constants in it; of those that are named like secrets, none."""

    def value(found: "re.Match[str]") -> str:
        name = found["name"].strip()
        if is_secret_parameter(name.rpartition(".")[2]):
            return REDACTED
        return constants.get(name, found[0])

    return _FILLED.sub(value, text)


def _arguments(text: str, at: int, constants: dict[str, str]) -> list[Any]:
    """Those that are written down; one that is not is None, and ends them. Raises _Unknown where there is none."""
    given: list[Any] = []
    while len(given) < _MOST_ARGUMENTS:
        try:
            value, at = _argument(text, at, constants)
        except ValueError:
            break
        given.append(value)
        mark = _NEXT(text, at)
        if mark is None or mark["mark"] == ")":
            break
        at = mark.end()
    if not given:
        raise _Unknown
    return given


def _argument(text: str, at: int, constants: dict[str, str]) -> tuple[Any, int]:
    """An argument, and where it ends. Raises ValueError where it is not written down."""
    stringified = _STRINGIFY(text, at)
    if stringified is not None:
        value, at = value_at(text, stringified.end())
        closed = _NEXT(text, at)
        if closed is None or closed["mark"] != ")":
            raise ValueError("not written down")
        return json.dumps(value), closed.end()
    named = _NAME(text, at)
    if named is not None and named["name"] in constants:
        value, at = f"${{{named['name']}}}", named.end()
    else:
        value, at = value_at(text, at)
    plus = _PLUS(text, at)
    if plus is not None and isinstance(value, str):
        more, at = _argument(text, plus.end(), constants)
        return value + str(more), at
    return value, at


K6_SCRIPT = TargetLayout(
    "k6-script",
    "scripts of k6; they have no times",
    _tells,
    _read,
    "no calls of http with a URL that is written down.",
    suffix=".[jt]s",
)
