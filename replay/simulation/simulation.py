"""A run in virtual time: the same run loop, against a plane's core instead of a network.

Trace, knobs, graph walk and recorder are those of a real run; the clock is virtual, and the wire hands each step to
the plane's core (replay/planes/core/plane.py), which decides where it is served. Boots and answers take the times that
their models draw, or that the recording has; the network takes none. So a run of a day takes as long as its
steps take to compute, and the same seed gives the same figures.

Where a target's routes send steps to other URLs, what is there is a second plane, as `[simulate.elsewhere]` describes
it. Both are on the one clock, so that a session's steps go from one to the other and back as their edges say.

A step that the plane refuses ends with its status at once. One that it times out ends then, with 504, while its
handler goes on and holds its slot. Boots that the plane gives up are forgotten.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from replay.engine.attempt import Attempt
from replay.engine.loop import RunLoop
from replay.engine.manifest import manifest_of, now_utc
from replay.engine.outcome import Outcomes
from replay.engine.pacing.pacer import Pacer
from replay.engine.plan import planned_counts, planned_sessions, read_trace
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.render import Rendered
from replay.engine.requests.router import Router
from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.keys import explained
from replay.planes.core.plane import Plane
from replay.planes.core.profiles import PROFILES, with_profile
from replay.planes.modelled.asking import CHAT_PATH, NOTHING_ASKED, BodyScan
from replay.planes.modelled.cpu import InstanceCpu, cpu_rules
from replay.planes.modelled.script import Plan, Recorded, Script
from replay.planes.types import (
    Asked,
    Boot,
    Decision,
    Faults,
    InstanceId,
    InstanceLife,
    Lose,
    Refuse,
    SimulatedPlane,
    Start,
    Stop,
    TimeOut,
)
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import INSTANCES_FILE, OWN, PARTS, Generator, InstanceRecord, Part, PlaneFigures
from replay.simulation.virtual import VirtualTime
from replay.system.files import write_whole
from replay.target.target import Target, TargetError
from replay.trace.redaction.shown_urls import shown_url
from replay.trace.types import Kind, Step

_NS = 1_000_000_000
_MS = 1_000_000
# Between the events of a simulation nothing has to be looked at.
_IDLE_NS = 3600 * _NS
_ANSWERS = Plan("answers", 0.0, Random(0))
_NOTHING = Rendered("GET", b"", b"", False, False)


def simulate_trace(trace: Path, target: Target, options: RunOptions, out: Path | None = None) -> Outcome:
    """Replay a trace against a simulated plane, and return the summary that was written.

    target: its `simulate` table says what plane it is. Raises TraceError, TargetError and RunDirError.
    """
    specs = simulated_planes(target)
    found = read_trace(trace, references=options.references)
    planned = planned_counts(trace, found, options)
    directory = RunDir.create(out, found.header.name, target.name)
    manifest = manifest_of(found, planned, target, options)
    directory.write_manifest(manifest)
    time = VirtualTime()
    wires = [
        SimulatedWire(spec, time, target.shape.path, part) for spec, part in zip(specs, PARTS, strict=False)
    ]
    pace = Pace(options.knobs)
    recorder = Recorder(directory.path, target.name, FileWriter(), options.warmup_s)
    loop = RunLoop(
        planned_sessions(trace, found, options, pace),
        SimulatedSender(target, wires, options.read_only),
        recorder,
        options,
        pace,
        Outcomes(target, reads_answers=False),
        time.now,
        partial(Pacer, idle_ns=_IDLE_NS, hard_spin_ns=0),
    )
    loop.begin(time, time.make_alarm)
    for wire in wires:
        wire.begin(loop.start_ns)
    time.run_until(lambda: loop.is_over)
    loop.finish()
    recorder.finish(time.now_ns)
    manifest.status = "failed" if recorder.failure or loop.read_error else "finished"
    manifest.error = recorder.failure or (str(loop.read_error) if loop.read_error else None)
    manifest.finished_at = now_utc()
    manifest.elapsed_s = round((loop.finished_ns - loop.start_ns) / _NS, 6)
    manifest.removed_s = pace.removed_s()
    manifest.generator = Generator(verdict="ok", reasons=[])
    manifest.plane = _together(wires, time.now_ns)
    lives = msgspec.json.Encoder().encode_lines(
        [life for wire in wires for life in wire.instances(loop.start_ns)]
    )
    write_whole(directory.path / INSTANCES_FILE, lives)
    manifest.notes = [
        "simulated in virtual time: nothing was sent, and the network took no time",
        *_notes(wires),
    ]
    directory.write_manifest(manifest)
    summary = rebuild(directory.path)
    directory.write_summary(summary)
    return Outcome(summary, directory.path)


def simulated_plane(target: Target) -> SimulatedPlane:
    """The plane that a target file describes for simulation. Raises TargetError."""
    if target.simulate is None:
        raise TargetError(f"{target.name}: has no [simulate] table, so there is no plane to simulate. Add one.")
    try:
        return msgspec.convert(_filled_in(target.simulate, f"{target.name}: [simulate]"), SimulatedPlane)
    except msgspec.ValidationError as cause:
        raise TargetError(
            f"{target.name}: {explained(cause, SimulatedPlane, target.simulate, 'simulate')}"
        ) from cause


def _filled_in(table: dict[str, Any], where: str) -> dict[str, Any]:
    """A [simulate] table with what profiles say, its own and that of elsewhere. where: how it is called."""
    if (name := table.get("profile")) is not None and name not in PROFILES:
        raise TargetError(f"{where} profile: {name!r} is not known. Use one of {', '.join(sorted(PROFILES))}.")
    filled = with_profile(table)
    if isinstance(elsewhere := table.get("elsewhere"), dict):
        filled["elsewhere"] = _filled_in(elsewhere, f"{where} elsewhere")
    return filled


def simulated_planes(target: Target) -> list[SimulatedPlane]:
    """The plane at the target's own URL, then what is at all others to which its routes send steps, if any do.

    Raises TargetError where its file does not say what is there.
    """
    own = simulated_plane(target)
    urls = Router(target).urls
    if len(urls) == 1:
        return [own]
    if own.elsewhere is None:
        raise TargetError(
            f"{target.name}: sends steps to {shown_url(urls[1])}, and its [simulate] table does not say what plane is "
            "there. Add [simulate.elsewhere]."
        )
    return [own, own.elsewhere]


class SimulatedSender:
    """The target's side of a simulated run: a wire for each of its planes, and nothing to render."""

    keeps_by_session = False

    def __init__(self, target: Target, wires: "Sequence[SimulatedWire]", read_only: bool = False) -> None:
        router = Router(target, read_only=read_only)
        self.decide, self.withholds = router.decide, router.withholds
        self.wires = [wires[0], *[wires[-1]] * (len(router.urls) - 1)]
        self.renderers = [_Nothing()] * len(router.urls)

    def sweep(self, now: int) -> None:
        pass

    def prepare(self, connections: int) -> None:
        pass

    def end_session(self, walk: Any) -> None:
        pass

    def refused(self, step: Step, sent_ns: int) -> None:
        pass


