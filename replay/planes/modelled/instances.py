"""Instances that are modelled: each listens on a port of its own, boots as long as its model says, and answers so.

Parts: a Script decides, from the seed and the request alone, what becomes of a request; an _Instance carries it
out, with its work shared among its requests; a _Line is one connection of the gateway to an instance. Nothing
ends before its modelled time: timers that fire early are set again. Timers that fire late (by up to 1 ms under
uvloop) delay bytes but not the model: what follows counts from the modelled instant.

The gateway hears of an instance's death before its connections end, as with a process that it watches.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from fnmatch import fnmatchcase
from hashlib import blake2b
from random import Random
from time import monotonic_ns
from typing import Any, Literal, NamedTuple, Protocol, cast
from urllib.parse import unquote

from replay.http.framing import Body, FramingError
from replay.http.heads import Refused, read_request, request_body
from replay.http.statuses import reason_of
from replay.planes.modelled import chat
from replay.planes.modelled.asking import CHAT_PATH, NOTHING_ASKED, BodyScan, kind_and_name
from replay.planes.modelled.cpu import InstanceCpu, cpu_rules
from replay.planes.modelled.distributions import draw
from replay.planes.modelled.model import time_ms
from replay.planes.types import (
    USUAL_BOOTS,
    USUAL_CPU_SHARES,
    Address,
    Asked,
    InstanceId,
    ModelSpec,
    Owner,
    PlaneKind,
    PlaneSpec,
)
from replay.trace.types import Kind

_HOST = "127.0.0.1"
_MS = 1_000_000
_NS = 1_000_000_000
_SLOW_PARTS = 8
_KEY = re.compile(rb"\r\ntraceparent:[ \t]*([^\r\n]+)", re.IGNORECASE)
_RECORDED = re.compile(
    rb"\r\nx-replay-recorded-ms:[ \t]*([0-9.]{1,16})(?: ([0-9.]{1,16}))?[ \t]*(?=\r\n|$)", re.IGNORECASE
)
_STEP = re.compile(rb"\r\nx-replay-recorded-step:[ \t]*(llm|tool|mcp|http) ([^\r\n ]*)", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_ANSWERED = b'{"answer":"modelled"}'
_FAILED = b'{"error":"this modelled instance fails a share of its requests on purpose"}'
_AWAY = b'{"error":"what this modelled instance depends on is away"}'

Fate = Literal["answers", "away", "dies", "resets", "fails"]


class DeployingOwner(Owner, Protocol):
    """Who is told of the instances, of the CPU that they use, and when a deploy is due; knows which is the busiest."""

    def deploy(self) -> None: ...

    def cpu_used(self, instance: InstanceId, milli_vcpu: int) -> None: ...

    def busiest(self) -> InstanceId | None: ...


class Plan(NamedTuple):
    """What becomes of one request. work_ms: until then. tokens: 0 where it is no model call's answer.

    body_ms: how long its body takes to come; None: at once, or token by token. background_ms: the work that it leaves
    behind. gap_ms: between its tokens; None: random draws them. cpu_share: what part of all of its times is work for
    the processor, where that is shared.
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


