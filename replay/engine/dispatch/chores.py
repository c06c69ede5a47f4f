"""What a run does beside sending: reading ahead, recording, sweeping time limits, opening connections ahead of need,
collecting garbage. The pacer calls for a slice of it where it has slack, and once in a while where it has none.
"""

import gc
from collections.abc import Callable

from replay.engine.attempt import Sender
from replay.engine.dispatch.ahead import Ahead
from replay.engine.dispatch.dispatcher import Dispatcher
from replay.engine.pacing.pacer import Pacer
from replay.engine.records.recorder import Recorder

_NS = 1_000_000_000
_SWEEP_NS = 10_000_000
_SECOND_NS = _NS
# A run that is killed may lose a second; so lines leave the process well before that.
_FLUSH_NS = _NS // 4
# With less slack than this, only what cannot wait is done.
_SLACK_NS = 300_000
_GC_NS = 5 * _NS
_GC_SLACK_NS = 40_000_000
# Connections are opened for what is due within this: two sweeps, and what the target may need to answer meanwhile.
_SOON_NS = 25_000_000
_SOON_MOST = 512


class Chores:
    """One run's. stop: ends the run, since nothing can be recorded any more. check_over: told when the trace has been
    read to its end.
    """

    __slots__ = (
        "_ahead",
        "_check_over",
        "_dispatcher",
        "_next_flush_ns",
        "_next_gc_ns",
        "_next_second_ns",
        "_next_sweep_ns",
        "_pacer",
        "_recorder",
        "_sender",
        "_stop",
    )

    def __init__(
        self,
        pacer: Pacer,
        ahead: Ahead,
        dispatcher: Dispatcher,
        recorder: Recorder,
        sender: Sender,
        *,
        stop: Callable[[], None],
        check_over: Callable[[], None],
    ) -> None:
        self._pacer, self._ahead, self._dispatcher = pacer, ahead, dispatcher
        self._recorder, self._sender = recorder, sender
        self._stop, self._check_over = stop, check_over
        self._next_sweep_ns = self._next_flush_ns = self._next_second_ns = self._next_gc_ns = 0

    def __repr__(self) -> str:
        return f"<Chores of {self._dispatcher}>"

    def begin(self, start_ns: int) -> None:
        """The run's zero is known: seconds count from it, and connections for its first steps are opened."""
        self._next_second_ns = start_ns + _SECOND_NS
        self._prepare(start_ns)

    def work(self, now: int, slack_ns: int) -> bool:
        """One slice of what is most urgent; with little slack, only what cannot wait. Whether there is more."""
        self._dispatcher.late.send()
        self._keep_times(now, slack_ns)
        if self._ahead.is_short(now):
            self._read(now)
        recorder = self._recorder
        if slack_ns < _SLACK_NS:
            if recorder.is_pressing:
                recorder.work()
            return False
        if recorder.work() or self._read(now):
            return True
        if slack_ns > _GC_SLACK_NS and now >= self._next_gc_ns and not gc.isenabled():
            self._next_gc_ns = now + _GC_NS
            gc.collect(1)
        return False

    def _keep_times(self, now: int, slack_ns: int) -> None:
        """What is to be done so many times a second."""
        recorder = self._recorder
        if now >= self._next_second_ns:
            recorder.close_second(now)
            # Seconds in which nothing was looked at, as in a simulation, are one interval.
            self._next_second_ns += _SECOND_NS * (1 + (now - self._next_second_ns) // _SECOND_NS)
            if recorder.failure is not None:
                self._stop()
        if now >= self._next_flush_ns:
            recorder.flush()
            self._next_flush_ns = now + _FLUSH_NS
        if now >= self._next_sweep_ns:
            self._next_sweep_ns = now + _SWEEP_NS
            self._sender.sweep(now)
            if slack_ns:
                self._prepare(now)

    def _read(self, now: int) -> bool:
        if self._ahead.is_over:
            return False
        is_more = self._ahead.read(now)
        if self._ahead.is_over:
            self._check_over()
        return is_more

    def _prepare(self, now: int) -> None:
        """Have as many connections as the next moments will need, by the schedule."""
        soon = self._pacer.due_within(now + _SOON_NS, _SOON_MOST)
        self._sender.prepare(self._dispatcher.progress.in_flight + soon)
