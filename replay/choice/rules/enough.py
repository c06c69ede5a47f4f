"""Whether there is evidence enough to choose at all."""

from replay.choice.case import Case
from replay.choice.standing import (
    LEAST_STEPS,
    thin,
)
from replay.choice.types import PlaneName, Rule
from replay.words.phrases import counted

LEAST_SESSIONS = 20
_TRIED: tuple[PlaneName, ...] = ("serverless", "vm")


def enough_evidence(case: Case) -> Rule:
    """Refuse to choose on a thin trace, on planes that were not all measured, or with a generator that was late."""
    workload, lacks = case.workload, []
    if workload.sessions < LEAST_SESSIONS:
        lacks.append(f"the trace has {counted(workload.sessions, 'session')}; it takes {LEAST_SESSIONS}")
    if workload.steps < LEAST_STEPS:
        lacks.append(f"the trace has {counted(workload.steps, 'request')}; it takes {LEAST_STEPS}")
    if workload.pattern == "not classified":
        lacks.append(f"the trace is too short to tell how its load comes ({workload.pattern_rule})")
    aside = []
    for kind in _TRIED:
        tried = [plane for plane in case.planes if plane.plane == kind]
        poor = [f"{plane.target} {why}" for plane in tried if (why := thin(plane)) is not None]
        if not tried:
            lacks.append(f'no {kind} plane was tried; add a target with plane = "{kind}"')
        elif len(poor) == len(tried):
            lacks += poor
        else:
            aside += poor
    enough = "the trace and the planes' runs are long enough to judge"
    return Rule(
        name="enough evidence",
        favours="inconclusive" if lacks else "neither",
        evidence={"sessions": workload.sessions, "requests": workload.steps, "span_s": workload.span_s},
        text="; ".join(lacks) if lacks else "; ".join([enough, *aside]),
        flips_at={"sessions": LEAST_SESSIONS, "requests": LEAST_STEPS},
        source="a break-even only after concurrency was measured, on representative traffic",
    )
