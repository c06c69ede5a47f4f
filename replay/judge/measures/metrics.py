"""From the columns of a run to the values that a verdict is about: a measure, of some steps, in some window.

Nothing that fails is fast: a step that failed, in whatever way, is infinitely slow in every measure that it would have
had, also where it ended at a time limit or could not be sent; and so is a session in which a step failed. `answered`
leaves failures out, `failed` is of them alone, by their own times. Shares of errors are of all steps that were tried.

Nor is an answer quick that was asked for as a stream and came whole: nothing of it was there before its end, which is
its time to the first token.

Nor is a session quick that was cut off: a step of it was left unsent without a failure. Its makespan is only known to
be no less than it came to by then, and as the long ones are cut off first, what the others took is not all.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.measures.slo import SloWindow
from replay.judge.statistics.sample import Floats, Sample
from replay.judge.types import Part
from replay.results.columns import ABSENT_NS, Codes, Columns, Flags
from replay.results.histogram import Int64s
from replay.results.selector import Selector

_NS = 1_000_000_000
_RAMP_RATIO = 0.1


class Measured(NamedTuple):
    """sample: in ms. rows: the steps that the values are of, in order; None for makespans. failed: how many of them
    failed. censored_ms: the least value that is a time limit and not an end; None: there is none. censored: which are;
    None: none. cut: of sessions that were cut off, what they came to by then; these are not in sample.
    """

    sample: Sample
    rows: Flags | None = None
    failed: int = 0
    censored_ms: float | None = None
    censored: Flags | None = None
    cut: Sample | None = None


def rows_of(columns: Columns, selector: Selector, window: SloWindow) -> Flags:
    """The steps that the selector names and that were intended in the window."""
    rows = np.ones(columns.n, np.bool_)
    if selector != Selector():
        wanted = np.array([selector.matches(kind, name) for kind, name in columns.series_names], np.bool_)
        rows &= wanted[columns.series] if len(wanted) else False
    if window != SloWindow() and columns.n:
        rows &= _inside(columns, window)
    return rows


def _inside(columns: Columns, window: SloWindow) -> Flags:
    intended = columns.intended_ns
    inside = np.ones(columns.n, np.bool_)
    if window.after_s is not None:
        inside &= intended >= int(window.after_s * _NS)
    if window.before_s is not None:
        inside &= intended < int(window.before_s * _NS)
    if window.is_steady:
        first, last = int(intended.min()), int(intended.max())
        ramp_ns = int((last - first) * _RAMP_RATIO)
        inside &= (intended >= first + ramp_ns) & (intended < last - ramp_ns)
    if window.is_steady or window.without_warmup:
        inside &= ~columns.warmup
    return inside


def measured(columns: Columns, measure: str, rows: Flags, part: Part = "all") -> Measured:
    """The values of this measure, in ms, of these rows; for makespan, of the sessions in which they are."""
    if measure == "makespan":
        return _makespans(columns, rows, part)
    values, known, belongs = timed(columns, measure)
    if measure == "lag":
        # Lateness before sending is ours, whatever became of the step.
        counted = rows & known
        return Measured(sample_of(columns, _ms(values[counted]), counted), counted)
    failed = rows & ~columns.ok & belongs
    if part == "failed":
        counted = failed & known
        censored = counted & columns.censored
        least = float(values[censored].min()) / 1e6 if censored.any() else None
        n = int(np.count_nonzero(counted))
        flags = columns.censored[counted] if least is not None else None
        return Measured(sample_of(columns, _ms(values[counted]), counted), counted, n, least, flags)
    counted = rows & columns.ok & known
    if part == "answered":
        if columns.other_ok is not None:
            counted &= columns.other_ok
        return Measured(sample_of(columns, _ms(values[counted]), counted), counted)
    counted |= failed
    ms = _ms(values)
    ms[failed] = np.inf
    return Measured(sample_of(columns, ms[counted], counted), counted, int(np.count_nonzero(failed)))


def timed(columns: Columns, measure: str) -> tuple[Int64s, Flags, Flags]:
    """A measure of every row in ns, the rows in which it is known, and those that have it or would have had it."""
    intended, sent, end = columns.intended_ns, columns.sent_ns, columns.end_ns
    was_sent = sent != ABSENT_NS
    everything = np.ones(columns.n, np.bool_)
    if measure == "response":
        return end - intended, was_sent | columns.censored, everything
    if measure == "service":
        return end - sent, was_sent, everything
    if measure == "lag":
        return sent - intended, was_sent, was_sent
    if measure == "ttfb":
        return columns.first_byte_ns - sent, was_sent & (columns.first_byte_ns != ABSENT_NS), everything
    are_alike = everything
    if columns.other_tokens is not None and measure in ("ttft", "tpot"):
        are_alike = columns.other_tokens > (measure == "tpot")
    if measure == "ttft":
        shown = columns.shown_ns
        return shown - sent, was_sent & (shown != ABSENT_NS) & are_alike, _of_streams(columns) & are_alike
    if measure == "tpot":
        has_tokens = was_sent & (columns.first_token_ns != ABSENT_NS)
        times, counted = _time_per_token(columns, has_tokens)
        return times, counted & are_alike, _of_streams(columns) & are_alike
    raise ValueError(f"no measure is called {measure}")


def _time_per_token(columns: Columns, has_tokens: Flags) -> tuple[Int64s, Flags]:
    """From the first token to the last, by the tokens between. Where the answer's own usage counts more tokens than
    there were events, an event carries several; those that were thought and not shown came in none. Runs that did not
    record the last token have the response's end for it.
    """
    last = columns.numbers("last_token_ns")
    last = np.where(last == ABSENT_NS, columns.end_ns, last)
    shown = columns.numbers("output_tokens") - np.maximum(0, columns.numbers("hidden_tokens"))
    tokens = np.maximum(columns.tokens, shown)
    counted = has_tokens & (columns.tokens > 1)
    return (last - columns.first_token_ns) // np.maximum(1, tokens - 1), counted


def _of_streams(columns: Columns) -> Flags:
    """Steps that were to be streamed: asked for as a stream, or of a series in which some were."""
    streams: Flags = columns.flags("stream") | (columns.first_token_ns != ABSENT_NS)
    by_series = np.bincount(columns.series[streams], minlength=max(1, len(columns.series_names))) > 0
    if columns.n:
        streams |= by_series[columns.series]
    return streams


def _makespans(columns: Columns, rows: Flags, part: Part) -> Measured:
    """A session's own time, whatever became of its steps, only where part asks for failed ones."""
    sessions = _present(columns.session if rows.all() else columns.session[rows])
    sessions = sessions[columns.makespan_ns[sessions] != ABSENT_NS]
    ok = columns.ok
    if part == "answered" and columns.other_ok is not None:
        ok = ok & columns.other_ok
    has_failed = np.zeros(max(1, len(columns.sessions)), np.bool_)
    has_failed[columns.session[~ok]] = True
    if part == "failed":
        return Measured(_makespans_of(columns, sessions[has_failed[sessions]]))
    is_cut = columns.cut_sessions[sessions] & ~has_failed[sessions]
    cut = _makespans_of(columns, sessions[is_cut]) if is_cut.any() else None
    sessions = sessions[~is_cut]
    failed = has_failed[sessions]
    if part == "answered":
        return Measured(_makespans_of(columns, sessions[~failed]), cut=cut)
    whole = _makespans_of(columns, sessions)
    sample = msgspec.structs.replace(whole, values=np.where(failed, np.inf, whole.values))
    return Measured(sample, None, int(np.count_nonzero(failed)), cut=cut)


def _present(codes: Codes) -> Codes:
    """Each code that is among these, the least first."""
    return np.flatnonzero(np.bincount(codes)).astype(np.int32)


def _makespans_of(columns: Columns, sessions: Codes) -> Sample:
    return Sample(_ms(columns.makespan_ns[sessions]), sessions, starts_of(columns)[sessions])


def starts_of(columns: Columns) -> Int64s:
    """When each session's first step was due, by session code; sessions without a step begin never."""
    first: Int64s = np.full(len(columns.sessions), np.iinfo(np.int64).max)
    np.minimum.at(first, columns.session, columns.intended_ns)
    return first


def sample_of(columns: Columns, values: Floats, rows: Flags) -> Sample:
    """These values of these rows, with the sessions, the times and the series that they come from."""
    if rows.all():
        # As in most runs, of which a long one would not be held twice.
        return Sample(values, columns.session, columns.intended_ns, columns.series)
    return Sample(values, columns.session[rows], columns.intended_ns[rows], columns.series[rows])


def _ms(values_ns: Int64s) -> Floats:
    ms = values_ns.astype(np.float64)
    ms /= 1e6
    return ms
