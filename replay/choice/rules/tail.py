"""The cold tail: whether cold starts make the slowest requests of the serverless plane slower than the VM's. Pure.

Three answers, never two: slower for certain (intervals apart), not clearly slower (intervals that say so), and cannot
tell. A plane that looks twice as slow, or of which half of the requests were cold, is never waved through: how much
slower is said whether or not an interval bears it out.
"""

from typing import Literal, NamedTuple

from replay.choice.bills import CLEAR_RATIO
from replay.choice.case import Case
from replay.choice.standing import standing
from replay.choice.types import PilotPlane, Rule
from replay.words.numbers import milliseconds, number, percent

TIMES_SLOWER = 2.0
MOSTLY_COLD = 0.5
_NAME = "cold tail"
_SOURCE = "cold starts and tail events, never one average"

Told = Literal["slower", "not slower", "cannot tell"]


class _Tail(NamedTuple):
    """One quantile on both planes. told: by its intervals."""

    name: str
    serverless_ms: float
    vm_ms: float
    told: Told

    @property
    def times(self) -> float:
        return self.serverless_ms / self.vm_ms if self.vm_ms > 0 else float("inf")


def cold_tail(case: Case) -> Rule:
    """Slower by how much, and whether that is by cold starts."""
    represents = standing(case).represents
    serverless, vm = represents.get("serverless"), represents.get("vm")
    if serverless is None or vm is None:
        why = "there are not both a serverless and a VM target that stand"
        return Rule(name=_NAME, favours="neither", evidence={}, text=why, source=_SOURCE)
    tails = _tails(serverless, vm)
    if not tails:
        text = "cannot tell: no p99 was measured on both planes"
        return Rule(name=_NAME, favours="neither", evidence={"told": "cannot tell"}, text=text, source=_SOURCE)
    tail = _telling(tails)
    told = _told(tail, serverless)
    by_cold = _is_by_cold(serverless, vm)
    return Rule(
        name=_NAME,
        favours="vm" if told == "slower" and by_cold else "neither",
        evidence={
            "told": told,
            "times": round(tail.times, 2) if vm.p99_ms or vm.p95_ms else None,
            f"{tail.name}_ms": {serverless.target: tail.serverless_ms, vm.target: tail.vm_ms},
            "p99_without_cold_ms": serverless.p99_without_cold_ms,
            "cold_share": serverless.cold_share,
            "cold_added_ms": serverless.cold_added_ms,
        },
        text=f"{_figures(tail, serverless, vm)}: {_said(tail, told, serverless, by_cold=by_cold)}",
        flips_at=_flips_at(tail, told, vm, by_cold=by_cold),
        source=_SOURCE,
    )


def _flips_at(tail: _Tail, told: Told, vm: PilotPlane, *, by_cold: bool) -> dict[str, float] | None:
    """The figure of the serverless plane at which the rule would say otherwise, which is never one that it has passed:
    its quantile, or what that is at least. None where no figure would.
    """
    clearly_ms = CLEAR_RATIO * tail.vm_ms
    if told == "slower":
        return {f"{tail.name}_ms": round(clearly_ms, 1)} if by_cold else None
    if tail.serverless_ms <= clearly_ms:
        return {f"{tail.name}_ms": round(clearly_ms, 1)}
    most_ms = ((vm.p99_ci_ms if tail.name == "p99" else vm.p95_ci_ms) or (None, None))[1]
    return None if most_ms is None else {f"{tail.name}_is_at_least_ms": round(most_ms, 1)}


def _tails(serverless: PilotPlane, vm: PilotPlane) -> list[_Tail]:
    found = []
    for name, a, b, a_ci, b_ci in (
        ("p99", serverless.p99_ms, vm.p99_ms, serverless.p99_ci_ms, vm.p99_ci_ms),
        ("p95", serverless.p95_ms, vm.p95_ms, serverless.p95_ci_ms, vm.p95_ci_ms),
    ):
        if a is not None and b is not None:
            found.append(_Tail(name, a, b, _by_intervals(a, b, a_ci, b_ci)))
    return found


_Ci = tuple[float | None, float | None] | None


def _by_intervals(serverless_ms: float, vm_ms: float, serverless: _Ci, vm: _Ci) -> Told:
    least, most = (serverless or (None, None))[0], (vm or (None, None))[1]
    if least is None or most is None:
        return "cannot tell"
    return "slower" if least > most and serverless_ms > CLEAR_RATIO * vm_ms else "not slower"


def _telling(tails: list[_Tail]) -> _Tail:
    """The quantile that shows most: one that is slower for certain, else one that has intervals, else p99."""
    slower = [tail for tail in tails if tail.told == "slower"]
    if slower:
        return max(slower, key=lambda tail: tail.times)
    return next((tail for tail in tails if tail.told == "not slower"), tails[0])


def _told(tail: _Tail, serverless: PilotPlane) -> Told:
    """Overlapping intervals are no all-clear where the figures are far apart or most requests waited for a boot."""
    looks_slower = tail.times >= TIMES_SLOWER or (serverless.cold_share or 0.0) >= MOSTLY_COLD
    return "cannot tell" if tail.told == "not slower" and looks_slower else tail.told


def _is_by_cold(serverless: PilotPlane, vm: PilotPlane) -> bool:
    if (serverless.cold_share or 0.0) >= MOSTLY_COLD:
        return True
    without, beside = serverless.p99_without_cold_ms, vm.p99_ms
    return without is not None and beside is not None and without <= CLEAR_RATIO * beside


def _figures(tail: _Tail, serverless: PilotPlane, vm: PilotPlane) -> str:
    times = ""
    if tail.times >= CLEAR_RATIO and tail.vm_ms > 0:
        times = f", {number(tail.times)} times as long"
    share = serverless.cold_share
    cold = "" if share is None else f"; {percent(share)} of the requests to {serverless.target} were cold"
    return (
        f"{tail.name} {milliseconds(tail.serverless_ms)} on {serverless.target}, {milliseconds(tail.vm_ms)} on "
        f"{vm.target}{times}{cold}"
    )


def _said(tail: _Tail, told: Told, serverless: PilotPlane, *, by_cold: bool) -> str:
    if told == "cannot tell":
        few = tail.told == "cannot tell"
        why = f"the runs are too short for an interval of {tail.name}" if few else "their intervals overlap"
        if (serverless.cold_share or 0.0) >= MOSTLY_COLD:
            return f"most of its requests waited for a boot; cannot tell how much that adds at {tail.name}, since {why}"
        return f"cannot tell whether that is chance, since {why}"
    if told == "not slower":
        return "not clearly slower"
    return "cold starts make the difference" if by_cold else "slower, but not by cold starts alone"
