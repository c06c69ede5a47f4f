"""summary.json rebuilt from what a run recorded, today or after a crash: a fold over steps.jsonl and latency.hlog.

Response and service times are those of every step's last attempt that was answered as expected. What failed is kept
apart: its response times, where it was sent or a time limit ended it (then at that limit). Together, a failure is
infinitely slow: nothing that fails is fast. Steps whose response an interrupted run did not wait for are counted
and have no time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, inf
from pathlib import Path

import msgspec
import numpy as np

from replay.results.fidelity import FidelityFold
from replay.results.folding import MOST_SERIES, ONLY_LOGGED, OTHER
from replay.results.histogram import LAG_UNIT_NS, Histogram
from replay.results.hlog import read_totals
from replay.results.instants import Instants, KeptInstants
from replay.results.manifest_types import Generator, Manifest, TargetFacts, WorkerFacts
from replay.results.merging.whole import make_whole
from replay.results.rates import rates, steady_window
from replay.results.record import ReadTally
from replay.results.rundir import RunDir
from replay.results.summary_types import SUMMARY_SCHEMA, Counts, Quantiles, Series, Summary
from replay.results.tables.reading import read_tables
from replay.results.tables.table import ABSENT, Flags, Table, are_transient, first_seen, paired
from replay.results.types import HLOG_FILE, INTERRUPTED, STEPS_FILE
from replay.words.phrases import counted, were

_NS = 1_000_000_000
_UNCHECKED = "it has no self-check: an older version recorded it, or its manifest was changed"
PROBES_UNCHECKED = "it has no self-check: it is of probes of a target, not of a replay"
"""The reason for which the self-check of a run of `replay coldstart -t` says nothing."""

# The one status of 3xx that leads nowhere else.
_SWITCHED = 101
_NOT_MODIFIED = 304
# Usage counts a token or two that no event brings: an end, a role.
_DENSE = 1.5
_LATENCIES = ("response", "service", "ttfb", "ttft", "failed", "recorded")


def rebuild(run_dir: Path, manifest: Manifest | None = None, *, keeps: bool = False) -> Summary:
    """The figures of a run, from its files, which are merged first where several workers left theirs and nobody did.

    Raises RunDirError if there is no run there. manifest: what its own would say, where the disk has no room for that.
    keeps: as read_tables.
    """
    if manifest is None:
        make_whole(run_dir)
        manifest = RunDir(run_dir).read_manifest()
    tally = ReadTally()
    kept = KeptInstants()
    fold = SummaryFold(manifest.trace.resolution_ms, kept)
    for table in read_tables(run_dir, tally, keeps=keeps):
        fold.add(table)
    return fold.summary(manifest, logged_of(run_dir), kept.taken(), tally.unreadable)


def logged_of(run_dir: Path) -> Mapping[str, Histogram]:
    """The times of a run that only latency.hlog has."""
    hlog = run_dir / HLOG_FILE
    return read_totals(hlog, {*ONLY_LOGGED}) if hlog.exists() else {}


class SummaryFold:
    """Adds up the lines of a run, a block at a time. resolution_ms: of the recording, as in the manifest's trace.

    kept: is told the instants of the steps, unless whoever asks for the summary has them anyway.
    """

    def __init__(self, resolution_ms: float | None, kept: KeptInstants | None = None) -> None:
        self._outcomes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._unsent: Counter[str] = Counter()
        self._waits = self._withheld = self._sent = self._retries = 0
        self._opened = self._reused = self._shared = self._stale = 0
        self._followed = 0
        self._handshakes = _Handshakes()
        self._ttfb, self._ttft, self._lag = Histogram(), Histogram(), Histogram(LAG_UNIT_NS)
        self._timeless = self._unlike = self._redirected = 0
        self._unknown_streams = self._dense_streams = self._thinking_streams = self._hidden_tokens = 0
        self._fidelity = FidelityFold(resolution_ms)
        self._series_names: dict[tuple[str, str], int] = {}
        self._series: list[_SeriesFold] = []
        self._kept = kept
        self._last_ns = 0

    def add(self, table: Table) -> None:
        """More lines, in order of writing."""
        for _ in self.adding(table):
            pass

    def adding(self, table: Table) -> Iterator[None]:
        """As add, in pieces, for whoever must not be kept long: the next one is begun when the last has ended."""
        final, unsent = table.flags("final"), table.equals("outcome", "unsent")
        sent, ok = table.has("sent_ns"), table.equals("outcome", "ok")
        own = table.flags("handshake")
        ended = table.has("end_ns") & ~own
        self._last_ns = max(self._last_ns, int(table.numbers("end_ns")[ended].max(initial=0)))
        self._handshakes.add(table, own, ok)
        self._retries += int(np.count_nonzero(~final & ~own & ~ok))
        self._followed += int(np.count_nonzero(~final & ~own & ok))
        self._stale += int(np.count_nonzero(~final & table.equals("error", "stale")))
        yield
        for outcome, times in table.counted("outcome", final):
            self._outcomes[outcome or ""] += times
        unsent &= final
        for reason, times in table.counted("error", unsent):
            self._unsent[reason or "unknown"] += times
        waits = final & ok & ~sent
        self._waits += int(np.count_nonzero(waits))
        self._withheld += int(np.count_nonzero(waits & table.flags("withheld")))
        tried = final & ~unsent & ~waits
        failed = tried & table.equals("outcome", "failed")
        for error, times in table.counted("error", failed):
            self._errors[error or "unknown"] += times
        if failed.any():
            self._add_examples(table, failed)
        yield
        self._opened += int(np.count_nonzero(tried & table.equals("connection", "new")))
        self._reused += int(np.count_nonzero(tried & table.equals("connection", "reused")))
        self._shared += int(np.count_nonzero(tried & table.equals("connection", "shared")))
        timed = tried & ended & table.has("intended_ns")
        waited_for = timed & ~table.equals("error", INTERRUPTED)
        self._sent += int(np.count_nonzero(timed & sent))
        yield
        yield from self._fidelity.adding(table, unsent, waits | waited_for)
        self._add_times(table, waited_for, sent, ok)
        yield
        self._add_answers(table, waited_for & sent & ok)
        yield
        yield from self._adding_series(table, tried, waited_for, sent, ok)

    def _add_examples(self, table: Table, failed: Flags) -> None:
        """Of each class that has none yet, what was wrong with the first of these lines that tells."""
        whys, errors = table.codes("why"), table.codes("error")
        telling = np.flatnonzero(failed & (whys >= 0))
        for code in first_seen(errors[telling], len(table.texts("error"))):
            row = telling[np.argmax(errors[telling] == code)]
            self._examples.setdefault(table.texts("error")[code], table.texts("why")[whys[row]])

    def _add_times(self, table: Table, rows: Flags, sent: Flags, ok: Flags) -> None:
        intended_ns, sent_ns, end_ns = (table.numbers(name) for name in ("intended_ns", "sent_ns", "end_ns"))
        if self._kept is not None:
            self._kept.add(Instants(intended_ns[rows], sent_ns[rows], end_ns[rows], ok[rows]))
        self._timeless += int(np.count_nonzero(rows & ~ok & ~sent & ~table.flags("censored")))
        self._lag.record_many((sent_ns - intended_ns)[rows & sent & (table.numbers("attempt") == 1)])

    def _add_answers(self, table: Table, rows: Flags) -> None:
        """Of the steps that were answered as expected."""
        sent_ns = table.numbers("sent_ns")[rows]
        for histogram, instant in ((self._ttfb, "first_byte_ns"), (self._ttft, "first_token_ns")):
            reached_ns = table.numbers(instant)[rows]
            reached = reached_ns != ABSENT
            histogram.record_many((reached_ns - sent_ns)[reached])
        streams = rows & table.has("first_token_ns") & table.flags("streamed")
        # Of messages of a WebSocket it is said which is the last, and each is one, whatever is in it.
        self._unknown_streams += int(np.count_nonzero(streams & ~table.has("layout") & ~table.has("messages")))
        events, told = table.numbers("tokens"), table.numbers("output_tokens")
        hidden = np.maximum(0, table.numbers("hidden_tokens"))
        self._thinking_streams += int(np.count_nonzero(streams & (hidden > 0)))
        self._hidden_tokens += int(hidden[streams].sum())
        self._dense_streams += int(np.count_nonzero(streams & (told - hidden >= _DENSE * events)))
        status, recorded = table.numbers("status")[rows], table.numbers("recorded_status")[rows]
        unlike = (recorded != ABSENT) & (recorded != status) & ~are_transient(recorded)
        # What was asked by a request when it was recorded may be asked on a WebSocket now.
        unlike &= status != _SWITCHED
        self._unlike += int(np.count_nonzero(unlike))
        is_redirect = (status >= 300) & (status < 400) & (status != _NOT_MODIFIED) & (status != recorded)
        self._redirected += int(np.count_nonzero(is_redirect))

    def _adding_series(
        self, table: Table, tried: Flags, waited_for: Flags, sent: Flags, ok: Flags
    ) -> Iterator[None]:
        """Times by kind and name, further ones than are told apart as one."""
        intended_ns, sent_ns, end_ns = (table.numbers(name) for name in ("intended_ns", "sent_ns", "end_ns"))
        took_ms = table.milliseconds("recorded_ms")
        rows = np.flatnonzero(tried)
        codes, keys = paired(
            table.codes("kind")[rows], table.codes("name")[rows], table.texts("kind"), table.texts("name")
        )
        series_of = np.zeros(len(keys), np.int16)
        for code in first_seen(codes, len(keys)):
            series_of[code] = self.series(*keys[code])
        series_codes = series_of[codes]
        yield
        # np.unique imports numpy.ma when it is first called, which would be in the middle of a run.
        for n in np.flatnonzero(np.bincount(series_codes)).tolist():
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
            series.recorded.record_many(np.rint(told_ms[~np.isnan(told_ms)] * 1_000_000).astype(np.int64))
            yield

    def series(self, kind: str, name: str) -> int:
        """The number of a series of tried steps. Those that are told of first are told apart."""
        key = kind, name
        known = self._series_names
        if key not in known and len(known) >= MOST_SERIES:
            key = (OTHER, OTHER)
        if key not in known:
            known[key] = len(self._series)
            self._series.append(_SeriesFold())
        return known[key]

    def summary(
        self,
        manifest: Manifest,
        logged: Mapping[str, Histogram],
        instants: Instants,
        unreadable: int = 0,
    ) -> Summary:
        """The figures. logged: those of ONLY_LOGGED, as they are read back from latency.hlog. instants: of every step
        that was tried and waited for. unreadable: lines.
        """
        reasons = self._unsent_reasons(manifest)
        times = self._times()
        latency = self._latencies(times, logged)
        return Summary(
            schema=SUMMARY_SCHEMA,
            status=manifest.status,
            elapsed_s=manifest.elapsed_s if manifest.elapsed_s is not None else round(self._last_ns / _NS, 6),
            trace=manifest.trace,
            target=manifest.target_facts or TargetFacts(name="", url=""),
            counts=self._counts(manifest, reasons, sum(histogram.out_of_range for histogram in times.values())),
            rate=rates(instants),
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
            generator=manifest.generator or _unchecked(manifest),
            removed_s=manifest.removed_s,
            steady=steady_window(instants, _warmup_ns(manifest)),
            plane=manifest.plane,
            fidelity=self._fidelity.result(manifest.trace, reasons, instants),
            ended=manifest.ended,
            error=manifest.error,
            spent=manifest.spent,
            workers=manifest.workers,
            notes=list(self._notes(manifest, unreadable, reasons.get("worker_lost", 0))),
        )

    def _unsent_reasons(self, manifest: Manifest) -> dict[str, int]:
        """How many of the planned steps were left unsent, by why."""
        reasons = dict(self._unsent)
        unsent = self._left_unsent(manifest)
        lost = min(sum(worker.lost_steps for worker in manifest.workers), unsent - sum(reasons.values()))
        if lost > 0:
            reasons["worker_lost"] = lost
        if unsent > sum(reasons.values()):
            reason = "interrupted" if manifest.status == "interrupted" else "not_reached"
            if manifest.ended is not None:
                reason = manifest.ended.by
            reasons[reason] = unsent - sum(reasons.values())
        return reasons

    def _left_unsent(self, manifest: Manifest) -> int:
        return max(0, manifest.trace.steps - self._outcomes["ok"] - self._outcomes["failed"])

    def _counts(self, manifest: Manifest, reasons: Mapping[str, int], out_of_range: int) -> Counts:
        connections = manifest.connections
        return Counts(
            sessions=manifest.trace.sessions,
            steps=manifest.trace.steps,
            sent=self._sent,
            ok=self._outcomes["ok"],
            failed=self._outcomes["failed"],
            unsent=self._left_unsent(manifest),
            retries=self._retries,
            waits=self._waits,
            errors=dict(sorted(self._errors.items())),
            error_examples=dict(sorted(self._examples.items())),
            unsent_reasons=dict(sorted(reasons.items())),
            unlike_recorded=self._unlike,
            redirected=self._redirected,
            withheld=self._withheld,
            followed=self._followed,
            handshakes=self._handshakes.count,
            connections_opened=connections.get("opened"),
            connections_new=self._opened,
            connections_reused=self._reused,
            connections_shared=self._shared,
            stale_connections=self._stale,
            out_of_range=out_of_range,
        )

    def _notes(self, manifest: Manifest, unreadable: int, lost: int) -> Iterator[str]:
        """What a reader must know. unreadable: lines. lost: steps of workers that were lost."""
        yield from manifest.notes
        if unreadable:
            yield f"{counted(unreadable, 'line')} of {STEPS_FILE} could not be read: left out of these figures"
        kept_back = self._unsent["read_only"]
        if self._withheld or kept_back:
            yield _read_only_note(self._withheld, kept_back)
        if self._redirected:
            yield redirect_note(self._redirected)
        yield from self._handshakes.notes()
        if cut := self._fidelity.cut_sessions():
            yield (
                f"{were(cut, 'session')} cut off before the end, as a step was left unsent; makespans are of the others"
            )
        yield from _stream_notes(
            self._unknown_streams, self._dense_streams, self._thinking_streams, self._hidden_tokens
        )
        if manifest.error is not None:
            yield manifest.error
        if lost:
            yield _lost_note(manifest.workers, lost)
        if manifest.status == "running":
            yield "the run has not written its end: it still runs, or it was killed; these are its steps so far"

    def _times(self) -> dict[str, Histogram]:
        """Of all series together, by what was measured."""
        times = {name: Histogram() for name in _SeriesFold.TIMES} | {"ttfb": self._ttfb, "ttft": self._ttft}
        for series in self._series:
            for name in _SeriesFold.TIMES:
                times[name].add(getattr(series, name))
        return times

    def _latencies(
        self, times: Mapping[str, Histogram], logged: Mapping[str, Histogram]
    ) -> dict[str, Quantiles]:
        found = {name: times[name].quantiles() for name in _LATENCIES}
        for name in ("itl", "makespan"):
            if name in logged:
                found[name] = logged[name].quantiles()
        failed = found["failed"].n + self._timeless
        found["response_with_failures"] = with_failures(times["response"], failed)
        if "makespan" in logged or "makespan_failed" in logged:
            empty = Histogram()
            found["makespan_with_failures"] = with_failures(
                logged.get("makespan", empty), logged.get("makespan_failed", empty).n
            )
        return found


def _warmup_ns(manifest: Manifest) -> int:
    warmup_s = manifest.options.get("warmup_s")
    return int(warmup_s * _NS) if isinstance(warmup_s, int | float) else 0


def _unchecked(manifest: Manifest) -> Generator:
    """What is said of the generator where no self-check is."""
    why = "the run did not end, so its self-check is missing"
    if manifest.status == "finished":
        # Probes replay no trace, so there is no digest of one.
        why = _UNCHECKED if manifest.trace.sha256 else PROBES_UNCHECKED
    return Generator(verdict="suspect", reasons=[why])


def _lost_note(workers: Sequence[WorkerFacts], steps: int) -> str:
    lost = [f"worker {worker.index} ({worker.lost})" for worker in workers if worker.lost is not None]
    return f"lost: {', '.join(lost)}; {counted(steps, 'step')} of what it had to send count as unsent"


def redirect_note(redirected: int) -> str:
    """What is to be known of steps that were answered with a redirect and count as ok."""
    return (
        f"{counted(redirected, 'step')} got a redirect (3xx), which was not followed, and count as ok though "
        "what they asked for was not done; in the target file, [redirects] with follow = 5 follows them, and "
        '[[expect]] with status = ["2xx"] has them fail'
    )


class _Handshakes:
    """Adds up what is no step's: logins of sessions, and what opens or closes those with MCP servers."""

    def __init__(self) -> None:
        self._logins = self._failed_logins = self._openings = self._failed_openings = 0

    @property
    def count(self) -> int:
        return self._logins + self._openings

    def add(self, table: Table, own: Flags, ok: Flags) -> None:
        """own: which lines are of such; ok: which went well."""
        if not own.any():
            return
        is_mcp = table.equals("kind", "mcp")
        self._logins += int(np.count_nonzero(own & ~is_mcp))
        self._failed_logins += int(np.count_nonzero(own & ~is_mcp & ~ok))
        self._openings += int(np.count_nonzero(own & is_mcp))
        self._failed_openings += int(np.count_nonzero(own & is_mcp & ~ok))

    def notes(self) -> Iterator[str]:
        if self._failed_logins:
            said = f"{self._failed_logins:,} of {counted(self._logins, 'login')} failed"
            yield f"{said}; a step whose session could not log in has failed with the same class"
        if self._failed_openings:
            said = (
                f"{self._failed_openings:,} of {counted(self._openings, 'request')} to open or close sessions"
            )
            yield (
                f"{said} with MCP servers failed; a step whose session could not be opened has failed with the same "
                "class"
            )


