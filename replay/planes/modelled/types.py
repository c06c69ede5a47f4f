"""How instances and their answers are modelled: times, processors, memory, faults."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.planes.modelled.time_types import USUAL_TIMES, Constant, Distribution, Lognormal, Spread
from replay.trace.types import Kind
from replay.words.numbers import exact

# What part of a recorded step's time is work for the processor, beside waiting for somebody else. Our choice, for a
# recording does not tell: model calls wait for the model; a tool mostly waits for an API, a disk or a database.
USUAL_CPU_SHARES: Mapping[Kind, float] = MappingProxyType(
    {"llm": 0.0, "tool": 0.1, "mcp": 0.1, "http": 0.1, "ws": 0.1, "grpc": 0.1}
)


Sharing = Literal["processor", "slots"]


class ServiceModel(msgspec.Struct, frozen=True):
    """How long the target takes over a request, and how often it fails.

    by_kind, by_name: time to the answer; a name goes before its kind. For llm: time to the first token.
    between_tokens: time from one token to the next. speed divides every time.
    error_ratio: share of requests that are answered with 503.
    default_tokens: where the request sets no limit; token_limit: never more, whatever it sets.
    """

    by_kind: Mapping[Kind, Spread] = msgspec.field(default_factory=lambda: dict(USUAL_TIMES))
    by_name: Mapping[str, Spread] = {}
    between_tokens: Spread = Spread(12.0, 0.30)
    default_tokens: int = 128
    token_limit: int = 8192
    speed: float = 1.0
    error_ratio: float = 0.0
    seed: int = 1


class Asked(msgspec.Struct, frozen=True):
    """What a request says about the answer it wants; max_tokens: None where it says nothing.

    tells_usage: whether a stream is to end with the tokens that it took.
    """

    max_tokens: int | None = None
    stream: bool = False
    tells_usage: bool = False


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


class Away(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time in which what the instances depend on is away."""

    from_s: Annotated[float, Meta(description="When it begins, in s from the plane's start.")]
    for_s: Annotated[float, Meta(description="How long it lasts, in s.")]

    def __post_init__(self) -> None:
        if self.from_s < 0 or self.for_s < 0:
            raise ValueError("from_s and for_s must not be negative")


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong on purpose. Ratios are shares of requests, each drawn on its own; the first of away, dies, resets
    and errors that falls on a request holds."""

    error_ratio: Annotated[float, Meta(description="The share that is answered with error_status.")] = 0.0
    error_status: Annotated[
        int, Meta(description="The status of those, and of all while what they depend on is away.")
    ] = 503
    reset_ratio: Annotated[
        float, Meta(description="The share whose connection ends in the middle of the answer.")
    ] = 0.0
    slow_ratio: Annotated[float, Meta(description="The share whose body comes slowly.")] = 0.0
    slow_body: Annotated[Distribution, Meta(description="How long such a body takes to come.")] = Constant(
        2000.0
    )
    dies_ratio: Annotated[
        float,
        Meta(
            description=(
                "The share in the middle of which the instance dies, and loses all others that it has."
            )
        ),
    ] = 0.0
    away: Annotated[
        tuple[Away, ...],
        Meta(
            description=(
                "When what the instances depend on is away: every request is then answered with "
                "error_status at once."
            )
        ),
    ] = ()
    deploys_s: Annotated[
        tuple[float, ...],
        Meta(
            description=(
                "When every instance that is there is replaced, one after another, in s from the "
                "plane's start. Its successor boots beside max_instances; then it gets no further "
                "request, and ends with its last one or after the plane's drain_s."
            )
        ),
    ] = ()
    kills_s: Annotated[
        tuple[float, ...],
        Meta(description=("When the instance with the most requests dies, in s from the plane's start.")),
    ] = ()

    def __post_init__(self) -> None:
        for name in ("error_ratio", "reset_ratio", "slow_ratio", "dies_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {exact(getattr(self, name))}")
        if not 400 <= self.error_status <= 599:
            raise ValueError(f"error_status must be between 400 and 599, not {self.error_status}")
        if not all(math.isfinite(at_s) and at_s >= 0 for at_s in (*self.deploys_s, *self.kills_s)):
            raise ValueError("deploys_s and kills_s must be finite and not negative")


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an instance is modelled.

    sharing "processor": requests in flight in one instance share its vcpu, so n take up to n times as long, token
    by token too; "slots": each takes its own time. Background work shares the processor with the requests, stands still
    while there is none if the plane throttles CPU then, and is lost with its instance. An instance that would use more
    than its memory is killed, and its requests with it.
    """

    boot: Annotated[
        Distribution | None,
        Meta(
            description=(
                "How long it takes from its request to its readiness; the startup boost does not "
                "shorten that. Absent: as the plane's kind usually does."
            )
        ),
    ] = None
    boot_cpu: Annotated[
        Distribution | None,
        Meta(
            description=(
                "Work for the processor beside that, in the time that one vCPU takes; the vCPUs of "
                "the boot divide it."
            )
        ),
    ] = None
    boot_most_vcpu: Annotated[float, Meta(description="How many vCPUs a boot can use at once.")] = math.inf
    as_recorded: Annotated[
        bool,
        Meta(
            description=(
                "Whether a request that says how long its recording took (x-replay-recorded-ms, "
                "which send_recorded_ms of a target file sends) takes as long."
            )
        ),
    ] = False
    service: Annotated[
        Distribution | None,
        Meta(
            description=("The time to the answer, and for model calls to the first token; absent: by by_kind.")
        ),
    ] = None
    by_path: Annotated[
        Mapping[str, Distribution],
        Meta(
            description=(
                "The same by shell patterns over paths without query; the first that matches holds, "
                "and goes before service."
            )
        ),
    ] = {}
    by_kind: Annotated[
        Mapping[Kind, Spread], Meta(description="The same by the kind of step, where neither of these says it.")
    ] = msgspec.field(default_factory=lambda: dict(USUAL_TIMES))
    between_tokens: Annotated[Distribution, Meta(description="The time from one token to the next.")] = (
        Lognormal(12.0, 24.0)
    )
    default_tokens: Annotated[int, Meta(description="Tokens of an answer where the request sets no limit.")] = (
        128
    )
    token_limit: Annotated[
        int, Meta(description="The most tokens of an answer, whatever the request says.")
    ] = 8192
    speed: Annotated[float, Meta(description="Divides all these times, but not the boot.")] = 1.0
    sharing: Annotated[
        Sharing,
        Meta(description=("What requests in one instance share: its processor, or nothing but its slots.")),
    ] = "slots"
    cpu_by_kind: Annotated[
        Mapping[Kind, float],
        Meta(
            description=(
                "What share of a step's time is work for the processor, by its kind, where that is "
                "shared; absent: all of a drawn time, and of a recorded one 0.1, for model calls 0."
            )
        ),
    ] = {}
    cpu_by_name: Annotated[
        Mapping[str, float], Meta(description="The same by the name of the step, which goes before its kind.")
    ] = {}
    vcpu: Annotated[float | None, Meta(description="vCPUs that are shared; absent: the plane's.")] = None
    background: Annotated[
        Distribution | None,
        Meta(
            description=(
                "Work for the processor that each answered request leaves behind, in the time that "
                "one vCPU takes."
            )
        ),
    ] = None
    memory_mib: Annotated[
        float | None, Meta(description="The memory that it may use, in MiB; absent: no limit.")
    ] = None
    idle_mib: Annotated[float, Meta(description="What it uses without requests, in MiB.")] = 0.0
    request_mib: Annotated[float, Meta(description="What each request adds, in MiB.")] = 0.0
    faults: Annotated[Faults, Meta(description="What goes wrong on purpose.")] = Faults()
    seed: Annotated[int, Meta(description="The random seed of all that is drawn.")] = 1

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
