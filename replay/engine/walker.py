"""Walks one session's graph: told what happened and when, it answers which steps are due, and when.

A session is a graph of steps joined by edges. An edge says "this long after that step's start, first byte or
end"; a step is due at the latest of its edges, and a step without edges at the session's start plus its
recorded offset. The walker is told of each event once, by `started`, `first_byte` and `ended`, and answers with
the steps whose last edge this was. It does no I/O and knows no clock, so the same walk runs live, in a
simulation and in a test.

Two rules that meet are settled so: a step that ends without a first byte (a failure, a wait) has its
first-byte edges released at its end; an edge cannot be released before the event it waits for, so a late
event makes a late step, and never a lost one.
"""

import math
from collections.abc import Sequence
from operator import itemgetter
from sys import intern

from replay.engine.requests.render import Rendered
from replay.engine.types import Knobs
from replay.engine.users.values import SessionValues
from replay.trace.types import Session, Step

_NS_PER_MS = 1_000_000
_START, _FIRST_BYTE, _END = 0, 1, 2
_ANCHORS = {"start": _START, "first_byte": _FIRST_BYTE, "end": _END}

Due = tuple[int, int]
"""(index of the step in its session, due time in ns)"""

_NONE: tuple[Due, ...] = ()
_AT_START = [0]
# Stands for every empty dict; nobody writes to it.
_NOTHING: dict[str, str] = {}


