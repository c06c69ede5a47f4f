"""A trace that can be given away: what was said becomes sizes, who and where becomes pseudonyms; times stay.

A pseudonym is a keyed hash of the text it stands for, so the same key gives the same one wherever the text occurs,
in other files too. Whoever knows the key can test a guess, so it must be a secret. What stays is named here, not
what goes: anything that this module does not know to be harmless is replaced or left out.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from replay.trace.file.grpc_rules import LEAST_FILLER_BYTES
from replay.trace.file.rules import LONGEST_NAME, MOST_BODY_BYTES
from replay.trace.model_calls import recorded_call
from replay.trace.transforms.types import Tally
from replay.trace.types import (
    GrpcCall,
    Header,
    LlmCall,
    McpCall,
    Recorded,
    Request,
    Session,
    Step,
    Until,
    WsCall,
)
from replay.trace.values.sockets import as_request, with_request

# Segments of well-known APIs' paths, in small letters; versions such as v1 and v1beta stay besides.
_PATH_WORDS = frozenset(
    [
        "api",
        "anthropic",
        "batches",
        "chat",
        "completions",
        "embeddings",
        "generate",
        "health",
        "healthz",
        "invoke",
        "mcp",
        "messages",
        "models",
        "openai",
        "query",
        "responses",
        "rpc",
        "search",
        "sse",
        "stream",
        "tool",
        "tools",
        "users",
        "sessions",
        "events",
        "*",
    ]
)
_is_version = re.compile(r"v\d{1,2}(?:(?:alpha|beta)\d{0,2})?").fullmatch
# Such as response.completed, at /type.
_is_event_name = re.compile(r"[a-z]{1,20}(?:[._/-][a-z]{1,20}){0,4}").fullmatch
_is_pointer = re.compile(r"/(?:type|event|kind|op|object|method|status)").fullmatch
_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_KEPT_HEADERS = frozenset({"accept", "content-type"})
_MEDIA_TYPES = frozenset(
    {
        "*/*",
        "application/*",
        "application/json",
        "application/octet-stream",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data",
        "text/*",
        "text/event-stream",
        "text/html",
        "text/plain",
    }
)
# Names of attributes that importers and reports write; another name may itself be a customer's.
_ATTRIBUTE_NAMES = frozenset(
    [
        "agent",
        "host",
        "model",
        "request_id",
        "span",
        "tool",
        "tenant",
        "user",
        "customer",
        "session",
        "parent",
        "status",
        "error",
    ]
)
_is_host = re.compile(
    r"[\w-]+(?:\.[\w-]+){2,}|[\w.-]+\.(?:ai|app|cloud|com|dev|internal|io|local|net|org)|localhost",
    re.IGNORECASE,
).fullmatch
_DIGITS_OF_AN_ID = 4
_NO_MEMBERS = msgspec.Raw(b"{}")


class Anonymise(msgspec.Struct, frozen=True):
    """Sessions without what people said or can be known by; their structure and times as they were.

    key: any text; pseudonyms are alike for the same key. names: step names become pseudonyms as a whole, too;
    else only words in them that look like addresses, hosts or ids. Steps are numbered anew in each session.
    """

    key: str
    names: bool = False

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        key = blake2b(self.key.encode("utf-8", "surrogatepass")).digest()
        work = _Work(key, self.names, tally)
        for session in sessions:
            work.session(session)
            tally["sessions anonymised"] += 1
            yield session

    def header(self, header: Header) -> Header:
        """A header that tells the resolution alone; replays need no more."""
        return Header(header.format, header.version, "anonymised", resolution_ms=header.resolution_ms)


class _Work:
    """One pass over a trace; everything is changed in place."""

    def __init__(self, key: bytes, names: bool, tally: Tally) -> None:
        self._key = key
        self._names = names
        self._tally = tally

    def session(self, session: Session) -> None:
        session.id = self._pseudonym(session.id)
        session.attributes = self._attributes(session.attributes)
        self._drop_unknown(session)
        numbers = {step.id: str(n) for n, step in enumerate(session.steps, 1)}
        for step in session.steps:
            self._step(step, numbers)

    def _step(self, step: Step, numbers: dict[str, str]) -> None:
        step.id = numbers[step.id]
        step.name = self._pseudonym(step.name) if self._names else self._name(step.name)
        for edge in step.after:
            self._count_unknown(edge.extra)
        step.after = tuple(
            msgspec.structs.replace(edge, step=numbers[edge.step], extra=None) for edge in step.after
        )
        counted = recorded_call(step, lambda told: told)
        if counted is not None:
            # A size alone is nothing that a model could be asked with.
            self._tally["model calls turned into their counts"] += 1
            step.request, step.llm = None, counted
        step.attributes = self._attributes(step.attributes)
        self._tally["values no longer taken from responses"] += len(step.extract)
        step.extract = {}
        self._drop_unknown(step)
        if step.request is not None:
            self._request(step.request)
        if step.llm is not None:
            step.llm.model = None if step.llm.model is None else self._pseudonym(step.llm.model)
            self._drop_unknown(step.llm)
            self._carried(step.llm)
        if step.mcp is not None:
            self._mcp(step.mcp)
        if step.ws is not None:
            step.ws = self._ws(step.ws)
        if step.grpc is not None:
            self._grpc(step.grpc)
        if step.recorded is not None:
            self._recorded(step.recorded)

    def _carried(self, llm: LlmCall) -> None:
        """Equal images stay equal, by ids that say nothing of them."""
        for image in llm.images:
            self._count_unknown(image.extra)
        llm.images = tuple(
            msgspec.structs.replace(
                image,
                extra=None,
                id=None if image.id is None else self._number(f"image {image.id}"),
                media_type=image.media_type if image.media_type in _IMAGES else "image/png",
            )
            for image in llm.images
        )
        if llm.tools is not None:
            self._count_unknown(llm.tools.extra)
            llm.tools = msgspec.structs.replace(llm.tools, extra=None)

    def _request(self, request: Request) -> None:
        if request.method not in _METHODS:
            request.method = "POST"
            self._tally["methods turned into POST"] += 1
        path, mark, _ = request.path.partition("?")
        request.path = self._path(path)
        self._tally["queries dropped"] += bool(mark)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            kept = _media_types(value) if name.lower() in _KEPT_HEADERS else ""
            if kept:
                headers[name.lower()] = kept
        self._tally["headers dropped"] += len(request.headers) - len(headers)
        request.headers = headers
        size_bytes = _size_bytes(request)
        if size_bytes is not None:
            self._tally["bodies turned into sizes"] += request.body_bytes is None
            request.body_bytes = min(size_bytes, MOST_BODY_BYTES)
        request.body = request.body_base64 = None
        request.json = msgspec.Raw(b"")
        self._drop_unknown(request)

    def _mcp(self, call: McpCall) -> None:
        """A tool is known by its name, as a step is; what it was asked may hold anything."""
        if call.tool is not None:
            call.tool = self._pseudonym(call.tool) if self._names else self._name(call.tool)
        if call.name is not None:
            call.name = self._pseudonym(call.name)
        if call.uri is not None:
            call.uri = "anonymised:" + self._pseudonym(call.uri)
        if call.server is not None:
            path = call.server.startswith("/")
            call.server = self._path(call.server.partition("?")[0]) if path else self._pseudonym(call.server)
        for field in ("arguments", "params"):
            if getattr(call, field):
                self._tally["arguments of MCP calls dropped"] += 1
                setattr(call, field, _NO_MEMBERS)
        self._drop_unknown(call)

    def _ws(self, call: WsCall) -> WsCall:
        """Of what ends the step stays what is no more than a name of an event, and how many messages there are."""
        seen = as_request(call)
        self._request(seen)
        if call.connection is not None:
            call.connection = self._pseudonym(call.connection)
        self._tally["subprotocols dropped"] += len(call.protocols)
        call.protocols = ()
        if (until := call.until) is not None:
            is_name = isinstance(until.equals, str) and _is_event_name(until.equals) is not None
            is_kept = until.json is not None and _is_pointer(until.json) is not None and is_name
            self._tally["ends of messages that were known by what they hold"] += (
                not is_kept and until != Until()
            )
            pointer, equals = (until.json, until.equals) if is_kept else (None, msgspec.UNSET)
            call.until = Until(pointer, equals, messages=until.messages)
        self._drop_unknown(call)
        return with_request(call, seen)

    def _grpc(self, call: GrpcCall) -> None:
        """What is called is known by its name, as a step is; of the message its size stays, where it is known."""
        if self._names:
            call.method = "/".join(map(self._pseudonym, call.method.split("/")))
        self._tally["metadata of gRPC calls dropped"] += len(call.metadata)
        call.metadata = {}
        size_bytes = None
        if call.message_base64 is not None:
            size_bytes = len(b64decode(call.message_base64))
        elif call.message:
            # JSON takes about twice as much.
            size_bytes = len(call.message) // 2
        if size_bytes is not None:
            self._tally["bodies turned into sizes"] += 1
            call.message_bytes = size_bytes if size_bytes >= LEAST_FILLER_BYTES else 0
        call.message, call.message_base64 = msgspec.Raw(b""), None
        self._drop_unknown(call)

    def _recorded(self, recorded: Recorded) -> None:
        has_response = recorded.response_json is not None or bool(recorded.response_headers)
        self._tally["kept responses dropped"] += has_response
        recorded.response_json = None
        recorded.response_headers = {}
        if recorded.content_type not in _MEDIA_TYPES | _IMAGES:  # a name of a customer's own may be in it
            recorded.content_type = None
        self._drop_unknown(recorded)

    def _drop_unknown(
        self, part: Session | Step | Request | LlmCall | McpCall | WsCall | GrpcCall | Recorded
    ) -> None:
        self._count_unknown(part.extra)
        part.extra = None

    def _count_unknown(self, extra: dict[str, Any] | None) -> None:
        self._tally["unknown fields dropped, which may hold anything"] += len(extra or ())

    def _pseudonym(self, text: str) -> str:
        return "p" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()

    def _number(self, text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), digest_size=6, key=self._key).digest())

    def _attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        return {
            name if name in _ATTRIBUTE_NAMES else self._pseudonym(name): self._pseudonym(value)
            for name, value in attributes.items()
        }

    def _path(self, path: str) -> str:
        return "/".join(self._segment(segment) for segment in path.split("/"))

    def _segment(self, segment: str) -> str:
        if not segment or segment in _PATH_WORDS or _is_version(segment):
            return segment
        return self._pseudonym(segment)

    def _name(self, name: str) -> str:
        cleaned = " ".join(self._word(word) for word in name.split(" "))
        return cleaned if len(cleaned) <= LONGEST_NAME else self._pseudonym(name)

    def _word(self, word: str) -> str:
        if word.startswith("/"):
            return self._path(word)
        return self._pseudonym(word) if _is_identifying(word) else word


def _is_identifying(word: str) -> bool:
    """Whether a word of a step's name is like an address, an e-mail address, a host name or an id."""
    digits = sum(1 for character in word if character.isdigit())
    return (
        not word.isprintable()
        or digits >= _DIGITS_OF_AN_ID
        or any(mark in word for mark in "@/:=")
        or _is_host(word) is not None
    )


def _media_types(value: str) -> str:
    """The well-known media types of a header's value, without parameters such as boundaries."""
    types = (part.partition(";")[0].strip().lower() for part in value.split(","))
    return ", ".join(part for part in types if part in _MEDIA_TYPES)


def _size_bytes(request: Request) -> int | None:
    if request.body is not None:
        return len(request.body.encode("utf-8", "surrogatepass"))
    if request.body_base64 is not None:
        try:
            return len(b64decode(request.body_base64))
        except (Base64Error, ValueError):
            return len(request.body_base64) * 3 // 4
    return len(request.json) or request.body_bytes
