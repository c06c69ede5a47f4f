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
from replay.engine.records.writer import FileWriter
from replay.engine.walker import Walk
from replay.results.folding import IntervalFold
from replay.results.histogram import LAG_UNIT_NS, Histogram
from replay.results.hlog import HlogWriter
from replay.results.types import ANSWERS_FILE, HLOG_FILE, INTERRUPTED, STEPS_FILE, StepRecord
from replay.trace.types import Step

_NS = 1_000_000_000
_SLICE = 64
_PRESSING = 256
_CHUNK_BYTES = 1 << 18
_SERIES_KNOWN_MOST = 10_000


# What nearly every line is: an attempt that succeeded on a kept connection, as StepRecord would be encoded. Written
# so, a line takes 1.1 µs where the Struct and its encoder take 2.3 µs; a test holds the two to the same bytes.
_PLAIN_LINE = (
    b'{"session":%b,"step":%b,%b,"outcome":"ok","intended_ns":%d,"sent_ns":%d,"first_byte_ns":%d,"end_ns":%d,'
    b'"status":%d,"request_bytes":%d,"response_bytes":%d,"connection":"reused"%b}'
)


# A shorter wait for the target is not worth a field in the record.
_WAITED_NS = 1_000_000


class _Series(NamedTuple):
    """Of one kind and name: its part of a line, and where its times go."""

    described: bytes
    response: Callable[[int], None]
    service: Callable[[int], None]
    failed: Callable[[int], None]


