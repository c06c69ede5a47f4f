"""How many instances a plane wants: the request-driven and the window-driven policy.

Both see two things: what is waiting, at every event, and averages of load, at every evaluation. They answer
with a number; which instance boots or leaves is the plane's affair.

Request-driven (Cloud Run). Waiting requests ask for instances at once, less those already booting. Averages
ask for as many as bring concurrency and CPU to their targets; the larger of all windows holds. It never asks
for a first instance without a request. Scale-in belongs to the plane: low use goes first, the rest by age.

Window-driven (Knative's pod autoscaler). Waiting requests count as load like running ones. From zero the first
request asks for one instance at once; everything else is decided at the evaluation, from two means:

- the stable window gives the usual number, held between half and a thousand times the ready instances;
- the panic window, a tenth as long, takes over once it asks for twice what is ready, until one stable window
  has passed without that. In panic the number only grows;
- zero is wanted only when the whole stable window is empty, and then after a grace.

Sources: Cloud Run, About instance autoscaling; knative/serving at 98e5ef90, pkg/autoscaler/scaling and
pkg/reconciler/autoscaling/kpa.
"""

import math
from collections import deque
from collections.abc import Sequence

from replay.planes.core.averages import Drift
from replay.planes.core.scaling_types import RequestDriven, WindowDriven

SECOND_NS = 1_000_000_000
# What counts as full where concurrency is unlimited. Source: container-concurrency-target-default.
DEFAULT_FULL = 100
_SMALLEST_TARGET = 0.01
# Far above what rounding does to a number of instances, and above what ceiling() forgives.
_MARGIN = 1e-6


def ceiling(number: float) -> int:
    """Round up, but not over a rounding error: 1.8 / (0.6 * 3) is 1, not 2."""
    return math.ceil(number - 1e-9)


