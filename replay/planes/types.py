"""What planes are made of: modelled service times and answers; a plane's rules, and what it decides."""

import math
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgspec

from replay.trace.types import Kind
from replay.words.numbers import exact


class Spread(msgspec.Struct, frozen=True):
    """A lognormal time: half of the draws are below median_ms; sigma is the deviation of the logarithm.

    sigma 0 is a constant. The mean is median_ms * exp(sigma^2 / 2), the p99 median_ms * exp(2.326 * sigma).
    """

    median_ms: float
    sigma: float = 0.0


# Our choice, in the range that hosted models and internal services show; no measurement stands behind it.
USUAL_TIMES: Mapping[Kind, Spread] = MappingProxyType(
    {
        "llm": Spread(350.0, 0.35),
        "tool": Spread(120.0, 0.45),
        "mcp": Spread(60.0, 0.40),
        "http": Spread(40.0, 0.40),
    }
)


# What part of a recorded step's time is work for the processor, beside waiting for somebody else. Our choice, for a
# recording does not tell: model calls wait for the model; a tool mostly waits for an API, a disk or a database.
USUAL_CPU_SHARES: Mapping[Kind, float] = MappingProxyType({"llm": 0.0, "tool": 0.1, "mcp": 0.1, "http": 0.1})


class ServiceModel(msgspec.Struct, frozen=True):
    """How long the target takes over a request, and how often it fails.

    by_kind, by_name: time to the answer; a name goes before its kind. For llm: time to the first token.
    between_tokens: time from one token to the next. speed divides every time.
    error_ratio: share of requests that are answered with 503.
    default_tokens: where the request sets no limit; token_limit: never more, whatever it sets.
    """

    by_kind: Mapping[Kind, Spread] = msgspec.field(default_factory=lambda: USUAL_TIMES)
    by_name: Mapping[str, Spread] = {}
    between_tokens: Spread = Spread(12.0, 0.30)
    default_tokens: int = 128
    token_limit: int = 8192
    speed: float = 1.0
    error_ratio: float = 0.0
    seed: int = 1


class Asked(msgspec.Struct, frozen=True):
    """What a request body says about the answer it wants; None where it says nothing."""

    max_tokens: int | None = None
    stream: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What the target will do: wait, then answer; a stream goes on with further tokens.

    wait_ms: from the request's last byte to the first byte of the answer. draw: where this request's numbers
    start, from which its token gaps are taken. tokens: 0 for anything but a model call.
    """

    status: int
    wait_ms: float
    tokens: int = 0
    stream: bool = False
    draw: int = 0


PlaneKind = Literal["serverless", "vm", "group"]
RouterName = Literal["most_recently_used", "least_loaded", "round_robin"]
Binding = Literal["late", "early"]
Sharing = Literal["processor", "slots"]
PendingRule = Literal["startup", "10s", "30s", "60s", "knative", "unlimited"]

RequestId = Hashable
InstanceId = int


class PendingLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long, and how many, requests wait for an instance; beyond it they are refused with `status`.

    A request waits at most max(wait_s, startup_factor * mean startup so far); wait_s None (or inf, where a file
    has no null): as long as the request's own timeout lets it.
    length: waiting requests at once; None: any number.
    """

    wait_s: float | None = 10.0
    startup_factor: float = 0.0
    length: int | None = None
    status: int = 429

    def __post_init__(self) -> None:
        if (self.wait_s is not None and self.wait_s < 0) or self.startup_factor < 0:
            raise ValueError("wait_s and startup_factor must not be negative")
        if self.length is not None and self.length < 0:
            raise ValueError(f"length must be 0 or more, not {self.length}")


# Cloud Run's documentation gives its limit in several ways; which of them holds is not known, so each has a
# name. "startup": the page on request handling (3.5 x mean startup, at least 10 s). "30s": the page on maximum
# instances. "10s" and "60s": older texts of both. "knative": pkg/activator/net, 10,000 waiting, then 503.
PENDING_LIMITS: Mapping[PendingRule, PendingLimit] = MappingProxyType(
    {
        "startup": PendingLimit(10.0, startup_factor=3.5),
        "10s": PendingLimit(10.0),
        "30s": PendingLimit(30.0),
        "60s": PendingLimit(60.0),
        "knative": PendingLimit(None, length=10_000, status=503),
        "unlimited": PendingLimit(None),
    }
)