class _Nothing:
    def render(self, step: Step, session_id: str) -> Rendered:
        return _NOTHING

    def is_current(self, rendered: Rendered) -> bool:
        return True


class _Job(NamedTuple):
    """What is left of one request under way: the rest of its answer, after the first byte; then its fate."""

    number: int
    plan: Plan
    body_ns: int


class SimulatedWire:
    """Hands attempts to a plane's core, and plays its instances by their model. part: which of the run's planes."""

    def __init__(self, spec: SimulatedPlane, time: VirtualTime, shape_path: str, part: Part = OWN) -> None:
        self.part = part
        self._prefix = "i-" if part == OWN else f"{part}-"
        self.plane = Plane(spec.plane, time.now_ns)
        self._model = spec.instances
        if spec.as_recorded:
            self._model = msgspec.structs.replace(spec.instances, as_recorded=True)
        self._script = Script(self._model, spec.plane.kind)
        self._is_recorded = spec.as_recorded
        self._recorded_plans: dict[tuple[Kind, str], Plan] = {}
        self._chat_path = shape_path.encode()
        self._time = time
        self._origin_ns = time.now_ns
        self._open: dict[int, Attempt] = {}
        self._instance_of: dict[int, InstanceId] = {}
        self._under_way: dict[InstanceId, set[int]] = {}  # the same, by instance
        self._cpu = cpu_rules(spec.plane, spec.instances.vcpu)
        self._work: dict[InstanceId, InstanceCpu[_Job]] = {}
        self._looks: dict[InstanceId, int] = {}
        # Where each takes its own time and leaves nothing behind, nobody need look at processors.
        leaves_work = spec.instances.background is not None
        self._has_cpu = spec.instances.sharing == "processor" or leaves_work
        faults = spec.instances.faults
        # Where nothing is drawn for a step that was recorded, nothing is drawn.
        self._draws = leaves_work or faults != Faults(deploys_s=faults.deploys_s, kills_s=faults.kills_s)
        self._needs_cpu_alone = self._has_cpu and not leaves_work
        self._next = 0
        self._wake_ns = 0
        self.unknown = 0
        self._boots = 0
        self._cold = self._refused = self._timed_out = self.background_lost = 0

    def __repr__(self) -> str:
        return f"<SimulatedWire {self.plane!r}>"

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
        self._next += 1
        self._open[self._next] = attempt
        self._carry_out(self.plane.request_arrived(self._next, now))

    def instances(self, start_ns: int) -> list[InstanceRecord]:
        """What each instance did; instants count from start_ns."""

        def since(at_ns: int | None) -> int | None:
            return None if at_ns is None else at_ns - start_ns

        return [
            InstanceRecord(
                instance=f"{self._prefix}{life.instance}",
                requested_ns=life.requested_ns - start_ns,
                ready_ns=since(life.ready_ns),
                first_request_ns=since(life.first_request_ns),
                gone_ns=since(life.gone_ns),
                served=life.served,
                busy_ns=life.busy_ns,
                request_ns=life.request_ns,
                part=self.part,
            )
            for life in self.ledger()
        ]

    def ledger(self) -> list[InstanceLife]:
        return self.plane.ledger(self._time.now_ns)

    def figures(self) -> PlaneFigures:
        """What the plane did, for the summary."""
        now, lives = self._time.now_ns, self.ledger()
        return PlaneFigures(
            instances=self._boots,
            most_instances=most_at_once(lives, now),
            cold=self._cold,
            refused=self._refused,
            timed_out=self._timed_out,
            busy_s=round(sum(life.busy_ns for life in lives) / _NS, 3),
            booting_s=round(sum(_booted(life, now) - life.requested_ns for life in lives) / _NS, 3),
            instance_s=round(sum(_gone(life, now) - life.requested_ns for life in lives) / _NS, 3),
        )

    def _carry_out(self, decisions: list[Decision]) -> None:
        now = self._time.now_ns
        for decision in decisions:
            if isinstance(decision, Start):
                self._start(decision, now)
            elif isinstance(decision, Boot):
                self._boots += 1
                boot_ms = self._script.boot_ms(decision.instance, self._cpu.vcpu * self._cpu.boost)
                boot_ns = int(boot_ms * _MS)
                self._time.at(now + boot_ns, self._ready, decision.instance)
            elif isinstance(decision, Refuse):
                self._refused += 1
                self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, TimeOut):
                self._timed_out += 1
                self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, Lose):
                self._displace(decision.request)
                self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, Stop):
                self._forget(decision.instance)
        self._set_wake()

    def _start(self, start: Start, now: int) -> None:
        number: int = start.request  # type: ignore[assignment]
        attempt = self._open[number]
        attempt.instance, attempt.cold = f"{self._prefix}{start.instance}", start.waited_for_boot
        self._cold += start.waited_for_boot
        self._instance_of[number] = start.instance
        self._under_way.setdefault(start.instance, set()).add(number)
        job, work_ns = self._job(number, attempt)
        if self._lacks_memory(start.instance):
            self._time.at(now, self._die, start.instance)
        elif self._has_cpu:
            self._share(start.instance, job, work_ns)
        else:
            self._time.at(now + work_ns, self._first, job)

    def _job(self, number: int, attempt: Attempt) -> tuple[_Job, int]:
        """What becomes of a request, and how long until its first byte."""
        step: Step = attempt.step
        if self._is_recorded:
            if step.took_ms is None:
                self.unknown += 1
            took_ms = step.took_ms or 0.0
            ttft_ms = step.recorded.ttft_ms if step.recorded is not None else None
            first_ms = took_ms if ttft_ms is None else min(ttft_ms, took_ms)
            if not self._draws:
                plan = self._recorded_plan(step) if self._has_cpu else _ANSWERS
                return _Job(number, plan, int((took_ms - first_ms) * _MS)), int(first_ms * _MS)
            recorded = Recorded(took_ms, None, step.kind, step.name)
            plan = self._script.plan(
                b"GET", b"", NOTHING_ASKED, self._key(attempt), self._elapsed_s(), recorded
            )
            if plan.fate != "answers":
                return _Job(number, plan, 0), int(plan.work_ms * _MS)
            body_ms = took_ms - first_ms if plan.body_ms is None else plan.body_ms
            return _Job(number, plan, int(body_ms * _MS)), int(first_ms * _MS)
        method, path, asked = b"POST", self._chat_path, NOTHING_ASKED
        if step.request is not None:
            method = step.request.method.encode()
            path = step.request.path.partition("?")[0].encode()
            if step.request.json and path.endswith(CHAT_PATH):
                scan = BodyScan()
                scan.feed(bytes(step.request.json))
                asked = scan.asked()
        elif step.llm is not None:
            asked = Asked(step.llm.output_tokens or 1, step.llm.stream)
        plan = self._script.plan(method, path, asked, self._key(attempt), self._elapsed_s())
        body_ms = plan.body_ms or 0.0
        if plan.stream and plan.body_ms is None:
            body_ms = sum(self._script.gap_ms(plan.random) for _ in range(plan.tokens - 1))
        return _Job(number, plan, int(body_ms * _MS)), int(plan.work_ms * _MS)

    def _key(self, attempt: Attempt) -> bytes:
        """What is drawn for a step depends on this, and on nothing else."""
        return f"{attempt.walk.id}\0{attempt.step.id}".encode("utf-8", "surrogatepass")

    def _elapsed_s(self) -> float:
        return (self._time.now_ns - self._origin_ns) / _NS

    def _recorded_plan(self, step: Step) -> Plan:
        """What becomes of a step that takes as long as it was recorded: the same for all of its kind and name."""
        key = step.kind, step.name
        plan = self._recorded_plans.get(key)
        if plan is None:
            share = self._script.cpu_share(step.kind, step.name, is_recorded=True)
            if self._model.sharing == "slots":
                share = 1.0
            plan = self._recorded_plans[key] = _ANSWERS._replace(cpu_share=share)
        return plan

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

    def _share(self, instance: InstanceId, job: _Job, time_ns: int) -> None:
        """Put a request's work among the others' of its instance."""
        now, share = self._time.now_ns, job.plan.cpu_share
        if not share and self._needs_cpu_alone:
            self._time.at(now + time_ns, self._first, job)
            return
        self._work[instance].add(job, time_ns, now, share)
        self._await_next_end(instance)
        self._note_cpu(instance)

    def _note_cpu(self, instance: InstanceId) -> None:
        """Tell the plane how much CPU an instance uses, if it matters."""
        work = self._work.get(instance)
        if work is not None and self.plane.counts_cpu:
            decisions = self.plane.cpu_used(instance, work.used_milli_vcpu, self._time.now_ns)
            if decisions:
                self._carry_out(decisions)

    def _await_next_end(self, instance: InstanceId) -> None:
        """Look at an instance when its next work ends. One that is to be looked at before then is asked again then."""
        work = self._work.get(instance)
        end_ns = work.next_end_ns() if work is not None else None
        if end_ns is None:
            return
        look_ns = self._looks.get(instance)
        if look_ns is None or end_ns < look_ns:
            self._looks[instance] = end_ns
            self._time.at(end_ns, self._settle, (instance, end_ns))

    def _settle(self, look: tuple[InstanceId, int]) -> None:
        instance, look_ns = look
        work = self._work.get(instance)
        if work is None or self._looks.get(instance) != look_ns:
            # It is gone, or an earlier look has taken this one's place.
            return
        del self._looks[instance]
        for job in work.finished(self._time.now_ns):
            self._first(job)
        self._await_next_end(instance)
        self._note_cpu(instance)

    def _first(self, job: _Job) -> None:
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
        rest = job._replace(body_ns=0)
        if self._has_cpu:
            self._share(instance, rest, job.body_ns)
        else:
            self._time.at(now + job.body_ns, self._end, rest)

    def _die(self, instance: InstanceId) -> None:
        """An instance crashes: the plane says what is lost with it."""
        self._forget(instance)
        self._carry_out(self.plane.instance_died(instance, self._time.now_ns))

    def _forget(self, instance: InstanceId) -> None:
        work = self._work.pop(instance, None)
        self._looks.pop(instance, None)
        for number in self._under_way.pop(instance, ()):
            self._instance_of.pop(number, None)
        if work is not None:
            self.background_lost += work.left

    def _ready(self, instance: InstanceId) -> None:
        if self._has_cpu:
            self._work[instance] = InstanceCpu(self._cpu, self._model.sharing, self._time.now_ns)
        self._carry_out(self.plane.instance_ready(instance, self._time.now_ns))

    def _kill(self, _: None) -> None:
        if (busiest := self.plane.busiest()) is not None:
            self._die(busiest)

    def _deploy(self, _: None) -> None:
        self._carry_out(self.plane.deploy(self._time.now_ns))

    def _end(self, job: _Job) -> None:
        instance = self._displace(job.number)
        if instance is None:
            return
        now = self._time.now_ns
        if job.plan.background_ms:
            self._work[instance].leave_behind(job.plan.background_ms * _MS, now)
            self._note_cpu(instance)
        attempt = self._open.pop(job.number, None)
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


