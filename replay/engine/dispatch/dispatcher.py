"""What becomes of steps: sent when they are due, held back, repeated, left unsent, or over. The hot path of a run.

What runs per step: `_send` (have it composed, hand it to the wire), the wire's own callbacks, and `_done` (tell the
walker, put what is due next before the pacer, leave the attempt with the recorder). What the pacer is to call then is
put before it with the step: `_begin` a session, `_send` a step, render it ahead, `_send_again`, `_wait_over`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from replay.engine.attempt import Attempt, Sender
from replay.engine.budget import Till
from replay.engine.counting import Progress
from replay.engine.dispatch.composer import Composer
from replay.engine.dispatch.late import Late
from replay.engine.dispatch.leading import led_on
from replay.engine.dispatch.ways import Ways
from replay.engine.grpc.descriptors import Unfit
from replay.engine.outcome import Outcomes
from replay.engine.pacing.pacer import Pacer
from replay.engine.records.recorder import Recorder
from replay.engine.requests.read_only import KeptBack
from replay.engine.requests.router import WAIT
from replay.engine.retries import Retries
from replay.engine.types import RunOptions
from replay.engine.users.casting import Casting
from replay.engine.walker import Due, Pace, Walk
from replay.results.types import status_class
from replay.trace.types import Step
from replay.trace.values.extracting import MissingValue

_NS = 1_000_000_000
# A model call's prompt, or a message in JSON of gRPC, may take a millisecond to write out, so it is rendered this long
# before it is due.
_RENDER_AHEAD_NS = 5_000_000
# Steps that are late by more than this are sent together, at the end of a burst.
_LATE_NS = 200_000
_NO_LIMIT = 1 << 62
_NONE: Sequence[Due] = ()


class _Waiting(NamedTuple):
    """A step without a request that is under way, since from_ns."""

    walk: Walk
    step: Step
    from_ns: int


class Dispatcher:
    """One run's steps. stop: ends the run, since the budget is spent. check_over: told when nothing may be left to do.

    sessions: how many are read and not over. end_ns: nothing is sent that is due then or later. held_steps: how often
    a step was held back, since too many were in flight. late: those that are, sent together. All else is RunLoop's.
    """

    def __init__(
        self,
        sender: Sender,
        recorder: Recorder,
        options: RunOptions,
        pace: Pace,
        outcomes: Outcomes,
        pacer: Pacer,
        now: Callable[[], int],
        *,
        retries: Retries | None,
        casting: Casting | None,
        till: Till | None,
        witness: Callable[[Attempt], None] | None,
        stop: Callable[[], None],
        check_over: Callable[[], None],
    ) -> None:
        self._sender, self._decide = sender, sender.decide
        self._recorder, self._recorded = recorder, recorder.ended
        self._pace, self._pacer, self._now = pace, pacer, now
        self._retries, self._till, self._witness = retries, till, witness
        self._stop, self._check_over = stop, check_over
        self._composer = Composer(
            sender,
            outcomes,
            casting,
            self._done,
            self._first_byte,
            keeps_headers=witness is not None,
            keeps_bodies=recorder.answers is not None,
        )
        self._ways = Ways(sender, self._composer, recorder, pacer, now, done=self._done, check_over=check_over)
        self._wires, self._logins = self._ways.by_request, self._ways.logins
        self.progress = Progress()
        follows, wires, composer = sender.redirects, self._wires, self._composer
        self._redirects = led_on(follows, wires, composer, recorder, till, self.progress, now, stop)
        # Bound once: made for each step, a method costs 0.5 % of all that a step costs.
        self._on_due = self._send
        self._kept_back = KeptBack() if options.read_only else None
        self._skips_rest = options.on_error == "skip-rest"
        self._late_limit_ns = int(options.late_limit_s * _NS) if options.late == "skip" else _NO_LIMIT
        self._max_in_flight = options.max_in_flight or _NO_LIMIT
        self._held: deque[tuple[Walk, int, int]] = deque()
        self.late = Late(sender.gathering, now)
        self.end_ns, self.is_stopping = _NO_LIMIT, False
        self.sessions = self.held_steps = 0

    def __repr__(self) -> str:
        return f"<Dispatcher {self.sessions} sessions under way, {self.progress.in_flight} in flight>"

    @property
    def is_idle(self) -> bool:
        """Whether no session that was read is left, and nothing is in flight."""
        if self.sessions > 0 or self.progress.in_flight:
            return False
        return self.is_stopping or not self._ways.is_taking_leave

    def admit(self, walk: Walk) -> None:
        """Take a session that was read: it begins when its start is due."""
        self._composer.render_first(walk)
        # A session that is one step at its start needs no beginning: that step is sent at once.
        fire = self._on_due if walk.is_one_step else self._begin
        self._pacer.starts.append((walk.start_ns, fire, walk, 0))
        self.sessions += 1

    def stop(self) -> None:
        """Send nothing more but what was late already."""
        self.late.send()
        self.is_stopping = True
        self._pacer.clear()
        self._held.clear()
        self.sessions = 0

    def _begin(self, walk: Walk, _: int, due_ns: int) -> None:
        now = self._now()
        for index, at_ns in walk.begin():
            if self.is_stopping:
                return
            if at_ns <= now:
                self._send(walk, index, at_ns)
            else:
                self._schedule(walk, index, at_ns)

    def _schedule(self, walk: Walk, index: int, due_ns: int) -> None:
        step = walk.steps[index]
        if step is None:
            return
        if step.request is None and (step.llm or step.grpc) and self._decide(step) != WAIT:
            self._pacer.add(due_ns - _RENDER_AHEAD_NS, self._composer.render_ahead, walk, index)
        self._pacer.add(due_ns, self._on_due, walk, index)

    def _release(self, walk: Walk, due: Iterable[Due]) -> None:
        for index, at_ns in due:
            self._schedule(walk, index, at_ns)

    def _send(self, walk: Walk, index: int, due_ns: int) -> None:
        step = walk.steps[index]
        if step is None:
            return
        if due_ns >= self.end_ns:
            self._leave_unsent(walk, index, step, due_ns, "duration")
            return
        where = self._decide(step)
        if where == WAIT:
            self._wait(walk, index, step, due_ns)
            return
        now = self._now()
        if now - due_ns > self._late_limit_ns:
            self._leave_unsent(walk, index, step, due_ns, "late")
            return
        progress = self.progress
        if progress.sent - progress.ended >= self._max_in_flight:
            self.held_steps += 1
            self._held.append((walk, index, due_ns))
            return
        try:
            attempt = self._composer.first(walk, index, step, where, due_ns, now)
        except (MissingValue, Unfit) as why:
            self._miss(walk, index, step, due_ns, why)
            return
        if self._till is not None and not self._till.pays(step, attempt.body):
            self._stop()
            return
        if walk.hears_starts:
            due = walk.started(index, now)
        else:
            walk.steps[index] = None
            due = _NONE
        progress.sent += 1
        if progress.parts:
            progress.part_began(step.kind, step.name)
        wire = self._ways.of(step, where) if step.request is None or step.kind == "mcp" else self._wires[where]
        if now - due_ns > _LATE_NS and not due:
            self.late.put((wire, attempt))
            return
        wire.send(attempt)
        if due:
            self._release(walk, due)

    def _wait(self, walk: Walk, index: int, step: Step, due_ns: int) -> None:
        """A step without a request begins."""
        if self._kept_back is not None and self._sender.withholds(step):
            self._kept_back.add(walk, step)
        end_ns = due_ns + self._pace.offset_ns(step.took_ms or 0.0)
        self._release(walk, walk.started(index, due_ns))
        self._pacer.add(end_ns, self._wait_over, _Waiting(walk, step, due_ns), index)

    def _wait_over(self, waiting: _Waiting, index: int, end_ns: int) -> None:
        walk = waiting.walk
        withheld = self._kept_back is not None and self._sender.withholds(waiting.step)
        self._recorder.wait(walk, waiting.step, waiting.from_ns, end_ns, withheld=withheld)
        self.progress.waits += 1
        self._release(walk, walk.ended(index, end_ns))
        if not walk.left:
            self._session_over(walk, end_ns)

    def _miss(self, walk: Walk, index: int, step: Step, due_ns: int, why: MissingValue | Unfit) -> None:
        """A step's request refers to a value that no response gave, or cannot be made."""
        is_missing = isinstance(why, MissingValue)
        if is_missing and self._kept_back is not None and self._kept_back.explains(walk, str(why)):
            self._kept_back.add(walk, step)
            self._leave_unsent(walk, index, step, due_ns, "read_only")
            return
        now = self._now()
        self._release(walk, walk.started(index, now))
        self.progress.began(step.kind, step.name)
        self._done(self._composer.unmade(walk, index, step, due_ns, now, None if is_missing else str(why)))

    def _leave_unsent(self, walk: Walk, index: int, step: Step, due_ns: int, reason: str) -> None:
        self.progress.unsent += 1
        walk.is_cut = True
        self._recorder.unsent(walk, step, due_ns, reason)
        self._release(walk, walk.started(index, due_ns))
        # Steps that follow count from when this one was due, as if it had taken no time.
        self._release(walk, walk.ended(index, due_ns))
        if not walk.left:
            self._session_over(walk, due_ns)

    def _first_byte(self, attempt: Attempt) -> None:
        if self.is_stopping:
            return
        # The first byte that counts is that of the attempt that ends the step.
        if attempt.status >= 400 and self._retries is not None and self._retries.wants(attempt):
            return
        if self._redirects is not None and self._redirects.leads_on(attempt):
            return
        if self._logins.is_needed and self._logins.asks_again(attempt):
            return
        if attempt.captured_headers is not None:
            # Before a step that waits for no more than this byte is sent.
            self._composer.keep_cookies(attempt)
        self._release(attempt.walk, attempt.walk.first_byte(attempt.index, attempt.first_byte_ns))

    def _done(self, attempt: Attempt) -> None:
        progress = self.progress
        progress.ended += 1
        if progress.parts:
            progress.part_over(attempt.step.kind, attempt.step.name)
        if attempt.captured_headers is not None:
            self._composer.keep_cookies(attempt)
        if self._witness is not None:
            self._witness(attempt)
        redirects = self._redirects
        leads_on = redirects is not None and redirects.leads_on(attempt)
        if attempt.error is None and not leads_on:
            if attempt.expected is not None or attempt.captured is not None or attempt.keeps_body:
                self._composer.settle(attempt)
            elif attempt.status >= 400:
                attempt.error = status_class(attempt.status)
        if self._till is not None:
            self._till.settle(attempt)
        if redirects is not None and leads_on and redirects.sends_on(attempt, is_stopping=self.is_stopping):
            return
        is_failed = attempt.error is not None
        if attempt.status == 401 or (is_failed and attempt.grpc_status == "UNAUTHENTICATED"):
            self._sender.refused(attempt.place, attempt.sent_ns)
        if self._logins.is_needed and self._is_sent_anew(attempt):
            return
        if is_failed and self._retries is not None and self._is_retried(attempt, self._retries):
            return
        self._recorded(attempt)
        walk = attempt.walk
        if is_failed:
            self._fail(walk)
        if self.is_stopping:
            if not progress.in_flight:
                self._check_over()
            return
        if walk.is_flat:
            walk.left -= 1
        else:
            for index, at_ns in walk.ended(attempt.index, attempt.end_ns):
                self._schedule(walk, index, at_ns)
        if not walk.left:
            self._session_over(walk, attempt.end_ns)
        if self._held:
            self._send_held()

    def _fail(self, walk: Walk) -> None:
        """A step of this session has failed for good."""
        self.progress.failed += 1
        walk.has_failed = True
        if self._skips_rest and not self.is_stopping:
            for step in walk.abandon():
                self.progress.unsent += 1
                self._recorder.unsent(walk, step, None, "skip-rest")

    def _is_retried(self, failed: Attempt, retries: Retries) -> bool:
        """Whether a failed attempt will be repeated; it is then recorded and waits before the pacer."""
        if self.is_stopping:
            return False
        delay_ns = retries.delay_ns(failed, self.progress.sent)
        if delay_ns is None or failed.end_ns + delay_ns >= self.end_ns:
            return False
        self.progress.retried += 1
        self._recorder.retried(failed)
        failed.captured = None
        self._pacer.add(failed.end_ns + delay_ns, self._send_again, failed)
        self._send_held()
        return True

    def _is_sent_anew(self, attempt: Attempt) -> bool:
        """Whether an attempt is repeated at once, since its session is logged in no more; it is then recorded."""
        if not self._logins.is_refused(attempt) or self.is_stopping:
            return False
        self.progress.retried += 1
        self._recorder.retried(attempt)
        attempt.captured = None
        self._send_again(attempt, 0, attempt.end_ns)
        return True

    def _send_again(self, failed: Attempt, _: int, due_ns: int) -> None:
        if self._till is not None and not self._till.pays(failed.step, failed.body):
            self._stop()
            return
        self.progress.began(failed.step.kind, failed.step.name)
        self._ways.of(failed.step, failed.place).send(self._composer.again(failed, self._now()))

    def _send_held(self) -> None:
        progress = self.progress
        # More than one, since a step that is held until it is too late is left unsent and ends nothing.
        while self._held and progress.sent - progress.ended < self._max_in_flight:
            self._send(*self._held.popleft())

    def _session_over(self, walk: Walk, end_ns: int) -> None:
        self.sessions -= 1
        self.progress.sessions_done += 1
        if self._kept_back is not None:
            self._kept_back.forget(walk)
        self._recorder.session_over(walk, end_ns)
        self._ways.end(walk)
        if not self.sessions:
            self._check_over()
