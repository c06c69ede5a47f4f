"""The run: ties pacer, walker, wire and recorder together, on one event loop, with a callback for each event.

What runs per step: `_fire` (render, hand to the wire), the wire's own callbacks, and `_done` (tell the walker,
put what is due next before the pacer, leave the exchange with the recorder). Everything else is a chore that
the pacer runs in its slack: reading sessions ahead, recording, sweeping time limits, opening connections ahead
of need, collecting garbage.

The run ends when the trace has ended and every response is in, or when it is interrupted: then nothing more is
sent, responses are awaited for a grace time, and what was never sent is counted as unsent.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic_ns, process_time_ns
from typing import Any, NamedTuple, Protocol

from replay.engine.alarm import make_alarm
from replay.engine.budget import Till
from replay.engine.outcome import Expected, Outcomes, status_class
from replay.engine.pacer import MakeAlarm, Pacer, Turns
from replay.engine.records.recorder import Recorder
from replay.engine.requests.read_only import KeptBack
from replay.engine.requests.render import Rendered
from replay.engine.requests.router import WAIT
from replay.engine.retries import Retries
from replay.engine.types import RunOptions
from replay.engine.users.casting import Casting
from replay.engine.walker import Due, Pace, Walk
from replay.system.shared import Shared
from replay.trace.types import Session, Step
from replay.trace.values.extracting import MissingValue, taken
from replay.wire.types import ALWAYS, Exchange

_NS = 1_000_000_000
# Sessions are read this far ahead of their start, and at most so many of them.
_AHEAD_NS = 5 * _NS
_AHEAD_MOST = 250_000
# Less than this ahead, reading cannot wait for slack.
_AHEAD_LEAST_NS = _NS // 4
_AHEAD_LEAST = 256
_READ_SLICE = 32
# A model call's prompt may take a millisecond to write out, so it is rendered this long before it is due.
_RENDER_AHEAD_NS = 5_000_000
_SWEEP_NS = 10_000_000
_SECOND_NS = _NS
# A run that is killed may lose a second; so lines leave the process well before that.
_FLUSH_NS = _NS // 4
# The run starts so long after it was asked for, so that its first steps are not late.
_LEAD_NS = 50_000_000
_GC_NS = 5 * _NS
_GC_SLACK_NS = 40_000_000
# What the pacer is to do with a walk: send the step of this index, or one of these.
_BEGINS = -1
_WAIT_ENDS = 1 << 40
# Steps that are late by more than this are sent together, at the end of a burst.
_LATE_NS = 200_000
_RENDERS = 1 << 41
_AGAIN = 1 << 42
_NONE: Sequence[Due] = ()
_EXTRACT = "extract"


class Renders(Protocol):
    def render(self, step: Step, session_id: str) -> Rendered: ...

    def is_current(self, rendered: Rendered) -> bool:
        """Whether a request rendered ahead may still go out as it is."""


class Sends(Protocol):
    def send(self, exchange: Exchange) -> None: ...


class Sender(Protocol):
    """Turns steps into exchanges on wires: the target's side of a run."""

    @property
    def renderers(self) -> Sequence[Renders]:
        """One for each place that steps go to."""

    @property
    def wires(self) -> Sequence[Sends]:
        """One for each place that steps go to."""

    def decide(self, step: Step) -> int:
        """The index of the renderer and the wire for this step, or WAIT."""

    def withholds(self, step: Step) -> bool:
        """Whether this step is a wait only because the run is read-only."""

    def sweep(self, now: int) -> None: ...

    def prepare(self, connections: int) -> None: ...

    def refused(self, step: Step, sent_ns: int) -> None:
        """The request of this step that was sent then was answered with 401."""

    keeps_by_session: bool

    def end_session(self, walk: Walk) -> None: ...


class _Waiting(NamedTuple):
    """A step without a request that is under way, since from_ns."""

    walk: Walk
    step: Step
    from_ns: int


