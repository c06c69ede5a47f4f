"""Personal data taken out of all that a step and a trace's header say; what they are, personal.py says. Pure."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus

import msgspec

from replay.trace.redaction.names import REDACTED
from replay.trace.redaction.personal import PersonalData
from replay.trace.redaction.texts import without_coded_secrets
from replay.trace.types import GrpcCall, Header, McpCall, Request, Step, WsCall
from replay.trace.values.sockets import as_request, with_request

_DEEPEST = 200
_NO_JSON = Request("GET", "/").json  # the default, which is left out when it is written
_NULL = msgspec.Raw(b"null")
_NO_MEMBERS = msgspec.Raw(b"{}")
_FORM = "application/x-www-form-urlencoded"
# What stands under such a name looks like an address, and is none.
_IS_VERSION = re.compile(
    r"(?:^|[^a-z])(?:version|ver|release|build|firmware|user[-_]?agent|ua)(?:$|[^a-z])", re.IGNORECASE
).search


def personal_taken_out(step: Step, personal: PersonalData) -> bool:
    """Take it out of what a step says: name, attributes, request or call, kept response, unknown
    fields.

    Returns whether any was there. What is nested deeper than any real JSON goes altogether. What the step checks of
    answers (`expect`) stays: another check would be made of it.
    """
    before = msgspec.json.encode(step)
    step.name = personal.without(step.name)
    step.attributes = texts_without_personal(step.attributes, personal)
    if step.request is not None:
        _clean_request(step.request, personal)
    if step.mcp is not None:
        _clean_call(step.mcp, personal)
    if step.ws is not None:
        step.ws = _cleaned_message(step.ws, personal)
    if step.grpc is not None:
        _clean_grpc(step.grpc, personal)
    if step.recorded is not None:
        step.recorded.response_json = value_without_personal(step.recorded.response_json, personal)
        headers = step.recorded.response_headers
        step.recorded.response_headers = _headers(headers, personal)
    carried = () if step.llm is None else step.llm.carried
    for part in (step, step.request, step.recorded, step.llm, *carried, step.mcp, step.ws, step.grpc):
        if part is not None and part.extra is not None:
            part.extra = value_without_personal(part.extra, personal)
    return msgspec.json.encode(step) != before


def _clean_request(request: Request, personal: PersonalData) -> None:
    pieces = re.split(r"([/?&=;#])", request.path)
    request.path = "".join(_component(piece, personal) for piece in pieces)
    request.headers = _headers(request.headers, personal)
    if request.body is not None:
        types = [value for name, value in request.headers.items() if name.lower() == "content-type"]
        is_form = any(value.lower().startswith(_FORM) for value in types)
        parts = re.split(r"([&=])", request.body) if is_form else None
        body = request.body
        request.body = (
            "".join(_component(part, personal) for part in parts) if parts else _whole_text(body, personal)
        )
    elif request.body_base64 is not None:
        try:
            text = base64.b64decode(request.body_base64).decode("latin-1")
        except ValueError:
            return
        cleaned = personal.without(text)
        if cleaned != text:
            request.body_base64 = base64.b64encode(cleaned.encode("latin-1")).decode()
    elif request.json:
        _clean_json(request, personal)


def _clean_call(call: McpCall, personal: PersonalData) -> None:
    for name in ("tool", "name", "server"):
        if (text := getattr(call, name)) is not None:
            setattr(call, name, personal.without(text))
    if call.uri is not None:
        call.uri = "".join(_component(piece, personal) for piece in re.split(r"([/?&=;#])", call.uri))
    for name in ("arguments", "params"):
        if raw := getattr(call, name):
            setattr(call, name, _members_without_personal(raw, personal))


def _cleaned_message(call: WsCall, personal: PersonalData) -> WsCall:
    seen = as_request(call)
    _clean_request(seen, personal)
    if call.connection is not None:
        call.connection = personal.without(call.connection)
    # What ends the step stays, as what it checks does: another message would end it.
    return with_request(call, seen)


def _clean_grpc(call: GrpcCall, personal: PersonalData) -> None:
    """Bytes stay: what is in them is known by the descriptors of a target alone."""
    call.metadata = _headers(call.metadata, personal)
    if call.message:
        call.message = _members_without_personal(call.message, personal)


def _members_without_personal(raw: msgspec.Raw, personal: PersonalData) -> msgspec.Raw:
    """An object of JSON; one that cannot be looked into goes altogether."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _NO_MEMBERS
    cleaned = value_without_personal(value, personal)
    if cleaned == value:
        return raw
    return _NO_MEMBERS if cleaned is None else msgspec.Raw(msgspec.json.encode(cleaned))


