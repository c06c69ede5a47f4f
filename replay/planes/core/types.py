"""A plane's rules, and what it decides: requests, instances and decisions are values, and nothing here acts."""

import math
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from replay.planes.core.scaling_types import GroupDriven, RequestDriven, WindowDriven

PlaneKind = Literal["serverless", "vm", "group"]
RouterName = Literal["most_recently_used", "least_loaded", "round_robin"]
Binding = Literal["late", "early"]
PendingRule = Literal["startup", "10s", "30s", "60s", "knative", "unlimited"]

RequestId = Hashable
InstanceId = int


class PendingLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long, and how many, requests wait for an instance; beyond it they are refused.

    A request waits at most max(wait_s, startup_factor * mean startup so far)."""

    wait_s: Annotated[
        float | None,
        Meta(
            description=(
                "How long one waits, in s; absent (or inf, where a file has no null): as long as its "
                "own timeout lets it."
            )
        ),
    ] = 10.0
    startup_factor: Annotated[
        float, Meta(description="How many mean startups one may wait, where that is longer.")
    ] = 0.0
    length: Annotated[int | None, Meta(description="How many wait at once; absent: any number.")] = None
    status: Annotated[int, Meta(description="The status of those that are refused.")] = 429

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


class PlaneSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of an execution plane.

    kind "serverless" scales between min_instances and max_instances by `scaling`; "vm" keeps max_instances
    workers on at all times and ignores scaling, min_instances, idle_lifetime_s and the throttling of CPU; "group" is
    machines that scale between min_instances (one at least) and max_instances, group-driven (no other policy fits).
    Machines have no platform before them: what is absent is then an accept queue, and no limit of time. Defaults are
    Cloud Run's documented ones, except router, which is not published (see routing.py).
    """

    kind: Annotated[
        PlaneKind,
        Meta(
            description=(
                "serverless: instances come and go with requests. vm: so many workers, always on. "
                "group: machines that scale over minutes."
            )
        ),
    ] = "serverless"
    concurrency: Annotated[int, Meta(description="Requests in one instance at once; 0: unlimited.")] = 80
    min_instances: Annotated[int, Meta(description="Instances that are always on.")] = 0
    max_instances: Annotated[int, Meta(description="The most instances.")] = 100
    idle_lifetime_s: Annotated[
        float,
        Meta(
            description=(
                "How long an instance above what is wanted stays without a request, in s; not with "
                "window-driven scaling."
            )
        ),
    ] = 900.0
    pending_limit: Annotated[
        PendingLimit | PendingRule | None,
        Meta(
            description=(
                "How long, and how many, requests wait for an instance, by a name or in figures; "
                "absent: startup for serverless, an accept queue for machines."
            )
        ),
    ] = None
    request_timeout_s: Annotated[
        float | None,
        Meta(
            description=(
                "How long a request may take from its arrival, in s; then the client gets 504 while "
                "the handler goes on. Absent: 300 s for serverless, no limit for machines."
            )
        ),
    ] = None
    drain_s: Annotated[
        float | None,
        Meta(
            description=(
                "How long the requests of an instance that is told to leave may still run, in s; "
                "absent: 300 s, and in a group as long as they take."
            )
        ),
    ] = None
    vcpu: Annotated[float, Meta(description="vCPUs of one instance.")] = 1.0
    startup_boost: Annotated[
        bool, Meta(description="Whether an instance has more CPU during its boot, and a while after.")
    ] = True
    boost_after_ready_s: Annotated[
        float, Meta(description="How long after its readiness an instance keeps that, in s.")
    ] = 10.0
    cpu_when_idle: Annotated[
        Literal["throttled", "full"],
        Meta(description="The CPU of an instance without a request: throttled: none."),
    ] = "throttled"
    scaling: Annotated[
        RequestDriven | WindowDriven | GroupDriven, Meta(description="How it follows the load.")
    ] = RequestDriven()
    router: Annotated[RouterName, Meta(description="How an instance is chosen for a request.")] = "least_loaded"
    binding: Annotated[
        Binding,
        Meta(
            description=(
                "late: who waits is served by the first slot, of whichever instance. early: each has "
                "one boot of its own and waits for that alone (AWS Lambda)."
            )
        ),
    ] = "late"

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


Address = tuple[str, int]
"""Host and port of an instance."""


class Owner(Protocol):
    """Who is told of the instances."""

    def ready(self, instance: InstanceId) -> None: ...

    def died(self, instance: InstanceId) -> None: ...

    def cannot_boot(self, why: str) -> None:
        """Boots fail one after another; others are tried. why: a sentence."""
