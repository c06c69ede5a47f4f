"""What becomes of a request to a modelled instance: decided from a seed and the request alone. Pure."""

import re
from fnmatch import fnmatchcase
from hashlib import blake2b
from random import Random
from typing import Literal, NamedTuple, cast
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from replay.dialects.asked import answered_in
from replay.planes.core.types import InstanceId, PlaneKind
from replay.planes.modelled.asking import kind_and_name
from replay.planes.modelled.distributions import draw
from replay.planes.modelled.model import time_ms
from replay.planes.modelled.time_types import USUAL_BOOTS, USUAL_TIMES
from replay.planes.modelled.types import USUAL_CPU_SHARES, Asked, ModelSpec
from replay.planes.recorded.types import Ids
from replay.trace.types import Kind, Until

_KEY = re.compile(rb"\r\ntraceparent:[ \t]*([^\r\n]+)", re.IGNORECASE)
_RECORDED = re.compile(
    rb"\r\nx-replay-recorded-ms:[ \t]*([0-9.]{1,16})(?: ([0-9.]{1,16}))?[ \t]*(?=\r\n|$)", re.IGNORECASE
)
_STEP = re.compile(rb"\r\nx-replay-recorded-step:[ \t]*(llm|tool|mcp|http|ws|grpc) ([^\r\n ]*)", re.IGNORECASE)
_ON_SOCKET = re.compile(
    rb"\r\nx-replay-recorded-ws:[ \t]*(message|open|ping|close)(?: ([^\r\n ]{1,8000}))?[ \t]*(?=\r\n|$)",
    re.IGNORECASE,
)
_IDS = re.compile(
    rb"\r\nx-replay-recorded-ids:[ \t]*([^\r\n ]{1,12000}) ([^\r\n ]{1,12000})[ \t]*(?=\r\n|$)", re.IGNORECASE
)

Fate = Literal["answers", "away", "dies", "resets", "fails", "unknown"]

# The most tokens of a recorded answer that are given again; their text is made as a whole.
_MOST_RECORDED_TOKENS = 1_000_000


class Plan(NamedTuple):
    """What becomes of one request. work_ms: until then. tokens: 0 where it is no model call's answer.

    fate "unknown": the recording that answers has nothing for it.
    body_ms: how long its body takes to come; None: at once, or token by token. background_ms: the work that it leaves
    behind. gap_ms: between its tokens; None: random draws them. cpu_share: what part of all of its times is work for
    the processor, where that is shared. is_slow: its body comes slowly as a fault.
    """

    fate: Fate
    work_ms: float
    random: Random
    tokens: int = 0
    stream: bool = False
    body_ms: float | None = None
    background_ms: float = 0.0
    gap_ms: float | None = None
    cpu_share: float = 1.0
    is_slow: bool = False


UNKNOWN = Plan("unknown", 0.0, Random(0))


class Recorded(NamedTuple):
    """How long a request took when it was recorded. first_ms: until its first byte, where that is known.

    kind, name: of the step that was recorded; None where only its path tells. tokens: of its answer; None: as many as
    are asked for. comes_whole: its answer is no model's, of tokens, but a body.
    """

    took_ms: float
    first_ms: float | None = None
    kind: Kind | None = None
    name: str = ""
    tokens: int | None = None
    comes_whole: bool = False


