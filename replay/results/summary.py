"""summary.json rebuilt from what a run recorded, today or after a crash: a fold over steps.jsonl and latency.hlog.

Response and service times are those of every step's last attempt that was answered as expected. What failed is kept
apart: its response times, where it was sent or a time limit ended it (then at that limit). Together, a failure is
infinitely slow: nothing that fails is fast. Steps whose response an interrupted run did not wait for are counted
and have no time.

Rates are over the whole run: offered counts requests over the span of their intended times, achieved those that
were answered over the same span (or that of their sending, if longer), so that a target that died shows what it
answered. A span of n events holds n - 1 gaps, and so a rate needs two of them.

The steady window leaves out the first tenth and the last tenth of the time in which steps were intended, and
the marked warm-up: what remains is free of the ramp of a starting run and of its drain.
"""

from array import array
from collections import Counter
from math import ceil, inf
from pathlib import Path

import msgspec
import numpy as np

from replay.results.fidelity import FidelityFold
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
    is_transient,
)

_NS = 1_000_000_000
_FLUSH = 65_536
_RAMP_RATIO = 0.1
_LEAST_STEADY_STEPS = 20


def rebuild(run_dir: Path, manifest: Manifest | None = None) -> Summary:
    """The figures of a run, from its files. Raises RunDirError if there is no run there.

    manifest: what its own would say, where the disk has no room for that.
    """
    manifest = manifest or RunDir(run_dir).read_manifest()
    fold = _Fold(manifest)
    steps = run_dir / STEPS_FILE
    tally = ReadTally()
    if steps.exists():
        for records in read_blocks(steps, tally):
            fold.add(records)
    fold.flush()
    hlog = run_dir / HLOG_FILE
    logged = read_totals(hlog, {"itl", "makespan", "makespan_failed"}) if hlog.exists() else {}
    return fold.summary(logged, tally.unreadable)


class _Fold:
    """Adds up the lines of steps.jsonl, a block at a time."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._outcomes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unsent: Counter[str] = Counter()
        self._waits = self._withheld = self._sent = self._retries = 0
        self._opened = self._reused = self._stale = 0
        self._latency = {
            name: _Values() for name in ("response", "service", "ttfb", "ttft", "failed", "recorded")
        }
        self._timeless = self._unlike = self._unknown_streams = 0
        self._fidelity = FidelityFold(manifest)
        self._lag = _Values(LAG_UNIT_NS)
        self._series: dict[tuple[str, str], _SeriesFold] = {}
        # Of every step that was tried: when it was intended, sent and ended (-1: never), and whether it is ok.
        self._intended_ns, self._tried_sent_ns, self._tried_end_ns = array("q"), array("q"), array("q")
        self._flags = bytearray()
        self._last_ns = 0

    def add(self, records: list[StepRecord]) -> None:
        """Long, because it is the one loop over all lines."""
        latency, series_of = self._latency, self._series
        response, service = latency["response"].waiting, latency["service"].waiting
        ttfb, ttft, lag = latency["ttfb"].waiting, latency["ttft"].waiting, self._lag.waiting
        failed, recorded = latency["failed"].waiting, latency["recorded"].waiting
        of_fidelity = self._fidelity.add
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
                self._fidelity.unsent(record)
                continue
            sent_ns, end_ns, intended_ns = record.sent_ns, record.end_ns, record.intended_ns
            if sent_ns is None and outcome == "ok":
                self._waits += 1
                self._withheld += record.withheld
                of_fidelity(record)
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
            is_ok = outcome == "ok"
            of_fidelity(record)
            self._intended_ns.append(intended_ns)
            self._flags.append(is_ok)
            if not is_ok:
                if sent_ns is not None or record.censored:
                    failed.append(end_ns - intended_ns)
                    series.failed.waiting.append(end_ns - intended_ns)
                else:
                    self._timeless += 1
            if sent_ns is None:
                self._tried_sent_ns.append(-1)
                self._tried_end_ns.append(-1)
                continue
            self._sent += 1
            self._tried_sent_ns.append(sent_ns)
            self._tried_end_ns.append(end_ns)
            if record.attempt == 1:
                lag.append(sent_ns - intended_ns)
            if not is_ok:
                continue
            response.append(end_ns - intended_ns)
            service.append(end_ns - sent_ns)
            series.response.waiting.append(end_ns - intended_ns)
            series.service.waiting.append(end_ns - sent_ns)
            if record.first_byte_ns is not None:
                ttfb.append(record.first_byte_ns - sent_ns)
            if record.first_token_ns is not None:
                ttft.append(record.first_token_ns - sent_ns)
                self._unknown_streams += record.streamed and record.layout is None
            status = record.recorded_status
            if status is not None and status != record.status and not is_transient(status):
                self._unlike += 1
            if record.recorded_ms is not None:
                took_ns = round(record.recorded_ms * 1_000_000)
                recorded.append(took_ns)
                series.recorded.waiting.append(took_ns)
        if len(response) > _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Count what waits, so that memory holds buckets rather than values."""
        for values in (*self._latency.values(), self._lag):
            values.flush()
        for series in self._series.values():
            for values in series.values():
                values.flush()

    def summary(self, logged: dict[str, Histogram], unreadable: int) -> Summary:
        manifest = self._manifest
        planned = manifest.trace.steps
        ok, failed = self._outcomes["ok"], self._outcomes["failed"]
        unsent = max(0, planned - ok - failed)
        reasons = dict(self._unsent)
        if unsent > sum(reasons.values()):
            reason = "interrupted" if manifest.status == "interrupted" else "not_reached"
            if manifest.ended is not None:
                reason = manifest.ended.by
            reasons[reason] = unsent - sum(reasons.values())
        notes = list(manifest.notes)
        if unreadable:
            notes.append(f"{unreadable} lines of {STEPS_FILE} could not be read and are not in these figures")
        kept_back = self._unsent["read_only"]
        if self._withheld or kept_back:
            notes.append(_read_only_note(self._withheld, kept_back))
        cut = self._fidelity.cut_sessions()
        if cut:
            said = "1 session was" if cut == 1 else f"{cut:,} sessions were"
            notes.append(
                f"{said} cut off before the end, as a step was left unsent; makespans are of the others"
            )
        if self._unknown_streams:
            notes.append(
                f"{self._unknown_streams} streams are in no layout that is known here: each of their events was "
                "counted as a token, and whether they ended early is not known"
            )
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
            np.frombuffer(column, np.int64)
            for column in (self._intended_ns, self._tried_sent_ns, self._tried_end_ns)
        )
        answered = np.frombuffer(bytes(self._flags), np.uint8).astype(bool)
        latency = self._latencies(logged)
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
                unlike_recorded=self._unlike,
                withheld=self._withheld,
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
                    failed=_unless_empty(series.failed.histogram),
                    recorded=_unless_empty(series.recorded.histogram),
                )
                for (kind, name), series in sorted(self._series.items())
            ],
            dispatch_lag_us=_in_us(self._lag.histogram.quantiles()),
            generator=generator,
            removed_s=manifest.removed_s,
            steady=steady_window(intended, sent, end, answered, self._warmup_ns()),
            plane=manifest.plane,
            fidelity=self._fidelity.result(reasons, sent[sent >= 0], end[sent >= 0]),
            ended=manifest.ended,
            spent=manifest.spent,
            notes=notes,
        )

    def _latencies(self, logged: dict[str, Histogram]) -> dict[str, Quantiles]:
        found = {name: values.histogram.quantiles() for name, values in self._latency.items()}
        for name in ("itl", "makespan"):
            if name in logged:
                found[name] = logged[name].quantiles()
        failed = found["failed"].n + self._timeless
        found["response_with_failures"] = with_failures(self._latency["response"].histogram, failed)
        if "makespan" in logged or "makespan_failed" in logged:
            empty = Histogram()
            found["makespan_with_failures"] = with_failures(
                logged.get("makespan", empty), logged.get("makespan_failed", empty).n
            )
        return found

    def _warmup_ns(self) -> int:
        warmup_s = self._manifest.options.get("warmup_s")
        return int(warmup_s * _NS) if isinstance(warmup_s, int | float) else 0


