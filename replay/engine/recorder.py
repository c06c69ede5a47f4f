"""What happened: each ended attempt becomes a line of steps.jsonl and a value in the histograms.

On the hot path an exchange is only appended to a list. Slices of that list are turned into lines and columns
by `work`, in the pacer's slack, or when too many wait. Once a second the interval's histograms go to
latency.hlog, a series a slice. A thread writes the bytes, so that a slow disk does not stop the clock; a run
that is killed loses at most what the last second brought.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.engine.walker import Walk
from replay.engine.writer import FileWriter
from replay.results.folding import IntervalFold
from replay.results.histogram import LAG_UNIT_NS, Histogram
from replay.results.hlog import HlogWriter
from replay.results.types import HLOG_FILE, STEPS_FILE, StepRecord
from replay.trace.types import Step
from replay.wire.types import Exchange

_NS = 1_000_000_000
_SLICE = 64
_PRESSING = 256
_CHUNK_BYTES = 1 << 16
_SERIES_KNOWN_MOST = 10_000


class Recorder:
    """Records one run into its directory. failure: why nothing can be written any more, or None."""

    def __init__(
        self, directory: Path, target: str, writer: FileWriter, warmup_s: float, started_at_s: float
    ) -> None:
        self._target = target
        self._writer = writer
        self._steps_file = writer.open(directory / STEPS_FILE)
        hlog_file = writer.open(directory / HLOG_FILE)
        self._hlog = HlogWriter(lambda data: writer.write(hlog_file, data), started_at_s)
        self._fold = IntervalFold(self._hlog)
        self._warmup_ns = int(warmup_s * _NS)
        self._origin_ns = 0
        self._second_ns = 0
        self._batch: list[Exchange] = []
        self._makespans_ns: list[int] = []
        self._out = bytearray()
        self._encoder = msgspec.json.Encoder()
        self._closing: Iterator[object] | None = None
        self._series: dict[tuple[str, str], int] = {}
        self.lag = Histogram(LAG_UNIT_NS)

    def __repr__(self) -> str:
        return f"<Recorder {len(self._batch)} waiting, {len(self._out)} bytes unwritten>"

    @property
    def failure(self) -> str | None:
        return self._writer.failure

    @property
    def is_pressing(self) -> bool:
        """Whether so much waits that it must be worked on without slack."""
        return len(self._batch) >= _PRESSING or self._closing is not None

    @property
    def fold(self) -> IntervalFold:
        return self._fold

    def start(self, origin_ns: int) -> None:
        """Instants are recorded from here."""
        self._origin_ns = self._second_ns = origin_ns

    def ended(self, exchange: Exchange) -> None:
        """An attempt ended; the hot path's part."""
        self._batch.append(exchange)

    def wait(self, walk: Walk, step: Step, from_ns: int, to_ns: int) -> None:
        """A step without a request: it will end as ok at to_ns."""
        origin = self._origin_ns
        self._line(
            StepRecord(
                session=walk.id,
                step=step.id,
                kind=step.kind,
                name=step.name,
                target=self._target,
                outcome="ok",
                intended_ns=from_ns - origin,
                end_ns=to_ns - origin,
            )
        )

    def unsent(self, walk: Walk, step: Step, due_ns: int | None, reason: str) -> None:
        """A step that will never be sent, and why."""
        self._line(
            StepRecord(
                session=walk.id,
                step=step.id,
                kind=step.kind,
                name=step.name,
                target=self._target,
                outcome="unsent",
                intended_ns=None if due_ns is None else due_ns - self._origin_ns,
                error=reason,
            )
        )

    def session_over(self, walk: Walk, end_ns: int) -> None:
        self._makespans_ns.append(end_ns - walk.start_ns)

    def work(self) -> bool:
        """One slice; returns whether there is more."""
        if self._closing is not None:
            if next(self._closing, None) is None:
                self._closing = None
            return True
        if not self._batch:
            return False
        self._take(_SLICE)
        return bool(self._batch)

    def close_second(self, now_ns: int) -> None:
        """End the interval: what it brought goes to the files, its histograms in slices that `work` does."""
        if self._closing is not None:
            for _ in self._closing:
                pass
        while self._batch:
            self._take(_SLICE)
        if self._makespans_ns:
            self._fold.add_values("makespan", self._makespans_ns)
            self._makespans_ns = []
        self._flush()
        start_ns, self._second_ns = self._second_ns, now_ns
        self._closing = self._fold.close_interval((start_ns - self._origin_ns) / _NS, (now_ns - start_ns) / _NS)

    def finish(self, now_ns: int) -> None:
        """Everything that was recorded goes to the files, which are then closed."""
        self.close_second(now_ns)
        if self._closing is not None:
            for _ in self._closing:
                pass
        self._writer.close()

    def _line(self, record: StepRecord) -> None:
        self._out += self._encoder.encode(record)
        self._out += b"\n"
        if len(self._out) > _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            self._writer.write(self._steps_file, bytes(self._out))
            self._out.clear()

    def _take(self, most: int) -> None:
        """Turn up to `most` ended exchanges into lines and columns."""
        taken = self._batch[:most]
        del self._batch[:most]
        origin, target, warmup_ns = self._origin_ns, self._target, self._warmup_ns
        fold, series_of = self._fold, self._series
        records: list[StepRecord] = []
        lags: list[int] = []
        for x in taken:
            walk: Walk = x.walk
            step: Step = x.step
            intended = x.intended_ns - origin
            status = x.status
            error = x.error
            if error is None and status >= 400:
                error = "status_5xx" if status >= 500 else "status_4xx"
            sent = x.sent_ns - origin if x.sent_ns else None
            end = x.end_ns - origin
            attempt = 1
            if x.stale_retries:
                attempt = 2
                records.append(self._stale_attempt(x, walk, step, intended))
            records.append(
                StepRecord(
                    session=walk.id,
                    step=step.id,
                    kind=step.kind,
                    name=step.name,
                    target=target,
                    outcome="ok" if error is None else "failed",
                    intended_ns=intended,
                    sent_ns=sent,
                    first_byte_ns=x.first_byte_ns - origin if x.first_byte_ns else None,
                    first_token_ns=x.first_token_ns - origin if x.first_token_ns else None,
                    end_ns=end,
                    attempt=attempt,
                    status=status or None,
                    request_bytes=x.request_bytes,
                    response_bytes=x.response_bytes,
                    tokens=x.token_count or None,
                    error=error,
                    phase=x.phase,
                    censored=x.censored,
                    connection=("new" if x.is_new_connection else "reused") if x.request_bytes else None,
                    connect_ns=x.connect_ns or None,
                    tls_ns=x.tls_ns or None,
                    dns_ns=x.dns_ns or None,
                    instance=x.instance,
                    cold=x.cold,
                    warmup=intended < warmup_ns,
                    attributes=step.attributes or None,
                )
            )
            lags.append(x.started_ns - x.intended_ns)
            key = (step.kind, step.name)
            index = series_of.get(key)
            if index is None:
                index = fold.series(*key)
                if len(series_of) < _SERIES_KNOWN_MOST:
                    series_of[key] = index
            if sent is not None:
                fold.add(index, end - intended, end - sent)
                if x.first_byte_ns:
                    fold.add_value("ttfb", x.first_byte_ns - x.sent_ns)
                    if x.first_token_ns:
                        fold.add_value("ttft", x.first_token_ns - x.sent_ns)
                        if x.itl_ns:
                            fold.add_values("itl", x.itl_ns)
            elif x.censored:
                fold.add(index, end - intended, None)
        self.lag.record_many(lags)
        self._out += self._encoder.encode_lines(records)
        if len(self._out) > _CHUNK_BYTES:
            self._flush()

    def _stale_attempt(self, x: Exchange, walk: Walk, step: Step, intended: int) -> StepRecord:
        origin = self._origin_ns
        return StepRecord(
            session=walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="failed",
            intended_ns=intended,
            sent_ns=x.stale_sent_ns - origin,
            end_ns=x.stale_end_ns - origin,
            attempt=1,
            final=False,
            error="stale",
            phase="first_byte",
            connection="reused",
        )
