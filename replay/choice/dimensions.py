"""The side-by-side table: eight dimensions, what was found of each on every plane, and which plane has the better.

A decision aid, not a scorecard: rows are not added up, and what was not measured says so.
"""

from collections.abc import Callable, Sequence
from math import inf

import msgspec

from replay.choice.answered import security
from replay.choice.bills import CLEAR_RATIO
from replay.choice.case import Case
from replay.choice.standing import standing
from replay.choice.types import Dimension, PilotPlane
from replay.choice.words import back, of_how_many
from replay.words.numbers import milliseconds, money, number, percent
from replay.words.phrases import counted

EVEN = "even"
NOT_MEASURED = "not measured"
# Seconds by which one has to be back sooner, beyond the ratio, for anybody to notice.
_LEAST_RECOVERY_S = 5.0


def dimensions(case: Case) -> list[Dimension]:
    """All eight rows, in the order of the published table."""
    rows = (_latency, _bursty_cost, _steady_cost, _tools, _operations, _state, _autoscaling, _security)
    return [row(case) for row in rows]


def _latency(case: Case) -> Dimension:
    return _row(
        case,
        "latency",
        lambda plane: plane.p99_ms,
        lambda plane: (
            f"p50 {milliseconds(plane.p50_ms)}, p95 {milliseconds(plane.p95_ms)}, p99 {milliseconds(plane.p99_ms)}"
        ),
        why="by p99 of the representative phase",
    )


def _bursty_cost(case: Case) -> Dimension:
    """As the load comes."""
    return _row(
        case,
        "cost of this load",
        lambda plane: plane.cost_month,
        lambda plane: _money(plane.cost_month, plane.currency),
        why="the month at the recorded mix of low, middle and high load",
    )


def _steady_cost(case: Case) -> Dimension:
    peak = next((bucket for bucket in case.workload.buckets if bucket.name == "peak"), None)

    def at_peak(plane: PilotPlane) -> float | None:
        if peak is None or not peak.weight or plane.target not in peak.cost_all_month:
            return None
        return peak.cost_all_month[plane.target]

    return _row(
        case,
        "cost of steady high load",
        at_peak,
        lambda plane: _money(at_peak(plane), plane.currency),
        why="as if the peak level lasted all month",
    )


def _tools(case: Case) -> Dimension:
    local = [step for step in case.workload.series if step.needs or step.is_local]
    share = sum(step.busy_share for step in local)
    said = (
        f"{percent(share)} of the time is in steps that run on the agent's own machine"
        if local
        else "all over HTTP"
    )
    better = "vm" if share >= 0.5 else EVEN
    return Dimension(
        name="tool integration",
        by_plane={plane.target: said for plane in case.planes},
        better=better,
        why="steps marked as bound to a machine, or recorded without a request",
    )


def _operations(case: Case) -> Dimension:
    def machines(plane: PilotPlane) -> str:
        kept = (
            f"{counted(plane.machines, 'machine')} to patch and watch"
            if plane.machines
            else "no machine to patch"
        )
        return f"{kept}; {counted(sum(plane.effort.values()), 'failure')} but for the kill"

    return _row(
        case,
        "operations",
        lambda plane: float(sum(plane.effort.values())),
        machines,
        why="failures that an operator would have looked at",
        least_difference=5.0,
    )


def _state(case: Case) -> Dimension:
    def said(plane: PilotPlane) -> str:
        lost = plane.recovery
        if lost is None:
            return "no instance was taken down"
        sessions = counted(lost.sessions_lost, "session")
        return f"{sessions} lost when an instance went away; {back(lost)}{of_how_many(plane)}"

    lost = _row(
        case,
        "state and recovery",
        lambda plane: None if plane.recovery is None else float(plane.recovery.sessions_lost),
        said,
        why="sessions lost with an instance",
        least_difference=2.0,
    )
    if lost.better != EVEN:
        return _less_of_what_flatters(case, lost)
    back_again = _row(
        case,
        lost.name,
        _back_after_s,
        said,
        why="how long until answers came at their usual pace again, as many sessions were lost on either",
        least_difference=_LEAST_RECOVERY_S,
    )
    return _less_of_what_flatters(case, back_again) if back_again.better not in (EVEN, NOT_MEASURED) else lost


def _less_of_what_flatters(case: Case, row: Dimension) -> Dimension:
    """A row that a plane does not win whose boots were shorter than they are: that loses less, and is back sooner."""
    flattered = {
        plane.target
        for plane in case.planes
        if plane.recovery is not None and plane.recovery.boots_share is not None
    }
    if row.better not in flattered:
        return row
    why = f"{row.why}; the boots of {row.better} were shortened, which flatters it, so that nothing is decided"
    return msgspec.structs.replace(row, better=EVEN, why=why)


def _back_after_s(plane: PilotPlane) -> float | None:
    """Infinite where it was not back within the run."""
    if plane.recovery is None:
        return None
    return inf if plane.recovery.recovered_s is None else plane.recovery.recovered_s


def _autoscaling(case: Case) -> Dimension:
    def said(plane: PilotPlane) -> str:
        if plane.ceiling_rps is None:
            return NOT_MEASURED
        if plane.ceiling_verdict == "at_least":
            return f"at least {number(plane.ceiling_rps)} requests/s, the most that was tried"
        return f"{number(plane.ceiling_rps)} requests/s, limited by {plane.limited_by}"

    return _row(
        case,
        "autoscaling and capacity",
        lambda plane: None if plane.ceiling_rps is None else -plane.ceiling_rps,
        said,
        why="the ceiling as the target is set up now",
    )


def _security(case: Case) -> Dimension:
    if case.answers is not None:
        return security(case.answers, case.planes)
    return Dimension(
        name="security and compliance",
        by_plane={plane.target: NOT_MEASURED for plane in case.planes},
        better=NOT_MEASURED,
        why="a replay cannot tell where data may live, nor whose permissions are too wide; docs/pilot.md has the list",
    )


def _row(
    case: Case,
    name: str,
    value: Callable[[PilotPlane], float | None],
    said: Callable[[PilotPlane], str],
    *,
    why: str,
    least_difference: float = 0.0,
) -> Dimension:
    """The plane with the least value has the better of it, if it is clearly less; none that is out has the better."""
    out = standing(case).out
    known = [
        (found, plane)
        for plane in case.planes
        if plane.target not in out and (found := value(plane)) is not None
    ]
    return Dimension(
        name=name,
        by_plane={plane.target: said(plane) for plane in case.planes},
        better=_least(known, least_difference),
        why=why,
    )


def _least(known: Sequence[tuple[float, PilotPlane]], least_difference: float) -> str:
    if len(known) < 2:
        return NOT_MEASURED
    ordered = sorted(known, key=lambda item: item[0])
    (first, best), (second, _) = ordered[0], ordered[1]
    # Values may be negated, where more is better.
    is_clear = abs(second - first) > (CLEAR_RATIO - 1) * max(min(abs(first), abs(second)), 1e-12)
    return best.target if is_clear and second - first >= least_difference else EVEN


def _money(value: float | None, currency: str | None) -> str:
    return NOT_MEASURED if value is None else f"{money(value, currency)} a month"