class Progress:
    """What a live view shows; read by whoever wants to, written by the run."""

    __slots__ = ("ended", "failed", "retried", "sent", "sessions_done", "start_ns", "unsent", "waits")

    def __init__(self) -> None:
        self.sent = self.ended = self.failed = self.unsent = self.waits = self.sessions_done = 0
        self.retried = 0
        # The run's zero; 0 until it has one.
        self.start_ns = 0

    @property
    def in_flight(self) -> int:
        return self.sent - self.ended


@contextmanager
def _without_collection() -> Iterator[None]:
    is_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()
        gc.unfreeze()


# No garbage is collected inside, but what `_chores` collects in idle moments.
_garbage_kept = Shared(_without_collection)


async def run_together(
    loops: "Sequence[RunLoop]", excuses: Callable[[dict[str, Any]], bool] = lambda _: False
) -> None:
    """Replay everything that these runs hold, from one instant on, in one event loop; returns when all are over.

    excuses: whether a fault that the event loop reports is none of ours, so that the runs go on.
    """
    running = asyncio.get_running_loop()

    def on_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not excuses(context):
            for loop in loops:
                loop.on_fault(context)

    cpu_ns, began_ns = process_time_ns(), monotonic_ns()
    before = running.get_exception_handler()
    running.set_exception_handler(on_fault)
    try:
        with _garbage_kept:
            for loop in loops:
                loop.read_ahead()
            # What was read ahead is not looked at either.
            gc.freeze()
            cpu_ns, began_ns = process_time_ns(), monotonic_ns()
            start_ns = monotonic_ns() + _LEAD_NS
            for loop in loops:
                loop.start(start_ns, running)
            await asyncio.gather(*(loop.until_over() for loop in loops))
    finally:
        running.set_exception_handler(before)
    ended_ns = max(loop.finished_ns for loop in loops)
    for loop in loops:
        loop.cpu_percent = 100 * (process_time_ns() - cpu_ns) / max(1, ended_ns - began_ns)


