"""Where a step goes, by its kind and name: to which place of the target, or nowhere (a wait)."""

from replay.engine.requests.destinations import destination, destinations
from replay.engine.requests.read_only import may_change_something
from replay.target.routes import is_for
from replay.target.target import Target
from replay.trace.types import Step

WAIT = -1
_KNOWN_MOST = 65_536


class Router:
    """The first route that matches decides; a step that none matches goes to the target's own URL.

    places: the target as each place that steps are sent to may see it, its own URL first; urls: theirs. read_only: what
    may change something goes nowhere, which is decided here alone, so that no retry and no route can lead past it.
    """

    def __init__(self, target: Target, *, read_only: bool = False) -> None:
        self._routes = target.routes
        self._read_only = read_only
        self.places = destinations(target)
        self.urls = [place.url for place in self.places]
        self._where = [
            WAIT if route.send_to is None else self.places.index(destination(target, route))
            for route in target.routes
        ]
        self._known: dict[tuple[str, str], int] = {}

    def __repr__(self) -> str:
        return f"<Router {len(self._routes)} routes to {len(self.urls)} URLs>"

    def decide(self, step: Step) -> int:
        """The index in urls to send this step to, or WAIT."""
        if self._read_only and may_change_something(step):
            return WAIT
        return self._decide(step)

    def withholds(self, step: Step) -> bool:
        """Whether the step is a wait only because the run is read-only."""
        return self._read_only and may_change_something(step) and self._decide(step) != WAIT

    def _decide(self, step: Step) -> int:
        if not self._routes:
            return 0 if step.request is not None or not step.is_wait else WAIT
        if step.is_wait:
            return WAIT
        key = (step.kind, step.name)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()
            known = self._known[key] = self.place(*key)
        return known

    def place(self, kind: str, name: str) -> int:
        """The same for any step of that kind and name that is no wait in the trace."""
        for route, where in zip(self._routes, self._where, strict=True):
            if is_for(route, kind, name):
                return where
        return 0
