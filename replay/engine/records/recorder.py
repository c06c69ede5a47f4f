"""What happened: each ended attempt becomes a line of steps.jsonl and a value in the histograms.

On the hot path an attempt is only appended to a list. Slices of that list are turned into lines and columns
by `work`, in the pacer's slack, or when too many wait. Once a second the interval's histograms go to
latency.hlog, a series a slice. A thread writes the bytes, so that a slow disk does not stop the clock; a run
that is killed loses at most what the last second brought.
"""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic_ns, time
from typing import NamedTuple

import msgspec
import numpy as np

from replay.dialects.streams import MOST_GAPS
from replay.engine.answers.digests import Digests
from replay.engine.answers.recorder import AnswersRecorder
from replay.engine.attempt import Attempt
from replay.engine.records.lines import (
    LEAST_WAITED_NS,
    PLAIN_LINE,
    StepRecords,
    is_emptied,
    recorded_part,
    told_of,
)
from replay.engine.records.summing import Summing
from replay.engine.records.writer import FileWriter
from replay.engine.walker import Walk
from replay.results.folding import IntervalFold
from replay.results.histogram import LAG_UNIT_NS, Histogram
from replay.results.hlog import HlogWriter
from replay.results.manifest_types import Manifest
from replay.results.summary_types import Summary
from replay.results.types import ANSWERS_FILE, HLOG_FILE, INTERRUPTED, STEPS_FILE, StepRecord
from replay.trace.types import Step

_NS = 1_000_000_000
_SLICE = 64
_PRESSING = 256
_CHUNK_BYTES = 1 << 18
_SERIES_KNOWN_MOST = 10_000


class _Series(NamedTuple):
    """Of one kind and name: its part of a line, and where its times go."""

    described: bytes
    response: Callable[[int], None]
    service: Callable[[int], None]
    failed: Callable[[int], None]


