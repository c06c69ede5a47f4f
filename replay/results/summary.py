"""summary.json rebuilt from what a run recorded, today or after a crash: a fold over steps.jsonl and latency.hlog.

Response time is that of every step's last attempt that was sent, and of every attempt that a time limit ended
(a censored value, at its limit); service time that of every last attempt that was sent. Steps that could not be
sent, because the target refused the connection, are counted but have no latency; nor have those whose response
an interrupted run did not wait for.

Rates are by the time of sending: offered counts requests over the span of their intended times, achieved those
that were answered over the span of their sending (or of their intended times, if longer). A span of n events
holds n - 1 gaps, and so a rate needs two of them.

The steady window leaves out the first tenth and the last tenth of the time in which steps were intended, and
the marked warm-up: what remains is free of the ramp of a starting run and of its drain.
"""

from array import array
from collections import Counter
from pathlib import Path

import numpy as np

from replay.results.folding import MOST_SERIES, OTHER
from replay.results.histogram import LAG_UNIT_NS, Histogram, Int64s
from replay.results.hlog import read_totals
from replay.results.record import ReadTally, read_blocks
from replay.results.rundir import RunDir
from replay.results.types import (
    HLOG_FILE,
    INTERRUPTED,
    STEPS_FILE,
    SUMMARY_SCHEMA,
    Counts,
    Generator,
    Manifest,
    Quantiles,
    Rate,
    RunStatus,
    Series,
    StepRecord,
    Summary,
    TargetFacts,
    Window,
)

_NS = 1_000_000_000
_FLUSH = 65_536
_RAMP_RATIO = 0.1
_LEAST_STEADY_STEPS = 20


def rebuild(run_dir: Path) -> Summary:
    """The figures of a run, from its files. Raises RunDirError if there is no run there."""
    directory = RunDir(run_dir)
    manifest = directory.read_manifest()
    fold = _Fold(manifest)
    steps = run_dir / STEPS_FILE
    tally = ReadTally()
    if steps.exists():
        for records in read_blocks(steps, tally):
            fold.add(records)
    fold.flush()
    hlog = run_dir / HLOG_FILE
    logged = read_totals(hlog, {"itl", "makespan"}) if hlog.exists() else {}
    return fold.summary(logged, tally.unreadable)


