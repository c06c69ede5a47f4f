"""What a choice of plane is made from: the workload, and what is known of each target."""

from collections.abc import Sequence

import msgspec

from replay.judge.choice.types import BreakEvenFound, PilotPlane, PlannedRoute, Workload


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules may look at.

    request_limit_s: the longest request that a target allows, by its name; one that has no limit is not in it.
    provides: what a target is known to have of what steps may need, by its name. hybrid: a split of the steps between
    planes that was simulated and priced like the others; a hybrid that was tried as a target is one of the planes.
    hybrid_routes: where the hybrid that stands for its kind sends the steps.
    """

    workload: Workload
    planes: Sequence[PilotPlane]
    break_even: Sequence[BreakEvenFound] = ()
    request_limit_s: dict[str, float] = {}
    slos: Sequence[str] = ()
    provides: dict[str, Sequence[str]] = {}
    hybrid: PilotPlane | None = None
    hybrid_routes: Sequence[PlannedRoute] = ()

    @property
    def candidates(self) -> list[PilotPlane]:
        """Every plane that could be chosen."""
        return [*self.planes, *([self.hybrid] if self.hybrid is not None else [])]
