"""Values that later requests take from earlier responses: what may be asked for, taking it, and filling it in.

Pure. A trace is not to be trusted, so patterns are held to what cannot run for long
(replay/trace/values/patterns.py), a step to 100 values, and only the first 16 KiB of a body are searched.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from replay.http.codings import uncoded
from replay.http.fields import NOT_IN_VALUE
from replay.trace.types import Extract, GrpcCall, McpCall, Request, Step, WsCall
from replay.trace.values.patterns import MOST_INSTRUCTIONS, Match, compiled, pattern_problem
from replay.trace.values.pointer import MISSING, pointed
from replay.trace.values.reserved import RESERVED
from replay.trace.values.sockets import as_request, with_request

MOST_BODY_BYTES = 1 << 20
_MOST_SEARCHED_BYTES = 16 * 1024
_MOST_VALUES = 100
LONGEST_VALUE = 16 * 1024
REFERENCE = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_-]{0,99})\}\}")
_ANY = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_-]{0,99}|" + RESERVED + r")\}\}")
is_name = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}").fullmatch

Headers = Sequence[tuple[bytes, bytes]]
Own = Callable[[str], str | None]
"""Given a name that no response gave a value for, the run's own value; None: it stays as it is. Raises MissingValue."""


class MissingValue(Exception):
    """A request refers to a value that no earlier response gave; str() is its name."""


def extract_problem(name: str, extract: Extract) -> str | None:
    """Why a value cannot be taken as it is asked for; None if it can."""
    if not is_name(name):
        return "is not a valid name; use letters, digits, _ and -"
    asked = [source for source in (extract.json, extract.header, extract.regex) if source is not None]
    if len(asked) != 1:
        return "needs exactly one of json, header and regex"
    if extract.json is not None and extract.json and not extract.json.startswith("/"):
        return "has a json pointer that does not begin with /"
    if extract.regex is not None:
        return pattern_problem(extract.regex)
    return None


def extracts_problem(extracts: Mapping[str, Extract]) -> str | None:
    """Why values that can each be taken are together too much for one answer, to follow "asks in extract for"."""
    if len(extracts) > _MOST_VALUES:
        return f"{len(extracts):,} values; at most {_MOST_VALUES} are allowed"
    size = sum(
        compiled(extract.regex).programsize for extract in extracts.values() if extract.regex is not None
    )
    if size > MOST_INSTRUCTIONS:
        return (
            f"values by regexes that take {size:,} instructions to match; at most {MOST_INSTRUCTIONS:,} are"
            " allowed in a step"
        )
    return None


def taken(step: Step, headers: Headers, body: bytes, into: dict[str, str]) -> str | None:
    """Put what the step asks for into the session's values; returns the first name that the response lacks."""
    document: Any = None
    coding = _header("content-encoding", headers)
    if coding is not None:
        # Replays do not ask for one, but some servers compress whatever was asked for.
        body = uncoded(body, coding, MOST_BODY_BYTES) or body
    for name, extract in step.extract.items():
        if extract.header is not None:
            value = _header(extract.header, headers)
        elif extract.regex is not None:
            value = _matched(extract.regex, body)
        else:
            if document is None:
                try:
                    document = msgspec.json.decode(body)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    return name
            try:
                value = _pointed(document, extract.json or "")
            except RecursionError:
                return name
        if value is None or len(value) > LONGEST_VALUE:
            return name
        into[name] = value
    return None


def _header(name: str, headers: Headers) -> str | None:
    wanted = name.lower().encode("latin-1", "replace")
    return next((value.decode("latin-1").strip() for key, value in headers if key.lower() == wanted), None)


def found_in_body(pattern: str, body: bytes) -> Match | None:
    """Where a pattern is first found in as much of a body as is searched."""
    return compiled(pattern).search(body[:_MOST_SEARCHED_BYTES].decode("utf-8", "replace"))


def _matched(pattern: str, body: bytes) -> str | None:
    found = found_in_body(pattern, body)
    if found is None:
        return None
    return found[1] if compiled(pattern).groups else found[0]