def _together(wires: Sequence[SimulatedWire], now_ns: int) -> PlaneFigures:
    """What the planes of a run did in all, with the parts of it where there are several."""
    parts = {wire.part: wire.figures() for wire in wires}
    if len(wires) == 1:
        return parts[OWN]
    summed = {
        name: round(sum(getattr(figures, name) for figures in parts.values()), 3)
        for name in PlaneFigures.__struct_fields__
        if name not in ("most_instances", "parts")
    }
    lives = [life for wire in wires for life in wire.ledger()]
    return PlaneFigures(most_instances=most_at_once(lives, now_ns), parts=parts, **summed)


def _notes(wires: Sequence[SimulatedWire]) -> list[str]:
    notes = []
    if unknown := sum(wire.unknown for wire in wires):
        notes.append(f"{unknown} steps have no recorded duration; they were answered at once")
    if lost := sum(wire.background_lost for wire in wires):
        notes.append(f"{lost} requests left background work that was lost with their instance")
    return notes


def most_at_once(lives: list[InstanceLife], now_ns: int) -> int:
    """The most instances that were there at one instant; one that goes makes room for one that comes then."""
    changes = sorted(change for life in lives for change in ((life.requested_ns, 1), (_gone(life, now_ns), -1)))
    most = there = 0
    for _, change in changes:
        there += change
        most = max(most, there)
    return most


def _gone(life: InstanceLife, now_ns: int) -> int:
    """When it was gone, or now; an instant of 0 is one."""
    return now_ns if life.gone_ns is None else life.gone_ns


def _booted(life: InstanceLife, now_ns: int) -> int:
    """When it had booted, or was given up, or now."""
    return _gone(life, now_ns) if life.ready_ns is None else life.ready_ns
