"""Exchanges on their way to the journal: turned into steps in moments when the proxy has time, flushed in time.

Redacting a large body takes milliseconds, which must not fall between a request and its upstream. So exchanges wait
in memory, and are worked off in slices; they never wait longer than the journal promises.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic_ns

from replay.recording.capture import step_of, wait_of
from replay.recording.journal import JournalWriter
from replay.recording.types import Bodies, Exchange, JournalEntry
from replay.trace.errors import TraceError
from replay.trace.redaction.requests import Redactor

_EVERY_S = 0.2
_SLICE_NS = 300_000
_MOST_WAITING_BYTES = 64 << 20
# A request that lasts longer is written before its end, so that a kill does not lose it.
_LONG_NS = 500_000_000


class Recorder:
    """Takes exchanges and writes them to the journal. begin_ns: what at_ms counts from.

    recorded: exchanges so far. faults: how many of them are recorded by their times only, because of an error of
    this program; fault: the last such error. open_exchanges: those that are not over yet. on_failure: called once
    when the journal cannot be written; from then on nothing more is recorded.
    """

    def __init__(
        self,
        journal: JournalWriter,
        redactor: Redactor,
        bodies: Bodies,
        open_exchanges: Callable[[], Iterable[Exchange]],
        on_failure: Callable[[TraceError], None],
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        self.begin_ns = now()
        self.recorded = 0
        self.faults = 0
        self.fault: Exception | None = None
        self._journal = journal
        self._redactor = redactor
        self._bodies = bodies
        self._open_exchanges = open_exchanges
        self._on_failure = on_failure
        self._now = now
        self._waiting: deque[Exchange] = deque()
        self._waiting_bytes = 0
        self._written_early: set[int] = set()
        self._timer: asyncio.Handle | None = None
        self._has_failed = False
        # Numbers of exchanges: of the entries since the last whole flush, in order; of those that go on and have an
        # entry from before it; of those that were not taken any more.
        self._added: list[int] = []
        self._kept_early: set[int] = set()
        self._dropped: set[int] = set()
        self._flushed_ns = self.begin_ns

    def __repr__(self) -> str:
        return f"<Recorder {self.recorded} recorded, {len(self._waiting)} waiting>"

    @property
    def missed(self) -> int:
        """Exchanges of which the journal holds nothing."""
        lost, kept = self._lost_and_kept()
        return len(lost - kept)

    @property
    def without_end(self) -> int:
        """Exchanges that the journal holds as they went on, and not as they ended."""
        lost, kept = self._lost_and_kept()
        return len(lost & kept)

    def start(self) -> None:
        """Begin to write from time to time, on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._turn)

    def add(self, exchange: Exchange) -> None:
        """An exchange is over."""
        if self._has_failed:
            self._dropped.add(exchange.number)
            return
        self._waiting.append(exchange)
        self._waiting_bytes += _held_bytes(exchange)
        while self._waiting_bytes > _MOST_WAITING_BYTES:
            self._take_one()

    def stop(self, unfinished: Iterable[Exchange]) -> None:
        """Write what is left; the exchanges that go on are recorded as they are."""
        if self._timer is not None:
            self._timer.cancel()
        for exchange in unfinished:
            self.add(exchange)
        while self._waiting:
            self._take_one()
        # After a failure once more: there may be room again for what was cut off.
        self._flush()

    def _turn(self) -> None:
        """One slice of what waits; the rest in the next pass of the loop, which serves requests first."""
        if self._has_failed:
            return
        loop = asyncio.get_running_loop()
        until_ns = self._now() + _SLICE_NS
        while self._waiting and self._now() < until_ns:
            self._take_one()
        now_ns = self._now()
        if self._waiting:
            if now_ns - self._flushed_ns > _LONG_NS:
                self._flush()
            self._timer = loop.call_soon(self._turn)
            return
        for exchange in self._open_exchanges():
            if now_ns - exchange.begin_ns > _LONG_NS and exchange.number not in self._written_early:
                self._written_early.add(exchange.number)
                self._write(exchange)
        self._flush()
        self._timer = loop.call_later(_EVERY_S, self._turn)

    def _flush(self) -> None:
        self._flushed_ns = self._now()
        try:
            self._journal.flush()
        except TraceError as error:
            if not self._has_failed:
                self._has_failed = True
                self._dropped.update(exchange.number for exchange in self._waiting)
                self._waiting.clear()
                self._waiting_bytes = 0
                self._on_failure(error)
            return
        self._added.clear()
        self._kept_early = set(self._written_early)

    def _lost_and_kept(self) -> tuple[set[int], set[int]]:
        """The exchanges of which something was not written, and some of those of which something was."""
        written = len(self._added) - self._journal.unwritten
        lost = self._dropped.union(self._added[written:])
        return lost, self._kept_early.union(self._added[:written])

    def _take_one(self) -> None:
        exchange = self._waiting.popleft()
        self._waiting_bytes = max(0, self._waiting_bytes - _held_bytes(exchange))
        self._written_early.discard(exchange.number)
        self.recorded += 1
        self._write(exchange)

    def _write(self, exchange: Exchange) -> None:
        try:
            step = step_of(exchange, self.begin_ns, self._redactor, self._bodies)
        except Exception as fault:  # one request that we cannot read must not end the recording
            self.fault = fault
            self.faults += exchange.number not in self._written_early  # which is written, and counted, again
            step = wait_of(exchange, self.begin_ns)
        self._added.append(exchange.number)
        self._journal.add(JournalEntry(exchange.session.id, exchange.session.told_by, step))


def _held_bytes(exchange: Exchange) -> int:
    return len(exchange.body or b"") + len(exchange.response_body or b"")
