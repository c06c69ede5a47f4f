"""Take steps out of a session so that the others keep their recorded times as far as edges can say them.

A follower of a removed step waits for that step's parents instead, by the sum of both delays and of what the
removed step took to the anchor that was waited for. A removed step without parents has no one to pass on: its
followers start at their recorded time, or, if they wait for others too, at no earlier time than recorded.
"""

from graphlib import TopologicalSorter

import msgspec

from replay.trace.types import Anchor, Edge, Session, Step


def remove_steps(session: Session, removed: set[str]) -> int:
    """Take the steps with these ids out, in place, and give their number. The edges must have no circle."""
    if not removed:
        return 0
    steps = {step.id: step for step in session.steps}
    order = TopologicalSorter({step.id: [edge.step for edge in step.after] for step in session.steps})
    for name in order.static_order():  # parents first, so a removed step's own edges lead to kept steps
        step = steps[name]
        if any(edge.step in removed for edge in step.after):
            step.after = _inherited(step, steps, removed)
    session.steps = [step for step in session.steps if step.id not in removed]
    return len(removed)


def anchor_offset_ms(step: Step, anchor: Anchor) -> float:
    """From a step's start to one of its anchors, as recorded; 0 where the recording does not tell."""
    if anchor == "start":
        return 0.0
    if anchor == "first_byte" and step.recorded is not None and step.recorded.ttft_ms is not None:
        return step.recorded.ttft_ms
    return step.took_ms or 0.0


def _inherited(step: Step, steps: dict[str, Step], removed: set[str]) -> tuple[Edge, ...]:
    edges: dict[tuple[str, Anchor], Edge] = {}
    floor_ms: float | None = None  # the latest time that only a removed first step asked for

    def add(edge: Edge) -> None:
        known = edges.get((edge.step, edge.anchor))
        if known is None or known.delay_ms < edge.delay_ms:
            edges[edge.step, edge.anchor] = edge

    for edge in step.after:
        if edge.step not in removed:
            add(edge)
            continue
        gone = steps[edge.step]
        passed_ms = anchor_offset_ms(gone, edge.anchor) + edge.delay_ms
        for above in gone.after:
            add(
                msgspec.structs.replace(
                    edge, step=above.step, anchor=above.anchor, delay_ms=above.delay_ms + passed_ms
                )
            )
        if not gone.after:
            floor_ms = max(floor_ms or 0.0, gone.at_ms + passed_ms)
    if floor_ms is None or not edges:
        return tuple(edges.values())
    due_ms = {key: _due_ms(edge, steps) for key, edge in edges.items()}
    latest = max(due_ms, key=due_ms.__getitem__)
    if due_ms[latest] < floor_ms:
        edge = edges[latest]
        edges[latest] = msgspec.structs.replace(edge, delay_ms=edge.delay_ms + floor_ms - due_ms[latest])
    return tuple(edges.values())


def _due_ms(edge: Edge, steps: dict[str, Step]) -> float:
    parent = steps[edge.step]
    return parent.at_ms + anchor_offset_ms(parent, edge.anchor) + edge.delay_ms
