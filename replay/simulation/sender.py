"""The target's side of a simulated run: a wire for each of its planes, with the WebSockets that its instances hold, and
nothing to render.
"""

from collections.abc import Sequence

from replay.engine.attempt import Gathers
from replay.engine.requests.read_only import may_change_something
from replay.engine.requests.render import Rendered
from replay.engine.requests.router import Router
from replay.engine.walker import Walk
from replay.simulation.wire import SimulatedWire
from replay.target.target import Target
from replay.trace.types import Step

_NOTHING = Rendered("GET", b"", b"", False, False)
_MAY_BE_REPEATED = _NOTHING._replace(is_idempotent=True)


class SimulatedSender:
    """wires: of the target's own URL, and where there is one of all others to which its routes send steps."""

    keeps_by_session = False
    gathering: Sequence[Gathers] = ()
    mcp = None
    logins = ()
    conversation = None
    redirects = None

    def __init__(self, target: Target, wires: Sequence[SimulatedWire], read_only: bool = False) -> None:
        router = Router(target, read_only=read_only)
        self.decide, self.withholds = router.decide, router.withholds
        self.wires = [wires[0], *[wires[-1]] * (len(router.urls) - 1)]
        self.websockets = [wire.sockets for wire in self.wires]
        self.renderers = [_Nothing()] * len(router.urls)

    def sweep(self, now: int) -> None:
        pass

    def prepare(self, connections: int) -> None:
        pass

    def end_session(self, walk: Walk) -> None:
        pass

    def refused(self, place: int, sent_ns: int) -> None:
        pass


class _Nothing:
    def render(self, step: Step, session_id: str, number: int = 1) -> Rendered:
        return _NOTHING if may_change_something(step) else _MAY_BE_REPEATED

    def is_current(self, rendered: Rendered) -> bool:
        return True