class _Fold:
    """Adds up the lines of steps.jsonl, a block at a time."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._outcomes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unsent: Counter[str] = Counter()
        self._waits = self._sent = self._retries = self._answered = 0
        self._opened = self._reused = self._stale = 0
        self._latency = {name: _Values() for name in ("response", "service", "ttfb", "ttft")}
        self._lag = _Values(LAG_UNIT_NS)
        self._series: dict[tuple[str, str], _SeriesFold] = {}
        self._intended_ns, self._sent_ns, self._end_ns = array("q"), array("q"), array("q")
        self._flags = bytearray()
        self._last_ns = 0

    def add(self, records: list[StepRecord]) -> None:
        """Long, because it is the one loop over all lines."""
        latency, series_of = self._latency, self._series
        response, service = latency["response"].waiting, latency["service"].waiting
        ttfb, ttft, lag = latency["ttfb"].waiting, latency["ttft"].waiting, self._lag.waiting
        for record in records:
            if record.end_ns is not None and record.end_ns > self._last_ns:
                self._last_ns = record.end_ns
            if not record.final:
                self._retries += 1
                self._stale += record.error == "stale"
                continue
            outcome = record.outcome
            self._outcomes[outcome] += 1
            if outcome == "unsent":
                self._unsent[record.error or "unknown"] += 1
                continue
            sent_ns, end_ns, intended_ns = record.sent_ns, record.end_ns, record.intended_ns
            if sent_ns is None and outcome == "ok":
                self._waits += 1
                continue
            if outcome == "failed":
                self._errors[record.error or "unknown"] += 1
            if record.connection == "new":
                self._opened += 1
            elif record.connection == "reused":
                self._reused += 1
            key = (record.kind, record.name)
            series = series_of.get(key)
            if series is None:
                if len(series_of) >= MOST_SERIES:
                    key = (OTHER, OTHER)
                series = series_of.setdefault(key, _SeriesFold())
            series.outcomes[outcome] += 1
            if end_ns is None or intended_ns is None:
                continue
            if record.error == INTERRUPTED:
                self._sent += sent_ns is not None
                continue
            if sent_ns is None:
                if record.censored:
                    response.append(end_ns - intended_ns)
                    series.response.waiting.append(end_ns - intended_ns)
                continue
            self._sent += 1
            response.append(end_ns - intended_ns)
            service.append(end_ns - sent_ns)
            series.response.waiting.append(end_ns - intended_ns)
            series.service.waiting.append(end_ns - sent_ns)
            if record.attempt == 1:
                lag.append(sent_ns - intended_ns)
            is_answered = outcome == "ok" or (record.status is not None and record.phase is None)
            self._answered += is_answered
            self._intended_ns.append(intended_ns)
            self._sent_ns.append(sent_ns)
            self._end_ns.append(end_ns)
            self._flags.append(is_answered)
            if record.first_byte_ns is not None:
                ttfb.append(record.first_byte_ns - sent_ns)
            if record.first_token_ns is not None:
                ttft.append(record.first_token_ns - sent_ns)
        if len(response) > _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Count what waits, so that memory holds buckets rather than values."""
        for values in (*self._latency.values(), self._lag):
            values.flush()
        for series in self._series.values():
            series.response.flush()
            series.service.flush()

    def summary(self, logged: dict[str, Histogram], unreadable: int) -> Summary:
        manifest = self._manifest
        planned = manifest.trace.steps
        ok, failed = self._outcomes["ok"], self._outcomes["failed"]
        unsent = max(0, planned - ok - failed)
        reasons = dict(self._unsent)
        if unsent > sum(reasons.values()):
            reason = "interrupted" if manifest.status == "interrupted" else "not_reached"
            reasons[reason] = unsent - sum(reasons.values())
        notes = list(manifest.notes)
        if unreadable:
            notes.append(f"{unreadable} lines of {STEPS_FILE} could not be read and are not in these figures")
        if manifest.error is not None:
            notes.append(manifest.error)
        status: RunStatus = manifest.status
        generator = manifest.generator
        if status == "running":
            notes.append(
                "the run has not written its end: it still runs, or it was killed; these are its steps so far"
            )
        if generator is None:
            generator = Generator(
                verdict="suspect", reasons=["the run did not end, so its self-check is missing"]
            )
        intended, sent, end = (
            np.frombuffer(column, np.int64) for column in (self._intended_ns, self._sent_ns, self._end_ns)
        )
        answered = np.frombuffer(bytes(self._flags), np.uint8).astype(bool)
        latency = {name: values.histogram.quantiles() for name, values in self._latency.items()}
        for name in ("itl", "makespan"):
            if name in logged:
                latency[name] = logged[name].quantiles()
        connections = manifest.connections
        return Summary(
            schema=SUMMARY_SCHEMA,
            status=status,
            elapsed_s=manifest.elapsed_s if manifest.elapsed_s is not None else round(self._last_ns / _NS, 6),
            trace=manifest.trace,
            target=manifest.target_facts or TargetFacts(name="", url=""),
            counts=Counts(
                sessions=manifest.trace.sessions,
                steps=planned,
                sent=self._sent,
                ok=ok,
                failed=failed,
                unsent=unsent,
                retries=self._retries,
                waits=self._waits,
                errors=dict(sorted(self._errors.items())),
                unsent_reasons=dict(sorted(reasons.items())),
                connections_opened=connections.get("opened"),
                connections_new=self._opened,
                connections_reused=self._reused,
                stale_connections=self._stale,
                out_of_range=sum(values.histogram.out_of_range for values in self._latency.values()),
            ),
            rate=rates(intended, sent, end, answered),
            latency_ms={name: quantiles for name, quantiles in latency.items() if quantiles.n},
            series=[
                Series(
                    kind=kind,
                    name=name,
                    response=series.response.histogram.quantiles(),
                    service=series.service.histogram.quantiles(),
                    counts={**series.outcomes},
                )
                for (kind, name), series in sorted(self._series.items())
            ],
            dispatch_lag_us=_in_us(self._lag.histogram.quantiles()),
            generator=generator,
            removed_s=manifest.removed_s,
            steady=steady_window(intended, sent, end, answered, self._warmup_ns()),
            plane=manifest.plane,
            notes=notes,
        )

    def _warmup_ns(self) -> int:
        warmup_s = self._manifest.options.get("warmup_s")
        return int(warmup_s * _NS) if isinstance(warmup_s, int | float) else 0


