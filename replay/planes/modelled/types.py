"""How instances and their answers are modelled: times, processors, memory, faults."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from replay.planes.modelled.time_types import USUAL_TIMES, Constant, Distribution, Lognormal, Spread
from replay.trace.types import Kind
from replay.words.numbers import exact

# What part of a recorded step's time is work for the processor, beside waiting for somebody else. Our choice, for a
# recording does not tell: model calls wait for the model; a tool mostly waits for an API, a disk or a database.
USUAL_CPU_SHARES: Mapping[Kind, float] = MappingProxyType({"llm": 0.0, "tool": 0.1, "mcp": 0.1, "http": 0.1})


Sharing = Literal["processor", "slots"]


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
