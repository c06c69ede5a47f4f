"""Fields that this version does not know: set aside before strict decoding, put back after encoding.

Pure, and not the fast way: only lines that have unknown fields come here. Everything that is known stays raw
JSON text throughout, so an error in it is still found, and named, by the strict decoder.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from replay.trace.types import (
    EXTRA,
    Edge,
    GrpcCall,
    Header,
    LlmCall,
    LlmImage,
    LlmTools,
    McpCall,
    Recorded,
    Request,
    Session,
    Step,
    WsCall,
)

_Fields = dict[str, msgspec.Raw]

# Which fields of a struct hold structs, and whether they hold a list of them.
_PARTS: dict[type[msgspec.Struct], dict[str, tuple[type[msgspec.Struct], bool]]] = {
    Session: {"steps": (Step, True)},
    Step: {
        "after": (Edge, True),
        "request": (Request, False),
        "llm": (LlmCall, False),
        "mcp": (McpCall, False),
        "ws": (WsCall, False),
        "grpc": (GrpcCall, False),
        "recorded": (Recorded, False),
    },
    LlmCall: {"images": (LlmImage, True), "tools": (LlmTools, False)},
}
_as_fields = msgspec.json.Decoder(_Fields).decode
_as_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _known(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(name for name in kind.__struct_encode_fields__ if name != EXTRA)


_KNOWN: dict[type[msgspec.Struct], frozenset[str]] = {
    kind: _known(kind)
    for kind in (
        Header,
        Session,
        Step,
        Edge,
        Request,
        LlmCall,
        LlmImage,
        LlmTools,
        McpCall,
        WsCall,
        GrpcCall,
        Recorded,
    )
}


def set_aside(line: bytes, kind: type[msgspec.Struct]) -> bytes:
    """The JSON object with its unknown fields, at every level, gathered under the name that is read as `extra`.

    Raises msgspec.DecodeError if the line is not a JSON object. Parts that are not what they should be are
    left alone, for the strict decoder to report.
    """
    fields = _as_fields(line)
    unknown = {name: fields.pop(name) for name in list(fields) if name not in _KNOWN[kind]}
    for name, (part, many) in _PARTS.get(kind, {}).items():
        if name in fields:
            fields[name] = _set_aside_part(fields[name], part, many)
    if unknown:
        fields[EXTRA] = msgspec.Raw(_encode(unknown))
    return _encode(fields)


def _set_aside_part(raw: msgspec.Raw, kind: type[msgspec.Struct], many: bool) -> msgspec.Raw:
    try:
        if many:
            return msgspec.Raw(_encode([_set_aside_part(item, kind, False) for item in _as_list(raw)]))
        return msgspec.Raw(set_aside(bytes(raw), kind))
    except msgspec.DecodeError:
        return raw


class Resembling(NamedTuple):
    """An unknown field, and the known one of the same part that its name is nearly that of."""

    name: str
    known: str


_ALIKE = 0.8
"""How alike two names are (Ratcliff and Obershelp, as difflib has it) that may be one name misspelt."""

_LONGEST_NAME = 40


def resembling(session: Session) -> Iterator[Resembling]:
    """The fields of a session, and of anything in it, that look like known ones misspelt."""
    for part in _parts(session):
        for name in part.extra or ():
            known = _meant(type(part), name)
            if known is not None:
                yield Resembling(name, known)


_Part = Session | Step | Edge | Request | LlmCall | LlmImage | LlmTools | McpCall | WsCall | GrpcCall | Recorded


def _parts(session: Session) -> Iterator[_Part]:
    yield session
    for step in session.steps:
        yield step
        yield from step.after
        parts = (step.request, step.llm, step.mcp, step.ws, step.grpc, step.recorded)
        yield from (part for part in parts if part is not None)
        if step.llm is not None:
            yield from step.llm.carried


@lru_cache(maxsize=1024)
def _meant(kind: type[msgspec.Struct], name: str) -> str | None:
    if len(name) > _LONGEST_NAME:
        return None
    return next(iter(get_close_matches(name.lower(), sorted(_KNOWN[kind]), n=1, cutoff=_ALIKE)), None)


def has_extra(session: Session) -> bool:
    """Whether the session, or anything in it, has fields that this version does not know."""
    if session.extra:
        return True
    for step in session.steps:
        if step.extra or any(edge.extra for edge in step.after):
            return True
        for part in (step.request, step.llm, step.mcp, step.ws, step.grpc, step.recorded):
            if part is not None and part.extra:
                return True
        if step.llm is not None and any(part.extra for part in step.llm.carried):
            return True
    return False


def encoded_with_extra(value: Any) -> bytes:
    """The struct as JSON, its unknown fields, at every level, standing beside the known ones.

    A name in `extra` that is the name of a known field is left out: the known field is the truth.
    """
    return _put_back(_encode(value), type(value))


def _put_back(line: bytes | msgspec.Raw, kind: type[msgspec.Struct]) -> bytes:
    fields = _as_fields(line)
    for name, (part, many) in _PARTS.get(kind, {}).items():
        if name not in fields or bytes(fields[name]) == b"null":
            continue
        if many:
            items = [msgspec.Raw(_put_back(item, part)) for item in _as_list(fields[name])]
            fields[name] = msgspec.Raw(_encode(items))
        else:
            fields[name] = msgspec.Raw(_put_back(fields[name], part))
    extra = fields.pop(EXTRA, None)
    if extra is not None and bytes(extra) != b"null":
        for name, raw in _as_fields(extra).items():
            if name not in _KNOWN[kind]:
                fields[name] = raw
    return _encode(fields)
