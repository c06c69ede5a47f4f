"""The calls in one trace of OTLP spans: which spans are calls, which are the same call, which are others' work.

Pure. The rules, from the root of the tree down:

- A model call, a tool call, an MCP call and an HTTP client's request are calls. Agents, workflows and all other spans
  only hold those below them.
- An HTTP request below a model call is that call. One below an MCP call carries it.
- A tool call with exactly one HTTP request or MCP call below it, and no other call, is that: it gives the name, the
  request gives the rest, its times too. What the tool did before and after is then time on the edges. With more
  requests than one, the tool only holds them. One whose execution has a span of its own has that one's times.
- What stands below an HTTP request, or beyond a server span below a call, is the work of who answered, and no part
  of the trace. But an HTTP request or MCP call above all agents, models and tools is how someone called the agent:
  it only holds them.
"""

from collections.abc import Callable, Sequence

import msgspec

from replay.trace.importers import otlp_spans as names
from replay.trace.importers.call_steps import LONGEST_TEXT, bounded, model_step, tool_step
from replay.trace.importers.otlp_requests import (
    FoundRequest,
    argument_value,
    http_request,
    mcp_request,
    recorded_arguments,
    set_arguments,
)
from replay.trace.importers.otlp_spans import OtlpSpan, Role, role_of
from replay.trace.importers.recorded_sessions import Counts
from replay.trace.importers.spans import Span
from replay.trace.importers.timestamps import ms_between
from replay.trace.rules import MOST_TOKENS
from replay.trace.types import Kind, LlmCall, Recorded, Step

_REQUESTS = ("mcp", "http")
_LONGEST_S = 1e9
_MOST_BYTES = 1 << 53


class Call(msgspec.Struct):
    """A span of a session, as a call or as a holder of calls. attributes: what it tells of the session."""

    session_id: str
    span: Span
    attributes: dict[str, str]


class Streaming(msgspec.Struct):
    """What is known of how model calls were answered. unknown: the calls that nothing is known of."""

    is_recorded: bool = False
    unknown: list[LlmCall] = []


class _Node(msgspec.Struct, eq=False):
    """A span in the tree. owner: the call that it belongs to. requests: those that belong to this call.

    holds_calls: of models, tools or agents, its own and not those of who answered it. has_agents_above, _below: these
    too, whoever's. is_left: it is no part of the trace by itself. beyond: nor is what stands below it.
    """

    span: OtlpSpan
    role: Role
    parent: "_Node | None" = None
    children: "list[_Node]" = []
    conversation: str = ""
    agent: str = ""
    is_nested: bool = False
    holds_calls: bool = False
    has_agents_below: bool = False
    has_agents_above: bool = False
    owner: "_Node | None" = None
    requests: "list[_Node]" = []
    executions: "list[_Node]" = []
    is_left: bool = False
    beyond: bool = False


