"""Attempts of steps, as a run makes them, for what looks at them once they have ended."""

from typing import Any

from replay.engine.attempt import Attempt
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.trace.types import Session, Step


def attempt(step: Step, walk: Walk | None = None, **fields: Any) -> Attempt:
    """An attempt of a step with these fields; walk: None for a session that has nothing but this step."""
    if walk is None:
        walk = Walk(Session("s", 0.0, [step]), Pace(Knobs()), 0)
    given = {"head": b"", "body": b"", "method": "GET", "on_done": lambda _: None} | fields
    return Attempt(**{"index": 0, "place": 0, "intended_ns": 0, "started_ns": 0} | given, step=step, walk=walk)
