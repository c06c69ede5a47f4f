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

from collections import Counter
from math import ceil, inf
from pathlib import Path

import msgspec
import numpy as np

from replay.results.fidelity import FidelityFold
from replay.results.folding import MOST_SERIES, OTHER
from replay.results.histogram import LAG_UNIT_NS, Histogram, Int64s
from replay.results.hlog import read_totals
from replay.results.record import ReadTally
from replay.results.rundir import RunDir
from replay.results.table import ABSENT, Flags, Table, are_transient, first_seen, paired
from replay.results.tables import read_tables
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
    Summary,
    TargetFacts,
    Window,
)

_NS = 1_000_000_000
_RAMP_RATIO = 0.1
_LEAST_STEADY_STEPS = 20


def rebuild(run_dir: Path, manifest: Manifest | None = None) -> Summary:
    """The figures of a run, from its files. Raises RunDirError if there is no run there.

    manifest: what its own would say, where the disk has no room for that.
    """
    manifest = manifest or RunDir(run_dir).read_manifest()
    fold = _Fold(manifest)
    tally = ReadTally()
    for table in read_tables(run_dir, tally):
        fold.add(table)
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
            name: Histogram() for name in ("response", "service", "ttfb", "ttft", "failed", "recorded")
        }
        self._timeless = self._unlike = self._unknown_streams = 0
        self._fidelity = FidelityFold(manifest)
        self._lag = Histogram(LAG_UNIT_NS)
        self._series_names: dict[tuple[str, str], int] = {}
        self._series: list[_SeriesFold] = []
        # Of every step that was tried: when it was intended, sent and ended (-1: never), and whether it is ok.
        self._tried: list[tuple[Int64s, Int64s, Int64s, Flags]] = []
        self._last_ns = 0

    def add(self, table: Table) -> None:
        """More lines, in order of writing."""
        final, unsent = table.flags("final"), table.equals("outcome", "unsent")
        sent, ok = table.has("sent_ns"), table.equals("outcome", "ok")
        ended = table.has("end_ns")
        if ended.any():
            self._last_ns = max(self._last_ns, int(table.numbers("end_ns").max()))
        self._retries += int(np.count_nonzero(~final))
        self._stale += int(np.count_nonzero(~final & table.equals("error", "stale")))
        for outcome, times in table.counted("outcome", final):
            self._outcomes[outcome or ""] += times
        unsent &= final
        for reason, times in table.counted("error", unsent):
            self._unsent[reason or "unknown"] += times
        waits = final & ok & ~sent
        self._waits += int(np.count_nonzero(waits))
        self._withheld += int(np.count_nonzero(waits & table.flags("withheld")))
        tried = final & ~unsent & ~waits
        for error, times in table.counted("error", tried & table.equals("outcome", "failed")):
            self._errors[error or "unknown"] += times
        self._opened += int(np.count_nonzero(tried & table.equals("connection", "new")))
        self._reused += int(np.count_nonzero(tried & table.equals("connection", "reused")))
        timed = tried & ended & table.has("intended_ns")
        waited_for = timed & ~table.equals("error", INTERRUPTED)
        self._sent += int(np.count_nonzero(timed & sent))
        self._fidelity.add(table, unsent, waits | waited_for)
        self._add_times(table, waited_for, sent, ok)
        self._add_answers(table, waited_for & sent & ok)
        self._add_series(table, tried, waited_for, sent, ok)

    def _add_times(self, table: Table, rows: Flags, sent: Flags, ok: Flags) -> None:
        intended_ns, sent_ns, end_ns = (table.numbers(name) for name in ("intended_ns", "sent_ns", "end_ns"))
        self._tried.append(
            (
                intended_ns[rows],
                np.where(sent, sent_ns, -1)[rows],
                np.where(sent, end_ns, -1)[rows],
                ok[rows],
            )
        )
        failed = rows & ~ok
        known = failed & (sent | table.flags("censored"))
        self._latency["failed"].record_many((end_ns - intended_ns)[known])
        self._timeless += int(np.count_nonzero(failed & ~known))
        self._lag.record_many((sent_ns - intended_ns)[rows & sent & (table.numbers("attempt") == 1)])

    def _add_answers(self, table: Table, rows: Flags) -> None:
        """Of the steps that were answered as expected."""
        latency = self._latency
        intended_ns, sent_ns, end_ns = (
            table.numbers(name)[rows] for name in ("intended_ns", "sent_ns", "end_ns")
        )
        latency["response"].record_many(end_ns - intended_ns)
        latency["service"].record_many(end_ns - sent_ns)
        for name, instant in (("ttfb", "first_byte_ns"), ("ttft", "first_token_ns")):
            reached_ns = table.numbers(instant)[rows]
            reached = reached_ns != ABSENT
            latency[name].record_many((reached_ns - sent_ns)[reached])
        streams = rows & table.has("first_token_ns") & table.flags("streamed")
        self._unknown_streams += int(np.count_nonzero(streams & ~table.has("layout")))
        status, recorded = table.numbers("status")[rows], table.numbers("recorded_status")[rows]
        unlike = (recorded != ABSENT) & (recorded != status) & ~are_transient(recorded)
        self._unlike += int(np.count_nonzero(unlike))

    def _add_series(self, table: Table, tried: Flags, waited_for: Flags, sent: Flags, ok: Flags) -> None:
        """The same by kind and name, further ones than are told apart as one."""
        intended_ns, sent_ns, end_ns = (table.numbers(name) for name in ("intended_ns", "sent_ns", "end_ns"))
        took_ms = table.milliseconds("recorded_ms")
        rows = np.flatnonzero(tried)
        codes, keys = paired(
            table.codes("kind")[rows], table.codes("name")[rows], table.texts("kind"), table.texts("name")
        )
        series_of = np.zeros(len(keys), np.int16)
        for code in first_seen(codes, len(keys)):
            series_of[code] = self._series_index(keys[code])
        series_codes = series_of[codes]
        for n in np.unique(series_codes).tolist():
            of_series, series = rows[series_codes == n], self._series[n]
            for outcome, times in table.counted("outcome", of_series):
                series.outcomes[outcome or ""] += times
            of_series = of_series[waited_for[of_series]]
            answered = of_series[(sent & ok)[of_series]]
            failed = of_series[(~ok & (sent | table.flags("censored")))[of_series]]
            series.response.record_many((end_ns - intended_ns)[answered])
            series.service.record_many((end_ns - sent_ns)[answered])
            series.failed.record_many((end_ns - intended_ns)[failed])
            told_ms = took_ms[answered]
            told_ns = np.rint(told_ms[~np.isnan(told_ms)] * 1_000_000).astype(np.int64)
            series.recorded.record_many(told_ns)
            self._latency["recorded"].record_many(told_ns)

    def _series_index(self, key: tuple[str, str]) -> int:
        known = self._series_names
        if key not in known and len(known) >= MOST_SERIES:
            key = (OTHER, OTHER)
        if key not in known:
            known[key] = len(self._series)
            self._series.append(_SeriesFold())
        return known[key]

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
        intended, sent, end, answered = self._taken()
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
                out_of_range=sum(histogram.out_of_range for histogram in self._latency.values()),
            ),
            rate=rates(intended, sent, end, answered),
            latency_ms={name: quantiles for name, quantiles in latency.items() if quantiles.n},
            series=[
                Series(
                    kind=kind,
                    name=name,
                    response=series.response.quantiles(),
                    service=series.service.quantiles(),
                    counts={**series.outcomes},
                    failed=_unless_empty(series.failed),
                    recorded=_unless_empty(series.recorded),
                )
                for (kind, name), n in sorted(self._series_names.items())
                for series in (self._series[n],)
            ],
            dispatch_lag_us=_in_us(self._lag.quantiles()),
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
        found = {name: histogram.quantiles() for name, histogram in self._latency.items()}
        for name in ("itl", "makespan"):
            if name in logged:
                found[name] = logged[name].quantiles()
        failed = found["failed"].n + self._timeless
        found["response_with_failures"] = with_failures(self._latency["response"], failed)
        if "makespan" in logged or "makespan_failed" in logged:
            empty = Histogram()
            found["makespan_with_failures"] = with_failures(
                logged.get("makespan", empty), logged.get("makespan_failed", empty).n
            )
        return found

    def _taken(self) -> tuple[Int64s, Int64s, Int64s, Flags]:
        if not self._tried:
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing, np.empty(0, np.bool_)
        intended, sent, end, ok = (np.concatenate(parts) for parts in zip(*self._tried, strict=True))
        return intended, sent, end, ok

    def _warmup_ns(self) -> int:
        warmup_s = self._manifest.options.get("warmup_s")
        return int(warmup_s * _NS) if isinstance(warmup_s, int | float) else 0


def _read_only_note(withheld: int, unsent: int) -> str:
    said = f"read-only: {withheld} requests that may change something were waits of their recorded length"
    if unsent:
        said += f", and {unsent} that need a value of their answers were left unsent"
    return f"{said}; the target bore only the rest of the load"


class _SeriesFold:
    __slots__ = ("failed", "outcomes", "recorded", "response", "service")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {"ok": 0, "failed": 0}
        self.response, self.service, self.failed, self.recorded = (Histogram() for _ in range(4))


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
    """The most requests in flight at once; one that ends when another starts makes room for it."""
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
