"""How many machines a scaled group wants: sizes for a target use, holds what it has had, and follows a schedule.

Every so often it takes the mean load (requests that run or wait, or CPU in use) and asks for as many machines as bring
it to the target share of what one machine has. Between the size that is asked for and the size that is wanted stand, in
this order:

- tolerance: a size is left alone while its use is within so much of the target;
- hold: of the sizes asked for in the last hold_s, the largest holds, so that a group shrinks to its recent peak only;
- growth: no more machines are added in a period than a number, or than a share of those that were there;
- the schedule: a daily window has a number of machines below which the group does not go.

Machines that boot count as there, so a group does not ask again for what it has already asked for. Which machine
leaves, and how, is the plane's affair; limits of the plane are applied after all of these.

Sources. Compute Engine, Autoscaling groups of instances: the size is kept at what the peak load of the stabilisation
period (10 minutes, or the initialisation period if that is longer) needs, and drops in one step; the initialisation
period is 60 s unless set. Kubernetes, Horizontal Pod Autoscaling:
desired = ceil(current * metric / target), nothing within a tolerance of 0.1, every 15 s; the largest desired number of
the last 300 s holds when it shrinks; it grows by 4 pods or 100 %, whichever is more, in 15 s.
"""

from collections import deque

from replay.planes.core.scaling import DEFAULT_FULL, SECOND_NS, ceiling
from replay.planes.core.scaling_types import GroupDriven

_DAY_H = 24.0
_HOUR_NS = 3600 * SECOND_NS


class GroupPolicy:
    """A group's rules over time. Instants are ns from the plane's start_ns and must not go backwards."""

    def __init__(self, rules: GroupDriven, concurrency: int, vcpu: float, start_ns: int = 0) -> None:
        self._rules = rules
        # Load that one machine is to have: in requests, or in thousandths of a vCPU.
        full = vcpu * 1000 if rules.target == "cpu" else concurrency or DEFAULT_FULL
        self.target = full * rules.target_ratio
        self._start_ns = start_ns
        self._hold_ns = round(max(rules.hold_s, rules.initialise_s) * SECOND_NS)
        # Sizes asked for within the hold, decreasing, so that the first is the largest.
        self._asked: deque[tuple[int, int]] = deque()
        self._added: deque[tuple[int, int]] = deque()  # when, and how many

    def __repr__(self) -> str:
        return f"<GroupPolicy {self._rules.target}, target {self.target:g}>"

    def wanted(self, at_ns: int, load: float, machines: int) -> int:
        """Return how many machines are wanted now. load: the mean; machines: that there are, booting ones too."""
        asked = self._asked_for(load, machines)
        held = self._held(at_ns, asked)
        return max(self._grown(at_ns, held, machines), self.least(at_ns))

    def least(self, at_ns: int) -> int:
        """Return how many machines the schedule asks for now."""
        hour = (self._rules.starts_at_h + (at_ns - self._start_ns) / _HOUR_NS) % _DAY_H
        return self._rules.scheduled_at(hour)

    def _asked_for(self, load: float, machines: int) -> int:
        if machines and abs(load / (machines * self.target) - 1) <= self._rules.tolerance_ratio:
            return machines
        return ceiling(load / self.target)

    def _held(self, at_ns: int, asked: int) -> int:
        """Return the largest size that was asked for within the hold."""
        recent = self._asked
        while recent and recent[-1][1] <= asked:
            recent.pop()
        recent.append((at_ns, asked))
        while recent[0][0] < at_ns - self._hold_ns:
            recent.popleft()
        return recent[0][1]

    def _grown(self, at_ns: int, size: int, machines: int) -> int:
        """Return the size, no larger than growth allows."""
        rules = self._rules
        if rules.most_added is None and rules.most_added_ratio is None:
            return size
        begin_ns = at_ns - round(rules.added_period_s * SECOND_NS)
        while self._added and self._added[0][0] <= begin_ns:
            self._added.popleft()
        before = machines - sum(added for _, added in self._added)
        room = max(rules.most_added or 0, ceiling(before * (rules.most_added_ratio or 0.0)))
        grown = min(size, max(machines, before + room))
        if grown > machines:
            self._added.append((at_ns, grown - machines))
        return grown