class Script:
    """Plans what becomes of each request, from a model and the request's key: the same for both the same.

    kind: of the plane, whose usual boot holds where the model has none.
    """

    def __init__(self, spec: ModelSpec, kind: PlaneKind = "serverless") -> None:
        self._spec = spec
        self._boot = USUAL_BOOTS[kind] if spec.boot is None else spec.boot
        self._seed = blake2b(str(spec.seed).encode(), digest_size=32).digest()

    def __repr__(self) -> str:
        return f"<Script seed {self._spec.seed}, {self._spec.speed:g}x>"

    def boot_ms(self, instance: InstanceId, vcpu: float = 1.0) -> float:
        """How long this instance boots with so many vCPUs."""
        spec, random = self._spec, self._random(b"boot-%d" % instance)
        waits_ms = draw(self._boot, random)
        if spec.boot_cpu is None:
            return waits_ms
        return waits_ms + draw(spec.boot_cpu, random) / min(vcpu, spec.boot_most_vcpu)

    def plan(
        self,
        method: bytes,
        path: bytes,
        asked: Asked,
        key: bytes,
        at_s: float,
        recorded: Recorded | None = None,
        usual: Kind | None = None,
    ) -> Plan:
        """path: without query. at_s: when it came, from the plane's start. recorded: counts if the model says so.

        usual: the kind of what has come, where its path does not tell it.
        """
        kind, name = kind_and_name(path)
        kind = usual or kind
        plan = self._plan(method, path, asked, key, at_s, recorded, kind)
        if self._spec.sharing == "slots":
            return plan
        if recorded is not None and recorded.kind is not None:
            kind, name = recorded.kind, recorded.name
        share = self.cpu_share(kind, name, is_recorded=recorded is not None and self._spec.as_recorded)
        return plan if share == 1.0 else plan._replace(cpu_share=share)

    def cpu_share(self, kind: Kind, name: str, *, is_recorded: bool) -> float:
        """What part of such a step's time is work for the processor, where that is shared."""
        spec = self._spec
        if (share := spec.cpu_by_name.get(name)) is not None:
            return share
        if (share := spec.cpu_by_kind.get(kind)) is not None:
            return share
        return USUAL_CPU_SHARES[kind] if is_recorded else 1.0

    def _plan(
        self,
        method: bytes,
        path: bytes,
        asked: Asked,
        key: bytes,
        at_s: float,
        recorded: Recorded | None,
        kind: Kind,
    ) -> Plan:
        spec, faults = self._spec, self._spec.faults
        random = self._random(key)
        # All are drawn, whatever holds, so that one kind of fault does not change the times or the other faults.
        dies, resets, fails, slow, how_far = (random.random() for _ in range(5))
        if any(away.from_s <= at_s < away.from_s + away.for_s for away in faults.away):
            return Plan("away", 0.0, random)
        is_model_call = kind == "llm" and answered_in(path) is not None and method == b"POST"
        work_ms = self._service_ms(path, kind, random)
        if recorded is not None and spec.as_recorded:
            work_ms = recorded.took_ms / spec.speed
        if dies < faults.dies_ratio:
            return Plan("dies", work_ms * how_far, random)
        if resets < faults.reset_ratio:
            return Plan("resets", work_ms, random)
        if fails < faults.error_ratio:
            return Plan("fails", work_ms, random)
        body_ms = draw(faults.slow_body, random) if slow < faults.slow_ratio else None
        left_ms = draw(spec.background, random) if spec.background is not None else 0.0
        is_slow = body_ms is not None
        if recorded is not None and recorded.comes_whole:
            if recorded.first_ms is not None and recorded.first_ms < recorded.took_ms and spec.as_recorded:
                work_ms = recorded.first_ms / spec.speed
                if body_ms is None:
                    body_ms = (recorded.took_ms - recorded.first_ms) / spec.speed
            is_model_call = False
        if not is_model_call:
            return Plan("answers", work_ms, random, body_ms=body_ms, background_ms=left_ms, is_slow=is_slow)
        wanted = spec.default_tokens if asked.max_tokens is None else asked.max_tokens
        tokens = max(1, min(wanted, spec.token_limit))
        if recorded is not None and recorded.tokens is not None:
            tokens = max(1, min(recorded.tokens, _MOST_RECORDED_TOKENS))
        if recorded is not None and spec.as_recorded:
            first_ms = (
                recorded.took_ms if recorded.first_ms is None else min(recorded.first_ms, recorded.took_ms)
            )
            gap_ms = (recorded.took_ms - first_ms) / max(1, tokens - 1) / spec.speed
            until_ms = first_ms / spec.speed if asked.stream else work_ms
            return Plan(
                "answers", until_ms, random, tokens, asked.stream, body_ms, left_ms, gap_ms, is_slow=is_slow
            )
        if not asked.stream:
            work_ms += sum(self.gap_ms(random) for _ in range(tokens - 1))
        return Plan("answers", work_ms, random, tokens, asked.stream, body_ms, left_ms, is_slow=is_slow)

    def gap_ms(self, random: Random) -> float:
        """The time from one token to the next."""
        return draw(self._spec.between_tokens, random) / self._spec.speed

    def _service_ms(self, path: bytes, kind: Kind, random: Random) -> float:
        spec = self._spec
        text = unquote(path.decode("latin-1"))
        for pattern, distribution in spec.by_path.items():
            if fnmatchcase(text, pattern):
                return draw(distribution, random) / spec.speed
        if spec.service is not None:
            return draw(spec.service, random) / spec.speed
        return (
            time_ms(spec.by_kind.get(kind) or USUAL_TIMES[kind], random.uniform(1e-12, 1 - 1e-12)) / spec.speed
        )

    def _random(self, key: bytes) -> Random:
        return Random(int.from_bytes(blake2b(key, digest_size=16, key=self._seed).digest(), "little"))


def key_of(head: bytes) -> bytes:
    """What is drawn for the request depends on this; empty where its head has none."""
    found = _KEY.search(head)
    return b"" if found is None else found[1]


def ids_of(head: bytes) -> Ids | None:
    """The session and the step that the request's head says it is."""
    found = _IDS.search(head)
    return None if found is None else (_unquoted(found[1]), _unquoted(found[2]))


def told_of(head: bytes) -> tuple[Kind, str] | None:
    """The kind and the name that the request's head says it had when it was recorded."""
    found = _STEP.search(head)
    return None if found is None else (cast(Kind, found[1].decode().lower()), _unquoted(found[2]))


class OnSocket(NamedTuple):
    """What a step does on a WebSocket, as its run tells. until: what ends it; None where that is that it was sent.

    is_known: whether the run has told what ends it.
    """

    action: str
    until: Until | None
    is_known: bool

    @property
    def ends_as_sent(self) -> bool:
        """Whether nobody waits for anything."""
        return self.is_known and self.until is None


def on_socket_of(head: bytes) -> OnSocket | None:
    """What the head of an opening, or of what tells of a message, says that its step does there."""
    found = _ON_SOCKET.search(head)
    if found is None:
        return None
    action = found[1].decode().lower()
    if found[2] is None:
        return OnSocket(action, None, True)
    try:
        return OnSocket(action, msgspec.json.decode(unquote_to_bytes(found[2]), type=Until), True)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return OnSocket(action, None, False)


def recorded_of(head: bytes) -> Recorded | None:
    """What the request's head says of its recording."""
    found = _RECORDED.search(head)
    if found is None:
        return None
    try:
        recorded = Recorded(float(found[1]), None if found[2] is None else float(found[2]))
    except ValueError:
        return None
    told = told_of(head)
    return recorded if told is None else recorded._replace(kind=told[0], name=told[1])


def _unquoted(text: bytes) -> str:
    return unquote(text.decode("latin-1"))
