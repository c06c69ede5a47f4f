"""Edges for calls that were recorded as a tree of spans: who waited for whom, from the tree and the times alone.

Pure. A span is a call (of a model or a tool), or only holds other spans (an agent, a chain, a node of a graph). What
is inferred, among the spans with the same parent, in order of their starts:

- A span follows the spans that had ended when it started, except those that another one of these follows: so it
  joins what ran side by side, and what ran side by side does not follow one another. From the last of these ends
  to its start is its think time, which stands on all of these edges.
- A span that follows none of them follows what its parent follows; if that is none either, it begins by itself.
- A span that is no model call, and starts while a model call beside it still runs, follows that call from its
  first byte, where that had come, or else from its start: it is a tool that the model asked for. It does so only
  where nothing else that had ended since that call started could have asked for it.
- To follow a span that holds others is to follow those in it that none of them follows.
- A call of unknown duration is followed from its start, with the recorded delay, and from its end, with none.

And of calls that hold calls:

- A tool that holds calls is only a holder: its calls are what it did. So is a model call that holds model calls.
- Tools inside of a model call ran beside it, and are treated so.

Recordings round their times. An end that lies after a start by less than the resolution counts as before it; the
delay is then 0, and counted as clamped. Delays are the residuals against a walk of the graph with the recorded
durations, so that clamped edges do not add up: walked again, every step starts within the resolution of its
recorded start, and never before it.
"""

import heapq
from collections.abc import Sequence

import msgspec

from replay.trace.edges.inference import Tally
from replay.trace.types import Edge, Step

# A step that would join more waits for the last ones of them to end. This keeps the cost of hostile input linear.
MOST_JOINED = 256
# Spans deeper than this are treated as if they were at this depth.
_DEEPEST = 50
_ROUNDED_MS = 0.0005  # half a microsecond: beyond what rounding delays can leave


class Span(msgspec.Struct, gc=False):
    """One span. step: the call that it is, with its duration; None: it only holds others.

    cached_tokens: of a model call's input, those that were read from a cache; None where that was not recorded.
    """

    id: str
    parent_id: str | None
    start_ns: int
    step: Step | None = None
    cached_tokens: int | None = None


class SpanCounts(msgspec.Struct):
    """What became of the spans. unknown_parents: spans whose parent was not recorded; they are taken to have none.

    early: spans that began before their parent, by up to most_early_ms, and were moved.
    """

    holders: int = 0
    empty: int = 0
    tools_that_hold_calls: int = 0
    models_that_hold_models: int = 0
    unknown_parents: int = 0
    repeated_ids: int = 0
    early: int = 0
    most_early_ms: float = 0.0
    shortened_joins: int = 0


class _Node(msgspec.Struct):
    """A span in the tree. place: in the order of starts. step: None where it is a holder.

    walked_ms: its start in the walk; end_ms: its end in the walk, for a holder that of all calls in it. sinks: the
    calls that one follows who follows this. after: the nodes that it follows the ends of. beside: the model call
    that it follows while that runs.
    """

    span: Span
    start_ms: float
    place: int
    step: Step | None
    children: "list[_Node]" = []
    walked_ms: float = 0.0
    end_ms: float = 0.0
    sinks: "list[_Node]" = []
    after: "list[_Node]" = []
    beside: "_Node | None" = None

    @property
    def is_model(self) -> bool:
        return self.step is not None and self.step.kind == "llm"


class _Sources(msgspec.Struct):
    """What a span follows: calls that had ended, and a model call that still ran."""

    ended: list[_Node] = []
    running: _Node | None = None


def linked_steps(
    spans: Sequence[Span], resolution_ms: float, tally: Tally, counts: SpanCounts
) -> tuple[int, list[Step]]:
    """When the first call started, in the spans' own ns, and the calls in order of start, with ids and edges.

    A call's id is its number. No calls: (0, []).
    """
    ordered = sorted(spans, key=lambda span: span.start_ns)
    zero_ns = ordered[0].start_ns if ordered else 0
    nodes = [
        _Node(span, round((span.start_ns - zero_ns) / 1e6, 3), place, span.step)
        for place, span in enumerate(ordered)
    ]
    roots = _tree(nodes, counts)
    calls = sorted(_calls(roots), key=lambda node: node.place)
    if not calls:
        return 0, []
    steps: list[Step] = []
    for node in calls:
        assert node.step is not None
        node.step.id = str(len(steps) + 1)
        node.step.at_ms = round(node.start_ms - calls[0].start_ms, 3)
        steps.append(node.step)
    _Walk(resolution_ms, tally, counts).place(roots, _Sources())
    return calls[0].span.start_ns, steps