class Recorder:
    """Records one run into its directory. failure: why nothing can be written any more, or None.

    answers: records what steps were answered; None until `keep_answers`.
    """

    def __init__(self, directory: Path, target: str, writer: FileWriter, warmup_s: float) -> None:
        self._target = target
        self._writer = writer
        self._steps_file = writer.open(directory / STEPS_FILE)
        hlog_file = writer.open(directory / HLOG_FILE)
        self._hlog = HlogWriter(lambda data: writer.write(hlog_file, data))
        self._fold = IntervalFold(self._hlog)
        self._warmup_ns = int(warmup_s * _NS)
        self._origin_ns = 0
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
        return len(self._batch) >= _PRESSING or self._closing is not None

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
        self._origin_ns = self._second_ns = origin_ns
        self._hlog.begin(time() + (origin_ns - monotonic_ns()) / _NS)

    def wait(self, walk: Walk, step: Step, from_ns: int, to_ns: int, *, withheld: bool = False) -> None:
        """A step without a request has ended, as ok. withheld: it has one, which a read-only run keeps back."""
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
                withheld=withheld,
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

    def retried(self, x: Attempt) -> None:
        """An attempt has failed, and the step is tried again. It has no part in the histograms."""
        if x.stale_retries:
            self._line(self._stale_attempt(x))
        step: Step = x.step
        record = self._record(x, {**x.walk.attributes, **step.attributes})
        record.final = False
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
        if self._batch:
            self._take(_SLICE)
            return bool(self._batch) or self.answers is not None
        return self.answers is not None and self.answers.work()

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
        self._closing = self._fold.close_interval((start_ns - self._origin_ns) / _NS, (now_ns - start_ns) / _NS)

    def finish(self, now_ns: int) -> None:
        """Everything that was recorded goes to the files, which are then closed."""
        if self.answers is not None:
            self.answers.finish()
        self.close_second(now_ns)
        if self._closing is not None:
            for _ in self._closing:
                pass
        self._writer.close()

    def _line(self, record: StepRecord) -> None:
        self._out += self._encode(record)
        self._out += b"\n"
        if len(self._out) > _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand the lines so far to the writer."""
        if self._out:
            self._writer.write(self._steps_file, bytes(self._out))
            self._out.clear()
        if self.answers is not None:
            self.answers.flush()

    def _take(self, most: int) -> None:
        """Turn up to `most` ended attempts into lines and values."""
        taken = self._batch[:most]
        del self._batch[:most]
        origin, warmup_ns, encode = self._origin_ns, self._warmup_ns, self._encode
        fold, series_of = self._fold, self._series
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
                and x.number == 1
                and intended_ns - origin >= warmup_ns
                and sent_ns - x.started_ns < _WAITED_NS
            ):
                # As in x.written_ns, which costs a call.
                written_ns = x.written_ns if x.queued_ns or x.held_ns else sent_ns
                lags_ns.append(written_ns - intended_ns)
                recorded = recorded_part(step, encode)
                lines.append(
                    _PLAIN_LINE
                    % (
                        encode(x.walk.id),
                        encode(step.id),
                        series.described,
                        intended_ns - origin,
                        sent_ns - origin,
                        first_byte_ns - origin,
                        end_ns - origin,
                        x.status,
                        x.request_bytes,
                        x.response_bytes,
                        recorded + b',"attributes":' + encode(attributes) if attributes else recorded,
                    )
                )
            else:
                if x.stale_retries:
                    lines.append(encode(self._stale_attempt(x)))
                lines.append(encode(self._record(x, attributes)))
                if x.number == 1:
                    # A further attempt waited on purpose, so it says nothing of our lateness.
                    lags_ns.append(x.written_ns - intended_ns)
        lines.append(b"")
        self._out += b"\n".join(lines)
        if len(self._out) > _CHUNK_BYTES:
            self.flush()

    def _new_series(self, key: tuple[str, str]) -> "_Series":
        kind, name = key
        described = self._encode({"kind": kind, "name": name, "target": self._target})[1:-1]
        series = _Series(described, *self._fold.series(kind, name))
        if len(self._series) < _SERIES_KNOWN_MOST:
            self._series[key] = series
        return series

    def _record(self, x: Attempt, attributes: dict[str, str]) -> StepRecord:
        """What happened to one attempt, in full; attributes: the session's and the step's."""
        step: Step = x.step
        origin = self._origin_ns
        events = x.events
        told = events if x.facts is None else x.facts
        usage = None if told is None else told.usage
        recorded = step.recorded
        waited_ns = x.sent_ns - x.written_ns if x.sent_ns else 0
        return StepRecord(
            session=x.walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="ok" if x.error is None else "failed",
            intended_ns=x.intended_ns - origin,
            sent_ns=x.sent_ns - origin if x.sent_ns else None,
            first_byte_ns=x.first_byte_ns - origin if x.first_byte_ns else None,
            first_token_ns=x.first_token_ns - origin if x.first_token_ns else None,
            last_token_ns=x.last_token_ns - origin if x.last_token_ns else None,
            end_ns=x.end_ns - origin,
            attempt=x.number + x.stale_retries,
            status=x.status or None,
            request_bytes=x.request_bytes or None,
            response_bytes=x.response_bytes,
            stream=x.is_stream,
            streamed=events is not None,
            layout=None if events is None else events.layout,
            tokens=x.token_count or None,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            error=x.error,
            phase=x.phase,
            check=x.check,
            censored=x.censored,
            connection=("new" if x.is_new_connection else "reused") if x.request_bytes else None,
            connect_ns=x.connect_ns or None,
            tls_ns=x.tls_ns or None,
            dns_ns=x.dns_ns or None,
            waited_ns=waited_ns if waited_ns >= _WAITED_NS else None,
            instance=x.instance,
            cold=x.cold,
            warmup=x.intended_ns - origin < self._warmup_ns,
            recorded_ms=step.took_ms,
            recorded_at_ms=step.at_ms,
            recorded_status=None if recorded is None else recorded.status,
            recorded_ttft_ms=None if recorded is None else recorded.ttft_ms,
            recorded_input_tokens=None if step.llm is None else step.llm.input_tokens or None,
            recorded_output_tokens=None if step.llm is None else step.llm.output_tokens or None,
            recorded_stream=step.llm is not None and step.llm.stream,
            made_up=step.request is not None and bool(step.request.body_bytes),
            attributes=attributes or None,
        )

    def _stale_attempt(self, x: Attempt) -> StepRecord:
        """The attempt that was lost to a kept-alive connection which the target had closed."""
        step: Step = x.step
        origin = self._origin_ns
        return StepRecord(
            session=x.walk.id,
            step=step.id,
            kind=step.kind,
            name=step.name,
            target=self._target,
            outcome="failed",
            intended_ns=x.intended_ns - origin,
            sent_ns=x.stale_sent_ns - origin,
            end_ns=x.stale_end_ns - origin,
            attempt=x.number,
            final=False,
            error="stale",
            phase="first_byte",
            connection="reused",
        )


def recorded_part(step: Step, encode: Callable[[object], bytes]) -> bytes:
    """What the trace says of a step, as it stands in a line: the recorded_* fields and made_up of StepRecord."""
    took_ms, at_ms, recorded, llm, request = step.took_ms, step.at_ms, step.recorded, step.llm, step.request
    part = b"" if took_ms is None else b',"recorded_ms":' + encode(took_ms)
    if at_ms:
        part += b',"recorded_at_ms":' + encode(at_ms)
    if recorded is None and llm is None and (request is None or not request.body_bytes):
        return part
    if recorded is not None:
        if recorded.status is not None:
            part += b',"recorded_status":%d' % recorded.status
        if recorded.ttft_ms is not None:
            part += b',"recorded_ttft_ms":' + encode(recorded.ttft_ms)
    if llm is not None:
        if llm.input_tokens:
            part += b',"recorded_input_tokens":%d' % llm.input_tokens
        if llm.output_tokens:
            part += b',"recorded_output_tokens":%d' % llm.output_tokens
        if llm.stream:
            part += b',"recorded_stream":true'
    if request is not None and request.body_bytes:
        part += b',"made_up":true'
    return part
