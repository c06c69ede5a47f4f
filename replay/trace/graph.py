"""Whether the edges between a session's steps can be walked: every step known once, and no waiting in circles.

Pure. A session whose edges only point backwards, as nearly all do, is settled in one pass.
"""

from difflib import get_close_matches
from typing import NamedTuple

from replay.trace.errors import shown
from replay.trace.types import Session, Step

# Comparing names is quadratic: beyond this many candidates a suggestion is not worth its time.
_MOST_CANDIDATES = 10_000
_MOST_SHOWN_IN_CYCLE = 6


class Problem(NamedTuple):
    """What is wrong in a session: the step and field where it is, and a sentence that continues from there.

    text reads on after `step "c" of session "s-40"` (or after `session "s-40"` where step is None).
    """

    step: str | None
    field: str | None
    text: str


def find_graph_problem(session: Session) -> Problem | None:
    """The first thing that keeps the session's edges from being walked; None when all is well."""
    steps = session.steps
    known: set[str] = set()
    forward = False
    for step in steps:
        for edge in step.after:
            if edge.step not in known:
                forward = True
        if step.id in known:
            return Problem(step.id, "id", "has the same id as an earlier step")
        known.add(step.id)
    if not forward:
        return None
    for step in steps:
        for n, edge in enumerate(step.after):
            if edge.step == step.id:
                return Problem(step.id, f"after[{n}].step", "waits for itself")
            if edge.step not in known:
                text = f"waits for step {shown(edge.step)}, which does not exist"
                return Problem(step.id, f"after[{n}].step", text + _suggestion(edge.step, known))
    return _find_cycle(steps)


def _suggestion(name: str, known: set[str]) -> str:
    if len(known) > _MOST_CANDIDATES:
        return ""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f". Did you mean {shown(near[0])}?" if near else ""


def _find_cycle(steps: list[Step]) -> Problem | None:
    """Take away steps that wait for nothing, until none is left; what stays waits in a circle."""
    waits = {step.id: len(step.after) for step in steps}
    followers: dict[str, list[str]] = {}
    for step in steps:
        for edge in step.after:
            followers.setdefault(edge.step, []).append(step.id)
    free = [name for name, n in waits.items() if not n]
    while free:
        name = free.pop()
        del waits[name]
        for follower in followers.get(name, ()):
            waits[follower] -= 1
            if not waits[follower]:
                free.append(follower)
    if not waits:
        return None
    by_id = {step.id: step for step in steps}
    name = next(iter(waits))
    seen: dict[str, int] = {}
    path: list[str] = []
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        name = next(edge.step for edge in by_id[name].after if edge.step in waits)
    circle = path[seen[name] :]
    between = [shown(step) for step in circle[1:]]
    if len(between) > _MOST_SHOWN_IN_CYCLE:
        between[_MOST_SHOWN_IN_CYCLE - 1 : -1] = ["..."]
    way = f", by way of {', '.join(between)}" if between else ""
    return Problem(circle[0], "after", f"waits for itself{way}: its edges form a circle")