# What a proxy before machines takes: it lets requests wait for as long as they like, in an accept queue of uvicorn's
# default length, after which it answers 503 (uvicorn, Settings, backlog).
ACCEPT_QUEUE = PendingLimit(None, length=2048, status=503)
# Cloud Run, Request timeout: 300 s unless configured, 3,600 s at most.
PLATFORM_TIMEOUT_S = 300.0
# Our choice: the longest that such a request lasts.
DRAIN_S = 300.0


class RequestDriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="request"):
    """Scaling as Cloud Run documents it: at once for waiting requests, and by averages of load.

    Every evaluate_s the wanted number is the largest, over windows_s, of mean concurrency / (target_ratio *
    concurrency), or that of CPU over cpu_window_s against cpu_target_ratio; no windows: waiting requests alone
    decide. CPU is known where the instances are modelled with a shared processor.
    Scale-in: once in low_window_s, instances above the wanted number that were used below low_ratio go, but
    keep_instances stay for the idle lifetime; keep_instances None (or max_instances): nothing but the idle
    lifetime ends one.

    Source: Cloud Run, About instance autoscaling (60 % targets, CPU over 1 minute, concurrency over 1 and 10; those
    under 10 % over one minute go first). How both windows combine, and how many stay, is not published: the larger, and
    one, are assumptions; the second agrees with one instance seen alive 13 min after the last request.
    """

    windows_s: tuple[int, ...] = (60, 600)
    target_ratio: float = 0.6
    cpu_target_ratio: float = 0.6
    cpu_window_s: int = 60
    evaluate_s: float = 5.0
    low_ratio: float = 0.1
    low_window_s: float = 60.0
    keep_instances: int | None = 1

    def __post_init__(self) -> None:
        if any(window < 1 for window in self.windows_s):
            raise ValueError("windows_s must each be 1 s or more")
        if self.cpu_window_s < 1:
            raise ValueError("cpu_window_s must be 1 s or more")
        if not (0 < self.target_ratio <= 1 and 0 < self.cpu_target_ratio <= 1):
            raise ValueError("target_ratio and cpu_target_ratio must be above 0 and at most 1")
        if self.evaluate_s <= 0 or self.low_window_s <= 0:
            raise ValueError("evaluate_s and low_window_s must be above 0")


class WindowDriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="window"):
    """Scaling as Knative's pod autoscaler does it: a stable and a panic window of mean concurrency.

    target_concurrency: requests in one instance that count as full; None: the plane's concurrency, or 100
    where that is unlimited. The defaults are Knative's.

    Source: knative/serving at 98e5ef90, config/core/configmaps/autoscaler.yaml.
    """

    stable_window_s: int = 60
    panic_window_s: int = 6
    panic_threshold_ratio: float = 2.0
    utilization_ratio: float = 0.7
    target_concurrency: float | None = None
    target_burst_capacity: float = 211.0
    max_scale_up_ratio: float = 1000.0
    max_scale_down_ratio: float = 2.0
    evaluate_s: float = 2.0
    scale_to_zero_grace_s: float = 30.0
    last_instance_retention_s: float = 0.0
    scale_down_delay_s: float = 0.0
    activation_scale: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.panic_window_s <= self.stable_window_s:
            raise ValueError("panic_window_s must be 1 s or more and no longer than stable_window_s")
        if self.panic_threshold_ratio <= 1 or self.max_scale_up_ratio <= 1 or self.max_scale_down_ratio <= 1:
            raise ValueError(
                "panic_threshold_ratio, max_scale_up_ratio and max_scale_down_ratio must be above 1"
            )
        if not 0 < self.utilization_ratio <= 1:
            raise ValueError("utilization_ratio must be above 0 and at most 1")
        if self.evaluate_s <= 0:
            raise ValueError("evaluate_s must be above 0")


class DayWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every day from one hour to another, at least so many machines. Hours are from 0 to 24; 22 to 6 is overnight."""

    from_h: float
    until_h: float
    machines: int

    def __post_init__(self) -> None:
        if not (0 <= self.from_h <= 24 and 0 <= self.until_h <= 24):
            raise ValueError("from_h and until_h must be between 0 and 24")
        if self.machines < 1:
            raise ValueError(f"machines must be 1 or more, not {self.machines}")

    def is_open(self, hour: float) -> bool:
        """Whether it holds at that hour of the day; one that ends before it begins goes over midnight."""
        if self.from_h <= self.until_h:
            return self.from_h <= hour < self.until_h
        return hour >= self.from_h or hour < self.until_h


class GroupDriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="group"):
    """Scaling as groups of machines do it; core/group_scaling.py tells the rules and their sources.

    target: what is measured, over window_s, and brought to target_ratio of what one machine has: requests that run or
    wait against its slots (concurrency), or CPU in use against its vcpu. tolerance_ratio: of the target, within which a
    size stays. hold_s: how long a size is held, and never shorter than initialise_s, the time that the group is told a
    machine needs to begin. most_added, most_added_ratio: the larger of them limits growth within added_period_s; both
    None: no limit.
    schedule: daily windows; starts_at_h: the hour of the day at which the plane starts.
    The defaults are those of a Compute Engine group (hold, target), by slots, evaluated once a minute, which is our
    choice: its period is not published.
    """

    target: Literal["slots", "cpu"] = "slots"
    target_ratio: float = 0.6
    window_s: int = 60
    evaluate_s: float = 60.0
    tolerance_ratio: float = 0.0
    hold_s: float = 600.0
    initialise_s: float = 0.0
    most_added: int | None = None
    most_added_ratio: float | None = None
    added_period_s: float = 15.0
    schedule: tuple[DayWindow, ...] = ()
    starts_at_h: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.target_ratio <= 1:
            raise ValueError("target_ratio must be above 0 and at most 1")
        if self.window_s < 1 or self.evaluate_s <= 0 or self.added_period_s <= 0:
            raise ValueError("window_s must be 1 s or more, evaluate_s and added_period_s above 0")
        if min(self.tolerance_ratio, self.hold_s, self.initialise_s) < 0:
            raise ValueError("tolerance_ratio, hold_s and initialise_s must not be negative")
        if (self.most_added or 0) < 0 or (self.most_added_ratio or 0.0) < 0:
            raise ValueError("most_added and most_added_ratio must not be negative")
        if self.most_added == 0 and not self.most_added_ratio:
            raise ValueError("a group must be allowed to grow: most_added or most_added_ratio must be above 0")
        if not 0 <= self.starts_at_h < 24:
            raise ValueError("starts_at_h must be 0 or more and less than 24")

    def scheduled_at(self, hour: float) -> int:
        """How many machines the schedule asks for at that hour of the day."""
        return max((window.machines for window in self.schedule if window.is_open(hour)), default=0)


class PlaneSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of an execution plane.

    kind "serverless" scales between min_instances and max_instances by `scaling`; "vm" keeps max_instances
    workers on at all times and ignores scaling, min_instances, idle_lifetime_s and the throttling of CPU; "group" is
    machines that scale between min_instances (one at least) and max_instances, group-driven (no other policy fits).
    concurrency: requests in one instance at once; 0: unlimited. binding "late": who waits is served by the first
    slot, of whichever instance; "early": each has one boot of its own, waits for that alone, and is refused at
    once where none may boot; pending_limit then gives only the status (AWS Lambda).
    pending_limit None: the kind's, which is "startup" for serverless and an accept queue for machines.
    idle_lifetime_s: how long an instance above what is wanted stays without a request (not with window-driven
    scaling, which knows no idle lifetime).
    request_timeout_s: from arrival to the answer; then the client gets 504 while the handler goes on. None: the kind's,
    which is 300 s for serverless; machines have no platform before them, so a request may take as long as it takes.
    drain_s: how long the requests of an instance that is told to leave may still run. None: the kind's, which is 300 s,
    and as long as they take in a group, whose machines leave with their last request.
    vcpu: of one instance; startup_boost raises it from the boot until boost_after_ready_s after it is ready.
    cpu_when_idle "throttled": an instance with no request has no CPU.

    Defaults are Cloud Run's documented ones, except router, which is not published (see core/routing.py).
    """

    kind: PlaneKind = "serverless"
    concurrency: int = 80
    min_instances: int = 0
    max_instances: int = 100
    idle_lifetime_s: float = 900.0
    pending_limit: PendingLimit | PendingRule | None = None
    request_timeout_s: float | None = None
    drain_s: float | None = None
    vcpu: float = 1.0
    startup_boost: bool = True
    boost_after_ready_s: float = 10.0
    cpu_when_idle: Literal["throttled", "full"] = "throttled"
    scaling: RequestDriven | WindowDriven | GroupDriven = RequestDriven()
    router: RouterName = "least_loaded"
    binding: Binding = "late"

    def __post_init__(self) -> None:
        if self.concurrency < 0:
            raise ValueError(f"concurrency must be 1 or more, or 0 for unlimited, not {self.concurrency}")
        if self.max_instances < 1:
            raise ValueError(f"max_instances must be 1 or more, not {self.max_instances}")
        if not 0 <= self.min_instances <= self.max_instances:
            raise ValueError(
                f"min_instances must be between 0 and max_instances ({self.max_instances}),"
                f" not {self.min_instances}"
            )
        if (self.request_timeout_s is not None and self.request_timeout_s <= 0) or self.vcpu <= 0:
            raise ValueError("request_timeout_s and vcpu must be above 0")
        if self.idle_lifetime_s < 0 or (self.drain_s or 0.0) < 0 or self.boost_after_ready_s < 0:
            raise ValueError("idle_lifetime_s, drain_s and boost_after_ready_s must not be negative")
        if self.kind == "group" and self.scaling == RequestDriven():
            msgspec.structs.force_setattr(self, "scaling", GroupDriven())
        if (self.kind == "group") != isinstance(self.scaling, GroupDriven) and self.kind != "vm":
            raise ValueError('kind "group" and scaling with policy "group" go together')
        if isinstance(self.scaling, GroupDriven):
            most = max((window.machines for window in self.scaling.schedule), default=0)
            if most > self.max_instances:
                raise ValueError(f"the schedule asks for {most} machines, more than max_instances")
        if self.binding == "early" and (
            self.kind != "serverless" or not isinstance(self.scaling, RequestDriven)
        ):
            raise ValueError("binding early needs kind serverless with request-driven scaling")

    @property
    def request_limit_s(self) -> float | None:
        """How long a request may take, in s; None: as long as it takes. Planes act by it, and rules judge by it."""
        if self.request_timeout_s is None:
            return PLATFORM_TIMEOUT_S if self.kind == "serverless" else None
        return None if math.isinf(self.request_timeout_s) else self.request_timeout_s

    @property
    def drain_limit_s(self) -> float | None:
        """How long the requests of an instance that leaves may still run, in s; None: as long as they take."""
        if self.drain_s is None:
            return None if self.kind == "group" else DRAIN_S
        return None if math.isinf(self.drain_s) else self.drain_s

    @property
    def needs_cpu(self) -> bool:
        """Whether it cannot scale unless it is known how much CPU its instances use."""
        return self.kind == "group" and isinstance(self.scaling, GroupDriven) and self.scaling.target == "cpu"

    @property
    def queue(self) -> PendingLimit:
        """How long, and how many, requests wait for an instance."""
        limit = self.pending_limit
        if limit is None:
            return PENDING_LIMITS["startup"] if self.kind == "serverless" else ACCEPT_QUEUE
        return PENDING_LIMITS[limit] if isinstance(limit, str) else limit


