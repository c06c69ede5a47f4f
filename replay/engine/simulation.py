"""A run in virtual time: the same run loop, against a plane's core instead of a network.

Trace, knobs, graph walk and recorder are those of a real run; the clock is virtual, and the wire hands each step to
the plane's core (replay/planes/plane.py), which decides where it is served. Boots and answers take the times that
their models draw, or that the recording has; the network takes none. So a run of a day takes as long as its
steps take to compute, and the same seed gives the same figures.

A step that the plane refuses ends with its status at once. One that it times out ends then, with 504, while its
handler goes on and holds its slot. Boots that the plane gives up are forgotten.
"""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from replay.engine.loop import RunLoop
from replay.engine.pacer import Pacer
from replay.engine.plan import planned_counts, planned_sessions
from replay.engine.recorder import Recorder
from replay.engine.render import Rendered
from replay.engine.router import Router
from replay.engine.run import Outcome, manifest_of, now_utc, read_trace
from replay.engine.types import RunOptions
from replay.engine.virtual import VirtualTime
from replay.engine.walker import Pace
from replay.engine.writer import FileWriter
from replay.planes.model import Model, time_ms, uniform
from replay.planes.plane import Plane
from replay.planes.types import (
    Asked,
    Boot,
    Decision,
    InstanceLife,
    Lose,
    Refuse,
    SimulatedPlane,
    Start,
    TimeOut,
)
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import INSTANCES_FILE, Generator, InstanceRecord, PlaneFigures
from replay.target import Target, TargetError
from replay.trace.types import Step
from replay.wire.types import Exchange

_NS = 1_000_000_000
_MS = 1_000_000
# Between the events of a simulation nothing has to be looked at.
_IDLE_NS = 3600 * _NS
_NOTHING = Rendered("GET", b"", b"", False, False)


