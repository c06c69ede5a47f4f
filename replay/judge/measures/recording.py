"""A run held to its own recording: the same quantity of the same steps, step by step.

Every step carries the duration that it had when it was recorded. Steps without one, and those that failed by chance
in the recording (a status that says nothing of how fast it is: 5xx, 408, 425, 429), are left out on both sides; of
times to a token also those that have none on one side, unless they failed here, and of makespans the sessions of which
a step is left out. What is left is a paired comparison: blocks of sessions are drawn for both sides at once
(replay/judge/statistics/resampling.py), so that what makes a session long on both sides cancels, and a target that
is exactly as fast has a difference near zero, however wide its times are spread. Error rates are simulated in
tests/judge/measures/test_recording.py.

Recorded times are only as good as the recording's clock: a duration is the difference of two stamps, and so it is off
by up to one resolution either way. The resolution is what the trace says, or, where it does not, what whole seconds
show.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.measures.blocks import (
    are_enough,
    blocks_of,
    stretches_of,
    variance_shown_by,
)
from replay.judge.measures.figures import Figure, figure_of
from replay.judge.measures.metrics import measured, rows_of, sample_of
from replay.judge.measures.slo import Slo
from replay.judge.statistics.own_intervals import widened
from replay.judge.statistics.proportion import share_interval
from replay.judge.statistics.quantile import least_n
from replay.judge.statistics.repeated import Repeated
from replay.judge.statistics.resampling import Resampling, mean_difference, quantile_differences
from replay.judge.statistics.sample import Floats, Sample
from replay.judge.types import Interval
from replay.results.columns import ABSENT_NS, Codes, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.results.manifest_types import Generator, TargetFacts
from replay.results.summary_types import Summary
from replay.results.types import TRANSIENT_STATUSES
from replay.words.phrases import were

RECORDED = "recorded"
"""What the recording is called where it stands for a target."""

_NO_DURATIONS = "the recording has no durations to compare it with: its steps would have them as took_ms"
_NO_STATUSES = "the recording has no statuses to compare it with: its steps would have them as recorded.status"

_MS = 1_000_000
# Changed gaps between steps make a session's makespan another than the recorded one.
_BENDING = ("idle_cap", "think", "speed")
_WHOLE_SECONDS_MS = 1000.0
# So many durations are not whole seconds by chance.
_LEAST_TOLD = 20


class HeldToRecording(NamedTuple):
    """A figure of the run with its interval, and the limit that the recording gives; limits: by the coarsest and by the
    finest reading of its clock.
    """

    figure: Figure
    limit: float = 0.0
    limits: tuple[float, float] = (0.0, 0.0)
    resolution_ms: float = 0.0


def pair(run: Evidence, shift_ms: float = 0.0) -> tuple[Evidence, Evidence] | None:
    """The recording and the run as two runs of the same steps; None where nothing was recorded.

    shift_ms: added to every recorded duration.
    """
    columns = run.columns
    took_ns = columns.numbers("recorded_ns")
    rows = (took_ns != ABSENT_NS) & ~_failed_by_chance(columns)
    if not rows.any():
        return None
    ours = columns.where(rows)
    shift_ns = int(shift_ms * _MS)
    took_ns = np.maximum(0, ours.numbers("recorded_ns") + shift_ns)
    start = ours.intended_ns
    end = start + took_ns
    n = ours.n
    absent = np.full(n, ABSENT_NS, np.int64)
    ttft_ns, tokens = ours.numbers("recorded_ttft_ns"), ours.numbers("recorded_output_tokens")
    is_streamed = ttft_ns != ABSENT_NS
    first_token = np.where(is_streamed, start + np.clip(ttft_ns + shift_ns, 0, took_ns), ABSENT_NS)
    # From the first token to the last is a recorded time of its own, as coarse as the others.
    streaming_ns = np.maximum(0, ours.numbers("recorded_ns") - ttft_ns + shift_ns)
    makespan_ns = np.where(_are_whole(columns, rows), _recorded_makespans(ours, shift_ns), ABSENT_NS)
    both_tokens = np.where(is_streamed, np.maximum(1, tokens), 0)
    here = np.where(ours.shown_ns == ABSENT_NS, 0, np.maximum(1, ours.tokens))
    both_tokens = np.where(ours.ok, np.minimum(both_tokens, here), both_tokens)
    # How many of the recorded tokens were thought and not shown is not known: where some are now, no rate is compared.
    both_tokens = np.where(ours.numbers("hidden_tokens") > 0, np.minimum(1, both_tokens), both_tokens)
    recording = ours._replace(
        ok=np.ones(n, np.bool_),
        error=np.full(n, -1, np.int32),
        sent_ns=start,
        first_byte_ns=absent,
        first_token_ns=first_token,
        last_token_ns=np.where(is_streamed, first_token + streaming_ns, ABSENT_NS),
        end_ns=end,
        tokens=tokens,
        output_tokens=tokens,
        cold=np.full(n, -1, np.int32),
        censored=np.zeros(n, np.bool_),
        makespan_ns=makespan_ns,
        cut=None,
        other_ok=ours.ok,
        other_tokens=both_tokens,
    )
    ours = ours._replace(
        makespan_ns=np.where(makespan_ns == ABSENT_NS, ABSENT_NS, ours.makespan_ns), other_tokens=both_tokens
    )
    return (
        Evidence(_summary_of_recording(run, n), recording, f"{run.name}, as recorded"),
        msgspec.structs.replace(run, columns=ours),
    )


def _summary_of_recording(run: Evidence, steps: int) -> Summary:
    """The run's own summary, as far as it is of the trace and not of the run."""
    summary = run.summary
    counts = msgspec.structs.replace(
        summary.counts, steps=steps, sent=steps, ok=steps, failed=0, unsent=0, errors={}, unsent_reasons={}
    )
    return msgspec.structs.replace(
        summary,
        status="finished",
        target=TargetFacts(name=RECORDED, url=""),
        counts=counts,
        generator=Generator(verdict="ok", reasons=[]),
        fidelity=None,
    )