def scaling_for(idle_lifetime_s: float) -> RequestDriven:
    """Request-driven scaling for a lifetime that may be much shorter than a platform's.

    Averages over longer than that would hold instances that were to be gone, so those windows are left out.
    """
    defaults = RequestDriven()
    windows_s = tuple(window for window in defaults.windows_s if window <= idle_lifetime_s)
    return msgspec.structs.replace(defaults, windows_s=windows_s)


class Boot(msgspec.Struct, frozen=True, gc=False):
    """Boot this instance, with so many vCPUs until its boost ends; report it with `instance_ready`."""

    instance: InstanceId
    vcpu: float


class Start(msgspec.Struct, frozen=True, gc=False):
    """Hand this request to this instance; report its end with `request_ended`.

    fresh: it is the instance's first request. waited_for_boot: an instance was booting, or was asked for,
    while the request waited, whichever instance then served it; waiting for a busy instance alone is queueing.
    The two are told apart because either happens without the other (arXiv 2509.03104, section 2.1.2).
    """

    request: RequestId
    instance: InstanceId
    fresh: bool
    waited_for_boot: bool
    waited_ns: int


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Answer this request, which never started, with this status."""

    request: RequestId
    status: int
    reason: str


class TimeOut(msgspec.Struct, frozen=True, gc=False):
    """Answer this request with 504. Its handler, if it started (instance not None), goes on and keeps its slot."""

    request: RequestId
    instance: InstanceId | None
    status: int = 504


class Lose(msgspec.Struct, frozen=True, gc=False):
    """Answer this request with this status: its instance died under it, or was stopped before it ended."""

    request: RequestId
    instance: InstanceId
    status: int
    reason: str


class Drain(msgspec.Struct, frozen=True, gc=False):
    """This instance gets no further request; it is stopped when it has none left, at until_ns at the latest (None: then
    alone).
    """

    instance: InstanceId
    until_ns: int | None


class Stop(msgspec.Struct, frozen=True, gc=False):
    """End this instance, or give up its boot. The plane has forgotten it."""

    instance: InstanceId


Decision = Boot | Start | Refuse | TimeOut | Lose | Drain | Stop


class InstanceLife(msgspec.Struct, frozen=True, gc=False):
    """What one instance did, for bills and charts; instants in ns, None where it did not come to that.

    busy_ns: time with at least one request; busy_tenths: the same with each busy interval rounded up to
    100 ms, as Cloud Run bills it. request_ns: the sum of its requests' times.
    """

    instance: InstanceId
    requested_ns: int
    ready_ns: int | None
    first_request_ns: int | None
    gone_ns: int | None
    served: int
    busy_ns: int
    busy_tenths: int
    request_ns: int


class Spent(NamedTuple):
    """Instance time by what it was spent on, summed over all instances so far, in ns."""

    booting: int = 0
    busy: int = 0
    idle: int = 0


class Census(msgspec.Struct, frozen=True, gc=False):
    """How many instances are in which state, and requests waiting and running, at one instant."""

    booting: int
    idle: int
    busy: int
    draining: int
    waiting: int
    running: int


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an instance is a process. command: run without a shell; `$PORT` in it is the instance's port.

    health_path: answers with 200 or 204 when the instance is ready; None: it is ready when its port accepts.
    boot_timeout_s: Cloud Run gives a container 4 minutes to listen. grace_s: from SIGTERM to SIGKILL; Cloud Run
    gives 10 s. Source of both: Cloud Run, Container runtime contract.
    """

    command: str
    health_path: str | None = None
    boot_timeout_s: float = 240.0
    grace_s: float = 10.0


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="constant"):
    """The same time whenever it is drawn."""

    ms: float

    def __post_init__(self) -> None:
        _must_be_times("ms", (self.ms,))


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="lognormal"):
    """Lognormal, by two of its quantiles: half of the times are below p50_ms, 1 in 100 is above p99_ms.

    The deviation of the logarithm is ln(p99_ms / p50_ms) / 2.326.
    """

    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        _must_be_times("p50_ms and p99_ms", (self.p50_ms, self.p99_ms))
        if not 0 < self.p50_ms <= self.p99_ms:
            raise ValueError("p50_ms must be above 0, and p99_ms no less than p50_ms")