class _Values:
    """Durations that wait to be counted, and the histogram of those that were."""

    __slots__ = ("histogram", "waiting")

    def __init__(self, unit_ns: int = 1000) -> None:
        self.waiting: array[int] = array("q")
        self.histogram = Histogram(unit_ns)

    def flush(self) -> None:
        if self.waiting:
            self.histogram.record_many(np.frombuffer(self.waiting, np.int64))
            self.waiting = array("q")


class _SeriesFold:
    __slots__ = ("outcomes", "response", "service")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {"ok": 0, "failed": 0}
        self.response, self.service = _Values(), _Values()


def rates(intended_ns: Int64s, sent_ns: Int64s, end_ns: Int64s, answered: np.ndarray) -> Rate:
    """Offered and achieved rate, and the most requests in flight at once."""
    n = len(intended_ns)
    if not n:
        return Rate()
    intended_span_ns = int(intended_ns.max() - intended_ns.min())
    span_ns = max(intended_span_ns, int(sent_ns.max() - sent_ns.min()))
    completed = int(np.count_nonzero(answered))
    return Rate(
        offered_rps=_per_s(n - 1, intended_span_ns),
        achieved_rps=_per_s(completed - 1, span_ns) if completed else 0.0,
        peak_in_flight=peak_in_flight(sent_ns, end_ns),
    )


def peak_in_flight(sent_ns: Int64s, end_ns: Int64s) -> int:
    """The most requests under way at once; one that ends when another starts makes room for it."""
    if not len(sent_ns):
        return 0
    starts, ends = np.sort(sent_ns), np.sort(end_ns)
    return int((np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")).max())


def steady_window(
    intended_ns: Int64s, sent_ns: Int64s, end_ns: Int64s, answered: np.ndarray, warmup_ns: int
) -> Window | None:
    """The figures of the middle of a run; None where too few steps were intended in it to say anything."""
    if not len(intended_ns):
        return None
    first, last = int(intended_ns.min()), int(intended_ns.max())
    ramp_ns = int((last - first) * _RAMP_RATIO)
    start, stop = max(first + ramp_ns, warmup_ns), last - ramp_ns
    inside = (intended_ns >= start) & (intended_ns < stop)
    n = int(np.count_nonzero(inside))
    if n < _LEAST_STEADY_STEPS:
        return None
    response, service = Histogram(), Histogram()
    response.record_many((end_ns - intended_ns)[inside])
    service.record_many((end_ns - sent_ns)[inside])
    figures = rates(intended_ns[inside], sent_ns[inside], end_ns[inside], answered[inside])
    return Window(
        from_s=round(start / _NS, 3),
        to_s=round(stop / _NS, 3),
        steps=n,
        offered_rps=figures.offered_rps,
        achieved_rps=figures.achieved_rps,
        latency_ms={"response": response.quantiles(), "service": service.quantiles()},
    )


def _per_s(gaps: int, span_ns: int) -> float | None:
    return round(gaps / (span_ns / _NS), 3) if span_ns > 0 else None


def _in_us(quantiles: Quantiles) -> Quantiles:
    """The same figures in µs."""
    scaled = {
        name: None if value is None else round(value * 1000, 3)
        for name in ("mean", "min", "p50", "p90", "p95", "p99", "p99_9", "max")
        for value in (getattr(quantiles, name),)
    }
    return Quantiles(n=quantiles.n, **scaled)