def boots_for_queue(waiting: int, concurrency: int, booting: int) -> int:
    """Return how many more instances the waiting requests ask for; concurrency 0 is unlimited.

    Source: Cloud Run, About instance autoscaling: requests that wait for an instance start one.
    """
    asked = -(-waiting // concurrency) if concurrency else min(waiting, 1)
    return max(0, asked - booting)


def instances_for_load(means: Sequence[float], full: float, target_ratio: float) -> int:
    """Return how many instances bring the largest of the means down to target_ratio of `full` each."""
    return ceiling(max(means, default=0.0) / (target_ratio * full))


def unchanged_s(numbers: Sequence[float], drifts: Sequence[Drift], wanted: int) -> float:
    """Return for how many seconds at least the largest of these numbers, rounded up, stays what is wanted now."""
    above, below = math.inf, math.inf if wanted <= 0 else 0.0
    for number, drift in zip(numbers, drifts, strict=True):
        if drift.rise:
            above = min(above, (wanted - number - _MARGIN) / drift.rise)
        least = number - (wanted - 1) - _MARGIN
        if least > 0:
            below = max(below, least / drift.fall if drift.fall else math.inf)
    return min(above, below)


class RequestDrivenPolicy:
    """Cloud Run's averages; waiting requests go through boots_for_queue."""

    def __init__(self, rules: RequestDriven, concurrency: int, vcpu: float) -> None:
        self._rules = rules
        self._full = concurrency or DEFAULT_FULL
        self._full_milli_vcpu = vcpu * 1000

    def __repr__(self) -> str:
        return f"<RequestDrivenPolicy {self._rules.target_ratio:.0%} of {self._full:g}>"

    def wanted(self, concurrency: Sequence[float], milli_vcpu: Sequence[float]) -> int:
        """Return the wanted number from the means of both loads over each window."""
        rules = self._rules
        return max(
            instances_for_load(concurrency, self._full, rules.target_ratio),
            instances_for_load(milli_vcpu, self._full_milli_vcpu, rules.cpu_target_ratio),
        )

    def stays_wanted_s(
        self,
        concurrency: Sequence[float],
        milli_vcpu: Sequence[float],
        concurrency_drifts: Sequence[Drift],
        milli_vcpu_drifts: Sequence[Drift],
    ) -> float:
        """Return for how many seconds at least the wanted number stays, from the means and how far they may go."""
        full = self._rules.target_ratio * self._full
        full_milli_vcpu = self._rules.cpu_target_ratio * self._full_milli_vcpu
        return unchanged_s(
            [mean / full for mean in concurrency] + [mean / full_milli_vcpu for mean in milli_vcpu],
            [Drift(drift.rise / full, drift.fall / full) for drift in concurrency_drifts]
            + [
                Drift(drift.rise / full_milli_vcpu, drift.fall / full_milli_vcpu) for drift in milli_vcpu_drifts
            ],
            self.wanted(concurrency, milli_vcpu),
        )


class WindowDrivenPolicy:
    """Knative's pod autoscaler for one revision. Instants are ns and must not go backwards."""

    def __init__(self, rules: WindowDriven, concurrency: int) -> None:
        self._rules = rules
        full = rules.target_concurrency or concurrency or DEFAULT_FULL
        self._full = min(full, concurrency) if concurrency else full
        self.target = max(_SMALLEST_TARGET, self._full * rules.utilization_ratio)
        self._stable_ns = rules.stable_window_s * SECOND_NS
        self._panic_since_ns: int | None = None
        self._panic_most = 0
        self._active_since_ns: int | None = None
        self._inactive_since_ns: int | None = None
        self._proxied_since_ns: int | None = None
        # Wanted numbers of the scale-down delay, decreasing, so that the first is their maximum.
        self._recent: deque[tuple[int, int]] = deque()

    def __repr__(self) -> str:
        state = "panic" if self.is_panicking else "stable"
        return f"<WindowDrivenPolicy {state}, target {self.target:g}>"

    @property
    def is_panicking(self) -> bool:
        return self._panic_since_ns is not None

    def woken(self, at_ns: int) -> int:
        """Return the wanted number when a request comes while none is wanted.

        Source: pkg/activator/handler/concurrency_reporter.go: the first request is reported at once.
        """
        self._become_active(at_ns)
        return max(1, self._rules.activation_scale)

    def wanted(self, at_ns: int, stable: float, panic: float, ready: int) -> int:
        """Return the wanted number from the mean concurrency of both windows and the ready instances.

        Limits of the plane are not applied: the memory of a panic holds what was wanted, not what was allowed.
        """
        rules = self._rules
        base = max(1, ready)
        most = math.ceil(rules.max_scale_up_ratio * base)
        least = math.floor(base / rules.max_scale_down_ratio)
        raw_panic = ceiling(panic / self.target)
        want_stable = min(max(ceiling(stable / self.target), least), most)
        want_panic = min(max(raw_panic, least), most)
        if rules.activation_scale > 1:
            want_stable = max(want_stable, rules.activation_scale) if want_stable else 0
            want_panic = max(want_panic, rules.activation_scale) if want_panic else 0

        if raw_panic / base >= rules.panic_threshold_ratio:
            if self._panic_since_ns is None:
                self._panic_most = 0
            self._panic_since_ns = at_ns
        elif self._panic_since_ns is not None and at_ns - self._panic_since_ns > self._stable_ns:
            self._panic_since_ns = None
        want = want_stable
        if self._panic_since_ns is not None:
            want = self._panic_most = max(want_stable, want_panic, self._panic_most)

        want = self._delayed(want, at_ns)
        self._watch_path(at_ns, ready, panic)
        return self._held_above_zero(want, at_ns)

    def excess_burst_capacity(self, ready: int, panic: float) -> int:
        """Return the requests that could still come at once; below 0, the activator stays in the path.

        Source: pkg/autoscaler/scaling/autoscaler.go, floor(ready * total - target burst capacity - panic).
        """
        capacity = self._rules.target_burst_capacity
        if capacity <= 0:
            return int(capacity)
        return math.floor(ready * self._full - capacity - panic)

    def _delayed(self, want: int, at_ns: int) -> int:
        """Return the largest number wanted within the scale-down delay."""
        delay_ns = round(self._rules.scale_down_delay_s * SECOND_NS)
        if not delay_ns:
            return want
        recent = self._recent
        while recent and recent[-1][1] <= want:
            recent.pop()
        recent.append((at_ns, want))
        while recent[0][0] < at_ns - delay_ns:
            recent.popleft()
        return recent[0][1]

    def _watch_path(self, at_ns: int, ready: int, panic: float) -> None:
        """Note since when the activator is in the path: after that, zero needs no grace."""
        if self.excess_burst_capacity(ready, panic) >= 0:
            self._proxied_since_ns = None
        elif self._proxied_since_ns is None:
            self._proxied_since_ns = at_ns

    def _held_above_zero(self, want: int, at_ns: int) -> int:
        """Return the wanted number, held at 1 while it is too early for 0.

        Source: pkg/reconciler/autoscaling/kpa/scaler.go: active for a stable window, then inactive for the
        grace; or for the retention alone, once the activator has been in the path for the grace.
        """
        if want:
            self._become_active(at_ns)
            return want
        if self._active_since_ns is not None and at_ns - self._active_since_ns < self._stable_ns:
            return 1
        if self._inactive_since_ns is None:
            self._inactive_since_ns = at_ns
        inactive_ns = at_ns - self._inactive_since_ns
        grace_ns = round(self._rules.scale_to_zero_grace_s * SECOND_NS)
        retention_ns = round(self._rules.last_instance_retention_s * SECOND_NS)
        proxied_ns = 0 if self._proxied_since_ns is None else at_ns - self._proxied_since_ns
        if inactive_ns >= max(grace_ns, retention_ns) or (
            inactive_ns >= retention_ns and proxied_ns >= grace_ns
        ):
            self._active_since_ns = None
            return 0
        return 1

    def _become_active(self, at_ns: int) -> None:
        self._inactive_since_ns = None
        if self._active_since_ns is None:
            self._active_since_ns = at_ns
