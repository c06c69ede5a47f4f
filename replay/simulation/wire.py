"""A wire in virtual time: hands attempts to a plane's core, and does to them what it decides.

A step that the plane refuses ends with its status at once. One that it times out ends then, with 504, while its
handler goes on and holds its slot. Boots that the plane gives up are forgotten. What steps on WebSockets come to is in
sockets.py.
"""

from typing import Any

from replay.engine.attempt import Attempt
from replay.planes.core.plane import Plane
from replay.planes.core.types import (
    Boot,
    Decision,
    InstanceId,
    InstanceLife,
    Lose,
    Refuse,
    Start,
    Stop,
    TimeOut,
)
from replay.planes.modelled.cpu import cpu_rules
from replay.planes.types import SimulatedPlane
from replay.results.manifest_types import PlaneFigures
from replay.results.types import OWN, InstanceRecord, Part
from replay.simulation.answers import Answers, Job
from replay.simulation.lives import Tallies, figures_of, record_of
from replay.simulation.processors import Processors
from replay.simulation.sockets import Sockets
from replay.simulation.virtual import VirtualTime

_NS = 1_000_000_000
_MS = 1_000_000


class SimulatedWire:
    """Hands attempts to a plane's core, and plays its instances by their model. part: which of the run's planes."""

    def __init__(self, spec: SimulatedPlane, time: VirtualTime, shape_path: str, part: Part = OWN) -> None:
        self.part = part
        self._prefix = "i-" if part == OWN else f"{part}-"
        self.plane = Plane(spec.plane, time.now_ns)
        self._answers = Answers(spec, shape_path)
        self._model = self._answers.model
        self._time = time
        self._origin_ns = time.now_ns
        self._open: dict[int, Attempt] = {}
        self._instance_of: dict[int, InstanceId] = {}
        self._under_way: dict[InstanceId, set[int]] = {}  # the same, by instance
        self._cpu = cpu_rules(spec.plane, spec.instances.vcpu)
        self._processors = Processors(self._model, self._cpu, time, self._first, self._cpu_used)
        self.sockets = Sockets(self)
        self._next = 0
        self._wake_ns = 0
        self._boots = 0
        self._cold = self._refused = self._timed_out = self.background_lost = 0

    def __repr__(self) -> str:
        return f"<SimulatedWire {self.plane!r}>"

    @property
    def unknown(self) -> int:
        """How many steps have no recorded duration, where they take what was recorded."""
        return self._answers.unknown

    def begin(self, origin_ns: int) -> None:
        """Boot what is always on; it is ready when the run begins. origin_ns: from where the model's times count."""
        self._origin_ns = origin_ns
        for decision in self.plane.start(self._time.now_ns):
            if isinstance(decision, Boot):
                self._boots += 1
                self._ready(decision.instance)
        for at_s in self._model.faults.deploys_s:
            self._time.at(origin_ns + round(at_s * _NS), self._deploy, None)
        for at_s in self._model.faults.kills_s:
            self._time.at(origin_ns + round(at_s * _NS), self._kill, None)
        self._set_wake()

    def send(self, attempt: Attempt) -> None:
        now = self._time.now_ns
        attempt.sent_ns = now
        number = self.new_number()
        self._open[number] = attempt
        self._carry_out(self.plane.request_arrived(number, now))

    @property
    def now_ns(self) -> int:
        return self._time.now_ns

    @property
    def error_status(self) -> int:
        return self._model.faults.error_status

    def new_number(self) -> int:
        """Of a request, or of a step on a WebSocket."""
        self._next += 1
        return self._next

    def arrive(self, number: int) -> None:
        """A WebSocket is asked for."""
        self._carry_out(self.plane.request_arrived(number, self._time.now_ns))

    def depart(self, number: int, *, is_open: bool) -> None:
        """A WebSocket has ended, or is asked for no more."""
        now = self._time.now_ns
        self._displace(number)
        self._carry_out(
            self.plane.request_ended(number, now) if is_open else self.plane.client_left(number, now)
        )

    def work(self, number: int, instance: InstanceId, attempt: Attempt) -> None:
        """Begin what a step on a WebSocket asks of its instance."""
        self._open[number] = attempt
        self._begin(number, instance, attempt)

    def drop(self, number: int) -> None:
        """What was begun so comes to nothing."""
        self._open.pop(number, None)
        self._instance_of.pop(number, None)

    def done(self, attempt: Attempt) -> None:
        """A step on a WebSocket is over."""
        self._time.at(self._time.now_ns, self._late_done, attempt)

    def instances(self, start_ns: int) -> list[InstanceRecord]:
        """What each instance did; instants count from start_ns."""
        return [
            record_of(life, self.part, f"{self._prefix}{life.instance}", start_ns) for life in self.ledger()
        ]

    def ledger(self) -> list[InstanceLife]:
        return self.plane.ledger(self._time.now_ns)

    def figures(self) -> PlaneFigures:
        """What the plane did, for the summary."""
        tallies = Tallies(self._boots, self._cold, self._refused, self._timed_out)
        return figures_of(self.ledger(), tallies, self._time.now_ns)

    def _carry_out(self, decisions: list[Decision]) -> None:
        now = self._time.now_ns
        for decision in decisions:
            if isinstance(decision, Start):
                self._start(decision, now)
            elif isinstance(decision, Boot):
                self._boots += 1
                boot_ms = self._answers.boot_ms(decision.instance, self._cpu.vcpu * self._cpu.boost)
                boot_ns = int(boot_ms * _MS)
                self._time.at(now + boot_ns, self._ready, decision.instance)
            elif isinstance(decision, Refuse):
                self._refused += 1
                self._answer(decision.request, decision.status, now)
            elif isinstance(decision, TimeOut):
                self._timed_out += 1
                if decision.instance is not None and decision.request in self.sockets:
                    self._cut(decision.request, decision.status, now)
                else:
                    self._answer(decision.request, decision.status, now)
            elif isinstance(decision, Lose):
                self._displace(decision.request)
                if decision.request in self.sockets:
                    self.sockets.lost(decision.request, decision.status)  # type: ignore[arg-type]
                else:
                    self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, Stop):
                self._forget(decision.instance)
        self._set_wake()

    def _start(self, start: Start, now: int) -> None:
        number: int = start.request  # type: ignore[assignment]
        name = f"{self._prefix}{start.instance}"
        self._cold += start.waited_for_boot
        self._instance_of[number] = start.instance
        self._under_way.setdefault(start.instance, set()).add(number)
        lacks_memory = self._lacks_memory(start.instance)
        if lacks_memory:
            self._time.at(now, self._die, start.instance)
        if number in self.sockets:
            self.sockets.opened(number, start.instance, name, waited_for_boot=start.waited_for_boot)
            return
        attempt = self._open[number]
        attempt.instance, attempt.cold = name, start.waited_for_boot
        if not lacks_memory:
            self._begin(number, start.instance, attempt)

    def _begin(self, number: int, instance: InstanceId, attempt: Attempt) -> None:
        """Begin what a step asks of an instance."""
        self._instance_of[number] = instance
        # What goes wrong with one try need not with the next.
        again = f"\0{attempt.number}" if attempt.number > 1 else ""
        key = f"{attempt.walk.id}\0{attempt.step.id}{again}".encode("utf-8", "surrogatepass")
        elapsed_s = (self._time.now_ns - self._origin_ns) / _NS
        job, work_ns = self._answers.job(number, attempt.step, key, elapsed_s)
        self._processors.add(instance, job, work_ns)

    def _answer(self, number: Any, status: int, now: int) -> None:
        """Answer a request that was not begun, or one whose handler goes on."""
        if number in self.sockets:
            self.sockets.refused(number, status)
        else:
            self._end_with(number, status, now)

    def _cut(self, number: Any, status: int, now: int) -> None:
        """End a WebSocket whose time is up; what served it hears of that, and ends."""
        self._displace(number)
        self.sockets.lost(number, status)
        # Not within what the plane decided: it is in the middle of that.
        self._time.at(now, self._cut_off, number)

    def _cut_off(self, number: int) -> None:
        self._carry_out(self.plane.request_ended(number, self._time.now_ns))

    def _lacks_memory(self, instance: InstanceId) -> bool:
        model = self._model
        if model.memory_mib is None:
            return False
        return model.idle_mib + len(self._under_way[instance]) * model.request_mib > model.memory_mib

    def _displace(self, number: Any) -> InstanceId | None:
        """Take a request from its instance; returns which that was, None if it has none."""
        instance = self._instance_of.pop(number, None)
        if instance is not None:
            self._under_way[instance].discard(number)
        return instance

    def _cpu_used(self, instance: InstanceId, milli_vcpu: int) -> None:
        """Tell the plane how much CPU an instance uses, if it matters."""
        if self.plane.counts_cpu:
            decisions = self.plane.cpu_used(instance, milli_vcpu, self._time.now_ns)
            if decisions:
                self._carry_out(decisions)

    def _first(self, job: Job) -> None:
        """A request's first byte is due, or all of it, or what befalls it instead."""
        instance = self._instance_of.get(job.number)
        if instance is None:
            return
        if job.plan.fate == "dies":
            self._die(instance)
            return
        if not job.body_ns:
            self._end(job)
            return
        attempt = self._open.get(job.number)
        now = self._time.now_ns
        if attempt is not None and not attempt.first_byte_ns:
            attempt.first_byte_ns = now
            if attempt.on_first_byte is not None:
                attempt.on_first_byte(attempt)
        self._processors.add(instance, job._replace(body_ns=0), job.body_ns)

    def _die(self, instance: InstanceId) -> None:
        """An instance crashes: the plane says what is lost with it."""
        self._forget(instance)
        self._carry_out(self.plane.instance_died(instance, self._time.now_ns))

    def _forget(self, instance: InstanceId) -> None:
        for number in self._under_way.pop(instance, ()):
            self._instance_of.pop(number, None)
        self.background_lost += self._processors.forget(instance)

    def _ready(self, instance: InstanceId) -> None:
        self._processors.ready(instance)
        self._carry_out(self.plane.instance_ready(instance, self._time.now_ns))

    def _kill(self, _: None) -> None:
        if (busiest := self.plane.busiest()) is not None:
            self._die(busiest)

    def _deploy(self, _: None) -> None:
        self._carry_out(self.plane.deploy(self._time.now_ns))

    def _end(self, job: Job) -> None:
        instance = self._displace(job.number)
        if instance is None:
            return
        now = self._time.now_ns
        if job.plan.background_ms:
            self._processors.leave_behind(instance, job.plan.background_ms * _MS)
        attempt = self._open.pop(job.number, None)
        if attempt is not None and self.sockets.is_step(job.number):
            self.sockets.ended(job.number, attempt, job.plan)
            return
        decisions = self.plane.request_ended(job.number, now)
        if attempt is not None:
            fate = job.plan.fate
            attempt.status = self._model.faults.error_status if fate in ("fails", "away") else 200
            if fate == "resets":
                attempt.error, attempt.phase = "reset", "body"
            elif attempt.status == 200 and attempt.step.recorded is not None:
                # Nothing is answered here; what an answer weighs is known from the recording, if at all.
                attempt.response_bytes = attempt.step.recorded.response_bytes or 0
            self._done(attempt, now)
        self._carry_out(decisions)

    def _end_with(self, number: Any, status: int, now: int) -> None:
        attempt = self._open.pop(number, None)
        if attempt is not None:
            attempt.status = status
            attempt.first_byte_ns = now
            # Not within the call that sent it: the loop does not expect to hear of it before.
            self._time.at(now, self._late_done, attempt)

    def _late_done(self, attempt: Attempt) -> None:
        self._done(attempt, self._time.now_ns)

    def _done(self, attempt: Attempt, now: int) -> None:
        attempt.end_ns = now
        if not attempt.first_byte_ns:
            attempt.first_byte_ns = now
        attempt.on_done(attempt)

    def _set_wake(self) -> None:
        wake_ns = self.plane.next_wake_ns
        if wake_ns is None or (self._wake_ns and self._wake_ns <= wake_ns):
            return
        self._wake_ns = wake_ns
        self._time.at(wake_ns, self._tick, wake_ns)

    def _tick(self, wake_ns: int) -> None:
        if wake_ns != self._wake_ns:
            # An earlier wake has taken its place.
            return
        self._wake_ns = 0
        self._carry_out(self.plane.tick(self._time.now_ns))