class Recorded(NamedTuple):
    """How long a request took when it was recorded. first_ms: until its first byte, where that is known.

    kind, name: of the step that was recorded; None where only its path tells.
    """

    took_ms: float
    first_ms: float | None = None
    kind: Kind | None = None
    name: str = ""


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
    ) -> Plan:
        """path: without query. at_s: when it came, from the plane's start. recorded: counts if the model says so."""
        plan = self._plan(method, path, asked, key, at_s, recorded)
        if self._spec.sharing == "slots":
            return plan
        kind, name = kind_and_name(path)
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
        self, method: bytes, path: bytes, asked: Asked, key: bytes, at_s: float, recorded: Recorded | None
    ) -> Plan:
        spec, faults = self._spec, self._spec.faults
        random = self._random(key)
        # All are drawn, whatever holds, so that one kind of fault does not change the times or the other faults.
        dies, resets, fails, slow, how_far = (random.random() for _ in range(5))
        if any(away.from_s <= at_s < away.from_s + away.for_s for away in faults.away):
            return Plan("away", 0.0, random)
        is_model_call = path.endswith(CHAT_PATH) and method == b"POST"
        work_ms = self._service_ms(path, random)
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
        if not is_model_call:
            return Plan("answers", work_ms, random, body_ms=body_ms, background_ms=left_ms)
        wanted = spec.default_tokens if asked.max_tokens is None else asked.max_tokens
        tokens = max(1, min(wanted, spec.token_limit))
        if recorded is not None and spec.as_recorded:
            first_ms = (
                recorded.took_ms if recorded.first_ms is None else min(recorded.first_ms, recorded.took_ms)
            )
            gap_ms = (recorded.took_ms - first_ms) / max(1, tokens - 1) / spec.speed
            until_ms = first_ms / spec.speed if asked.stream else work_ms
            return Plan("answers", until_ms, random, tokens, asked.stream, body_ms, left_ms, gap_ms)
        if not asked.stream:
            work_ms += sum(self.gap_ms(random) for _ in range(tokens - 1))
        return Plan("answers", work_ms, random, tokens, asked.stream, body_ms, left_ms)

    def gap_ms(self, random: Random) -> float:
        """The time from one token to the next."""
        return draw(self._spec.between_tokens, random) / self._spec.speed

    def _service_ms(self, path: bytes, random: Random) -> float:
        spec = self._spec
        text = unquote(path.decode("latin-1"))
        for pattern, distribution in spec.by_path.items():
            if fnmatchcase(text, pattern):
                return draw(distribution, random) / spec.speed
        if spec.service is not None:
            return draw(spec.service, random) / spec.speed
        return time_ms(spec.by_kind[kind_and_name(path)[0]], random.uniform(1e-12, 1 - 1e-12)) / spec.speed

    def _random(self, key: bytes) -> Random:
        return Random(int.from_bytes(blake2b(key, digest_size=16, key=self._seed).digest(), "little"))


