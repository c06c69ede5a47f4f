"""Where a hybrid target sends each kind of step, by the routes of its file."""

from replay.choice.types import PlannedRoute, Workload
from replay.engine.requests.router import WAIT, Router
from replay.target.target import Target
from replay.trace.redaction.shown_urls import shown_url


def routes_of(target: Target, workload: Workload) -> list[PlannedRoute]:
    """The steps of the workload in its order. The target's own URL is its serverless part, as it is billed; what goes
    nowhere is in no list.
    """
    router = Router(target)
    found = []
    for step in workload.series:
        place = WAIT if step.is_local else router.place(step.kind, step.name)
        if place != WAIT:
            why = (
                "no route of the target file names it"
                if place == 0
                else f"a route sends it to {shown_url(router.urls[place])}"
            )
            found.append(
                PlannedRoute(kind=step.kind, name=step.name, to="vm" if place else "serverless", why=why)
            )
    return found
