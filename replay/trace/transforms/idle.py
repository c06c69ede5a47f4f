"""Long think times cut short: no edge waits longer than a cap, and recorded starts move up with it."""

from collections.abc import Iterator
from graphlib import TopologicalSorter

import msgspec

from replay.trace.transforms.removal import anchor_offset_ms
from replay.trace.transforms.types import Tally
from replay.trace.types import Session, Step


class IdleCap(msgspec.Struct, frozen=True):
    """Edge delays above longest_ms become longest_ms; steps' recorded starts move by what this brings them forward.

    Waits, the starts of sessions and of steps without edges stay.
    """

    longest_ms: float

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            long = sum(1 for step in session.steps for edge in step.after if edge.delay_ms > self.longest_ms)
            if long:
                before_ms = _due_ms(session)
                for step in session.steps:
                    step.after = tuple(
                        msgspec.structs.replace(edge, delay_ms=min(edge.delay_ms, self.longest_ms))
                        for edge in step.after
                    )
                after_ms = _due_ms(session)
                for step in session.steps:
                    step.at_ms = max(0.0, step.at_ms - (before_ms[step.id] - after_ms[step.id]))
                tally["delays shortened"] += long
                tally["sessions with shorter delays"] += 1
            yield session


def _due_ms(session: Session) -> dict[str, float]:
    """When each step is due if all take what was recorded, from the session's start."""
    steps: dict[str, Step] = {step.id: step for step in session.steps}
    order = TopologicalSorter({step.id: [edge.step for edge in step.after] for step in session.steps})
    due_ms: dict[str, float] = {}
    for name in order.static_order():
        step = steps[name]
        due_ms[name] = max(
            (
                due_ms[edge.step] + anchor_offset_ms(steps[edge.step], edge.anchor) + edge.delay_ms
                for edge in step.after
            ),
            default=step.at_ms,
        )
    return due_ms
