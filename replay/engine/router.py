"""Where a step goes, by its kind and name: to which URL of the target, or nowhere (a wait)."""

from fnmatch import fnmatchcase

from replay.target import Route, Target
from replay.trace.types import Step

WAIT = -1
_KNOWN_MOST = 65_536


class Router:
    """The first route that matches decides; a step that none matches goes to the target's own URL.

    urls: every URL that steps are sent to, the target's own first.
    """

    def __init__(self, target: Target) -> None:
        self._routes = target.routes
        self.urls = list(dict.fromkeys([target.url, *(r.send_to for r in target.routes if r.send_to)]))
        self._known: dict[tuple[str, str], int] = {}

    def __repr__(self) -> str:
        return f"<Router {len(self._routes)} routes to {len(self.urls)} URLs>"

    def decide(self, step: Step) -> int:
        """The index in urls to send this step to, or WAIT."""
        if not self._routes:
            return WAIT if step.request is None and step.llm is None else 0
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
        for route in self._routes:
            if _matches(route, kind, name):
                return WAIT if route.send_to is None else self.urls.index(route.send_to)
        return 0


def _matches(route: Route, kind: str, name: str) -> bool:
    return (route.kind is None or fnmatchcase(kind, route.kind)) and (
        route.name is None or fnmatchcase(name, route.name)
    )
