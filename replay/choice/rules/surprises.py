"""The rule of operational surprises."""

from replay.choice.case import Case
from replay.choice.standing import (
    ALPHA,
    standing,
)
from replay.choice.types import Favours, Rule
from replay.judge.statistics.distributions import at_least

LEAST_TROUBLE = 5


def trouble(case: Case) -> Rule:
    """Operational surprises: failures, lost sessions, refusals and time-outs, counted over the same phases."""
    represents = standing(case).represents
    shown = list(represents.values()) or list(case.planes)
    counts = {plane.target: sum(plane.effort.values()) for plane in shown}
    serverless, vm = represents.get("serverless"), represents.get("vm")
    favours: Favours = "neither"
    if serverless and vm:
        a, b = counts[serverless.target], counts[vm.target]
        # Under equal rates each of them falls on either plane alike (conditional test of two Poisson rates).
        if abs(a - b) >= LEAST_TROUBLE and 2 * float(at_least(max(a, b), a + b, 0.5)) < ALPHA:
            favours = "serverless" if a < b else "vm"
    return Rule(
        name="operational surprises",
        favours=favours,
        evidence={"surprises": counts, "kinds": {plane.target: plane.effort for plane in shown}},
        text=", ".join(f"{n} on {target}" for target, n in counts.items()) or "nothing was counted",
        flips_at={"difference": LEAST_TROUBLE},
        source="fewer operational surprises",
    )
