"""Steps out of the spans of calls: what was asked, how long it took, and what came of it.

Pure. What had to be inferred or left out is counted.
"""

from collections.abc import Sequence

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT, bounded, model_step, tool_step
from replay.assembly.recorded_sessions import Counts
from replay.importers.tracing import otlp_spans as names
from replay.importers.tracing.otlp_requests import (
    FoundMessage,
    FoundRequest,
    argument_value,
    http_request,
    mcp_message,
    mcp_request,
    recorded_arguments,
    set_arguments,
)
from replay.importers.tracing.otlp_spans import OtlpSpan, Role
from replay.reading.timestamps import ms_between
from replay.trace.file.mcp_rules import OPENED_BY_RUNS
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import Kind, LlmCall, Recorded, Step

_LEFT_OUT = "arguments of a tool call that are not JSON of up to 64 KiB"
_LONGEST_S = 1e9
_MOST_BYTES = 1 << 53
# What clocks of two kinds, or times in whole ms, differ by.
_ROUNDED_NS = 10_000_000


class Streaming(msgspec.Struct):
    """What is known of how model calls were answered. unknown: the calls that nothing is known of."""

    is_recorded: bool = False
    unknown: list[LlmCall] = []


class StepMaker:
    """Makes steps, without ids, starts and edges."""

    def __init__(self, counts: Counts, streaming: Streaming) -> None:
        self._counts = counts
        self._streaming = streaming

    def model_call(self, span: OtlpSpan, requests: Sequence[OtlpSpan]) -> Step:
        """requests: those that the call made; the last one tells its status and sizes."""
        llm = LlmCall(
            int(min(_input_tokens(span), MOST_TOKENS)),
            int(min(span.number(names.OUTPUT_TOKENS) or 0, MOST_TOKENS)),
            span.text(names.MODEL) or None,
        )
        first_ns = _first_chunk_ns(span)
        llm.tools = span.tools()
        streamed = span.flag(names.IS_STREAMED)
        if streamed is None and first_ns is None:
            self._streaming.unknown.append(llm)
        else:
            self._streaming.is_recorded = True
            llm.stream = first_ns is not None if streamed is None else streamed
        told = {"span": span.id, "model": span.text(names.ANSWERED_MODEL) or span.text(names.MODEL)}
        end_ns = span.end_ns
        if end_ns is not None and first_ns is not None and first_ns > end_ns + _ROUNDED_NS:
            end_ns = None
            self._counts.drop("duration(s) of model calls that end before their first token came")
        step = model_step(span.name, span.start_ns, end_ns, first_ns, llm, told)
        last = max(requests, key=lambda request: request.start_ns, default=span)
        step.recorded = _recorded(last, None if step.recorded is None else step.recorded.ttft_ms)
        step.attributes.update(_faults(span))
        return step

    def tool_call(self, span: OtlpSpan, ran: OtlpSpan, is_holder: bool) -> Step:
        """ran: the span that gives its times. is_holder: whether it will be replaced by the calls that it holds."""
        arguments = recorded_arguments(argument_value(span))
        told = {"span": span.id}
        step, is_left_out = tool_step(tool_name(span), ran.start_ns, ran.end_ns, arguments, told)
        step.recorded = _recorded(span, None)
        step.attributes.update(_faults(ran, span))
        if not is_holder:
            made_up = "tool call(s) whose request is not recorded became a POST /tools/NAME"
            self._counts.infer(made_up, step.mcp is None)
            self._counts.drop(_LEFT_OUT, is_left_out)
        return step

    def request(
        self, role: Role, span: OtlpSpan, carriers: Sequence[OtlpSpan], tool: OtlpSpan | None, holder: str
    ) -> Step | None:
        """An HTTP request or an MCP call; None where it makes no sense.

        carriers: the HTTP requests below an MCP call. tool: the tool call that it is. holder: the name of the tool
        call that made it.
        """
        method = span.text(names.MCP_METHOD) if role == "mcp" else ""
        carrier = _carrier(span, carriers) if method else None
        if method and carrier is None:
            if method in OPENED_BY_RUNS:
                self._counts.drop(
                    "message(s) that open a session with an MCP server, which a run does by itself"
                )
                return None
            found: FoundMessage | FoundRequest | None = self._message(span, tool)
        else:
            found = None
        if found is None:
            found = self._mcp(span, carrier, tool) if method else self._http(span, tool)
            if found is None:
                return None
            self._count(found)
        kind, name = _kind_and_name(role, span, tool, found)
        end_ns = span.end_ns if span.end_ns is not None and span.end_ns >= span.start_ns else None
        last = max(carriers, key=lambda carrier: carrier.start_ns, default=span)
        step = Step(
            id="",
            kind=kind,
            name=name[:LONGEST_TEXT] or kind,
            took_ms=None if end_ns is None else ms_between(span.start_ns, end_ns),
            request=found.request if isinstance(found, FoundRequest) else None,
            mcp=found.message if isinstance(found, FoundMessage) else None,
            recorded=_recorded(last, None),
            attributes=bounded({"span": span.id, "host": found.host, "tool": holder}),
        )
        step.attributes.update(_faults(span) if tool is None else _faults(span, tool))
        return step

    def _http(self, span: OtlpSpan, tool: OtlpSpan | None) -> FoundRequest | None:
        found = http_request(span)
        if found is None:
            self._counts.drop("HTTP request(s) with an invalid method or URL")
        elif tool is not None:
            self._counts.drop(_LEFT_OUT, not set_arguments(found, argument_value(tool)))
        return found

    def _message(self, span: OtlpSpan, tool: OtlpSpan | None) -> FoundMessage | None:
        """The message that an MCP call is; None where it is none that a run could send in a session of its own."""
        _complete(span, tool)
        found = mcp_message(span)
        if found is not None:
            self._counts.drop(_LEFT_OUT, found.is_left_out)
        return found

    def _mcp(self, span: OtlpSpan, carrier: FoundRequest | None, tool: OtlpSpan | None) -> FoundRequest:
        _complete(span, tool)
        if carrier is None:
            self._counts.infer("MCP call(s) whose HTTP request is not recorded became a POST /mcp")
        found, is_left_out = mcp_request(span, carrier)
        self._counts.drop(_LEFT_OUT, is_left_out)
        return found

    def _count(self, found: FoundRequest) -> None:
        counts = self._counts
        counts.drop("header(s) that hold secrets", found.secret_headers)
        counts.drop("secret(s) in URLs", found.is_redacted)
        counts.drop("body(ies) of HTTP requests, which spans do not hold", found.is_without_body)
        is_filled = found.request.body_bytes is not None
        counts.infer("HTTP request(s) have a body of the recorded size, filled", is_filled)


