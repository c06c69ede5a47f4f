"""When something is due in a plane by the passing of time alone, and what."""

from typing import Literal

from replay.planes.core.autoscaler import Autoscaler
from replay.planes.core.fleet import NEVER_NS, Fleet
from replay.planes.core.requests import Requests

Due = Literal["timeout", "refusal", "evaluation", "idle", "drained"]


class Deadlines:
    """The deadlines of one plane. next_ns: none is earlier; it may be early, where what it was meant for has ended."""

    def __init__(self, requests: Requests, fleet: Fleet, scaler: Autoscaler) -> None:
        self._requests = requests
        self._fleet = fleet
        self._scaler = scaler
        self.next_ns = NEVER_NS

    def __repr__(self) -> str:
        due_ns, what = self.earliest()
        return f"<Deadlines, {what} at {due_ns} ns>" if what is not None else "<Deadlines, none>"

    def earliest(self) -> tuple[int, Due | None]:
        """Return what is due first and when: of those due together, clients come before instances."""
        first_ns: int = NEVER_NS
        first: Due | None = None
        due_ns = self._requests.timeout_due_ns()
        if due_ns is not None:
            first_ns, first = due_ns, "timeout"
        due_ns = self._requests.pending.deadline_ns()
        if due_ns is not None and due_ns < first_ns:
            first_ns, first = due_ns, "refusal"
        due_ns = self._scaler.tick_ns
        if due_ns is not None and due_ns < first_ns:
            first_ns, first = due_ns, "evaluation"
        due_ns = self._idle_expiry_ns()
        if due_ns is not None and due_ns < first_ns:
            first_ns, first = due_ns, "idle"
        due_ns = self._fleet.drain_due_ns()
        if due_ns is not None and due_ns < first_ns:
            first_ns, first = due_ns, "drained"
        return first_ns, first

    def note(self, due_ns: int | None) -> None:
        """Take in that something is due then; None: never."""
        if due_ns is not None and due_ns < self.next_ns:
            self.next_ns = due_ns

    def note_waiting(self, at_ns: int) -> None:
        """Take in that the queue, or the time that one may wait in it, has changed."""
        deadline_ns = self._requests.pending.deadline_ns()
        if deadline_ns is not None:
            self.note(max(deadline_ns, at_ns))

    def note_idle(self, at_ns: int) -> None:
        """Take in that an instance rests."""
        expiry_ns = self._idle_expiry_ns()
        # The one that expires first may have been held until now by the wanted number.
        if expiry_ns is not None:
            self.note(max(at_ns, expiry_ns))

    def _idle_expiry_ns(self) -> int | None:
        lifetime_ns, idle = self._scaler.idle_lifetime_ns, self._fleet.idle
        if lifetime_ns is None or not idle or len(self._fleet.ready) <= self._scaler.held:
            return None
        idle_since_ns = next(iter(idle.values())).idle_since_ns
        assert idle_since_ns is not None
        return idle_since_ns + lifetime_ns