class Pace:
    """Turns recorded milliseconds into ns of this run, and adds up what each knob removed."""

    __slots__ = (
        "_arrivals",
        "_cap_ms",
        "_capped_ms",
        "_delay",
        "_delays_ms",
        "_knobs",
        "_last_start_ms",
        "_offset",
        "_offsets_ms",
    )

    def __init__(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self._cap_ms = math.inf if knobs.idle_cap_s is None else knobs.idle_cap_s * 1000
        self._delay = knobs.think / knobs.speed * _NS_PER_MS
        self._offset = _NS_PER_MS / knobs.speed
        self._arrivals = _NS_PER_MS / (knobs.speed * knobs.arrivals)
        self._capped_ms = self._delays_ms = self._offsets_ms = self._last_start_ms = 0.0

    @property
    def bends_gaps(self) -> bool:
        """Whether edge delays are changed otherwise than by speed alone."""
        return self._knobs.think != 1.0 or self._knobs.idle_cap_s is not None

    def delay_ns(self, delay_ms: float) -> int:
        """An edge's delay."""
        if delay_ms > self._cap_ms:
            self._capped_ms += delay_ms - self._cap_ms
            delay_ms = self._cap_ms
        self._delays_ms += delay_ms
        return int(delay_ms * self._delay)

    def offset_ns(self, at_ms: float) -> int:
        """The first offset of a step without edges, or the length of a wait."""
        if at_ms > self._cap_ms:
            self._capped_ms += at_ms - self._cap_ms
            at_ms = self._cap_ms
        self._offsets_ms += at_ms
        return int(at_ms * self._offset)

    def start_ns(self, start_ms: float) -> int:
        """A session's start."""
        self._last_start_ms = max(self._last_start_ms, start_ms)
        return int(start_ms * self._arrivals)

    def recorded_ns(self, at_ms: float) -> int:
        """A recorded instant of a session, from its start, where only speed applies."""
        return int(at_ms * self._offset)

    def removed_s(self) -> dict[str, float]:
        """Seconds that each knob took out of the sessions seen so far, each after the ones before it.

        Those of idle_cap, think and speed are summed over all edge delays, waits and first offsets; that of arrivals
        is out of the span of the session starts. A negative figure was added. Knobs that changed nothing are left out.
        """
        knobs = self._knobs
        thought_ms = self._delays_ms * knobs.think
        removed_ms = {
            "idle_cap": self._capped_ms,
            "think": self._delays_ms - thought_ms,
            "arrivals": self._last_start_ms * (1 - 1 / knobs.arrivals),
            "speed": (thought_ms + self._offsets_ms) * (1 - 1 / knobs.speed),
        }
        return {name: round(ms / 1000, 6) for name, ms in removed_ms.items() if ms}


class Walk:
    """The state of one session under way. Small: a million of them sleep in memory at once.

    owns_steps: nobody else has these steps, so what is not needed any more may be dropped from them.
    steps holds the steps that were not started yet; `started` drops them. is_flat: no step waits for another, so
    nothing needs to be told of first bytes, and `started` and `ended` release nothing. hears_starts, hears_first_bytes:
    whether any edge of the session waits for such an event; where none waits for a start, `started` does no more than
    drop the step. values: the run's own; what the session's requests are filled with (replay/engine/users), None where
    nothing is. has_failed: a step of it has; is_cut: one was left unsent. Both are told by the run.
    """

    __slots__ = (
        "_children",
        "_due",
        "_waits_for",
        "attributes",
        "has_failed",
        "hears_first_bytes",
        "hears_starts",
        "id",
        "is_cut",
        "is_flat",
        "left",
        "rendered",
        "start_ns",
        "steps",
        "values",
    )

    def __init__(
        self,
        session: Session,
        pace: Pace,
        start_ns: int,
        is_recorded: bool = False,
        owns_steps: bool = False,
    ) -> None:
        steps = session.steps
        self.id = session.id
        self.attributes = session.attributes or _NOTHING
        self.rendered: dict[int, Rendered] | None = None
        self.values: SessionValues | None = None
        self.steps: list[Step | None] = steps  # type: ignore[assignment]
        self.start_ns = start_ns
        self.left = len(steps)
        self.is_flat = True
        self.hears_starts = self.hears_first_bytes = False
        self.has_failed = False
        self.is_cut = False
        self._children: list[list[tuple[int, int, int]] | None] | None = None
        self._waits_for: list[int] | None = None
        self._due: list[int] | None = None
        if is_recorded:
            self._due = recorded_offsets(steps, pace)
        elif any(step.after for step in steps):
            self._link(steps, pace)
            if owns_steps:
                _slim(steps)
        else:
            self._due = [pace.offset_ns(step.at_ms) if step.at_ms else 0 for step in steps]

    def _link(self, steps: Sequence[Step], pace: Pace) -> None:
        self.is_flat = False
        index = {step.id: i for i, step in enumerate(steps)}
        children: list[list[tuple[int, int, int]] | None] = [None] * len(steps)
        waits_for = [0] * len(steps)
        due = [0] * len(steps)
        are_mixed = False
        for i, step in enumerate(steps):
            if step.after:
                waits_for[i] = len(step.after)
                for edge in step.after:
                    parent = index[edge.step]
                    anchor = _ANCHORS[edge.anchor]
                    if anchor == _START:
                        self.hears_starts = True
                    elif anchor == _FIRST_BYTE:
                        self.hears_first_bytes = True
                    released = (i, anchor, pace.delay_ns(edge.delay_ms))
                    siblings = children[parent]
                    if siblings is None:
                        children[parent] = [released]
                    else:
                        siblings.append(released)
                        are_mixed = are_mixed or siblings[0][1] != released[1]
            elif step.at_ms:
                due[i] = pace.offset_ns(step.at_ms)
        if are_mixed:
            # As the events come, so that a look at the first edge says whether any waits for this one.
            for edges in children:
                if edges is not None:
                    edges.sort(key=itemgetter(1))
        self._children, self._waits_for, self._due = children, waits_for, due

    def __repr__(self) -> str:
        return f"<Walk {self.id}: {self.left} of {len(self.steps)} steps left>"

    @property
    def is_one_step(self) -> bool:
        """Whether the session is a single step, due at its start."""
        return self.is_flat and self._due == _AT_START

    def begin(self) -> Sequence[Due]:
        """The steps that wait for nothing, and when they are due."""
        start, due, waits_for = self.start_ns, self._due, self._waits_for
        assert due is not None
        if waits_for is None:
            roots = [(i, start + offset) for i, offset in enumerate(due)]
        else:
            roots = [(i, start + due[i]) for i, n in enumerate(waits_for) if not n]
        # From here on the start is the first intended time, where the makespan counts from.
        self.start_ns = min(at for _, at in roots) if roots else start
        return roots

    def started(self, i: int, at_ns: int) -> Sequence[Due]:
        """Step i was started (handed to the wire) at at_ns."""
        self.steps[i] = None
        return self._release(i, at_ns, _START)

    def first_byte(self, i: int, at_ns: int) -> Sequence[Due]:
        """The first byte of step i's response came at at_ns."""
        return self._release(i, at_ns, _FIRST_BYTE)

    def ended(self, i: int, at_ns: int) -> Sequence[Due]:
        """Step i ended at at_ns, in whatever way; edges from events that never came are released too."""
        self.left -= 1
        return self._release(i, at_ns, _END)

    def abandon(self) -> list[Step]:
        """Give up every step that was not started, and return them."""
        given_up = [step for step in self.steps if step is not None]
        self.steps = [None] * len(self.steps)
        self.left -= len(given_up)
        return given_up

    def wants_first_byte(self, i: int) -> bool:
        """Whether an edge waits for the first byte of step i."""
        children = self._children
        if children is None:
            return False
        for _, anchor, _ in children[i] or ():
            if anchor >= _FIRST_BYTE:
                return anchor == _FIRST_BYTE
        return False

    def _release(self, i: int, at_ns: int, event: int) -> Sequence[Due]:
        """Let go of the edges from step i that wait for this event, or for one before it; returns who waits no more."""
        children = self._children
        edges = None if children is None else children[i]
        if not edges or edges[0][1] > event:
            return _NONE
        waits_for, due = self._waits_for, self._due
        assert children is not None
        assert waits_for is not None
        assert due is not None
        if len(edges) == 1:
            # One step after the other, which is what most sessions are.
            child, _, delay_ns = edges[0]
            children[i] = None
            at = at_ns + delay_ns
            if at > due[child]:
                due[child] = at
            waits_for[child] -= 1
            return _NONE if waits_for[child] else ((child, due[child]),)
        ready: list[Due] = []
        kept = None
        for nth, (child, anchor, delay_ns) in enumerate(edges):
            if anchor > event:
                kept = edges[nth:]
                break
            at = at_ns + delay_ns
            if at > due[child]:
                due[child] = at
            waits_for[child] -= 1
            if not waits_for[child]:
                ready.append((child, due[child]))
        children[i] = kept
        return ready


def _slim(steps: Sequence[Step]) -> None:
    """Let go of what a step of a walked session needs no more, and share what steps have in common.

    Sessions that sleep are many: this takes 0.9 KiB from each (two steps, scripts/bench --only memory).
    """
    for step in steps:
        step.after = ()
        step.id, step.name = intern(step.id), intern(step.name)
        if not step.attributes:
            step.attributes = _NOTHING
        request = step.request
        if request is not None:
            request.method, request.path = intern(request.method), intern(request.path)
            if not request.headers:
                request.headers = _NOTHING


def recorded_offsets(steps: Sequence[Step], pace: Pace) -> list[int]:
    """When each step is due by the recording, in ns from the session's start, whatever the target does.

    Where no knob bends the gaps this is the recorded at_ms. Else the graph is walked with the recorded
    durations, so that a capped gap moves all that follows it.
    """
    if not pace.bends_gaps:
        return [pace.recorded_ns(step.at_ms) for step in steps]
    by_id = {step.id: step for step in steps}
    moved: dict[str, int] = {}
    for step in sorted(steps, key=lambda step: step.at_ms):
        if not step.after:
            moved[step.id] = pace.offset_ns(step.at_ms)
            continue
        latest = 0
        for edge in step.after:
            parent = by_id[edge.step]
            anchor_ms = recorded_anchor_ms(parent, edge.anchor)
            base = moved.get(edge.step, pace.recorded_ns(parent.at_ms))
            latest = max(latest, base + pace.recorded_ns(anchor_ms) + pace.delay_ns(edge.delay_ms))
        moved[step.id] = latest
    return [moved[step.id] for step in steps]


def recorded_anchor_ms(step: Step, anchor: str) -> float:
    """How long after its start a step reached this anchor in the recording; 0 where it was not recorded."""
    took_ms = step.took_ms or 0.0
    if anchor == "start":
        return 0.0
    if anchor == "first_byte":
        ttft_ms = step.recorded.ttft_ms if step.recorded is not None else None
        return took_ms if ttft_ms is None else ttft_ms
    return took_ms