def _complete(span: OtlpSpan, tool: OtlpSpan | None) -> None:
    """Give an MCP call what only the tool call around it tells."""
    if tool is not None:
        for key in (*names.TOOL_NAME, *names.ARGUMENTS):
            if key in tool.attributes:
                span.attributes.setdefault(key, tool.attributes[key])


def _carrier(span: OtlpSpan, carriers: Sequence[OtlpSpan]) -> FoundRequest | None:
    """The HTTP request that carried an MCP call, where one is recorded."""
    sent = [span, *carriers] if span.text(names.HTTP_METHOD) else carriers
    posts = (each for each in map(http_request, sent) if each is not None and each.request.method == "POST")
    return next(posts, None)


def tool_name(span: OtlpSpan) -> str:
    """The name of a tool, or of what stands for one."""
    operation = span.text(names.OPERATION)
    if operation in ("embeddings", "retrieval"):
        return operation
    return span.text(names.TOOL_NAME) or span.text(names.ENTITY_NAME) or span.name.removeprefix("execute_tool ")


def _kind_and_name(
    role: Role, span: OtlpSpan, tool: OtlpSpan | None, found: FoundRequest | FoundMessage
) -> tuple[Kind, str]:
    if tool is not None:
        return ("mcp" if role == "mcp" else "tool"), tool_name(tool)
    kind: Kind = "mcp" if role == "mcp" else "http"
    method = span.text(names.MCP_METHOD)
    if isinstance(found, FoundRequest) and (kind == "http" or not method):
        return kind, f"{found.request.method} {found.host}"
    return kind, f"{method} {span.text((*names.TOOL_NAME, *names.PROMPT_NAME))}".strip()


def _input_tokens(span: OtlpSpan) -> float:
    count = span.number(names.INPUT_TOKENS)
    if count is not None:
        return count
    return sum(span.number((part,)) or 0.0 for part in names.INPUT_TOKENS_IN_PARTS)


def cached_tokens(span: OtlpSpan) -> int | None:
    """How many tokens of a prompt were read from a cache; None where that is not recorded."""
    count = span.number(names.CACHED_TOKENS)
    return None if count is None else int(min(count, MOST_TOKENS))


def _first_chunk_ns(span: OtlpSpan) -> int | None:
    """When the first piece of an answer came, as an attribute or an event tells."""
    first_s, first_ms = span.number(names.FIRST_CHUNK_S), span.number(names.FIRST_CHUNK_MS)
    either = span.number(names.FIRST_CHUNK_MS_OR_S)
    if first_ms is None and first_s is None and either is not None:
        first_s, first_ms = (None, either) if either == int(either) else (either, None)
    if first_s is None and first_ms is not None:
        first_s = first_ms / 1_000.0
    if first_s is None or first_s > _LONGEST_S:
        return span.first_chunk_ns
    return span.start_ns + round(first_s * 1e9)


def _recorded(span: OtlpSpan, ttft_ms: float | None) -> Recorded | None:
    status = span.number(names.STATUS)
    seen = Recorded(
        status=_whole(status) if status and 100 <= status < 1_000 else None,
        ttft_ms=ttft_ms,
        request_bytes=_whole(span.number(names.REQUEST_BYTES)),
        response_bytes=_whole(span.number(names.RESPONSE_BYTES)),
    )
    return seen if seen != Recorded() else None


def _whole(value: float | None) -> int | None:
    return None if value is None or value > _MOST_BYTES else int(value)


def _faults(*spans: OtlpSpan) -> dict[str, str]:
    """What went wrong: the kind of error, never its message, which may hold anything."""
    failed = [span for span in spans if span.is_error or span.flag(names.HAS_SUCCEEDED) is False]
    kind = next((text for span in failed if (text := span.text(names.ERROR_TYPE))), "true")
    return {"error": kind[:LONGEST_TEXT]} if failed else {}