class Recorder:
    """Records one run into its directory. failure: why nothing can be written any more, or None.

    resolution_ms: of the recording, by which the summary knows what is on time. answers: records what steps were
    answered; None until `keep_answers`.
    """

    def __init__(
        self,
        directory: Path,
        target: str,
        writer: FileWriter,
        warmup_s: float,
        resolution_ms: float | None = None,
    ) -> None:
        self._target = target
        self._writer = writer
        self._steps_file = writer.open(directory / STEPS_FILE)
        self._hlog_file = writer.open(directory / HLOG_FILE)
        self._logged = bytearray()
        self._hlog = HlogWriter(self._logged.extend)
        self._fold = IntervalFold(self._hlog)
        self._summing = Summing(resolution_ms, writer.open_unnamed(directory))
        self._records = StepRecords(target, int(warmup_s * _NS))
        self._second_ns = 0
        self._batch: list[Attempt] = []
        # The hot path's part: an attempt has ended.
        self.ended = self._batch.append
        self._out = bytearray()
        self._encode = msgspec.json.Encoder().encode
        self._closing: Iterator[object] | None = None
        self._series: dict[tuple[str, str], _Series] = {}
        self._lags_ns: array[int] = array("q")
        self.lag = Histogram(LAG_UNIT_NS)
        self._directory = directory
        self.answers: AnswersRecorder | None = None

    def __repr__(self) -> str:
        return f"<Recorder {len(self._batch)} waiting, {len(self._out)} bytes unwritten>"

    @property
    def failure(self) -> str | None:
        return self._writer.failure

    @property
    def is_pressing(self) -> bool:
        """Whether so much waits that it must be worked on without slack."""
        if self.answers is not None and self.answers.is_pressing:
            return True
        return len(self._batch) >= _PRESSING or self._closing is not None or self._summing.is_pressing

    @property
    def fold(self) -> IntervalFold:
        return self._fold

    def keep_answers(self, digests: Digests | None) -> None:
        """Record what steps are answered too; to be said before the run's loop is made. digests: for their values."""
        file = self._writer.open(self._directory / ANSWERS_FILE, is_private=True)
        answers = self.answers = AnswersRecorder(lambda data: self._writer.write(file, data), digests)
        note, tell = self._batch.append, answers.ended

        def ended(attempt: Attempt) -> None:
            note(attempt)
            tell(attempt)

        # Another function rather than a question: a run that keeps no answers pays nothing for it.
        self.ended = ended

    def start(self, origin_ns: int) -> None:
        """Instants are recorded from here."""
        self._records.origin_ns = self._second_ns = origin_ns
        self._hlog.begin(time() + (origin_ns - monotonic_ns()) / _NS)

    def wait(self, walk: Walk, step: Step, from_ns: int, to_ns: int, *, withheld: bool = False) -> None:
        """A step without a request has ended, as ok. withheld: it has one, which a read-only run keeps back."""
        self._line(self._records.wait(walk, step, from_ns, to_ns, withheld=withheld))

    def unsent(self, walk: Walk, step: Step, due_ns: int | None, reason: str) -> None:
        """A step that will never be sent, and why."""
        self._line(self._records.unsent(walk, step, due_ns, reason))

    def retried(self, x: Attempt) -> None:
        """An attempt does not end its step: it failed and is tried again, or was a redirect. It has no part in the
        histograms.
        """
        if x.stale_retries:
            self._line(self._records.stale_attempt(x))
        step: Step = x.step
        record = self._records.attempt(x, {**x.walk.attributes, **step.attributes})
        record.final = False
        self._line(record)

    def handshake(self, x: Attempt) -> None:
        """What opens or closes a session with a server has ended. It is no step's, and in no histogram."""
        record = self._records.attempt(x, {})
        record.final, record.handshake = False, True
        self._line(record)

    def session_over(self, walk: Walk, end_ns: int) -> None:
        if walk.is_cut and not walk.has_failed:
            # It took no time of its own: it was cut off, and nobody knows how long it would have been.
            return
        fold = self._fold
        (fold.makespan_failed if walk.has_failed else fold.makespan)(end_ns - walk.start_ns)

    def work(self) -> bool:
        """One slice; returns whether there is more."""
        if self._closing is not None:
            if next(self._closing, None) is None:
                self._closing = None
            return True
        if len(self._batch) >= _PRESSING or (self._batch and not self._summing.is_pressing):
            self._take(_SLICE)
            return bool(self._batch) or self.answers is not None or self._summing.is_behind
        if self.answers is not None and self.answers.work():
            return True
        return self._summing.work()

    def close_second(self, now_ns: int) -> None:
        """End the interval: what it brought goes to the files, its histograms in slices that `work` does."""
        if self._closing is not None:
            for _ in self._closing:
                pass
        while self._batch:
            self._take(_SLICE)
        self.lag.record_many(np.frombuffer(self._lags_ns, np.int64))
        self._lags_ns = array("q")
        self.flush()
        start_ns, self._second_ns = self._second_ns, now_ns
        self._closing = self._fold.close_interval(
            (start_ns - self._records.origin_ns) / _NS, (now_ns - start_ns) / _NS
        )

    def finish(self, now_ns: int) -> None:
        """Everything that was recorded goes to the files, which are then closed."""
        if self.answers is not None:
            self.answers.finish()
        self.close_second(now_ns)
        if self._closing is not None:
            for _ in self._closing:
                pass
        self.flush()
        self._writer.close()

    def summary(self, manifest: Manifest) -> Summary:
        """The figures of a run that is over and did not fail: those that reading its files again would give."""
        return self._summing.summary(manifest, self._fold.logged)

    def _line(self, record: StepRecord) -> None:
        self._summing.unusual(record)
        self._summing.gather()
        self._out += self._encode(record)
        self._out += b"\n"
        if len(self._out) > _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand the lines so far to the writer: each time wakes it, so not each line by itself."""
        for file, lines in ((self._steps_file, self._out), (self._hlog_file, self._logged)):
            if lines:
                self._writer.write(file, bytes(lines))
                lines.clear()
        if self.answers is not None:
            self.answers.flush()

    def _take(self, most: int) -> None:
        """Turn up to `most` ended attempts into lines and values."""
        taken = self._batch[:most]
        del self._batch[:most]
        origin, warmup_ns, encode = self._records.origin_ns, self._records.warmup_ns, self._encode
        fold, series_of = self._fold, self._series
        plain, unusual = self._summing.plain, self._summing.unusual
        lines: list[bytes] = []
        lags_ns = self._lags_ns
        for x in taken:
            step: Step = x.step
            key = (step.kind, step.name)
            series = series_of.get(key)
            if series is None:
                series = self._new_series(key)
            attributes = x.walk.attributes
            if step.attributes:
                attributes = {**attributes, **step.attributes}
            intended_ns, sent_ns, first_byte_ns, end_ns = x.intended_ns, x.sent_ns, x.first_byte_ns, x.end_ns
            error = x.error
            if error is None:
                series.response(end_ns - intended_ns)
                series.service(end_ns - sent_ns)
                if first_byte_ns:
                    fold.ttfb(first_byte_ns - sent_ns)
                    if x.first_token_ns:
                        fold.ttft(x.first_token_ns - sent_ns)
                        if x.itl_ns:
                            fold.itl(x.itl_ns)
                            if len(x.itl_ns) >= MOST_GAPS and x.events is not None:
                                fold.further_itl(x.events.further_itl_ns)
            elif (sent_ns or x.censored) and error != INTERRUPTED:
                series.failed(end_ns - intended_ns)
            if (
                first_byte_ns
                and error is None
                and not x.is_new_connection
                and not x.first_token_ns
                and not x.is_stream
                and x.events is None
                and x.facts is None
                and not x.stale_retries
                and x.instance is None
                and x.cold is None
                and x.grpc_status is None
                and x.number == 1
                and intended_ns - origin >= warmup_ns
                and sent_ns - x.started_ns < LEAST_WAITED_NS
                and (x.response_bytes or not is_emptied(x))
            ):
                # As in x.written_ns, which costs a call.
                written_ns = x.written_ns if x.queued_ns or x.held_ns else sent_ns
                lags_ns.append(written_ns - intended_ns)
                session, status, told, is_shared = x.walk.id, x.status, told_of(step), x.is_shared
                intended_ns -= origin
                sent_ns -= origin
                first_byte_ns -= origin
                end_ns -= origin
                plain(
                    (
                        session,
                        step.kind,
                        step.name,
                        intended_ns,
                        sent_ns,
                        first_byte_ns,
                        end_ns,
                        status,
                        x.response_bytes,
                        step.took_ms,
                        "shared" if is_shared else "reused",
                        told,
                    )
                )
                recorded = recorded_part(step, told, encode)
                lines.append(
                    PLAIN_LINE
                    % (
                        encode(session),
                        encode(step.id),
                        series.described,
                        intended_ns,
                        sent_ns,
                        first_byte_ns,
                        end_ns,
                        status,
                        x.request_bytes,
                        x.response_bytes,
                        b"shared" if is_shared else b"reused",
                        recorded + b',"attributes":' + encode(attributes) if attributes else recorded,
                    )
                )
            else:
                if x.stale_retries:
                    stale = self._records.stale_attempt(x)
                    unusual(stale)
                    lines.append(encode(stale))
                record = self._records.attempt(x, attributes)
                unusual(record)
                lines.append(encode(record))
                if x.number == 1:
                    # A further attempt waited on purpose, so it says nothing of our lateness.
                    lags_ns.append(x.written_ns - intended_ns)
        self._summing.gather()
        lines.append(b"")
        self._out += b"\n".join(lines)
        if len(self._out) > _CHUNK_BYTES:
            self.flush()

    def _new_series(self, key: tuple[str, str]) -> "_Series":
        kind, name = key
        self._summing.series(kind, name)
        described = self._encode({"kind": kind, "name": name, "target": self._target})[1:-1]
        series = _Series(described, *self._fold.series(kind, name))
        if len(self._series) < _SERIES_KNOWN_MOST:
            self._series[key] = series
        return series