class TraceCalls:
    """Turns the spans of traces into calls, one trace after the other, and counts what it does."""

    def __init__(self, session_by: str | None, counts: Counts, streaming: Streaming) -> None:
        self._conversation: tuple[str, ...] = names.CONVERSATION
        if session_by is not None:
            header = f"{names.HEADER_PREFIX}{session_by.lower()}"
            self._conversation = (session_by, header, header.replace("-", "_"))
        self._counts = counts
        self._streaming = streaming

    def calls(self, trace_id: str, spans: Sequence[OtlpSpan]) -> list[Call]:
        """The calls of a trace and the spans that hold them."""
        order = self._tree(spans)
        for node in reversed(order):
            node.has_agents_below = any(
                child.has_agents_below or child.role in ("model", "tool", "agent") for child in node.children
            )
        by = self._told_by(order)
        for node in order:
            node.conversation = by(node.span)[:LONGEST_TEXT]
            self._settle(node)
        conversations = {node.conversation for node in order if node.conversation}
        single = next(iter(conversations)) if len(conversations) == 1 else ""
        session_ids = {id(node): node.conversation or single or trace_id or "trace" for node in order}
        found: list[Call] = []
        for node in order:
            if node.is_left:
                continue
            session_id = session_ids[id(node)]
            parent_id: str | None = node.span.parent_id or None
            if node.parent is not None and session_ids[id(node.parent)] != session_id:
                parent_id = None
            elif node.parent is None and node.span.kind == names.SERVER_KIND:
                parent_id = None  # who called the agent is seldom recorded, and no fault
            span = self._span(node)
            span.id = f"{trace_id} {span.id}"
            span.parent_id = None if parent_id is None else f"{trace_id} {parent_id}"
            found.append(Call(session_id, span, self._told(node)))
        return found

    def _tree(self, spans: Sequence[OtlpSpan]) -> list[_Node]:
        """All spans, linked to their parents, parents first."""
        by_id: dict[str, _Node] = {}
        for n, span in enumerate(spans):
            span.id = span.id or f"unnamed {n}"
            if span.id in by_id:
                self._counts.drop("span(s) with an id that occurred before")
            else:
                by_id[span.id] = _Node(span, role_of(span))
        nodes = sorted(by_id.values(), key=lambda node: node.span.start_ns)
        for node in nodes:
            node.parent = by_id.get(node.span.parent_id)
            if node.parent is not None:
                node.parent.children.append(node)
        order: list[_Node] = []
        reached: set[int] = set()
        roots = [node for node in nodes if node.parent is None]
        for start in (*roots, *nodes):
            if id(start) not in reached:
                at = len(order)
                order.append(_top(start))
                while at < len(order):
                    reached.add(id(order[at]))
                    order += [child for child in order[at].children if child.parent is order[at]]
                    at += 1
        return order

    def _told_by(self, order: Sequence[_Node]) -> Callable[[OtlpSpan], str]:
        """How a span of this trace tells its session: by the first attribute that any of them has."""
        for name in self._conversation:
            if any(node.span.text((name,)) for node in order):
                return lambda span: span.text((name,))
        return lambda span: names.text_of(span.resource, self._conversation)

    def _settle(self, node: _Node) -> None:
        """Decide what a span is, those above it being decided."""
        above = node.parent
        if above is not None:
            node.conversation = node.conversation or above.conversation
            node.has_agents_above = above.has_agents_above or above.role in ("model", "tool", "agent")
            node.agent, node.is_nested = above.agent, above.is_nested
            node.owner = above if above.role in ("model", "tool", *_REQUESTS) else above.owner
            if above.role == "agent":
                node.owner = None
            if above.beyond:
                node.is_left = node.beyond = True
                self._counts.drop("span(s) below a call's request: work of who answered it")
                return
        match node.role:
            case "model" | "tool":
                self._hold(node)
            case "agent":
                self._hold(node)
                self._settle_agent(node)
            case "mcp":
                self._settle_mcp(node)
            case "http":
                self._settle_http(node)
            case "server":
                if not self._leave_if_remote(node):
                    self._counts.drop("server span(s)")
            case "client":
                self._counts.drop("span(s) of other clients (databases, queues)")
            case "execution":
                if node.owner is not None and node.owner.role == "tool":
                    node.owner.executions.append(node)
            case "internal":
                self._counts.drop("internal span(s)")

    def _hold(self, node: _Node) -> None:
        if not self._leave_if_remote(node) and node.owner is not None:
            node.owner.holds_calls = True

    def _settle_agent(self, node: _Node) -> None:
        if node.is_left:
            return
        name = node.span.text(names.AGENT_NAME)[:LONGEST_TEXT]
        node.is_nested = bool(node.agent) and node.has_agents_above
        self._counts.subagents += node.is_nested
        node.agent = name or node.agent or node.span.name

    def _settle_mcp(self, node: _Node) -> None:
        if self._leave_if_remote(node) or self._is_entry(node):
            return
        owner = node.owner
        if owner is not None and owner.role == "mcp":
            node.is_left = True
            self._merged(owner, node)
        elif owner is not None and owner.role == "tool":
            owner.requests.append(node)

    def _settle_http(self, node: _Node) -> None:
        if self._is_entry(node):
            return
        node.beyond = True
        if node.owner is not None:
            node.is_left = node.owner.role in ("model", "mcp")
            if node.is_left:
                self._merged(node.owner, node)
            elif node.owner.role == "tool":
                node.owner.requests.append(node)

    def _is_entry(self, node: _Node) -> bool:
        """Whether a request is how someone called the agent; it is then a holder."""
        if node.has_agents_above or not node.has_agents_below:
            return False
        node.role = "internal"
        self._counts.infer("request(s) that hold an agent's calls are these calls")
        return True

    def _leave_if_remote(self, node: _Node) -> bool:
        if node.owner is None or node.span.kind not in (names.SERVER_KIND, names.CONSUMER_KIND):
            return False
        node.is_left = node.beyond = True
        self._counts.drop("span(s) below a call's request: work of who answered it")
        return True

    def _merged(self, owner: _Node, node: _Node) -> None:
        owner.requests.append(node)
        self._counts.infer("request(s) below a model, tool or MCP call are that call")

    def _span(self, node: _Node) -> Span:
        step: Step | None = None
        source = node
        if node.role == "tool":
            only = node.requests[0] if len(node.requests) == 1 and not node.holds_calls else None
            step = self._request_step(only, node) if only is not None else None
            if only is not None:
                only.is_left = True
            if only is not None and step is not None:
                source = only
                self._counts.infer("request(s) below a model, tool or MCP call are that call")
            else:
                step, source = self._tool_step(node)
        elif node.role == "model":
            step = self._model_step(node)
        elif node.role in _REQUESTS:
            step = self._request_step(node, None)
        if step is not None:
            if node.is_nested:
                step.attributes["agent"] = node.agent
            step.attributes.update(_faults(node, source))
        return Span(node.span.id, node.span.parent_id, source.span.start_ns, step)

    def _told(self, node: _Node) -> dict[str, str]:
        told = {"service": names.text_of(node.span.resource, names.SERVICE)}
        if node.agent and not node.is_nested:
            told["agent"] = node.agent
        return bounded(told)

    def _model_step(self, node: _Node) -> Step:
        span = node.span
        llm = LlmCall(
            int(min(_input_tokens(span), MOST_TOKENS)),
            int(min(span.number(names.OUTPUT_TOKENS) or 0, MOST_TOKENS)),
            span.text(names.MODEL) or None,
        )
        first_ns = _first_chunk_ns(span)
        streamed = span.flag(names.IS_STREAMED)
        if streamed is None and first_ns is None:
            self._streaming.unknown.append(llm)
        else:
            self._streaming.is_recorded = True
            llm.stream = first_ns is not None if streamed is None else streamed
        told = {"span": span.id, "model": span.text(names.ANSWERED_MODEL) or span.text(names.MODEL)}
        step = model_step(span.name, span.start_ns, span.end_ns, first_ns, llm, told)
        sent = max(node.requests, key=lambda request: request.span.start_ns, default=node)
        step.recorded = _recorded(sent.span, None if step.recorded is None else step.recorded.ttft_ms)
        return step

    def _tool_step(self, node: _Node) -> tuple[Step, _Node]:
        """The step of a tool call, and the span that gives its times."""
        span = node.span
        source = node.executions[0] if len(node.executions) == 1 and not node.holds_calls else node
        arguments = recorded_arguments(argument_value(span))
        step, is_left_out = tool_step(
            _tool_name(span), source.span.start_ns, source.span.end_ns, arguments, {"span": span.id}
        )
        step.recorded = _recorded(span, None)
        if not (node.requests or node.holds_calls):
            self._counts.infer("tool call(s) whose request is not recorded became a POST /tools/NAME")
        self._counts.drop("arguments of a tool call that are no JSON of up to 64 KiB", is_left_out)
        return step, source

    def _request_step(self, node: _Node, tool: _Node | None) -> Step | None:
        """The step of an HTTP request or an MCP call. tool: the tool call that it is, where it is one."""
        span = node.span
        found: FoundRequest | None
        if node.role == "mcp":
            carriers = [node, *node.requests] if span.text(names.HTTP_METHOD) else node.requests
            sent = next((each for each in map(_http, carriers) if each and each.request.method == "POST"), None)
            if tool is not None:
                for key in (*names.TOOL_NAME, *names.ARGUMENTS):
                    if key in tool.span.attributes:
                        span.attributes.setdefault(key, tool.span.attributes[key])
            found, is_left_out = mcp_request(span, sent)
            if sent is None:
                self._counts.infer("MCP call(s) whose HTTP request is not recorded became a POST /mcp")
        else:
            found, is_left_out = http_request(span), False
            if found is None:
                self._counts.drop("HTTP request(s) whose method or URL makes no sense")
                return None
            if tool is not None:
                is_left_out = not set_arguments(found, argument_value(tool.span))
        self._count(found, is_left_out)
        kind, name = _kind_and_name(node, tool, found)
        end_ns = span.end_ns if span.end_ns is not None and span.end_ns >= span.start_ns else None
        told = {"span": span.id, "host": found.host}
        if node.owner is not None and node.owner.role == "tool":
            told["tool"] = _tool_name(node.owner.span)
        carrier = max((node, *node.requests), key=lambda each: (each.role == "http", each.span.start_ns))
        return Step(
            id="",
            kind=kind,
            name=name[:LONGEST_TEXT] or kind,
            took_ms=None if end_ns is None else ms_between(span.start_ns, end_ns),
            request=found.request,
            recorded=_recorded(carrier.span, None),
            attributes=bounded(told),
        )

    def _count(self, found: FoundRequest, is_left_out: bool) -> None:
        counts = self._counts
        counts.drop("arguments of a tool call that are no JSON of up to 64 KiB", is_left_out)
        counts.drop("header(s) that hold secrets", found.secret_headers)
        counts.drop("secret(s) in URLs", found.is_redacted)
        counts.drop("body(ies) of HTTP requests, which spans do not hold", found.is_without_body)
        counts.infer(
            "HTTP request(s) have a body of the recorded size, filled", found.request.body_bytes is not None
        )


