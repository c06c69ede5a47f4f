"""One instance of a plane: its states, its slots, its CPU, and what it did so far.

booting     the plane has asked for it
ready       it takes requests: idle with none in flight, else busy
draining    it takes no further request and ends with its last one
gone        stopped, dead, or given up before it was ready
"""

from typing import Literal

from replay.planes.core.types import InstanceId, InstanceLife, PlaneSpec

State = Literal["booting", "ready", "draining", "gone"]

TRANSITIONS: dict[State, frozenset[State]] = {
    "booting": frozenset({"ready", "gone"}),
    "ready": frozenset({"draining", "gone"}),
    "draining": frozenset({"gone"}),
    "gone": frozenset(),
}

# vCPUs during startup for up to so many configured. Source: Cloud Run, Configure CPU, Startup CPU boost.
_BOOSTS = ((1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (6.0, 8.0), (8.0, 8.0))
_SECOND_NS = 1_000_000_000
_TENTH_NS = 100_000_000


def boosted_vcpu(vcpu: float) -> float:
    """Return what the startup boost makes of so many vCPUs; beyond the table, no boost."""
    return next((boosted for limit, boosted in _BOOSTS if vcpu <= limit), vcpu)


class Instance:
    """One instance. The plane and its router change in_flight; every other number follows from `account`."""

    __slots__ = (
        "busy_ns",
        "busy_since_ns",
        "busy_tenths",
        "cpu_last_ns",
        "cpu_milli_ns",
        "first_request_ns",
        "gone_ns",
        "id",
        "idle_since_ns",
        "in_flight",
        "last_ns",
        "low_mark_cpu_milli_ns",
        "low_mark_ns",
        "low_mark_request_ns",
        "milli_vcpu",
        "ready_ns",
        "request_ns",
        "requested_ns",
        "served",
        "state",
    )

    def __init__(self, instance: InstanceId, requested_ns: int) -> None:
        self.id = instance
        self.state: State = "booting"
        self.in_flight = 0
        self.served = 0
        self.requested_ns = requested_ns
        self.ready_ns: int | None = None
        self.first_request_ns: int | None = None
        self.gone_ns: int | None = None
        self.idle_since_ns: int | None = None  # None: not idle
        self.busy_since_ns = 0
        self.busy_ns = 0
        self.busy_tenths = 0
        self.request_ns = 0
        self.last_ns = requested_ns  # until when request_ns is accounted
        self.low_mark_ns = requested_ns  # where the period of the low-use rule began
        self.low_mark_request_ns = 0
        self.low_mark_cpu_milli_ns = 0
        self.milli_vcpu = 0  # used now
        self.cpu_milli_ns = 0  # used so far, until cpu_last_ns
        self.cpu_last_ns = requested_ns

    def __repr__(self) -> str:
        shown = ("busy" if self.in_flight else "idle") if self.state == "ready" else self.state
        return f"<Instance {self.id} {shown}, {self.in_flight} in flight, {self.served} served>"

    def move_to(self, state: State) -> None:
        """Change state. Raises ValueError where the table has no such transition: a defect of the plane."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"instance {self.id} cannot go from {self.state} to {state}; please report this")
        self.state = state

    def rest(self, at_ns: int) -> None:
        """Be idle from now on."""
        self.idle_since_ns = at_ns

    def begin(self, at_ns: int) -> bool:
        """Account for one more request, which in_flight counts already; returns whether it is the first of all."""
        self.request_ns += (self.in_flight - 1) * (at_ns - self.last_ns)
        self.last_ns = at_ns
        if self.idle_since_ns is not None:
            self.idle_since_ns = None
            self.busy_since_ns = at_ns
        is_first = not self.served
        if is_first:
            self.first_request_ns = at_ns
        self.served += 1
        return is_first

    def account(self, at_ns: int) -> None:
        """Bring request_ns up to at_ns. To be called before in_flight changes."""
        self.request_ns += self.in_flight * (at_ns - self.last_ns)
        self.last_ns = at_ns

    def end_busy(self, at_ns: int) -> None:
        """Close the busy interval under way."""
        busy_ns = at_ns - self.busy_since_ns
        self.busy_ns += busy_ns
        self.busy_tenths -= -busy_ns // _TENTH_NS

    def use_cpu(self, milli_vcpu: int, at_ns: int) -> None:
        """Use so much CPU from now on."""
        self.cpu_milli_ns += self.milli_vcpu * (at_ns - self.cpu_last_ns)
        self.cpu_last_ns = at_ns
        self.milli_vcpu = milli_vcpu

    def use_ratio(self, at_ns: int, concurrency: int, vcpu: float = 1.0) -> float:
        """Return the share of its slots or its CPU, the larger, taken since the mark, and set the mark to at_ns."""
        self.account(at_ns)
        self.use_cpu(self.milli_vcpu, at_ns)
        period_ns = at_ns - self.low_mark_ns
        used_ns = self.request_ns - self.low_mark_request_ns
        cpu_milli_ns = self.cpu_milli_ns - self.low_mark_cpu_milli_ns
        self.low_mark_ns = at_ns
        self.low_mark_request_ns = self.request_ns
        self.low_mark_cpu_milli_ns = self.cpu_milli_ns
        if not period_ns:
            return 1.0
        return max(used_ns / (period_ns * concurrency), cpu_milli_ns / (period_ns * vcpu * 1000))

    def vcpu(self, spec: PlaneSpec, at_ns: int) -> float:
        """Return the vCPUs that this instance may use at at_ns.

        Boosted from the boot until boost_after_ready_s after it is ready; none while idle, if throttled.
        Source: Cloud Run, Configure CPU (boost) and Billing settings (CPU only during requests).
        """
        if self.state == "gone":
            return 0.0
        has_boost = spec.startup_boost and spec.kind == "serverless"
        if self.ready_ns is None:
            return boosted_vcpu(spec.vcpu) if has_boost else spec.vcpu
        if has_boost and at_ns < self.ready_ns + round(spec.boost_after_ready_s * _SECOND_NS):
            return boosted_vcpu(spec.vcpu)
        if not self.in_flight and spec.kind == "serverless" and spec.cpu_when_idle == "throttled":
            return 0.0
        return spec.vcpu

    def life(self, at_ns: int) -> InstanceLife:
        """Return what it did up to at_ns."""
        self.account(at_ns)
        busy_ns, tenths = self.busy_ns, self.busy_tenths
        if self.in_flight:
            busy_ns += at_ns - self.busy_since_ns
            tenths -= -(at_ns - self.busy_since_ns) // _TENTH_NS
        return InstanceLife(
            self.id,
            self.requested_ns,
            self.ready_ns,
            self.first_request_ns,
            self.gone_ns,
            self.served,
            busy_ns,
            tenths,
            self.request_ns,
        )
