"""How many instances a plane is to have: its limits, its policy, and the averages that the policy looks at.

It is told of load and of what there is, and answers with numbers; the plane boots and lets go. A plane of kind "vm" has
no policy: all its machines are always wanted.
"""

import math

from replay.planes.core.averages import Averages
from replay.planes.core.group_scaling import GroupPolicy
from replay.planes.core.scaling import RequestDrivenPolicy, WindowDrivenPolicy, boots_for_queue
from replay.planes.core.scaling_types import GroupDriven, WindowDriven
from replay.planes.core.types import PlaneSpec

_SECOND_NS = 1_000_000_000


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND_NS)


class Autoscaler:
    """The wanted number of instances under `spec`. Instants are ns and must not go backwards."""

    def __init__(self, spec: PlaneSpec, start_ns: int) -> None:
        self.wanted = 0
        self._concurrency = spec.concurrency
        self._most, self._least = spec.max_instances, spec.min_instances
        self.idle_lifetime_ns: int | None = None  # None: no instance goes for having been idle
        self._low_window_ns: int | None = None  # None: no instance goes for having been used little
        self.low_ratio = 0.0  # what counts as little
        self._kept = 0  # however little they are used
        self.tick_ns: int | None = None  # the next evaluation
        self.rests = False  # whether evaluations are passed over that could find nothing new
        self._by_request: RequestDrivenPolicy | None = None
        self._by_window: WindowDrivenPolicy | None = None
        self._by_group: GroupPolicy | None = None
        self._goes_by_cpu = False
        windows_s: tuple[int, ...] = ()
        cpu_windows_s: tuple[int, ...] = ()
        self._period_ns = 0
        rules = spec.scaling
        if spec.kind == "vm":
            self._least = spec.max_instances
        elif isinstance(rules, GroupDriven):
            self._by_group = GroupPolicy(rules, spec.concurrency, spec.vcpu, start_ns)
            self._least = max(1, self._least)
            self._period_ns = _ns(rules.evaluate_s)
            windows_s = (rules.window_s,)
            self._goes_by_cpu = rules.target == "cpu"
            cpu_windows_s = windows_s if self._goes_by_cpu else ()
        elif isinstance(rules, WindowDriven):
            self._by_window = WindowDrivenPolicy(rules, spec.concurrency)
            self._period_ns = _ns(rules.evaluate_s)
            windows_s = (rules.stable_window_s, rules.panic_window_s)
        else:
            self._by_request = RequestDrivenPolicy(rules, spec.concurrency, spec.vcpu)
            self.idle_lifetime_ns = _ns(spec.idle_lifetime_s)
            windows_s = rules.windows_s
            cpu_windows_s = (rules.cpu_window_s,) if windows_s else ()
            if rules.keep_instances is not None:
                self._low_window_ns = _ns(rules.low_window_s)
                self.low_ratio = rules.low_ratio
                self._kept = rules.keep_instances
            if windows_s or rules.keep_instances is not None:
                self._period_ns = _ns(rules.evaluate_s)
        self._load = Averages(windows_s, start_ns)
        self._cpu = Averages(cpu_windows_s, start_ns)
        self.counts_cpu = bool(cpu_windows_s)
        self._origin_ns = start_ns
        self._evaluated_ns = start_ns
        self._low_ns = start_ns  # when instances that are used little were last let go

    def __repr__(self) -> str:
        policy = self._by_request or self._by_window or self._by_group
        return f"<Autoscaler {self.wanted} wanted, {self._least} to {self._most}, {policy}>"

    @property
    def held(self) -> int:
        """How many instances stay, however long they are idle."""
        return max(self._least, self.wanted)

    @property
    def held_when_low(self) -> int:
        """How many instances stay, however little they are used."""
        return max(self._least, self.wanted, self._kept)

    @property
    def shrinks(self) -> bool:
        """Whether an evaluation lets go of all above the wanted number; else they leave by age or by low use."""
        return self._by_request is None

    def start(self, at_ns: int) -> int:
        """Return how many instances are always on."""
        if self._by_group is not None:
            self.wanted = self._limited(self._by_group.least(at_ns))
        if self._period_ns and self._least:
            self.resume(at_ns)
        return self.held

    def note_load(self, running: int, waiting: int, at_ns: int) -> None:
        """Take in how many requests run and wait from now on.

        Request-driven scaling answers those that wait otherwise, so they are no load to it.
        """
        self._load.set_level(running if self._by_request is not None else running + waiting, at_ns)

    def note_cpu(self, milli_vcpu: int, at_ns: int) -> None:
        """Take in how much CPU all instances use from now on."""
        self._cpu.set_level(milli_vcpu, at_ns)

    def resume(self, at_ns: int) -> None:
        """Evaluate from the next multiple of the period on, unless evaluations are under way or there are none."""
        if self.tick_ns is not None or not self._period_ns:
            return
        self.tick_ns = self._due_from(at_ns + 1)
        self._low_ns = at_ns
        self._load.restart(at_ns)
        self._cpu.restart(at_ns)

    def evaluate(self, at_ns: int, ready: int, size: int, waiting: int) -> None:
        """Ask the policy what it wants. size: how many boot or take requests."""
        means = self._load.means(at_ns)
        if self._by_window is not None:
            wanted = self._by_window.wanted(at_ns, means[0], means[1], ready)
        elif self._by_request is not None:
            wanted = self._by_request.wanted(means, self._cpu.means(at_ns))
            if not size and not waiting:
                wanted = 0  # only a request wakes a plane at zero
        else:
            assert self._by_group is not None  # without a policy nothing is evaluated
            load = self._cpu.means(at_ns)[0] if self._goes_by_cpu else means[0]
            wanted = self._by_group.wanted(at_ns, load, size)
        self.wanted = self._limited(wanted)

    def evaluated(self, at_ns: int, *, is_quiet: bool, is_idle: bool) -> None:
        """Settle when the next evaluation is: a quiet plane has none until something happens.

        is_idle: nothing was decided. While the same number will be wanted, every evaluation until something happens
        would come to the same; only instances that are used little are looked at meanwhile.
        """
        self.tick_ns = None if is_quiet else at_ns + self._period_ns
        self._evaluated_ns = at_ns
        self.rests = False
        if not is_idle or is_quiet or (stays_s := self._stays_wanted_s(at_ns)) * _SECOND_NS < self._period_ns:
            return
        self.rests = True
        due_ns = [] if self._low_window_ns is None else [self._due_from(self._low_ns + self._low_window_ns)]
        if stays_s < math.inf:
            due_ns.append(self._due_from((at_ns // _SECOND_NS + math.floor(stays_s) + 1) * _SECOND_NS))
        self.tick_ns = min(due_ns, default=None)

    def _stays_wanted_s(self, at_ns: int) -> float:
        """For how many whole seconds at least the policy wants the same number, unless the load changes."""
        policy = self._by_request
        if policy is None:
            return 0.0
        load, cpu = self._load.bounds(at_ns), self._cpu.bounds(at_ns)
        if load is None or cpu is None:
            return 0.0
        if policy.wanted(load[:1], cpu[:1]) == policy.wanted(load[1:], cpu[1:]):
            return math.inf
        load_drifts, cpu_drifts = self._load.drifts(load, at_ns), self._cpu.drifts(cpu, at_ns)
        if load_drifts is None or cpu_drifts is None:
            return 0.0
        return policy.stays_wanted_s(self._load.means(at_ns), self._cpu.means(at_ns), load_drifts, cpu_drifts)

    def go_on(self, at_ns: int) -> None:
        """Evaluate in every period again, since something happens at this instant."""
        self.rests = False
        self.tick_ns = self._due_from(at_ns)

    def little_used_since_ns(self, at_ns: int) -> int | None:
        """Return since when an instance must have been seen to be let go now for its low use; None: it is not time."""
        window_ns = self._low_window_ns
        return None if window_ns is None or at_ns - self._low_ns < window_ns else at_ns - window_ns

    def looked_at_use(self, at_ns: int) -> None:
        """Note that instances that are used little are let go now; the next time is a period later."""
        self._low_ns = at_ns

    def asked(self, at_ns: int, waiting: int, booting: int, size: int) -> int:
        """Return how many instances waiting requests, the minimum and the wanted number ask for by now.

        booting: those that add slots. size: how many boot or take requests.
        """
        if self._by_request is not None:
            more = boots_for_queue(waiting, self._concurrency, booting)
            # At zero only a request boots, whatever the averages wanted before the last one died.
            return max(size + more, self.held if size or more else self._least)
        if self._by_window is not None and not self.wanted and waiting:
            self.wanted = min(self._by_window.woken(at_ns), self._most)
        return self.held

    def _due_from(self, at_ns: int) -> int:
        """The first multiple of the period at or after this instant that has not been evaluated yet."""
        periods = -(-(max(at_ns, self._evaluated_ns + 1) - self._origin_ns) // self._period_ns)
        return self._origin_ns + periods * self._period_ns

    def _limited(self, wanted: int) -> int:
        return min(max(wanted, self._least), self._most)