def simulate_trace(trace: Path, target: Target, options: RunOptions, out: Path | None = None) -> Outcome:
    """Replay a trace against a simulated plane, and return the summary that was written.

    target: its `simulate` table says what plane it is. Raises TraceError, TargetError and RunDirError.
    """
    spec = simulated_plane(target)
    found = read_trace(trace)
    planned = planned_counts(trace, found, options)
    directory = RunDir.create(out, found.header.name, target.name)
    manifest = manifest_of(found, planned, target, options)
    directory.write_manifest(manifest)
    time = VirtualTime()
    wire = SimulatedWire(spec, time)
    pace = Pace(options.knobs)
    recorder = Recorder(directory.path, target.name, FileWriter(), options.warmup_s)
    loop = RunLoop(
        planned_sessions(trace, found, options, pace),
        SimulatedSender(target, wire),
        recorder,
        options,
        pace,
        time.now,
        partial(Pacer, idle_ns=_IDLE_NS, hard_spin_ns=0),
    )
    loop.begin(time, time.make_alarm)
    wire.begin()
    time.run_until(lambda: loop.is_over)
    loop.finish()
    recorder.finish(time.now_ns)
    manifest.status = "failed" if recorder.failure or loop.read_error else "finished"
    manifest.error = recorder.failure or (str(loop.read_error) if loop.read_error else None)
    manifest.finished_at = now_utc()
    manifest.elapsed_s = round((loop.finished_ns - loop.start_ns) / _NS, 6)
    manifest.removed_s = pace.removed_s()
    manifest.generator = Generator(verdict="ok", reasons=[])
    manifest.plane = wire.figures()
    lives = msgspec.json.Encoder().encode_lines(wire.instances(loop.start_ns))
    (directory.path / INSTANCES_FILE).write_bytes(lives)
    manifest.notes = [
        "simulated in virtual time: nothing was sent, and the network took no time",
        *wire.notes(),
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
        return msgspec.convert(target.simulate, SimulatedPlane)
    except msgspec.ValidationError as cause:
        what, _, at = str(cause).partition(" - at `$")
        raise TargetError(
            f"{target.name}: [simulate] {at.rstrip('`').lstrip('.')}: {what.replace('`', chr(34))}."
        ) from cause


class SimulatedSender:
    """The target's side of a simulated run: one wire, and nothing to render."""

    keeps_by_session = False

    def __init__(self, target: Target, wire: "SimulatedWire") -> None:
        router = Router(target)
        self.decide = router.decide
        self.wires = [wire] * len(router.urls)
        self.renderers = [_Nothing()] * len(router.urls)

    def sweep(self, now: int) -> None:
        pass

    def prepare(self, connections: int) -> None:
        pass

    def end_session(self, walk: Any) -> None:
        pass


class _Nothing:
    def render(self, step: Step, session_id: str) -> Rendered:
        return _NOTHING


class SimulatedWire:
    """Hands exchanges to a plane's core, and plays its instances."""

    def __init__(self, spec: SimulatedPlane, time: VirtualTime) -> None:
        self.plane = Plane(spec.plane, time.now_ns)
        self._spec = spec
        self._time = time
        self._model = None if spec.service is None else Model(spec.service)
        self._open: dict[int, Exchange] = {}
        self._next = 0
        self._wake_ns = 0
        self._unknown = 0
        self._most_instances = self._boots = 0
        self._cold = self._refused = self._timed_out = 0

    def __repr__(self) -> str:
        return f"<SimulatedWire {self.plane!r}>"

    def begin(self) -> None:
        """Boot what is always on; it is ready when the run begins."""
        for decision in self.plane.start(self._time.now_ns):
            if isinstance(decision, Boot):
                self._boots += 1
                self._carry_out(self.plane.instance_ready(decision.instance, self._time.now_ns))
        self._set_wake()

    def send(self, exchange: Exchange) -> None:
        now = self._time.now_ns
        exchange.sent_ns = now
        self._next += 1
        self._open[self._next] = exchange
        self._carry_out(self.plane.request_arrived(self._next, now))

    def notes(self) -> list[str]:
        if not self._unknown:
            return []
        return [f"{self._unknown} steps have no recorded duration; they were answered at once"]

    def instances(self, start_ns: int) -> list[InstanceRecord]:
        """What each instance did; instants count from start_ns."""

        def since(at_ns: int | None) -> int | None:
            return None if at_ns is None else at_ns - start_ns

        return [
            InstanceRecord(
                instance=f"i-{life.instance}",
                requested_ns=life.requested_ns - start_ns,
                ready_ns=since(life.ready_ns),
                first_request_ns=since(life.first_request_ns),
                gone_ns=since(life.gone_ns),
                served=life.served,
                busy_ns=life.busy_ns,
                request_ns=life.request_ns,
            )
            for life in self.plane.ledger(self._time.now_ns)
        ]

    def figures(self) -> PlaneFigures:
        """What the plane did, for the summary."""
        now = self._time.now_ns
        lives = self.plane.ledger(now)
        return PlaneFigures(
            instances=self._boots,
            most_instances=most_at_once(lives, now),
            cold=self._cold,
            refused=self._refused,
            timed_out=self._timed_out,
            busy_s=round(sum(life.busy_ns for life in lives) / _NS, 3),
            booting_s=round(
                sum((life.ready_ns or life.gone_ns or now) - life.requested_ns for life in lives) / _NS, 3
            ),
            instance_s=round(sum((life.gone_ns or now) - life.requested_ns for life in lives) / _NS, 3),
        )

    def _carry_out(self, decisions: list[Decision]) -> None:
        now = self._time.now_ns
        for decision in decisions:
            if isinstance(decision, Start):
                self._start(decision, now)
            elif isinstance(decision, Boot):
                self._boots += 1
                u = uniform(self._spec.seed, decision.instance)
                boot_ns = int(time_ms(self._spec.boot, u) * _MS)
                self._time.at(now + boot_ns, self._ready, decision.instance)
            elif isinstance(decision, Refuse):
                self._refused += 1
                self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, TimeOut):
                self._timed_out += 1
                self._end_with(decision.request, decision.status, now)
            elif isinstance(decision, Lose):
                self._end_with(decision.request, decision.status, now)
        self._set_wake()

    def _start(self, start: Start, now: int) -> None:
        number: int = start.request  # type: ignore[assignment]
        exchange = self._open[number]
        exchange.instance, exchange.cold = f"i-{start.instance}", start.waited_for_boot
        self._cold += start.waited_for_boot
        first_ns, end_ns = self._service_ns(exchange)
        if exchange.on_first_byte is not None:
            self._time.at(now + first_ns, self._first_byte, number)
        else:
            exchange.first_byte_ns = now + first_ns
        self._time.at(now + end_ns, self._end, number)

    def _service_ns(self, exchange: Exchange) -> tuple[int, int]:
        """Until the first byte, and until the end."""
        step: Step = exchange.step
        if self._model is None:
            if step.took_ms is None:
                self._unknown += 1
            took_ms = step.took_ms or 0.0
            ttft_ms = step.recorded.ttft_ms if step.recorded is not None else None
            return int((took_ms if ttft_ms is None else min(ttft_ms, took_ms)) * _MS), int(took_ms * _MS)
        llm = step.llm
        key = f"{exchange.walk.id}\0{step.id}".encode("utf-8", "surrogatepass")
        tokens = None if llm is None else llm.output_tokens
        whole = self._model.answer(step.kind, step.name, Asked(tokens, False), key)
        exchange.status = whole.status
        end_ns = int(whole.wait_ms * _MS)
        if llm is None or not llm.stream or whole.status >= 400:
            return end_ns, end_ns
        first = self._model.answer(step.kind, step.name, Asked(tokens, True), key)
        return min(end_ns, int(first.wait_ms * _MS)), end_ns

    def _ready(self, instance: int) -> None:
        self._carry_out(self.plane.instance_ready(instance, self._time.now_ns))

    def _first_byte(self, number: int) -> None:
        exchange = self._open.get(number)
        if exchange is not None and exchange.on_first_byte is not None:
            exchange.first_byte_ns = self._time.now_ns
            exchange.on_first_byte(exchange)

    def _end(self, number: int) -> None:
        now = self._time.now_ns
        exchange = self._open.pop(number, None)
        decisions = self.plane.request_ended(number, now)
        if exchange is not None:
            exchange.status = exchange.status or 200
            self._done(exchange, now)
        self._carry_out(decisions)

    def _end_with(self, number: Any, status: int, now: int) -> None:
        exchange = self._open.pop(number, None)
        if exchange is not None:
            exchange.status = status
            exchange.first_byte_ns = now
            # Not within the call that sent it: the loop does not expect to hear of it before.
            self._time.at(now, self._late_done, exchange)

    def _late_done(self, exchange: Exchange) -> None:
        self._done(exchange, self._time.now_ns)

    def _done(self, exchange: Exchange, now: int) -> None:
        exchange.end_ns = now
        if not exchange.first_byte_ns:
            exchange.first_byte_ns = now
        exchange.on_done(exchange)

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


def most_at_once(lives: list[InstanceLife], now_ns: int) -> int:
    """The most instances that were there at one instant; one that goes makes room for one that comes then."""
    changes = sorted(
        change for life in lives for change in ((life.requested_ns, 1), (life.gone_ns or now_ns, -1))
    )
    most = there = 0
    for _, change in changes:
        there += change
        most = max(most, there)
    return most
