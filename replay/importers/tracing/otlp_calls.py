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

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT, bounded
from replay.assembly.recorded_sessions import Counts
from replay.importers.tracing import otlp_spans as names
from replay.importers.tracing.otlp_spans import OtlpSpan, Role, role_of
from replay.importers.tracing.otlp_steps import StepMaker, Streaming, cached_tokens, tool_name
from replay.trace.edges.spans import Span
from replay.trace.types import Step

_REQUESTS = ("mcp", "http")


class Call(msgspec.Struct):
    """A span of a session, as a call or as a holder of calls. attributes: what it tells of the session."""

    session_id: str
    span: Span
    attributes: dict[str, str]


class _Node(msgspec.Struct, eq=False):
    """A span in the tree. owner: the call that it belongs to. requests: those that belong to this call.

    holds_calls: below it, besides these requests. has_agents_above, has_agents_below: models or tools too, whoever's.
    is_left: it is no part of the trace by itself. beyond: nor is what stands below it.
    """

    span: OtlpSpan
    role: Role
    parent: "_Node | None" = None
    children: "list[_Node]" = []
    session_id: str = ""
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
        self._make = StepMaker(counts, streaming)

    def calls(self, trace_id: str, spans: Sequence[OtlpSpan]) -> list[Call]:
        """The calls of a trace and the spans that hold them."""
        order = self._tree(spans)
        for node in reversed(order):
            node.has_agents_below = any(
                child.has_agents_below or child.role in ("model", "tool", "agent") for child in node.children
            )
        for node in order:
            self._settle(node)
        for node in reversed(order):
            if node.parent is not None and not node.is_left:
                is_call = node.role in ("model", "tool") or (node.role in _REQUESTS and node.owner is None)
                node.parent.holds_calls = node.parent.holds_calls or node.holds_calls or is_call
        kept = [node for node in order if not node.is_left]
        self._name_sessions(trace_id, kept)
        found: list[Call] = []
        for node in kept:
            if not node.is_left:  # a tool call may have become the request that came after it here
                span = self._span(node)
                span.id, span.parent_id = f"{trace_id} {span.id}", _parent_id(trace_id, node)
                found.append(Call(node.session_id, span, self._told(node)))
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

    def _name_sessions(self, trace_id: str, nodes: Sequence[_Node]) -> None:
        """Give each span its session: the one it tells, or a span above it, or the only one that is told, or none."""
        tell = self._told_by(nodes)
        for node in nodes:
            node.session_id = tell(node.span) or ("" if node.parent is None else node.parent.session_id)
        told = {node.session_id for node in nodes if node.session_id}
        default = next(iter(told)) if len(told) == 1 else trace_id or "trace"
        for node in nodes:
            node.session_id = _short(node.session_id or default)

    def _told_by(self, nodes: Sequence[_Node]) -> Callable[[OtlpSpan], str]:
        """How a span of this trace tells its session: by the first attribute that any of them has."""
        for name in self._conversation:
            if any(node.span.text((name,)) for node in nodes):
                return lambda span: span.text((name,))
        return lambda span: names.text_of(span.resource, self._conversation)

    def _settle(self, node: _Node) -> None:
        """Decide what a span is, those above it being decided."""
        above = node.parent
        if above is not None:
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
                self._leave_if_remote(node)
            case "agent":
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

    def _settle_agent(self, node: _Node) -> None:
        if self._leave_if_remote(node):
            return
        name = node.span.text(names.AGENT_NAME)[:LONGEST_TEXT]
        node.is_nested = bool(node.agent)
        self._counts.subagents += node.is_nested
        node.agent = name or node.agent or node.span.name

    def _settle_mcp(self, node: _Node) -> None:
        if self._leave_if_remote(node) or self._is_entry(node):
            return
        owner = node.owner
        if owner is not None and owner.role == "mcp":
            node.role = "internal"  # told twice; what carried it is then the outer one's
            self._counts.infer("request(s) below a model, tool or MCP call are that call")
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
        """The span as a call, or as a holder."""
        step: Step | None = None
        source = node
        if node.role == "model":
            step = self._make.model_call(node.span, [each.span for each in node.requests])
        elif node.role in _REQUESTS:
            step = self._request(node, None)
        elif node.role == "tool":
            if len(node.requests) == 1 and not node.holds_calls:
                source = node.requests[0]
                source.is_left = True
                step = self._request(source, node)
            if step is not None:
                self._counts.infer("request(s) below a model, tool or MCP call are that call")
            else:
                is_timed = len(node.executions) == 1 and not node.holds_calls
                source = node.executions[0] if is_timed else node
                step = self._make.tool_call(node.span, source.span, node.holds_calls or len(node.requests) > 1)
        if step is not None and node.is_nested:
            step.attributes["agent"] = node.agent
        cached = cached_tokens(node.span) if node.role == "model" else None
        return Span(node.span.id, None, source.span.start_ns, step, cached)

    def _request(self, node: _Node, tool: _Node | None) -> Step | None:
        by_tool = node.owner is not None and node.owner.role == "tool"
        holder = tool_name(node.owner.span) if by_tool and node.owner is not None else ""
        carriers = [each.span for each in node.requests]
        return self._make.request(node.role, node.span, carriers, None if tool is None else tool.span, holder)

    def _told(self, node: _Node) -> dict[str, str]:
        told = {"service": names.text_of(node.span.resource, names.SERVICE)}
        if node.agent and not node.is_nested:
            told["agent"] = node.agent
        return bounded(told)


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


def _parent_id(trace_id: str, node: _Node) -> str | None:
    """The parent as its session knows it; None where it stands in another session or is nobody's fault to lack."""
    if not node.span.parent_id:
        return None
    parent = node.parent
    if parent is None:
        is_entry = node.span.kind == names.SERVER_KIND  # who called the agent is seldom recorded
        return None if is_entry else f"{trace_id} {node.span.parent_id}"
    while parent.is_left and parent.parent is not None:
        parent = parent.parent
    return f"{trace_id} {parent.span.id}" if parent.session_id == node.session_id else None


def _short(text: str) -> str:
    """text, or where it is long its beginning and a hash, so that different texts stay different."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:100]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
