"""What a session must keep to beyond its types, so that it can be sent: sizes, times, and requests.

Pure. The limits are generous for real traces and small enough that no line of a file can make the engine
overflow a clock (int64 ns end after 292 years) or fill the memory.
"""

import re

from replay.http.fields import is_not_for_value
from replay.trace.errors import shown
from replay.trace.file.carried_rules import carried_problem
from replay.trace.file.grpc_rules import grpc_problem, is_base64, misplaced_status
from replay.trace.file.mcp_rules import mcp_problem
from replay.trace.file.ws_rules import ws_problem
from replay.trace.graph import Problem, find_graph_problem
from replay.trace.types import LlmCall, Request, Session, Step, WsCall
from replay.trace.values.expect import expect_problem
from replay.trace.values.extracting import extract_problem, extracts_problem
from replay.trace.values.sockets import as_request
from replay.words.numbers import exact

MOST_STEPS = 1_000_000
LONGEST_NAME = 1_000  # characters of an id, name, model, header name or attribute name
LONGEST_MS = 1e12  # 31.7 years
MOST_TOKENS = 100_000_000
MOST_BODY_BYTES = 1 << 30

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110, section 5.6.2
_SENT = ("request", "llm", "mcp", "ws", "grpc")
_PATH = re.compile(r"/[!-~]*").fullmatch  # RFC 3986 leaves nothing but visible ASCII


def find_problem(session: Session) -> Problem | None:
    """The first rule that the session breaks, its edges included; None when it can be replayed."""
    if not session.id or len(session.id) > LONGEST_NAME:
        return Problem(None, "id", _length_text("id", session.id))
    if not 0.0 <= session.start_ms <= LONGEST_MS:
        return Problem(None, "start_ms", _time_text("start_ms", session.start_ms))
    steps = session.steps
    if not steps:
        return Problem(None, "steps", "has no steps")
    if len(steps) > MOST_STEPS:
        return Problem(None, "steps", f"has {len(steps):,} steps; at most {MOST_STEPS:,} are allowed")
    for step in steps:
        if (
            not step.id
            or len(step.id) > LONGEST_NAME
            or not step.name
            or len(step.name) > LONGEST_NAME
            or not 0.0 <= step.at_ms <= LONGEST_MS
            or (step.took_ms is not None and not 0.0 <= step.took_ms <= LONGEST_MS)
        ):
            return _step_problem(step)
        for n, edge in enumerate(step.after):
            if not 0.0 <= edge.delay_ms <= LONGEST_MS:
                field = f"after[{n}].delay_ms"
                return Problem(step.id, field, _time_text(field, edge.delay_ms))
        if not step.is_wait:
            found = _sent_problem(step)
            if found is not None:
                return Problem(step.id, *found)
        for name, extract in step.extract.items():
            why = extract_problem(name, extract)
            if why is not None:
                return Problem(
                    step.id, f"extract.{shown(name)}", f"asks in extract for {shown(name)}, which {why}"
                )
        if step.extract:
            why = extracts_problem(step.extract)
            if why is not None:
                return Problem(step.id, "extract", f"asks in extract for {why}")
        if step.expect is not None:
            why = expect_problem(step.expect) or misplaced_status(step.expect, is_call=step.grpc is not None)
            if why is not None:
                return Problem(step.id, "expect", why)
        if step.recorded is not None:
            ttft_ms = step.recorded.ttft_ms
            if ttft_ms is not None and not 0.0 <= ttft_ms <= LONGEST_MS:
                return Problem(step.id, "recorded.ttft_ms", _time_text("recorded.ttft_ms", ttft_ms))
            status = step.recorded.status
            if status is not None and not 0 <= status <= 999:
                return Problem(
                    step.id, "recorded.status", f"has recorded.status {status}, which is not an HTTP status"
                )
    return find_graph_problem(session)