def _read_only_note(withheld: int, unsent: int) -> str:
    said = f"read-only: {withheld} requests that may change something were waits of their recorded length"
    if unsent:
        said += f", and {unsent} that need a value of their answers were left unsent"
    return f"{said}; the target bore the rest of the load only"


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
    __slots__ = ("failed", "outcomes", "recorded", "response", "service")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {"ok": 0, "failed": 0}
        self.response, self.service, self.failed, self.recorded = (_Values() for _ in range(4))

    def values(self) -> tuple[_Values, ...]:
        return self.response, self.service, self.failed, self.recorded


def with_failures(answered: Histogram, failed: int) -> Quantiles:
    """The figures of answered and failed together, a failure being infinitely slow."""
    n = answered.n + failed
    if not n:
        return Quantiles(n=0)
    known = answered.quantiles()
    if not failed:
        return msgspec.structs.replace(known, failed_ratio=0.0)
    ratios = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
    figures = {}
    for name, ratio in ratios.items():
        rank = ceil(ratio * n - 1e-9)
        figures[name] = inf if rank > answered.n else round(answered.value_at_ms(rank / answered.n), 6)
    return Quantiles(
        n=n,
        mean=inf,
        min=known.min if answered.n else inf,
        max=inf,
        failed_ratio=round(failed / n, 9),
        **figures,
    )


def _unless_empty(histogram: Histogram) -> Quantiles | None:
    return histogram.quantiles() if histogram.n else None


def rates(intended_ns: Int64s, sent_ns: Int64s, end_ns: Int64s, ok: np.ndarray) -> Rate:
    """Offered and achieved rate of the steps that were tried, and the most requests in flight at once.

    sent_ns, end_ns: below 0 for steps that could not be sent. ok: whether each was answered as expected.
    """
    if not len(intended_ns):
        return Rate()
    sent = sent_ns >= 0
    intended_span_ns = int(np.ptp(intended_ns))
    span_ns = max(intended_span_ns, int(np.ptp(sent_ns[sent])) if sent.any() else 0)
    completed = int(np.count_nonzero(ok))
    return Rate(
        offered_rps=_per_s(len(intended_ns) - 1, intended_span_ns),
        achieved_rps=_per_s(completed - 1, span_ns) if completed else 0.0,
        peak_in_flight=peak_in_flight(sent_ns[sent], end_ns[sent]),
    )


def peak_in_flight(sent_ns: Int64s, end_ns: Int64s) -> int:
    """The most requests under way at once; one that ends when another starts makes room for it."""
    if not len(sent_ns):
        return 0
    starts, ends = np.sort(sent_ns), np.sort(end_ns)
    return int((np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")).max())


def steady_window(
    intended_ns: Int64s, sent_ns: Int64s, end_ns: Int64s, ok: np.ndarray, warmup_ns: int
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
    response.record_many((end_ns - intended_ns)[inside & ok])
    service.record_many((end_ns - sent_ns)[inside & ok])
    figures = rates(intended_ns[inside], sent_ns[inside], end_ns[inside], ok[inside])
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