def _calls(roots: Sequence[_Node]) -> list[_Node]:
    found: list[_Node] = []
    left = list(roots)
    while left:
        node = left.pop()
        if node.step is not None:
            found.append(node)
        left += node.children
    return found


def _tree(nodes: Sequence[_Node], counts: SpanCounts) -> list[_Node]:
    """The spans without a parent, with all others below them; without those that neither are nor hold calls."""
    by_id: dict[str, _Node] = {}
    for node in nodes:
        if by_id.setdefault(node.span.id, node) is not node:
            counts.repeated_ids += 1
    below: dict[int, list[_Node]] = {}
    roots: list[_Node] = []
    for node in by_id.values():
        parent = by_id.get(node.span.parent_id) if node.span.parent_id else None
        counts.unknown_parents += parent is None and bool(node.span.parent_id)
        if parent is None or parent is node:
            roots.append(node)
        else:
            below.setdefault(parent.place, []).append(node)
    order = _from_the_top(roots, below)
    if len(order) < len(by_id):  # spans that name one another as parents, round in a circle
        reached = {node.place for node in order}
        for node in by_id.values():
            if node.place not in reached:
                siblings = below[by_id[node.span.parent_id or ""].place]
                siblings.remove(node)
                roots.append(node)
                more = _from_the_top([node], below)
                reached.update(each.place for each in more)
                order += more
    holding = _roles(order, below, counts)
    return _attached(sorted(roots, key=lambda node: node.place), below, holding)


def _from_the_top(roots: Sequence[_Node], below: dict[int, list[_Node]]) -> list[_Node]:
    """All nodes at and below the roots, parents first."""
    order = list(roots)
    for node in order:  # grows as it goes
        order += below.get(node.place, ())
    return order


def _roles(order: Sequence[_Node], below: dict[int, list[_Node]], counts: SpanCounts) -> set[int]:
    """Settle which nodes are calls, and when holders begin; returns the places of those that are or hold calls.

    A holder begins no later than the calls in it, whatever the clocks said.
    """
    holding: set[int] = set()
    models: set[int] = set()
    began_ms: dict[int, float] = {}
    for node in reversed(order):
        children = below.get(node.place, ())
        holds_calls = any(child.place in holding for child in children)
        holds_models = any(child.place in models for child in children)
        if node.step is not None and node.step.kind == "llm" and holds_models:
            node.step = None
            counts.models_that_hold_models += 1
        elif node.step is not None and node.step.kind != "llm" and holds_calls:
            node.step = None
            counts.tools_that_hold_calls += 1
        elif node.step is None:
            counts.holders += holds_calls
            counts.empty += not holds_calls
        if node.step is not None or holds_calls:
            holding.add(node.place)
        inner_ms = (began_ms[child.place] for child in children if child.place in holding)
        began_ms[node.place] = min(node.start_ms, *inner_ms) if holds_calls else node.start_ms
        if node.step is None:
            node.start_ms = began_ms[node.place]
        if node.is_model or holds_models:
            models.add(node.place)
    return holding


def _attached(roots: Sequence[_Node], below: dict[int, list[_Node]], holding: set[int]) -> list[_Node]:
    """The nodes that stand at the top once calls hold nothing and nothing is too deep."""
    top: list[_Node] = []
    left = [(node, top, 0) for node in reversed(roots)]
    while left:
        node, siblings, depth = left.pop()
        if node.place not in holding:
            continue
        inner, inner_depth = siblings, depth
        if node.step is not None or depth < _DEEPEST:
            siblings.append(node)
        if node.step is None and depth < _DEEPEST:
            node.children = []
            inner, inner_depth = node.children, depth + 1
        left += [(child, inner, inner_depth) for child in reversed(below.get(node.place, ()))]
    return top