class Empirical(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="empirical"):
    """One of the values that were seen, each as likely as the others."""

    values_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values_ms:
            raise ValueError("values_ms must hold at least one value")
        _must_be_times("values_ms", self.values_ms)


class Mixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="of", tag="mixture"):
    """A draw from one of the parts, which is chosen in proportion to its weight."""

    parts: tuple[Constant | Lognormal | Empirical, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights):
            raise ValueError("a mixture needs parts, and as many weights as parts")
        _must_be_times("weights", self.weights)
        if not sum(self.weights) > 0:
            raise ValueError("weights must not all be 0")


Distribution = Constant | Lognormal | Empirical | Mixture


def _must_be_times(name: str, values: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(f"{name} must be finite and not negative")


class Away(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window, from the plane's start, in which what the instances depend on is away."""

    from_s: float
    for_s: float

    def __post_init__(self) -> None:
        if self.from_s < 0 or self.for_s < 0:
            raise ValueError("from_s and for_s must not be negative")


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong on purpose. Ratios are shares of requests, each drawn on its own; the first of these holds.

    away: every request is answered with error_status at once. dies_ratio: the instance dies in the middle of the
    request's service time, and loses all others that it has. reset_ratio: the connection ends in the
    middle of the answer. error_ratio: the answer has error_status. slow_ratio: the body takes slow_body to come.
    deploys_s: when, from the plane's start, every instance that is there is replaced, one after another: its
    successor boots, beside max_instances, and then it gets no further request and ends with its last one, or after
    the plane's drain_s. kills_s: when, from the plane's start, the instance with the most requests dies.
    """

    error_ratio: float = 0.0
    error_status: int = 503
    reset_ratio: float = 0.0
    slow_ratio: float = 0.0
    slow_body: Distribution = Constant(2000.0)
    dies_ratio: float = 0.0
    away: tuple[Away, ...] = ()
    deploys_s: tuple[float, ...] = ()
    kills_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("error_ratio", "reset_ratio", "slow_ratio", "dies_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {exact(getattr(self, name))}")
        if not 400 <= self.error_status <= 599:
            raise ValueError(f"error_status must be between 400 and 599, not {self.error_status}")
        if not all(math.isfinite(at_s) and at_s >= 0 for at_s in (*self.deploys_s, *self.kills_s)):
            raise ValueError("deploys_s and kills_s must be finite and not negative")


# From the request for a container until it takes requests. Our choice, in the range in which Cloud Run services of one
# vCPU were seen to start (1 to 3 s, knmts.com/350); no vendor publishes one.
CONTAINER_BOOT = Lognormal(1000.0, 2000.0)
# From the request for a machine until its application takes requests. Until a 2-vCPU Debian machine of Compute Engine
# took SSH: 41.5 s on average of 20 (C. McAnlis, Understanding and profiling GCE cold-boot time, 2017); of 5,000, about
# 25 s, beside a rule of thumb of 1 to 2 minutes (R. Aboukhalil, Move fast and break the cloud, 2018). The start of the
# application comes on top. The p99 is our choice: the rule of thumb's upper end.
MACHINE_BOOT = Lognormal(45_000.0, 120_000.0)
USUAL_BOOTS: Mapping[PlaneKind, Distribution] = MappingProxyType(
    {"serverless": CONTAINER_BOOT, "vm": MACHINE_BOOT, "group": MACHINE_BOOT}
)


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an instance is modelled.

    boot: from its request to its readiness; the startup boost does not shorten it, since a measured boot had it. None:
    the usual one of the plane's kind, a container's or a machine's.
    boot_cpu: work for the processor beside it, in the time that one vCPU takes; the vCPUs of the boot divide it, of
    which it can use boot_most_vcpu at once.
    as_recorded: a request that says how long its recording took (x-replay-recorded-ms, which a target file's
    send_recorded_ms sends) takes as long; all else goes by what follows.
    service: time to the answer, and for model calls to the first token; by_path goes before it: shell patterns
    over paths without query, the first that matches holds. Neither: by_kind. between_tokens: from one token to
    the next. speed divides all of these, and not the boot.
    sharing "processor": requests in flight in one instance share its vcpu, so n take up to n times as long, token
    by token too; "slots": each takes its own time. vcpu None: the plane's; its startup boost raises it.
    cpu_by_kind, cpu_by_name: what share of a step's time is work for the processor, where it is shared; in between the
    step waits for somebody else. A name goes before its kind. What neither names: all of a drawn time, and of a
    recorded one the usual share (0.1, for model calls 0).
    background: work for the processor that each answered request leaves behind, in the time that one vCPU takes. It
    shares the processor with the requests, stands still while there is none if the plane throttles CPU then, and is
    lost with its instance.
    memory_mib: what an instance may use; idle_mib and request_mib: what it uses, and what each request adds. An
    instance that would use more is killed, and its requests with it. None: no limit.
    """

    boot: Distribution | None = None
    boot_cpu: Distribution | None = None
    boot_most_vcpu: float = math.inf
    as_recorded: bool = False
    service: Distribution | None = None
    by_path: Mapping[str, Distribution] = {}
    by_kind: Mapping[Kind, Spread] = msgspec.field(default_factory=lambda: USUAL_TIMES)
    between_tokens: Distribution = Lognormal(12.0, 24.0)
    default_tokens: int = 128
    token_limit: int = 8192
    speed: float = 1.0
    sharing: Sharing = "slots"
    cpu_by_kind: Mapping[Kind, float] = {}
    cpu_by_name: Mapping[str, float] = {}
    vcpu: float | None = None
    background: Distribution | None = None
    memory_mib: float | None = None
    idle_mib: float = 0.0
    request_mib: float = 0.0
    faults: Faults = Faults()
    seed: int = 1

    def __post_init__(self) -> None:
        if self.speed <= 0 or self.boot_most_vcpu <= 0 or (self.vcpu is not None and self.vcpu <= 0):
            raise ValueError("speed, vcpu and boot_most_vcpu must be above 0")
        for name, share in (*self.cpu_by_kind.items(), *self.cpu_by_name.items()):
            if not 0 <= share <= 1:
                raise ValueError(f"the CPU share of {name} must be between 0 and 1, not {exact(share)}")
        if self.idle_mib < 0 or self.request_mib < 0:
            raise ValueError("idle_mib and request_mib must not be negative")
        if self.memory_mib is not None and self.memory_mib < self.idle_mib + self.request_mib:
            raise ValueError("memory_mib must hold an instance with one request: idle_mib + request_mib")


Address = tuple[str, int]
"""Host and port of an instance."""


class Owner(Protocol):
    """Who is told of the instances."""

    def ready(self, instance: InstanceId) -> None: ...

    def died(self, instance: InstanceId) -> None: ...

    def cannot_boot(self, why: str) -> None:
        """Boots fail one after another; others are tried. why: a sentence."""


# Why a group that scales by CPU is refused.
CPU_UNKNOWN = (
    'a group with target = "cpu" needs instances whose CPU is known: modelled ones with sharing = "processor". '
    'Add that, or scale by target = "slots"'
)


class SimulatedPlane(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plane to be simulated: the [simulate] table of a target file.

    instances: their boots, answers and faults, as for modelled instances behind the gateway. as_recorded: a request
    takes as long as the recording says, and not what the model draws; faults and background work befall it too.
    profile: of a known platform, whose rules hold where plane and instances name none (core/profiles.py). why: reasons
    for values, by their names ("plane.concurrency"), for whoever lists assumptions. elsewhere: the plane to which
    the target's routes send steps, whatever URLs they name.
    """

    plane: PlaneSpec = PlaneSpec()
    instances: ModelSpec = ModelSpec()
    as_recorded: bool = False
    profile: str | None = None
    why: Mapping[str, str] = {}
    elsewhere: "SimulatedPlane | None" = None

    def __post_init__(self) -> None:
        if self.plane.needs_cpu and self.instances.sharing != "processor":
            raise ValueError(CPU_UNKNOWN)
        if self.elsewhere is not None and self.elsewhere.elsewhere is not None:
            raise ValueError("elsewhere must not have an elsewhere of its own")


class Served(NamedTuple):
    """Where a plane listens. control_url: of its control address, with its token in the path, or None.

    deploy: call it on the plane's loop to begin a rolling deploy. is_booting: whether an instance boots now.
    """

    url: str
    control_url: str | None
    deploy: Callable[[], None]
    is_booting: Callable[[], bool]