def _stream_notes(unknown: int, dense: int, thinking: int, hidden: int) -> Iterator[str]:
    """unknown: streams in no known layout. dense: those whose usage counts many more tokens than there were events.
    thinking: those whose usage tells of tokens that were thought and not shown, which are hidden in all.
    """
    if unknown:
        yield (
            f"the layout of {counted(unknown, 'stream')} is not known here: each event was counted as a token, and "
            "whether a stream ended early is not known"
        )
    if dense:
        yield (
            f"in {counted(dense, 'stream')} the answer's own count has at least half as many tokens again as there "
            "were events: several came in one, or were thought and not shown; tpot goes by that count, itl by events"
        )
    if thinking:
        yield (
            f"in {counted(thinking, 'stream')} {were(hidden, 'token')} thought and not shown, as the answers count "
            "them: they are among the output tokens, and tpot leaves them out"
        )


def _read_only_note(withheld: int, unsent: int) -> str:
    said = f"read-only: in place of {counted(withheld, 'request')} that may change something there were recorded waits"
    if unsent:
        said += f", and {were(unsent, 'step')} left unsent for want of a value from such an answer"
    return f"{said}; the target bore only the rest of the load"


class _SeriesFold:
    TIMES = ("response", "service", "failed", "recorded")
    __slots__ = ("outcomes", *TIMES)

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {"ok": 0, "failed": 0}
        self.response, self.service, self.failed, self.recorded = (Histogram() for _ in self.TIMES)


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


def _in_us(quantiles: Quantiles) -> Quantiles:
    """The same figures in µs."""
    scaled = {
        name: None if value is None else round(value * 1000, 3)
        for name in ("mean", "min", "p50", "p90", "p95", "p99", "p99_9", "max")
        for value in (getattr(quantiles, name),)
    }
    return Quantiles(n=quantiles.n, **scaled)