def _sent_problem(step: Step) -> tuple[str, str] | None:
    """What is wrong with what a step sends."""
    found = None
    if step.request is not None:
        found = _request_problem(step.request)
    elif step.llm is not None:
        found = _llm_problem(step.llm)
    elif step.mcp is not None:
        found = mcp_problem(step.mcp)
    elif step.ws is not None:
        found = _ws_problem(step.ws)
    elif step.grpc is not None:
        found = grpc_problem(step.grpc)
    given = [name for name in _SENT if getattr(step, name) is not None]
    if len(given) > 1:
        return given[1], f"has both {given[0]} and {given[1]}; a step has at most one of them"
    return found


def _length_text(field: str, value: str) -> str:
    if not value:
        return f"has an empty {field}"
    return f"has {field} of {len(value):,} characters; at most {LONGEST_NAME:,} are allowed"


def _time_text(field: str, value: float) -> str:
    if value < 0:
        return f"has {field} {exact(value)}, which is negative"
    return f"has {field} {exact(value)}; at most {exact(LONGEST_MS)} ms (31 years) is allowed"


def _step_problem(step: Step) -> Problem:
    for field, name in (("id", step.id), ("name", step.name)):
        if not name or len(name) > LONGEST_NAME:
            return Problem(step.id, field, _length_text(field, name))
    if not 0.0 <= step.at_ms <= LONGEST_MS:
        return Problem(step.id, "at_ms", _time_text("at_ms", step.at_ms))
    return Problem(step.id, "took_ms", _time_text("took_ms", step.took_ms or 0.0))


def _request_problem(request: Request) -> tuple[str, str] | None:
    if not _TOKEN(request.method):
        return "request.method", f"has the method {shown(request.method)}, which is not an HTTP token"
    if not _PATH(request.path):
        if not request.path.startswith("/"):
            text = f'has the path {shown(request.path)}, which does not begin with "/"'
        else:
            text = f"has the path {shown(request.path)}, with characters that must be percent-encoded"
        return "request.path", text
    for name, value in request.headers.items():
        if not _TOKEN(name):
            text = f"has the header name {shown(name)}, which is not an HTTP token"
            return "request.headers", text
        if is_not_for_value(value):
            text = f"has a line break or another control character in the value of header {shown(name)}"
            return "request.headers", text
    bodies = (
        (request.body is not None)
        + bool(request.json)
        + (request.body_base64 is not None)
        + (request.body_bytes is not None)
    )
    if bodies > 1:
        return "request", "has more than one of body, json, body_base64 and body_bytes"
    if request.body_bytes is not None and not 0 <= request.body_bytes <= MOST_BODY_BYTES:
        text = f"has request.body_bytes {request.body_bytes:,}; it must lie between 0 and {MOST_BODY_BYTES:,}"
        return "request.body_bytes", text
    if request.body_base64 is not None and not is_base64(request.body_base64):
        return "request.body_base64", "has a request.body_base64 that is not base64"
    return None


def _ws_problem(call: WsCall) -> tuple[str, str] | None:
    found = ws_problem(call)
    if found is None and (found := _request_problem(as_request(call))) is not None:
        field, text = found
        in_ws = {"request.body_bytes": "ws.message_bytes", "request.body_base64": "ws.base64"}
        found = in_ws.get(field, field.replace("request", "ws")), text.replace(field, in_ws.get(field, field))
    if found is None and not all(map(_TOKEN, call.protocols)):
        return "ws.protocols", "has ws.protocols with a name that is not an HTTP token"
    return found


def _llm_problem(llm: LlmCall) -> tuple[str, str] | None:
    for field, count in (("input_tokens", llm.input_tokens), ("output_tokens", llm.output_tokens)):
        if not 0 <= count <= MOST_TOKENS:
            return f"llm.{field}", f"has llm.{field} {count:,}; it must lie between 0 and {MOST_TOKENS:,}"
    block = llm.prefix_block_tokens
    if block is not None and not 1 <= block <= MOST_TOKENS:
        text = f"has llm.prefix_block_tokens {block:,}; it must lie between 1 and {MOST_TOKENS:,}"
        return "llm.prefix_block_tokens", text
    if llm.model is not None and len(llm.model) > LONGEST_NAME:
        return "llm.model", _length_text("llm.model", llm.model)
    return carried_problem(llm) if llm.images or llm.tools is not None else None
