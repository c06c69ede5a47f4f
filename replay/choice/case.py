"""What a choice of plane is made from: the workload, and what is known of each target."""

from collections.abc import Sequence

import msgspec

from replay.choice.questionnaire import Answers
from replay.choice.types import Hybrid, PilotPlane, PlannedRoute, Workload
from replay.money.types import BreakEvenFound


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules may look at.

    request_limit_s: the longest request that a target allows, by its name; one that has no limit is not in it.
    provides: what a target is known to have of what steps may need, by its name. unfit: by target, and by what is
    needed, why the hardware that it is priced with does not have it. routes: where a hybrid sends the steps, by its
    name. hybrid: what came of looking for a split that nobody named; None: nobody looked. calendar: how the month looks
    that the bills are of. answers: to what no trace can tell; None: nobody was asked.
    """

    workload: Workload
    planes: Sequence[PilotPlane]
    break_even: Sequence[BreakEvenFound] = ()
    request_limit_s: dict[str, float] = {}
    slos: Sequence[str] = ()
    provides: dict[str, Sequence[str]] = {}
    unfit: dict[str, dict[str, str]] = {}
    routes: dict[str, Sequence[PlannedRoute]] = {}
    hybrid: Hybrid | None = None
    calendar: str = ""
    answers: Answers | None = None

    @property
    def peak_rps(self) -> float:
        """Requests a second at the peak of the month that is priced."""
        return self.workload.month_peak_rps or self.workload.peak_rps

    @property
    def whose_peak(self) -> str:
        return "month's" if self.workload.month_peak_rps else "trace's"