def _top(start: _Node) -> _Node:
    """The span above all others; of spans that are one another's parents, one, which then has none."""
    seen: set[int] = set()
    node = start
    while node.parent is not None and id(node) not in seen:
        seen.add(id(node))
        node = node.parent
    if node.parent is not None:
        node.parent, node.span.parent_id = None, ""
    return node


def _http(node: _Node) -> FoundRequest | None:
    return http_request(node.span)


def _kind_and_name(node: _Node, tool: _Node | None, found: FoundRequest) -> tuple[Kind, str]:
    if tool is not None:
        return ("mcp" if node.role == "mcp" else "tool"), _tool_name(tool.span)
    if node.role == "http":
        return "http", f"{found.request.method} {found.host}"
    target = node.span.text((*names.TOOL_NAME, *names.PROMPT_NAME))
    return "mcp", f"{node.span.text(names.MCP_METHOD)} {target}".strip()


def _tool_name(span: OtlpSpan) -> str:
    operation = span.text(names.OPERATION)
    if operation in ("embeddings", "retrieval"):
        return operation
    return span.text(names.TOOL_NAME) or span.text(names.ENTITY_NAME) or span.name.removeprefix("execute_tool ")


def _input_tokens(span: OtlpSpan) -> float:
    count = span.number(names.INPUT_TOKENS)
    if count is not None:
        return count
    return sum(span.number((part,)) or 0.0 for part in names.INPUT_TOKENS_IN_PARTS)


def _first_chunk_ns(span: OtlpSpan) -> int | None:
    """When the first piece of an answer came, as an attribute or an event tells."""
    first_s, first_ms = span.number(names.FIRST_CHUNK_S), span.number(names.FIRST_CHUNK_MS)
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


def _faults(node: _Node, source: _Node) -> dict[str, str]:
    """What went wrong: the kind of error, never its message, which may hold anything."""
    failed = [
        each.span
        for each in (source, node)
        if each.span.is_error or each.span.flag(names.HAS_SUCCEEDED) is False
    ]
    kind = next((text for span in failed if (text := span.text(names.ERROR_TYPE))), "true")
    return {"error": kind[:LONGEST_TEXT]} if failed else {}