class ModelledInstances:
    """Boots and ends the modelled instances of one plane, under its rules for CPU. now: the clock, in ns.

    boots_at_once: a boot takes no time, as for what was on before the plane began.
    """

    def __init__(
        self,
        spec: ModelSpec,
        owner: DeployingOwner,
        plane: PlaneSpec,
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        self.spec = spec
        self.cpu = cpu_rules(plane, spec.vcpu)
        self.script = Script(spec, plane.kind)
        self.owner = owner
        self.now = now
        self.requests = 0
        self.counts: dict[str, int] = {"answers": 0, "away": 0, "dies": 0, "resets": 0, "fails": 0, "slow": 0}
        self.killed_for_memory = self.background_done = self.background_lost = 0
        self._running: dict[InstanceId, _Instance] = {}
        self._start_ns = now()
        self.boots_at_once = False
        self._tasks: set[asyncio.Task[None]] = set()
        for at_s in spec.faults.deploys_s:
            self._run(self._deploy_at(at_s))
        for at_s in spec.faults.kills_s:
            self._run(self._kill_at(at_s))

    def __repr__(self) -> str:
        return f"<ModelledInstances {len(self._running)} running, {self.requests} requests>"

    @property
    def pids(self) -> dict[InstanceId, int]:
        """None: no modelled instance has a process."""
        return {}

    def boot(self, instance: InstanceId, vcpu: float) -> None:
        """vcpu: unused, since the plane's rules say it too."""
        booted = self._running[instance] = _Instance(instance, self)
        boot_ms = 0.0 if self.boots_at_once else self.script.boot_ms(instance, self.cpu.vcpu * self.cpu.boost)
        booted.booting = self._run(self._boot(booted, self.now() + round(boot_ms * _MS)))

    def stop(self, instance: InstanceId) -> None:
        stopped = self._running.pop(instance, None)
        if stopped is not None:
            stopped.close()

    def address(self, instance: InstanceId) -> Address:
        """Raises KeyError if there is no such instance any more."""
        return _HOST, self._running[instance].port

    def die(self, instance: InstanceId) -> None:
        """End an instance as if its process had crashed; nothing happens if it is gone."""
        died = self._running.pop(instance, None)
        if died is not None:
            self.owner.died(instance)
            died.close()

    async def close(self) -> None:
        """Stop them all; returns when nothing of them is left."""
        for instance in list(self._running):
            self.stop(instance)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def came(self) -> bytes:
        """Count a request; returns the key of one that has none of its own."""
        self.requests += 1
        return b"%d" % self.requests

    @property
    def is_as_recorded(self) -> bool:
        return self.spec.as_recorded

    def elapsed_s(self) -> float:
        return (self.now() - self._start_ns) / _NS

    async def _boot(self, instance: "_Instance", ready_ns: int) -> None:
        try:
            await instance.listen()
        except OSError:
            # Told after its boot time, or a machine out of ports would boot in a tight loop.
            await self._sleep_until(ready_ns)
            self.die(instance.number)
            return
        await self._sleep_until(ready_ns)
        instance.work = InstanceCpu(self.cpu, self.spec.sharing, self.now())
        instance.is_ready = True
        self.owner.ready(instance.number)

    async def _deploy_at(self, at_s: float) -> None:
        await self._sleep_until(self._start_ns + round(at_s * _NS))
        self.owner.deploy()

    async def _kill_at(self, at_s: float) -> None:
        await self._sleep_until(self._start_ns + round(at_s * _NS))
        if (busiest := self.owner.busiest()) is not None:
            self.die(busiest)

    async def _sleep_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - self.now()) > 0:
            await asyncio.sleep(left_ns / _NS)

    def _run(self, steps: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(steps)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Instance:
    """One instance: its listening port, its connections, and the work of its requests."""

    def __init__(self, number: InstanceId, house: ModelledInstances) -> None:
        self.number = number
        self.house = house
        self.work: InstanceCpu[_Line] = InstanceCpu(house.cpu, house.spec.sharing, house.now())
        self.lines: set[_Line] = set()
        self.requests = 0
        self.port = 0
        self.is_ready = self.is_gone = False
        self.booting: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._told_milli_vcpu = 0

    def __repr__(self) -> str:
        return f"<_Instance {self.number} {'ready' if self.is_ready else 'booting'}, {self.work!r}>"

    async def listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Line(self), _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.is_gone:
            self._server.close()

    def close(self) -> None:
        self.is_gone = True
        self.house.background_done += self.work.done
        self.house.background_lost += self.work.left
        if self.booting is not None and not self.is_ready:
            self.booting.cancel()
        if self._server is not None:
            self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for line in list(self.lines):
            line.abort()

    def begin(self, line: "_Line", plan: Plan) -> None:
        """A request has come in whole."""
        spec = self.house.spec
        self.settle()
        if self.is_gone:
            return
        self._add(line, plan, plan.work_ms, self.house.now())
        if spec.memory_mib is not None and spec.idle_mib + len(self.work) * spec.request_mib > spec.memory_mib:
            self.house.killed_for_memory += 1
            self.house.die(self.number)
            return
        self._wake_at_next_end()

    def leave(self, line: "_Line") -> None:
        """A connection is gone."""
        self.lines.discard(line)
        if not self.is_gone:
            self.settle()
            self.work.leave(line, self.house.now())
            self._wake_at_next_end()

    def settle(self) -> None:
        """Let happen what is due by now, each at its own instant: a token may be followed by others that are due."""
        now_ns = self.house.now()
        while not self.is_gone and (end_ns := self.work.next_end_ns()) is not None and end_ns <= now_ns:
            for line in self.work.finished(end_ns):
                plan, left_ms = line.plan, line.background_ms
                gap_ms = line.go_on()
                if self.is_gone:
                    return
                if gap_ms is not None and plan is not None:
                    self._add(line, plan, gap_ms, end_ns)
                elif left_ms:
                    self.work.leave_behind(left_ms * _MS, end_ns)

    def _add(self, line: "_Line", plan: Plan, time_ms: float, now_ns: int) -> None:
        """Begin the next part of a request, among those of others."""
        self.work.add(line, time_ms * _MS, now_ns, plan.cpu_share)

    def _tell_cpu(self) -> None:
        used = self.work.used_milli_vcpu
        if used != self._told_milli_vcpu and not self.is_gone:
            self._told_milli_vcpu = used
            self.house.owner.cpu_used(self.number, used)

    def _wake_at_next_end(self) -> None:
        self._tell_cpu()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        end_ns = self.work.next_end_ns()
        if end_ns is not None and not self.is_gone:
            self._timer = self._loop.call_later(max(0, end_ns - self.house.now()) / _NS, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.settle()
        self._wake_at_next_end()


class _Line(asyncio.Protocol):
    """One connection to an instance: one request at a time, the next waits in the buffer."""

    def __init__(self, instance: _Instance) -> None:
        self._instance = instance
        self._house = instance.house
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._body: Body | None = None
        self._scan: BodyScan | None = None
        self._method = self._path = self._key = b""
        self._recorded: Recorded | None = None
        self._keeps_alive = self._can_stream = True
        self._plan: Plan | None = None
        self._name = b""
        self._parts: list[bytes] = []  # of a slow body, last first
        self._sent = 0  # tokens

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by their methods, not by their class.
        self._transport = cast(asyncio.Transport, transport)
        self._instance.lines.add(self)
        if self._instance.is_gone:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._plan = None
        self._instance.leave(self)

    def abort(self) -> None:
        self._transport.abort()

    @property
    def plan(self) -> Plan | None:
        """Of the request under way."""
        return self._plan

    @property
    def background_ms(self) -> float:
        """What the request under way leaves behind."""
        return self._plan.background_ms if self._plan is not None else 0.0

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._read()
        except (FramingError, Refused):
            self._transport.write(_plain(400, b"", False, False))
            self._transport.close()

    def _read(self) -> None:
        """Take the next request from the buffer, and begin it when it is whole."""
        while self._plan is None and self._buffer:
            if self._body is None:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                self._read_head(self._buffer[:end])
                self._buffer = self._buffer[end + 4 :]
            body = self._body
            assert body is not None
            taken = body.take(self._buffer)
            if self._scan is not None:
                self._scan.feed(self._buffer[:taken])
            self._buffer = self._buffer[taken:]
            if not body.is_over:
                return
            self._body = None
            self._begin()

    def _read_head(self, text: bytes) -> None:
        head = read_request(text)
        self._method = head.method
        self._path = head.target.partition(b"?")[0]
        self._keeps_alive = head.keeps_alive
        self._can_stream = not head.is_old
        key = _KEY.search(text)
        self._key = key[1] if key is not None else b""
        self._recorded = _recorded(text) if self._house.is_as_recorded else None
        self._scan = BodyScan() if self._path.endswith(CHAT_PATH) else None
        self._body = request_body(head)
        if _EXPECTS.search(text):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begin(self) -> None:
        house = self._house
        own = house.came()
        asked = self._scan.asked() if self._scan is not None else NOTHING_ASKED
        if asked.stream and not self._can_stream:
            asked = Asked(asked.max_tokens)
        plan = house.script.plan(
            self._method, self._path, asked, self._key or own, house.elapsed_s(), self._recorded
        )
        house.counts[plan.fate] += 1
        house.counts["slow"] += plan.body_ms is not None
        self._plan = plan
        self._name = chat.answer_id(house.requests)
        self._sent = 0
        self._instance.begin(self, plan)

    def go_on(self) -> float | None:
        """Do what is due; returns the time in ms until the next part of the answer, None where there is none."""
        plan = self._plan
        if plan is None:
            return None
        if plan.fate == "dies":
            self._house.die(self._instance.number)
        elif plan.fate == "resets":
            self._break_off()
        elif plan.fate == "away":
            self._finish(self._whole(self._house.spec.faults.error_status, _AWAY))
        elif plan.fate == "fails":
            self._finish(self._whole(self._house.spec.faults.error_status, _FAILED))
        elif plan.stream:
            return self._send_token(plan)
        elif plan.body_ms is not None and self._method != b"HEAD":
            return self._send_part(plan, plan.body_ms)
        else:
            self._finish(self._whole(200, self._answer(plan)))
        return None

    def _break_off(self) -> None:
        """End the connection in the middle of an answer: had none begun, a gateway may well ask again."""
        self._plan = None
        if self._method != b"HEAD":
            self._transport.write(_plain(200, _ANSWERED, self._keeps_alive, False)[: -len(_ANSWERED) // 2])
        self._transport.close()

    def _send_token(self, plan: Plan) -> float | None:
        out = b"" if self._sent else _head(200, chat.STREAM_TYPE, _CHUNKED, self._keeps_alive)
        out += chat.token(self._name, self._sent)
        self._sent += 1
        if self._sent == plan.tokens:
            self._finish(out + chat.stop(self._name))
            return None
        self._transport.write(out)
        if plan.body_ms is not None:
            return plan.body_ms / (plan.tokens - 1)
        return self._house.script.gap_ms(plan.random) if plan.gap_ms is None else plan.gap_ms

    def _send_part(self, plan: Plan, body_ms: float) -> float | None:
        """Send the head, then the body in equal parts over its time."""
        if not self._parts:
            body = self._answer(plan)
            step = -(-len(body) // _SLOW_PARTS)
            self._parts = [body[at : at + step] for at in range(0, len(body), step)][::-1]
            self._sent = len(self._parts)
            self._transport.write(_plain(200, body, self._keeps_alive, True))
            return body_ms / self._sent
        part = self._parts.pop()
        if not self._parts:
            self._finish(part)
            return None
        self._transport.write(part)
        return body_ms / self._sent

    def _answer(self, plan: Plan) -> bytes:
        prompt = 0 if self._scan is None else self._scan.prompt_tokens
        return chat.whole(self._name, plan.tokens, prompt) if plan.tokens else _ANSWERED

    def _whole(self, status: int, body: bytes) -> bytes:
        return _plain(status, body, self._keeps_alive, self._method == b"HEAD")

    def _finish(self, data: bytes) -> None:
        self._transport.write(data)
        self._plan = None
        if not self._keeps_alive:
            self._transport.close()
        elif self._buffer:
            # Not from here: the instance is in the middle of settling what is due.
            asyncio.get_running_loop().call_soon(self.data_received, b"")


_CHUNKED = b"transfer-encoding: chunked\r\ncache-control: no-store\r\n"


def _head(status: int, content_type: bytes, framing: bytes, keeps_alive: bool) -> bytes:
    return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%s%s\r\n" % (
        status,
        reason_of(status),
        content_type,
        framing,
        b"" if keeps_alive else b"connection: close\r\n",
    )


def _plain(status: int, body: bytes, keeps_alive: bool, head_only: bool) -> bytes:
    head = _head(status, chat.CONTENT_TYPE, b"content-length: %d\r\n" % len(body), keeps_alive)
    return head if head_only else head + body


def _recorded(head: bytes) -> Recorded | None:
    """What the request's head says of its recording."""
    found = _RECORDED.search(head)
    if found is None:
        return None
    try:
        recorded = Recorded(float(found[1]), None if found[2] is None else float(found[2]))
    except ValueError:
        return None
    step = _STEP.search(head)
    if step is None:
        return recorded
    kind = cast(Kind, step[1].decode().lower())
    return recorded._replace(kind=kind, name=unquote(step[2].decode("latin-1")))