def _clean_json(request: Request, personal: PersonalData) -> None:
    raw = bytes(request.json)
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        request.json = _NULL
        return
    except (msgspec.DecodeError, UnicodeError):
        # Such as half of a surrogate pair: it is sent as it stands, and so is looked through as it stands.
        text = raw.decode("utf-8", "replace")
        cleaned_text = personal.without(text)
        if cleaned_text != text:
            request.json, request.body = _NO_JSON, cleaned_text
        return
    cleaned = value_without_personal(value, personal)
    if cleaned != value:
        request.json = msgspec.Raw(msgspec.json.encode(cleaned))


def value_without_personal(value: Any, personal: PersonalData) -> Any:
    """A JSON value without personal data in its texts and names; None for one that is nested too deeply."""
    try:
        return _value(value, 0, personal)
    except RecursionError:
        return None


def texts_without_personal(texts: Mapping[str, str], personal: PersonalData) -> dict[str, str]:
    """Texts by name, of which some names say that they are versions."""
    return {name: _of_name(name, text, personal) for name, text in texts.items()}


def header_without_personal(header: Header, personal: PersonalData) -> Header:
    """The header of a trace, of which the names of files and hosts may be personal."""
    return msgspec.structs.replace(
        header,
        name=personal.without(header.name),
        source=None if header.source is None else personal.without(header.source),
        origins=tuple(map(personal.without, header.origins)),
        attributes=value_without_personal(header.attributes, personal) or {},
        extra=value_without_personal(header.extra, personal),
    )


def _of_name(name: str, text: str, personal: PersonalData) -> str:
    return personal.without(text, has_addresses=_IS_VERSION(name) is None)


def _headers(headers: Mapping[str, str], personal: PersonalData) -> dict[str, str]:
    return {name: _component(value, personal, _IS_VERSION(name) is None) for name, value in headers.items()}


def _value(value: Any, depth: int, personal: PersonalData, *, has_addresses: bool = True) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return _text(value, depth, personal, has_addresses)
    if isinstance(value, dict):
        return {
            personal.without(name): _value(inner, depth + 1, personal, has_addresses=_IS_VERSION(name) is None)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_value(inner, depth + 1, personal, has_addresses=has_addresses) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return personal.number_without(value)
    return value


def _whole_text(text: str, personal: PersonalData) -> str:
    """A text that stands in no JSON value; the word for one that is nested too deeply."""
    try:
        return _text(text, 0, personal)
    except RecursionError:
        return REDACTED


def _text(text: str, depth: int, personal: PersonalData, has_addresses: bool = True) -> str:
    """A text, which may be JSON itself, as the arguments of tool calls are. Raises RecursionError."""
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return _coded(personal.without(text), personal)
        cleaned = _value(value, depth + 1, personal)
        return text if cleaned == value else msgspec.json.encode(cleaned).decode()
    return _coded(personal.without(text, has_addresses=has_addresses), personal)


def _coded(text: str, personal: PersonalData) -> str:
    """A text without what holds personal data once it is decoded from base64 or percent-encoding."""

    def cleaned(plain: str, depth: int) -> str:
        return without_coded_secrets(personal.without(plain), cleaned, depth)

    return without_coded_secrets(text, cleaned, 0)


def _component(part: str, personal: PersonalData, has_addresses: bool = True) -> str:
    """A piece of a path, a form or a header; personal data also show when it is percent-decoded."""
    found = _coded(personal.without(part, has_addresses=has_addresses), personal) if part else part
    if "%" in part or "+" in part:
        decoded = unquote_plus(part)
        cleaned = personal.without(decoded, has_addresses=has_addresses)
        return found if cleaned == decoded else quote(cleaned, safe="")
    return found