def resolution_ms(run: Evidence) -> float:
    """How fine the recorded durations are: as the trace says; where it does not, a second if all are whole seconds."""
    stated = run.summary.trace.resolution_ms
    if stated is not None:
        return stated
    took_ns = run.columns.numbers("recorded_ns")
    took_ns = took_ns[(took_ns != ABSENT_NS) & (took_ns > 0)]
    is_whole = len(took_ns) >= _LEAST_TOLD and not (took_ns % int(_WHOLE_SECONDS_MS * _MS)).any()
    return _WHOLE_SECONDS_MS if is_whole else 0.0


def bends_makespans(run: Evidence) -> bool:
    """Whether the run changed the gaps between steps, so that its makespans are not to be held to recorded ones."""
    return any(knob in run.summary.removed_s for knob in _BENDING)


def makespans_beside(run: Evidence) -> tuple[Floats, Floats] | None:
    """Makespans of the sessions in which nothing failed, of the run and of the recording, in ms, in the same order.

    None where they cannot be compared: nothing was recorded, or the run changed the gaps between steps.
    """
    both = pair(run)
    if both is None or bends_makespans(run):
        return None
    recording, ours = (side.columns for side in both)
    has_failed = np.zeros(len(ours.sessions), np.bool_)
    has_failed[run.columns.session[~run.columns.ok]] = True
    whole = np.setdiff1d(ours.session, np.flatnonzero(has_failed | (ours.makespan_ns == ABSENT_NS)))
    if not len(whole):
        return None
    return ours.makespan_ns[whole] / 1e6, recording.makespan_ns[whole] / 1e6


def held_to_recording(slo: Slo, run: Evidence, confidence: float) -> HeldToRecording:
    """The SLO's left side in the run, over the steps that the recording has, and its right side."""
    if slo.statistic == "errors":
        return _errors(slo, run, confidence)
    if slo.measure == "makespan" and bends_makespans(run):
        return _absent("the run changed the gaps between steps, so its makespans are not the recorded ones")
    coarse_ms = resolution_ms(run)
    readings = [pair(run, shift_ms) for shift_ms in (0.0, -coarse_ms, coarse_ms)]
    if readings[0] is None:
        return _absent(_NO_DURATIONS)
    recording, ours = readings[0]
    recorded = figure_of(slo, recording, confidence)
    known = recorded.observed
    figure = figure_of(slo, ours, confidence)
    if known is None:
        return _absent(_why_unknown(slo))
    if figure.observed is None:
        return HeldToRecording(figure)
    factor, value = slo.limit.factor or 1.0, slo.limit.value
    limits = [
        factor * (figure_of(slo, reading[0], confidence).observed or 0.0) + value
        for reading in readings[1:]
        if reading is not None
    ]
    limit = factor * known + value
    if slo.statistic in ("quantile", "mean"):
        figure.interval = _paired_interval(slo, recording, ours, limit - value, confidence, figure.interval)
    elif figure.interval is not None and recorded.interval is not None:
        figure.interval = widened(figure.interval, figure.observed, [(known, recorded.interval)], factor)
    if slo.measure == "makespan" and run.columns.cut_sessions.any():
        _open_for_cut(figure, slo, run)
    return HeldToRecording(figure, limit, (min(limits), max(limits)), coarse_ms)


def _why_unknown(slo: Slo) -> str:
    if slo.measure == "makespan":
        return "no session went to its end and has all of its steps in the recording"
    return f"the recording has no {slo.measure} time of these steps"


def _open_for_cut(figure: Figure, slo: Slo, run: Evidence) -> None:
    """Sessions that were cut off are left out on both sides; as the slow ones are cut off first, those that are left
    are too quick, so that nothing shows how long makespans are at most.
    """
    cut = int(np.count_nonzero(run.columns.cut_sessions))
    figure.why_unbounded = (
        f"{were(cut, 'session')} cut off before the end, and the others may be the quick ones"
    )
    if figure.interval is None:
        return
    low, high = figure.interval
    is_too_high = slo.statistic == "share" and slo.within in ("<", "<=")
    figure.interval = Interval(None, high) if is_too_high else Interval(low, None)
    figure.n_needed = figure.least_steps = None