class RunLoop:
    """One run of scheduled sessions against a sender. `run` returns when it is over.

    sessions: (start in ns from the run's start, session), in order of start. outcomes: what answers are held to. now,
    make_pacer: the clock, and what waits on it; a simulation gives its own, and calls `begin` and `finish` itself.
    retries: None where no attempt is repeated. casting: what makes users of sessions; None where nothing is sent that
    values could stand in, and responses have none. till: what model calls are paid with; None where there is no budget.
    witness: is shown every attempt that has ended, with the headers of its answer.
    """

    def __init__(
        self,
        sessions: Iterator[tuple[int, Session]],
        sender: Sender,
        recorder: Recorder,
        options: RunOptions,
        pace: Pace,
        outcomes: Outcomes,
        now: Callable[[], int] = monotonic_ns,
        make_pacer: Callable[..., Pacer] = Pacer,
        retries: Retries | None = None,
        casting: Casting | None = None,
        till: Till | None = None,
        witness: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._now = now
        self._sessions: Iterator[tuple[int, Session]] | None = sessions
        self._sender = sender
        self._decide, self._renderers, self._wires = sender.decide, sender.renderers, sender.wires
        self._recorder = recorder
        self._recorded = recorder.ended
        self._options = options
        self._pace = pace
        self._pacer = make_pacer(self._fire, self._chores, now)
        self._is_recorded = options.timing == "recorded"
        self._skips_rest = options.on_error == "skip-rest"
        self._retries = retries
        self._expected_of = outcomes.of
        self._casting = casting
        self._origins = () if casting is None else casting.origins
        self._jars = () if casting is None else casting.jars
        self._till, self._witness = till, witness
        self._kept_back = KeptBack() if options.read_only else None
        self._late_limit_ns = int(options.late_limit_s * _NS) if options.late == "skip" else 1 << 62
        self._max_in_flight = options.max_in_flight or (1 << 62)
        self._held: deque[tuple[Walk, int, int]] = deque()
        self._outbox: list[tuple[Sends, Exchange]] = []
        self._walks = 0
        self._read_to_ns = 0
        self._duration_ns = 1 << 62 if options.duration_s is None else int(options.duration_s * _NS)
        self._end_ns = 1 << 62
        self._over: asyncio.Event | None = None
        self._next_sweep_ns = self._next_flush_ns = self._next_second_ns = self._next_gc_ns = 0
        self._service_ns = 5_000_000
        self.is_stopping = self.is_over = False
        self.progress = Progress()
        self.start_ns = 0
        self.finished_ns = 0
        self.cpu_percent = 0.0
        self.held_steps = 0
        self.read_error: Exception | None = None
        self.fault: BaseException | None = None

    def __repr__(self) -> str:
        return (
            f"<RunLoop {self._walks} sessions under way, {self.progress.in_flight} in flight, {self._pacer!r}>"
        )

    @property
    def max_stall_ns(self) -> int:
        return self._pacer.max_stall_ns

    async def run(self) -> None:
        """Replay everything; returns when the last response is in, or the grace time after `stop` is over."""
        await run_together([self])

    async def until_over(self) -> None:
        """Wait for the end, then stop turning."""
        self._over = asyncio.Event()
        if self.is_over:
            self._over.set()
        try:
            await self._over.wait()
        finally:
            self.finish()

    def begin(self, turns: Turns, make_alarm: MakeAlarm = make_alarm) -> None:
        """Read ahead, and start to turn. What follows happens in callbacks, until is_over."""
        self.read_ahead()
        self.start(self._now() + _LEAD_NS, turns, make_alarm)

    def read_ahead(self) -> None:
        """Read as many sessions as the run starts with."""
        self.start_ns = self._now() + _LEAD_NS
        self._end_ns = self.start_ns + self._duration_ns if self._duration_ns < 1 << 61 else 1 << 62
        while self._read_ahead(self.start_ns):
            pass

    def start(self, start_ns: int, turns: Turns, make_alarm: MakeAlarm = make_alarm) -> None:
        """Start to turn. start_ns: the run's zero, since reading ahead took its time."""
        self._shift_starts(start_ns - self.start_ns)
        self.progress.start_ns = self.start_ns
        self._recorder.start(self.start_ns)
        self._next_second_ns = self.start_ns + _SECOND_NS
        self._sender.prepare(self._due_soon(self.start_ns))
        self._pacer.start(turns, make_alarm)
        self._check_over()

    def finish(self) -> None:
        """Stop turning."""
        self.finished_ns = self._now()
        self._pacer.stop()

    def on_fault(self, context: dict[str, Any]) -> None:
        """A callback of ours has failed: rather than wait for ever for what it did not do, end the run."""
        fault = context.get("exception")
        if isinstance(fault, OSError):
            # Of a socket that died while it was being closed; its exchange has ended in its own way.
            return
        if self.fault is None:
            self.fault = fault or RuntimeError(str(context.get("message")))
        self.abort()

    def stop(self) -> None:
        """Send nothing more; the run ends when the responses in flight are in."""
        self._empty_outbox()
        self.is_stopping = True
        self._sessions = None
        self._pacer.clear()
        self._held.clear()
        self._walks = 0
        self._check_over()

    def abort(self) -> None:
        """End the run now, whatever is in flight."""
        self.stop()
        self._end()

    def halt(self) -> None:
        """As abort, in the middle of anything, and without sending what was late already."""
        self._outbox.clear()
        self.abort()

    def _end(self) -> None:
        self.is_over = True
        if self._over is not None:
            self._over.set()

    def _shift_starts(self, shift_ns: int) -> None:
        if not shift_ns:
            return
        self.start_ns += shift_ns
        if self._end_ns < 1 << 62:
            self._end_ns += shift_ns
        starts = self._pacer.starts
        for _ in range(len(starts)):
            due, walk, index = starts.popleft()
            walk.start_ns += shift_ns
            starts.append((due + shift_ns, walk, index))
        self._read_to_ns += shift_ns

    def _read_ahead(self, now: int) -> bool:
        """Read a slice of sessions; returns whether more should be read now."""
        sessions, starts = self._sessions, self._pacer.starts
        if sessions is None:
            return False
        if self._read_to_ns - now > _AHEAD_NS or len(starts) >= _AHEAD_MOST:
            return False
        origin, pace, is_recorded = self.start_ns, self._pace, self._is_recorded
        owns_steps, casting = self._options.knobs.scale == 1, self._casting
        try:
            for _ in range(_READ_SLICE):
                start_ns, session = next(sessions)
                start_ns += origin
                walk = Walk(session, pace, start_ns, is_recorded, owns_steps)
                if casting is not None:
                    walk.values = casting.values_of(session)
                self._render_root(walk)
                # A session that is one step at its start needs no beginning: that step is fired at once.
                starts.append((start_ns, walk, 0 if walk.is_one_step else _BEGINS))
                self._walks += 1
                self._read_to_ns = start_ns
        except StopIteration:
            self._sessions = None
            self._check_over()
            return False
        except Exception as cause:
            # The file changed under us, or a later line is bad: what was read is still replayed.
            self.read_error = cause
            self._sessions = None
            self._check_over()
            return False
        return True

    def _render_root(self, walk: Walk) -> None:
        """Render the first step of a session when it is read; long prompts only shortly before they are due."""
        step = walk.steps[0]
        if walk.values is not None and walk.values.user is not None:
            # Filled in only when it is sent.
            return
        if step is None or step.request is None or step.request.body_bytes or len(step.request.json) > 4096:
            return
        where = self._decide(step)
        if where != WAIT:
            walk.rendered = {0: self._renderers[where].render(step, walk.id)}

    def _fire(self, walk: Any, index: int, due_ns: int) -> None:
        if 0 <= index < _WAIT_ENDS:
            self._send(walk, index, due_ns)
        elif index == _BEGINS:
            now = self._now()
            for i, at_ns in walk.begin():
                if self.is_stopping:
                    return
                if at_ns <= now:
                    self._send(walk, i, at_ns)
                else:
                    self._schedule(walk, i, at_ns)
        elif index == _AGAIN:
            self._send_again(walk, due_ns)
        elif index >= _RENDERS:
            index -= _RENDERS
            step = walk.steps[index]
            if step is not None:
                if walk.rendered is None:
                    walk.rendered = {}
                walk.rendered[index] = self._renderers[self._decide(step)].render(step, walk.id)
        else:
            self._wait_over(walk, index - _WAIT_ENDS, due_ns)

    def _schedule(self, walk: Walk, index: int, due_ns: int) -> None:
        step = walk.steps[index]
        if step is None:
            return
        if step.llm is not None and self._decide(step) != WAIT:
            self._pacer.add(due_ns - _RENDER_AHEAD_NS, walk, index + _RENDERS)
        self._pacer.add(due_ns, walk, index)

    def _send(self, walk: Walk, index: int, due_ns: int) -> None:
        step = walk.steps[index]
        if step is None:
            return
        now = self._now()
        if due_ns >= self._end_ns:
            self._leave_unsent(walk, index, step, due_ns, "duration")
            return
        where = self._decide(step)
        if where == WAIT:
            if self._kept_back is not None and self._sender.withholds(step):
                self._kept_back.add(walk, step)
            took_ns = self._pace.offset_ns(step.took_ms or 0.0)
            self._release(walk, walk.started(index, due_ns))
            self._pacer.add(due_ns + took_ns, _Waiting(walk, step, due_ns), index + _WAIT_ENDS)
            return
        if now - due_ns > self._late_limit_ns:
            self._leave_unsent(walk, index, step, due_ns, "late")
            return
        progress = self.progress
        if progress.sent - progress.ended >= self._max_in_flight:
            self.held_steps += 1
            self._held.append((walk, index, due_ns))
            return
        rendered = walk.rendered.pop(index, None) if walk.rendered else None
        if rendered is not None and not self._renderers[where].is_current(rendered):
            rendered = None
        if walk.values is not None:
            renderer, origin = self._renderers[where], self._origins[where]
            try:
                rendered = walk.values.rendered(step, walk.id, renderer, origin, rendered, self._jars[where])
            except MissingValue as missing:
                if self._kept_back is not None and self._kept_back.explains(walk, str(missing)):
                    self._kept_back.add(walk, step)
                    self._leave_unsent(walk, index, step, due_ns, "read_only")
                else:
                    self._fail_unsent(walk, index, step, due_ns)
                return
        elif rendered is None:
            rendered = self._renderers[where].render(step, walk.id)
        method, head, body, is_stream, is_idempotent, _ = rendered
        if self._till is not None and not self._till.pays(step, body):
            self.stop()
            return
        if walk.is_flat:
            walk.steps[index] = None
            on_first_byte, due = None, _NONE
        else:
            on_first_byte = self._first_byte if walk.wants_first_byte(index) else None
            due = walk.started(index, now)
        exchange = Exchange(
            head,
            body,
            method,
            self._done,
            on_first_byte,
            step,
            walk,
            is_stream,
            is_idempotent,
            walk,
            index,
            due_ns,
            now,
        )
        progress.sent += 1
        if self._witness is not None:
            exchange.captured_headers = []
        expected = self._expected_of(step, body)
        if expected is not None:
            self._expect(exchange, expected)
        if walk.values is not None:
            self._take_from(exchange)
        if now - due_ns > _LATE_NS and not due:
            self._outbox.append((self._wires[where], exchange))
            return
        self._wires[where].send(exchange)
        if due:
            self._release(walk, due)

    def _expect(self, exchange: Exchange, expected: Expected) -> None:
        """Have the wire keep of the answer what it will be held to."""
        exchange.expected, exchange.family = expected, expected.family
        exchange.keeps_body = expected.keeps_body
        if expected.keeps_headers:
            exchange.captured_headers = []

    def _take_from(self, exchange: Exchange) -> None:
        """Have the wire keep of the answer what the session takes from it."""
        if exchange.step.extract:
            exchange.keeps_body, exchange.captured_headers = ALWAYS, []
        elif exchange.walk.values.cookies is not None:
            exchange.captured_headers = []

    def _keep_cookies(self, exchange: Exchange) -> None:
        """Whatever became of the exchange: a redirect and a failure set cookies too."""
        values = exchange.walk.values
        if values is not None and exchange.captured_headers:
            where = self._decide(exchange.step)
            values.keep_cookies(
                self._origins[where], exchange.head, exchange.captured_headers, self._jars[where]
            )

    def _empty_outbox(self) -> None:
        """Send what was late already, one right after the other.

        A target that is faster than we are falls asleep between two requests that are made and sent in turn, and
        each write must then wake it, which takes as long as all else that a step costs. See docs/performance.md.
        """
        now = self._now()
        for wire, exchange in self._outbox:
            exchange.started_ns = now
            wire.send(exchange)
        self._outbox.clear()

    def _release(self, walk: Walk, due: Any) -> None:
        for i, at_ns in due:
            self._schedule(walk, i, at_ns)

    def _first_byte(self, exchange: Exchange) -> None:
        if self.is_stopping:
            return
        if exchange.status >= 400 and self._retries is not None and self._retries.wants(exchange):
            # The first byte that counts is that of the attempt that ends the step.
            return
        if exchange.captured_headers is not None:
            # Before a step that waits for no more than this byte is sent.
            self._keep_cookies(exchange)
        self._release(exchange.walk, exchange.walk.first_byte(exchange.index, exchange.first_byte_ns))

    def _done(self, exchange: Exchange) -> None:
        progress = self.progress
        progress.ended += 1
        if exchange.captured_headers is not None:
            self._keep_cookies(exchange)
        if self._witness is not None:
            self._witness(exchange)
        if exchange.error is None:
            if exchange.expected is not None or exchange.keeps_body:
                self._settle(exchange)
            elif exchange.status >= 400:
                exchange.error = status_class(exchange.status)
        if self._till is not None:
            self._till.settle(exchange)
        is_failed = exchange.error is not None
        if exchange.status == 401:
            self._sender.refused(exchange.step, exchange.sent_ns)
        if is_failed and self._retries is not None and self._retried(exchange):
            return
        self._recorded(exchange)
        walk: Walk = exchange.walk
        if is_failed:
            progress.failed += 1
            walk.has_failed = True
            if self._skips_rest and not self.is_stopping:
                for step in walk.abandon():
                    progress.unsent += 1
                    self._recorder.unsent(walk, step, None, "skip-rest")
        if self.is_stopping:
            if not progress.in_flight:
                self._check_over()
            return
        if walk.is_flat:
            walk.left -= 1
        else:
            for i, at_ns in walk.ended(exchange.index, exchange.end_ns):
                self._schedule(walk, i, at_ns)
        if not walk.left:
            self._session_over(walk, exchange.end_ns)
        self._send_held()

    def _send_held(self) -> None:
        progress = self.progress
        # More than one, since a step that is held until it is too late is left unsent and ends nothing.
        while self._held and progress.sent - progress.ended < self._max_in_flight:
            self._send(*self._held.popleft())

    def _settle(self, exchange: Exchange) -> None:
        """Hold a whole answer to what was expected, and take from it what later steps need."""
        if exchange.expected is not None:
            exchange.expected.settle(exchange)
        elif exchange.status >= 400:
            exchange.error = status_class(exchange.status)
        step: Step = exchange.step
        if exchange.error is None and step.extract and exchange.walk.values is not None:
            headers, body = exchange.captured_headers or [], bytes(exchange.captured or b"")
            if taken(step, headers, body, exchange.walk.values.taken) is not None:
                exchange.error = _EXTRACT
        exchange.captured_headers = None
        if self._recorder.answers is None:
            exchange.captured = None

    def _fail_unsent(self, walk: Walk, index: int, step: Step, due_ns: int) -> None:
        """A step whose request refers to a value that no response gave."""
        now = self._now()
        self._release(walk, walk.started(index, now))
        exchange = Exchange(
            b"",
            b"",
            "",
            self._done,
            None,
            step,
            walk,
            walk=walk,
            index=index,
            intended_ns=due_ns,
            started_ns=now,
        )
        exchange.error, exchange.end_ns = _EXTRACT, now
        self.progress.sent += 1
        self._done(exchange)

    def _retried(self, exchange: Exchange) -> bool:
        """Whether a failed attempt will be repeated; it is then recorded and waits before the pacer."""
        assert self._retries is not None
        if self.is_stopping:
            return False
        delay_ns = self._retries.delay_ns(exchange, self.progress.sent)
        if delay_ns is None or exchange.end_ns + delay_ns >= self._end_ns:
            return False
        self.progress.retried += 1
        self._recorder.retried(exchange)
        exchange.captured = None
        self._pacer.add(exchange.end_ns + delay_ns, exchange, _AGAIN)
        self._send_held()
        return True

    def _send_again(self, failed: Exchange, due_ns: int) -> None:
        """The next attempt of a step; it is charged from when the step was first due."""
        if self._till is not None and not self._till.pays(failed.step, failed.body):
            self.stop()
            return
        where = self._decide(failed.step)
        head, body, values = failed.head, failed.body, failed.walk.values
        if head:
            # Rendered anew, for its credentials and cookies may be others meanwhile; the rest of it is the same.
            renderer, step, name = self._renderers[where], failed.step, failed.walk.id
            if values is None:
                head = renderer.render(step, name).head
            else:
                origin, jar = self._origins[where], self._jars[where]
                _, head, body, *_ = values.rendered(step, name, renderer, origin, None, jar)
        again = Exchange(
            head,
            body,
            failed.method,
            self._done,
            failed.on_first_byte,
            failed.step,
            failed.session_key,
            failed.is_stream,
            failed.idempotent,
            failed.walk,
            failed.index,
            failed.intended_ns,
            self._now(),
            attempt=failed.attempt + 1,
        )
        if failed.expected is not None:
            self._expect(again, failed.expected)
        if values is not None:
            self._take_from(again)
        self.progress.sent += 1
        self._wires[where].send(again)

    def _wait_over(self, waiting: "_Waiting", index: int, end_ns: int) -> None:
        walk = waiting.walk
        withheld = self._kept_back is not None and self._sender.withholds(waiting.step)
        self._recorder.wait(walk, waiting.step, waiting.from_ns, end_ns, withheld=withheld)
        self.progress.waits += 1
        self._release(walk, walk.ended(index, end_ns))
        if not walk.left:
            self._session_over(walk, end_ns)

    def _leave_unsent(self, walk: Walk, index: int, step: Step, due_ns: int, reason: str) -> None:
        self.progress.unsent += 1
        walk.is_cut = True
        self._recorder.unsent(walk, step, due_ns, reason)
        self._release(walk, walk.started(index, due_ns))
        # Steps that follow count from when this one was due, as if it had taken no time.
        self._release(walk, walk.ended(index, due_ns))
        if not walk.left:
            self._session_over(walk, due_ns)

    def _session_over(self, walk: Walk, end_ns: int) -> None:
        self._walks -= 1
        self.progress.sessions_done += 1
        if self._kept_back is not None:
            self._kept_back.forget(walk)
        self._recorder.session_over(walk, end_ns)
        if self._sender.keeps_by_session:
            self._sender.end_session(walk)
        if not self._walks and self._sessions is None:
            self._check_over()

    def _check_over(self) -> None:
        if self._sessions is None and self._walks <= 0 and not self.progress.in_flight:
            self._end()

    def _due_soon(self, now: int) -> int:
        """How many connections the next moments will need, by the schedule and the service time seen so far."""
        horizon_ns = min(max(self._service_ns, 2_000_000), 200_000_000) + 2 * _SWEEP_NS
        return self.progress.in_flight + self._pacer.due_within(now + horizon_ns, 512)

    def _chores(self, now: int, slack_ns: int) -> bool:
        """One slice of what is most urgent; with little slack, only what cannot wait."""
        if self._outbox:
            self._empty_outbox()
        recorder = self._recorder
        if now >= self._next_second_ns:
            recorder.close_second(now)
            # Seconds in which nothing was looked at, as in a simulation, are one interval.
            self._next_second_ns += _SECOND_NS * (1 + (now - self._next_second_ns) // _SECOND_NS)
            if recorder.failure is not None:
                self.stop()
        if now >= self._next_flush_ns:
            recorder.flush()
            self._next_flush_ns = now + _FLUSH_NS
        if now >= self._next_sweep_ns:
            self._next_sweep_ns = now + _SWEEP_NS
            self._sender.sweep(now)
            if slack_ns:
                self._sender.prepare(self._due_soon(now))
        starts = self._pacer.starts
        if self._sessions is not None and (
            len(starts) < _AHEAD_LEAST and self._read_to_ns - now < _AHEAD_LEAST_NS
        ):
            self._read_ahead(now)
        if slack_ns < 300_000:
            if recorder.is_pressing:
                recorder.work()
            return False
        if recorder.work() or self._read_ahead(now):
            return True
        if slack_ns > _GC_SLACK_NS and now >= self._next_gc_ns and not gc.isenabled():
            self._next_gc_ns = now + _GC_NS
            gc.collect(1)
        return False
