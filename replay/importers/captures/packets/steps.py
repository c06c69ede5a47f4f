"""What is found in captured packets as steps: a request with its body, a gRPC call, the messages of a WebSocket. Pure.

They are made by the rules by which a HAR's are (replay/importers/captures/har.py).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.log_fields import replayable_path, status_of
from replay.http.codings import uncoded
from replay.importers.captures.packets.found import MOST_BODY_BYTES as MOST_KEPT_BYTES
from replay.importers.captures.packets.types import Answer, Exchange, SocketEnd, value_of
from replay.reading.departures import Departures
from replay.trace.edges.names import grouped_name
from replay.trace.file.rules import LONGEST_MS, MOST_BODY_BYTES
from replay.trace.grpc_calls import ended_as, is_grpc, unary_call
from replay.trace.model_calls import call_by_counts
from replay.trace.redaction.requests import NO_BODY, Redactor, RequestRedactor
from replay.trace.redaction.responses import (
    MOST_RESPONSE_BYTES,
    is_json_type,
    media_type,
    response_headers,
    response_json,
)
from replay.trace.socket_steps import OpenedSocket, SocketMessage, socket_steps
from replay.trace.types import Recorded, Request, Step

_MOST_METHOD = 20
_MOST_UNCODED_BYTES = 16 << 20
_EVENTS = "text/event-stream"
_REDACTOR = Redactor()
_NOT_REPLAYABLE = "request(s) whose method or address cannot be replayed"
_TUNNELS = "tunnel(s) of a proxy (CONNECT)"
_SECRET_HEADERS = "header(s) that hold secrets"
_STREAMS = "gRPC call(s) with several messages, or none, in a direction, which cannot be replayed"
_UNCAPTURED = "body(s) that were not captured, or not to their end, which are filled to their size"
_LONG = "body(s) longer than 1 MiB, which are filled to their size"
_CODED = "compressed body(s) that may hold secrets, which are filled to their size"
_COUNTED = "model call(s) among them, which are known by the counts of their answers instead"
_GRPC_FILLED = "gRPC message(s) that are compressed, long or hold secrets, which are filled to their size"
_LATE_STARTS = "request(s) whose first packets are not in the file, taken to begin with their last"
_UNASKED = "message(s) of WebSockets that came before any was sent"
_EMPTY_SOCKETS = "WebSocket(s) without a message"


class MadeStep(NamedTuple):
    """A step, without its id and place. took_us: None where that is unknown."""

    start_us: int
    took_us: int | None
    step: Step


class Steps:
    """Makes steps. departures: counts what is inferred and dropped. keeps_answers: as `responses` "keep"."""

    def __init__(self, departures: Departures, *, keeps_answers: bool) -> None:
        self._departures = departures
        self._keeps_answers = keeps_answers
        self._images: dict[int, int] = {}

    def of(self, exchange: Exchange) -> MadeStep | None:
        """A request as a step; None where it is not replayed."""
        path = self._path(exchange)
        if path is None:
            return None
        clean = _REDACTOR.of_request(exchange.headers)
        headers, dropped = clean.headers_and_dropped()
        kept_path = clean.path(path)
        method = exchange.method.upper()
        took_us = _took_us(exchange)
        step = Step(
            id="",
            kind="http",
            name=grouped_name(method, kept_path),
            took_ms=None if took_us is None else min(took_us / 1_000, LONGEST_MS),
            recorded=None if exchange.answer is None else _recorded(exchange, exchange.answer),
            attributes=_host(exchange),
        )
        if exchange.is_http2 and is_grpc(exchange.header("content-type")):
            if not self._make_call(step, exchange, kept_path, headers, clean):
                self._departures.drop(_STREAMS)
                return None
        else:
            step.request = Request(method, kept_path, headers)
            self._put_body(step.request, exchange, clean)
            if step.request.body_bytes:
                self._count_call(step, exchange, path)
        self._departures.drop(_SECRET_HEADERS, dropped)
        self._departures.infer(_LATE_STARTS, not exchange.has_start)
        if self._keeps_answers and step.recorded is not None and exchange.answer is not None:
            _keep_answer(step.recorded, exchange, exchange.answer)
        return MadeStep(exchange.start_ns // 1_000, took_us, step)

    def of_socket(
        self, opening: Exchange, messages: Sequence[SocketMessage], end: SocketEnd | None
    ) -> Iterator[MadeStep]:
        """The messages of a WebSocket as steps, and how it was opened and closed."""
        path = self._path(opening)
        if path is None:
            return
        if not messages:
            self._departures.drop(_EMPTY_SOCKETS)
            return
        clean = _REDACTOR.of_request(opening.headers)
        headers, dropped = clean.headers_and_dropped()
        self._departures.drop(_SECRET_HEADERS, dropped)
        opened = OpenedSocket(
            path, headers, opening.start_ns // 1_000, _took_us(opening), opening.connection, _host(opening)
        )
        made = socket_steps(opened, messages, clean, end)
        self._departures.drop(_UNASKED, made.unasked)
        self._departures.infer(_UNCAPTURED, made.filled)
        for each in made.steps:
            yield MadeStep(each.start_us, each.took_us, each.step)

    def _path(self, exchange: Exchange) -> str | None:
        """What was asked for; None where that is not replayed."""
        if exchange.method == "CONNECT":
            self._departures.drop(_TUNNELS)
            return None
        path, method = replayable_path(exchange.target), exchange.method
        if path is None or not (method.isascii() and method.isalpha()) or len(method) > _MOST_METHOD:
            self._departures.drop(_NOT_REPLAYABLE)
            return None
        return path

    def _make_call(
        self, step: Step, exchange: Exchange, path: str, headers: dict[str, str], clean: RequestRedactor
    ) -> bool:
        """Make the step a call of gRPC; whether it is one that can be."""
        content, answer = exchange.content, exchange.answer
        body = bytes(content.data) if content.is_kept else None
        call = unary_call(path, exchange.header("grpc-timeout"), headers, body, content.size, clean)
        if call is None or not exchange.is_asked:
            return False
        if answer is not None and step.recorded is not None:
            came = answer.content
            status, has_several = ended_as(answer.headers, answer.trailers, bytes(came.data), came.size)
            if has_several:
                return False
            step.recorded.grpc_status = status
        step.kind, step.grpc, step.name = "grpc", call, call.method[:LONGEST_TEXT]
        self._departures.infer(_GRPC_FILLED, bool(call.message_bytes))
        return True

    def _put_body(self, request: Request, exchange: Exchange, clean: RequestRedactor) -> None:
        content = exchange.content
        size = content.size
        if not exchange.is_asked:
            stated = exchange.header("content-length")
            size = max(size, int(stated)) if stated.isdigit() and len(stated) < 16 else size
        if not size:
            return
        is_long = size > MOST_KEPT_BYTES
        if is_long or not content.is_kept or not exchange.is_asked:
            self._departures.infer(_LONG if is_long else _UNCAPTURED)
            request.body_bytes = min(size, MOST_BODY_BYTES)
            return
        named = {name.lower(): value for name, value in request.headers.items()}
        kind, coding = named.get("content-type", ""), named.get("content-encoding", "")
        kept = clean.put_body(request, bytes(content.data), kind, coding)
        self._departures.infer(_CODED, kept == NO_BODY)

    def _count_call(self, step: Step, exchange: Exchange, path: str) -> None:
        """Make a request whose body is not kept a model call by its counts, where it was one, and they are told."""
        answer = exchange.answer
        if answer is None or not exchange.content.is_kept or not exchange.is_asked:
            return
        asked = uncoded(bytes(exchange.content.data), exchange.header("content-encoding"), _MOST_UNCODED_BYTES)
        came = _plain(answer, _MOST_UNCODED_BYTES)
        if not asked or not came:
            return
        images = self._images
        llm = call_by_counts(path, asked, came, lambda told: images.setdefault(told, len(images)))
        if llm is not None:
            step.kind, step.request, step.llm = "llm", None, llm
            self._departures.infer(_COUNTED)


def _took_us(exchange: Exchange) -> int | None:
    answer = exchange.answer
    if answer is None or answer.end_ns is None or answer.end_ns < exchange.start_ns:
        return None
    return answer.end_ns // 1_000 - exchange.start_ns // 1_000


def _recorded(exchange: Exchange, answer: Answer) -> Recorded:
    kind = media_type(value_of(answer.headers, "content-type"))
    first_ns = answer.data_ns if kind == _EVENTS else answer.first_ns
    ttft_us = None
    if first_ns is not None and exchange.has_start and exchange.start_ns <= first_ns:
        ttft_us = first_ns // 1_000 - exchange.start_ns // 1_000
    return Recorded(
        status=status_of(answer.status),
        ttft_ms=None if ttft_us is None else min(ttft_us / 1_000, LONGEST_MS),
        response_bytes=answer.content.size if answer.is_over else None,
        content_type=kind,
    )


def _host(exchange: Exchange) -> dict[str, str]:
    return {"host": (exchange.header("host") or exchange.server)[:LONGEST_TEXT]}


def _plain(answer: Answer, most_bytes: int) -> bytes | None:
    """The body of an answer without its coding; None where it is not there as a whole."""
    content = answer.content
    if not content.is_kept or not answer.is_over:
        return None
    return uncoded(bytes(content.data), value_of(answer.headers, "content-encoding"), most_bytes)


def _keep_answer(recorded: Recorded, exchange: Exchange, answer: Answer) -> None:
    """Keep the answer's headers, and its body where it is a small JSON document."""
    clean = _REDACTOR.of_request([*exchange.headers, *answer.headers])
    headers = response_headers(answer.headers)
    recorded.response_headers = {name: clean.header(value) for name, value in headers.items()}
    if not is_json_type(value_of(answer.headers, "content-type")):
        return
    data = _plain(answer, MOST_RESPONSE_BYTES)
    if data is not None and len(data) <= MOST_RESPONSE_BYTES:
        recorded.response_json = response_json(clean.body(data, "application/json").content)