class _Walk:
    """Gives the calls their edges, in order of time."""

    def __init__(self, resolution_ms: float, tally: Tally, counts: SpanCounts) -> None:
        self._resolution_ms = resolution_ms
        self._tally = tally
        self._counts = counts

    def place(self, nodes: Sequence[_Node], inherited: _Sources) -> list[_Node]:
        """Link the nodes with the same parent, and all below them; returns the calls that none of them follows."""
        running: list[tuple[float, int, _Node]] = []
        models: list[_Node] = []  # in order of start; the last one may have ended, and is then taken off
        unfollowed: dict[int, _Node] = {}  # those that had ended, except where one of them follows another
        for node in sorted(nodes, key=lambda node: (node.start_ms, node.place)):
            while running and running[0][0] - node.start_ms < self._resolution_ms:
                self._end(heapq.heappop(running)[2], unfollowed)
            while models and models[-1].end_ms - node.start_ms < self._resolution_ms:
                models.pop()
            sources = self._sources(node, models[-1] if models else None, unfollowed, inherited)
            if node.step is None:
                node.sinks = self.place(node.children, sources)
                node.end_ms = max(sink.end_ms for sink in node.sinks)
            else:
                self._link(node, node.step, sources)
                node.sinks = [node]
            heapq.heappush(running, (node.end_ms, node.place, node))
            if node.is_model:
                models.append(node)
        while running:
            self._end(heapq.heappop(running)[2], unfollowed)
        sinks = [sink for node in unfollowed.values() for sink in node.sinks]
        return self._last(sinks)

    def _end(self, node: _Node, unfollowed: dict[int, _Node]) -> None:
        for before in node.after:
            unfollowed.pop(before.place, None)
        unfollowed[node.place] = node
        if len(unfollowed) > MOST_JOINED:  # ends come in order, so the first one is the earliest
            del unfollowed[next(iter(unfollowed))]
            self._counts.shortened_joins += 1

    def _sources(
        self, node: _Node, model: _Node | None, unfollowed: dict[int, _Node], inherited: _Sources
    ) -> _Sources:
        if model is not None and not node.is_model:
            since = [
                each
                for each in unfollowed.values()
                if each.beside is not model and each.end_ms - model.start_ms >= self._resolution_ms
            ]
            if not since:
                node.beside = model
                return _Sources([], model)
        if not unfollowed:
            return inherited
        node.after = list(unfollowed.values())
        return _Sources(self._last([sink for each in node.after for sink in each.sinks]), None)

    def _last(self, calls: list[_Node]) -> list[_Node]:
        if len(calls) <= MOST_JOINED:
            return calls
        self._counts.shortened_joins += 1
        return sorted(calls, key=lambda call: (call.end_ms, call.place))[-MOST_JOINED:]

    def _link(self, node: _Node, step: Step, sources: _Sources) -> None:
        edges: list[Edge] = []
        walked_ms: list[float] = []
        known = [
            source for source in sources.ended if source.step is not None and source.step.took_ms is not None
        ]
        if known:
            last_ms = max(source.end_ms for source in known)
            think_ms = max(0.0, round(node.start_ms - last_ms, 3))
            edges += [Edge(_id(source), "end", think_ms) for source in known]
            walked_ms.append(last_ms + think_ms)
            late_ms = last_ms - node.start_ms
            if late_ms > _ROUNDED_MS:
                self._tally.clamped += 1
                self._tally.most_clamped_ms = max(self._tally.most_clamped_ms, late_ms)
        for source in sources.ended:
            if source.step is not None and source.step.took_ms is None:
                delay_ms = max(0.0, round(node.start_ms - source.walked_ms, 3))
                edges += [Edge(_id(source), "start", delay_ms), Edge(_id(source))]
                walked_ms.append(source.walked_ms + delay_ms)
        if sources.running is not None:
            edge, due_ms = _beside(sources.running, node)
            edges.append(edge)
            walked_ms.append(due_ms)
            self._tally.overlapping += 1
        self._tally.joins += len(sources.ended) > 1
        step.after = tuple(edges)
        node.walked_ms = max(walked_ms, default=node.start_ms)
        node.end_ms = node.walked_ms + (step.took_ms or 0.0)


def _id(node: _Node) -> str:
    assert node.step is not None
    return node.step.id


def _beside(model: _Node, node: _Node) -> tuple[Edge, float]:
    """The edge from a model call that still runs, and when it makes the node due."""
    recorded = model.step.recorded if model.step is not None else None
    ttft_ms = None if recorded is None else recorded.ttft_ms
    if ttft_ms is not None and model.walked_ms + ttft_ms <= node.start_ms:
        first_byte_ms = model.walked_ms + ttft_ms
        delay_ms = round(node.start_ms - first_byte_ms, 3)
        return Edge(_id(model), "first_byte", delay_ms), first_byte_ms + delay_ms
    delay_ms = max(0.0, round(node.start_ms - model.walked_ms, 3))
    return Edge(_id(model), "start", delay_ms), model.walked_ms + delay_ms
