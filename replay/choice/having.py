"""Whether a target has what steps, or the agent as a whole, need: as said, and by the hardware priced."""

from replay.choice.case import Case
from replay.choice.types import PilotPlane, PlaneName, StepClass
from replay.money.needs import is_special, words_of


def cannot_do(case: Case, plane: PilotPlane) -> list[StepClass]:
    """The steps that need something which is this target not known to have."""
    return [
        step
        for step in case.workload.series
        if step.needs and not _has_where_it_runs(case, plane, step, step.needs)
    ]


def runs_on(case: Case, plane: PilotPlane, step: StepClass) -> PlaneName:
    """What kind of plane a target has for a step; machines, where nothing says where a hybrid sends it."""
    if plane.plane != "hybrid":
        return plane.plane
    routes = case.routes.get(plane.target, ())
    return next((route.to for route in routes if (route.kind, route.name) == (step.kind, step.name)), "vm")


def _has_where_it_runs(case: Case, plane: PilotPlane, step: StepClass, needs: str) -> bool:
    if runs_on(case, plane, step) == "serverless":
        return is_provided(case, plane, needs)
    return has(case, plane, needs)


def has(case: Case, plane: PilotPlane, needs: str) -> bool:
    """Whether a target has it. A machine that somebody rents has a disk, a browser and a network; special hardware it
    has only if its file says so, or the kind that it is priced as.
    """
    if is_provided(case, plane, needs):
        return True
    return plane.plane != "serverless" and not is_special(needs) and unfit(case, plane, needs) is None


def unfit(case: Case, plane: PilotPlane, needs: str) -> str | None:
    """Why the hardware that it is priced with does not have it, in words that follow its name; None if nothing is known
    against it.
    """
    return None if is_provided(case, plane, needs) else case.unfit.get(plane.target, {}).get(needs)


def is_provided(case: Case, plane: PilotPlane, needs: str) -> bool:
    """Whether a target is said to have it, in whatever order the words are."""
    asked = words_of(needs)
    stated = {word for thing in case.provides.get(plane.target, ()) for word in words_of(thing)}
    return bool(asked) and asked <= stated