def _pointed(document: Any, pointer: str) -> str | None:
    """What a JSON pointer leads to, as text: strings as they are, anything else as JSON; None for nothing or null."""
    found = pointed(document, pointer)
    if found is MISSING or found is None:
        return None
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def filled(request: Request, values: Mapping[str, str], own: Own | None = None) -> Request:
    """The request with its references filled in; the same one if it has none.

    own: asked for what is not among the values; without it such names are missing. Raises MissingValue.
    In a path values are percent-encoded, in JSON and in forms escaped, in headers cut at line ends and other control
    characters; a body that is neither JSON nor a form has them as they are.
    """
    path = _replaced(request.path, values, own, _encoded)
    headers = {name: _replaced(text, values, own, _in_one_line) for name, text in request.headers.items()}
    body = request.body
    if body is not None and "{{" in body:
        body = _replaced(body, values, own, _written_in(body, request.headers))
    json = request.json
    if b"{{" in bytes(json):
        json = _filled_json(json, values, own)
    if path == request.path and headers == request.headers and body == request.body and json is request.json:
        return request
    return msgspec.structs.replace(request, path=path, headers=headers, body=body, json=json)


def filled_step(step: Step, values: Mapping[str, str], own: Own | None = None) -> Step:
    """The step with the references of what it sends filled in, as `filled` does it; the same one if it has none."""
    replace = msgspec.structs.replace
    if step.request is not None:
        request = filled(step.request, values, own)
        return step if request is step.request else replace(step, request=request)
    if step.mcp is not None:
        mcp = _filled_message(step.mcp, values, own)
        return step if mcp is step.mcp else replace(step, mcp=mcp)
    if step.ws is not None:
        ws = _filled_socket(step.ws, values, own)
        return step if ws is step.ws else replace(step, ws=ws)
    if step.grpc is not None:
        grpc = _filled_grpc(step.grpc, values, own)
        return step if grpc is step.grpc else replace(step, grpc=grpc)
    return step


def _filled_socket(call: WsCall, values: Mapping[str, str], own: Own | None) -> WsCall:
    request = as_request(call)
    made = filled(request, values, own)
    return call if made is request else with_request(call, made)


def _filled_message(call: McpCall, values: Mapping[str, str], own: Own | None) -> McpCall:
    made: dict[str, Any] = {}
    for field in ("tool", "name", "uri"):
        if (text := getattr(call, field)) is not None and "{{" in text:
            made[field] = _replaced(text, values, own, str)
    for field in ("arguments", "params"):
        if b"{{" in bytes(raw := getattr(call, field)):
            made[field] = _filled_json(raw, values, own)
    return msgspec.structs.replace(call, **made) if made else call


def _filled_grpc(call: GrpcCall, values: Mapping[str, str], own: Own | None) -> GrpcCall:
    made: dict[str, Any] = {}
    metadata = {name: _replaced(text, values, own, _in_one_line) for name, text in call.metadata.items()}
    if metadata != call.metadata:
        made["metadata"] = metadata
    if b"{{" in bytes(call.message):
        made["message"] = _filled_json(call.message, values, own)
    return msgspec.structs.replace(call, **made) if made else call


def _filled_json(raw: msgspec.Raw, values: Mapping[str, str], own: Own | None) -> msgspec.Raw:
    text = _replaced(bytes(raw).decode("utf-8", "surrogatepass"), values, own, _escaped)
    return msgspec.Raw(text.encode("utf-8", "surrogatepass"))


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _in_one_line(value: str) -> str:
    return re.split(NOT_IN_VALUE, value, maxsplit=1)[0]


def _escaped(value: str) -> str:
    return msgspec.json.encode(value).decode()[1:-1]


def _written_in(body: str, headers: Mapping[str, str]) -> Callable[[str], str]:
    """How a value is written in a body of this content type; without one, a body that opens like JSON is JSON."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "").lower()
    if "json" in kind or (not kind and body.lstrip()[:1] in ("{", "[")):
        return _escaped
    return quote_plus if kind.startswith("application/x-www-form-urlencoded") else str


def _replaced(text: str, values: Mapping[str, str], own: Own | None, written: Callable[[str], str]) -> str:
    if "{{" not in text:
        return text

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        value = values.get(name)
        if value is None:
            if own is not None:
                value = own(name)
            elif is_name(name):
                raise MissingValue(name)
        return found[0] if value is None else written(value)

    return _ANY.sub(value_of, text)