def _paired_interval(
    slo: Slo, recording: Evidence, ours: Evidence, limit: float, confidence: float, own: Interval | None
) -> Interval | None:
    """Of the run's figure, such that it lies about the limit as the difference lies about zero."""
    stretches = stretches_of(ours.columns)
    blocks = blocks_of([ours.columns], stretches)
    if not are_enough(blocks.n, stretches, slo.q, confidence):
        # Too few to draw again.
        return _beside_known(slo, recording, ours, confidence) or own
    theirs, mine = (_in_blocks(slo, run, blocks.of[0]) for run in (recording, ours))
    scaled = Sample(theirs.values * (slo.limit.factor or 1.0), theirs.cluster)
    count = blocks.n
    resampling = Resampling(count, count, is_paired=True, variance_shown=variance_shown_by(count, stretches))
    if slo.statistic == "mean":
        if not np.isfinite(mine.values).all():
            return own
        found = mean_difference(resampling, scaled, mine)
    else:
        assert slo.q is not None
        if mine.n < least_n(slo.q, confidence):
            return Interval(None, None)
        found = quantile_differences(resampling, scaled, mine, (slo.q,))[0]
    if found is None:
        return None
    low, high = found.interval(confidence)
    return Interval(limit + low, limit + high)


def _beside_known(slo: Slo, recording: Evidence, ours: Evidence, confidence: float) -> Interval | None:
    """Of a quantile of a run whose steps repeat recorded ones; None where that is not known."""
    known, sample = (
        measured(run.columns, slo.measure, rows_of(run.columns, slo.selector, slo.window), slo.part).sample
        for run in (recording, ours)
    )
    if slo.q is None or known.n != sample.n or not sample.n or not np.isfinite(known.values).all():
        return None
    repeated = Repeated(known.values, sample, slo.q)
    if not repeated.is_known or sample.n < least_n(slo.q, confidence):
        return None
    low, high = repeated.interval(confidence)
    # Failures bound nothing; what is infinite because too few values lie beyond has no bound either.
    return Interval(None if np.isinf(low) else low, None if np.isinf(high) else high)


def _in_blocks(slo: Slo, run: Evidence, block: Codes) -> Sample:
    sample = measured(run.columns, slo.measure, rows_of(run.columns, slo.selector, slo.window), slo.part).sample
    return Sample(sample.values, block[sample.cluster])


def _errors(slo: Slo, run: Evidence, confidence: float) -> HeldToRecording:
    """The share that failed, against the share of the same steps that failed by chance in the recording."""
    columns = run.columns
    rows = columns.numbers("recorded_status") != ABSENT_NS
    if not rows.any():
        return _absent(_NO_STATUSES)
    ours = columns.where(rows)
    figure = figure_of(slo, msgspec.structs.replace(run, columns=ours), confidence)
    if figure.observed is None:
        return HeldToRecording(figure)
    asked = rows_of(ours, slo.selector, slo.window)
    factor = slo.limit.factor or 1.0
    hits = _failed_by_chance(ours)[asked]
    known = 100 * float(hits.mean())
    limit = factor * known + slo.limit.value
    if figure.interval is not None:
        # That a recording without failures is held to none would fail every run, which may fail by chance as well.
        sample = sample_of(ours, np.zeros(len(hits)), asked)
        low, high = share_interval(hits, sample, confidence)[0]
        theirs = Interval(None if low is None else 100 * low, None if high is None else 100 * high)
        figure.interval = widened(figure.interval, figure.observed, [(known, theirs)], factor)
    return HeldToRecording(figure, limit, (limit, limit))


def _failed_by_chance(columns: Columns) -> Flags:
    status = columns.numbers("recorded_status")
    found: Flags = (status >= 500) | np.isin(status, TRANSIENT_STATUSES)
    return found


def _recorded_makespans(columns: Columns, shift_ns: int) -> Int64s:
    """Of each session, by the steps that are here; those of sessions without any are never looked at."""
    sessions = len(columns.sessions)
    at = columns.numbers("recorded_at_ns")
    at = np.where(at == ABSENT_NS, 0, at)
    first = np.full(sessions, np.iinfo(np.int64).max)
    last = np.zeros(sessions, np.int64)
    np.minimum.at(first, columns.session, at)
    np.maximum.at(last, columns.session, at + columns.numbers("recorded_ns"))
    makespans: Int64s = np.maximum(0, last - np.minimum(first, last) + shift_ns)
    return makespans


def _are_whole(columns: Columns, rows: Flags) -> Flags:
    """Of each session, whether it went to its end and all of its steps are among these rows."""
    is_whole = np.ones(len(columns.sessions), np.bool_)
    is_whole[columns.session[~rows]] = False
    is_whole[columns.cut_sessions] = False
    return is_whole


def _absent(why: str) -> HeldToRecording:
    return HeldToRecording(Figure(None, 0, 0, why_absent=why))
