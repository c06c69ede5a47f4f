"""How planes follow the load: a policy of each kind of platform, with what it may be told."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class RequestDriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="request"):
    """Scaling as Cloud Run documents it: at once for waiting requests, and by averages of load.

    Every evaluate_s the wanted number is the largest, over windows_s, of mean concurrency / (target_ratio *
    concurrency), or that of CPU over cpu_window_s against cpu_target_ratio. CPU is known where the instances are
    modelled with a shared processor. Scale-in: once in low_window_s, instances above the wanted number that were used
    below low_ratio go.

    Source: Cloud Run, About instance autoscaling (60 % targets, CPU over 1 minute, concurrency over 1 and 10; those
    under 10 % over one minute go first). How both windows combine, and how many stay, is not published: the larger, and
    one, are assumptions; the second agrees with one instance seen alive 13 min after the last request.
    """

    windows_s: Annotated[
        tuple[int, ...],
        Meta(
            description=(
                "The windows over which concurrency is averaged, in s; none: waiting requests alone decide."
            )
        ),
    ] = (60, 600)
    target_ratio: Annotated[
        float, Meta(description="The share of its concurrency that an instance is to have.")
    ] = 0.6
    cpu_target_ratio: Annotated[float, Meta(description="The share of its CPU that an instance is to use.")] = (
        0.6
    )
    cpu_window_s: Annotated[int, Meta(description="The window over which CPU is averaged, in s.")] = 60
    evaluate_s: Annotated[float, Meta(description="How often the wanted number is worked out, in s.")] = 5.0
    low_ratio: Annotated[float, Meta(description="An instance that is used less than this may go.")] = 0.1
    low_window_s: Annotated[
        float, Meta(description="How often, and over which time, such instances are looked for, in s.")
    ] = 60.0
    keep_instances: Annotated[
        int | None,
        Meta(
            description=(
                "How many of them stay for the idle lifetime; absent: nothing but the idle lifetime ends one."
            )
        ),
    ] = 1

    def __post_init__(self) -> None:
        if any(window < 1 for window in self.windows_s):
            raise ValueError("windows_s must each be 1 s or more")
        if self.cpu_window_s < 1:
            raise ValueError("cpu_window_s must be 1 s or more")
        if not (0 < self.target_ratio <= 1 and 0 < self.cpu_target_ratio <= 1):
            raise ValueError("target_ratio and cpu_target_ratio must be above 0 and at most 1")
        if self.evaluate_s <= 0 or self.low_window_s <= 0:
            raise ValueError("evaluate_s and low_window_s must be above 0")


def scaling_for(idle_lifetime_s: float) -> RequestDriven:
    """Request-driven scaling for a lifetime that may be much shorter than a platform's.

    Averages over longer than that would hold instances that were to be gone, so those windows are left out.
    """
    defaults = RequestDriven()
    windows_s = tuple(window for window in defaults.windows_s if window <= idle_lifetime_s)
    return msgspec.structs.replace(defaults, windows_s=windows_s)


class WindowDriven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="policy", tag="window"):
    """Scaling as Knative's pod autoscaler does it: a stable and a panic window of mean concurrency.

    The defaults are Knative's. Source: knative/serving at 98e5ef90, config/core/configmaps/autoscaler.yaml.
    """

    stable_window_s: Annotated[int, Meta(description="The stable window, in s.")] = 60
    panic_window_s: Annotated[int, Meta(description="The panic window, in s.")] = 6
    panic_threshold_ratio: Annotated[
        float,
        Meta(
            description=(
                "Panic begins when the panic window wants this many times the instances that are there."
            )
        ),
    ] = 2.0
    utilization_ratio: Annotated[
        float, Meta(description="The share of the target concurrency that an instance is to have.")
    ] = 0.7
    target_concurrency: Annotated[
        float | None,
        Meta(
            description=(
                "Requests in one instance that count as full; absent: the plane's concurrency, or "
                "100 where that is unlimited."
            )
        ),
    ] = None
    target_burst_capacity: Annotated[
        float,
        Meta(
            description=(
                "Requests of a burst for which there should be room; with less, the plane's own queue stays in "
                "front of them."
            )
        ),
    ] = 211.0
    max_scale_up_ratio: Annotated[
        float, Meta(description="The most by which the number of instances grows at once.")
    ] = 1000.0
    max_scale_down_ratio: Annotated[
        float, Meta(description="The most by which the number of instances shrinks at once.")
    ] = 2.0
    evaluate_s: Annotated[float, Meta(description="How often the wanted number is worked out, in s.")] = 2.0
    scale_to_zero_grace_s: Annotated[
        float, Meta(description="How long the last instance stays once none is wanted, in s.")
    ] = 30.0
    last_instance_retention_s: Annotated[
        float, Meta(description="How long the last instance stays at least, in s.")
    ] = 0.0
    scale_down_delay_s: Annotated[
        float, Meta(description="How long fewer must be wanted before there are fewer, in s.")
    ] = 0.0
    activation_scale: Annotated[
        int, Meta(description="How many instances there are at least, unless there are none.")
    ] = 1

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
    """Hours of every day in which there are at least so many machines."""

    from_h: Annotated[
        float, Meta(description="The hour at which they begin, from 0 to 24; 22 to 6 is overnight.")
    ]
    until_h: Annotated[float, Meta(description="The hour at which they end, from 0 to 24.")]
    machines: Annotated[int, Meta(description="How many machines there are at least.")]

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
    """Scaling as groups of machines do it; group_scaling.py tells the rules and their sources.

    The defaults are those of a Compute Engine group (hold, target), by slots, evaluated once a minute, which is our
    choice: its period is not published.
    """

    target: Annotated[
        Literal["slots", "cpu"],
        Meta(
            description=(
                "What is measured: slots, requests that run or wait against a machine's concurrency; "
                "or cpu, CPU in use against its vCPUs."
            )
        ),
    ] = "slots"
    target_ratio: Annotated[
        float, Meta(description="The share of one machine's capacity that should be in use.")
    ] = 0.6
    window_s: Annotated[int, Meta(description="The window over which that is averaged, in s.")] = 60
    evaluate_s: Annotated[float, Meta(description="How often the wanted size is worked out, in s.")] = 60.0
    tolerance_ratio: Annotated[
        float, Meta(description=("How far from the target a size stays as it is, as a share of the target."))
    ] = 0.0
    hold_s: Annotated[
        float,
        Meta(description=("How long a size is held before it shrinks, in s; never shorter than initialise_s.")),
    ] = 600.0
    initialise_s: Annotated[
        float, Meta(description="How long the group is told that a machine needs to begin, in s.")
    ] = 0.0
    most_added: Annotated[
        int | None,
        Meta(
            description=(
                "How many machines may be added within added_period_s; absent, with most_added_ratio: no limit."
            )
        ),
    ] = None
    most_added_ratio: Annotated[
        float | None,
        Meta(description=("The same as a share of those that are there; the larger of the two holds.")),
    ] = None
    added_period_s: Annotated[float, Meta(description="The time to which that limit applies, in s.")] = 15.0
    schedule: Annotated[
        tuple[DayWindow, ...], Meta(description="Hours of every day with at least so many machines.")
    ] = ()
    starts_at_h: Annotated[float, Meta(description="The hour of the day at which the plane starts.")] = 0.0

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
