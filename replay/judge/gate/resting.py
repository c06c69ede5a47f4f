"""What a gate's verdict rests on and its figures do not show: what was left out of them, tried again, or never tried.

Each is as it was asked for, and each can turn a fail into a pass: a window that leaves out a slow start, a retry that
hides a failure, a session that goes no further than its first. So it stands beside the verdict, with its numbers.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from replay.judge.gate.shorter import shorter_answers
from replay.judge.measures.metrics import rows_of
from replay.judge.measures.remembering import remembering
from replay.judge.measures.slo import Slo, SloWindow
from replay.judge.types import Check
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.summary_types import Counts
from replay.results.types import SIMULATED
from replay.words.numbers import milliseconds, number, percent
from replay.words.phrases import counted, were

_WHOLE = SloWindow()
_LEAST_TRIED_AGAIN = 0.001
_LEAST_ALIKE, _SHARE_ALIKE, _LEAST_SERIES = 10, 0.9, 2
_LEAST_PAGE_BYTES = 200
# No answer is longer than a terabyte.
_SIZE_BITS = 40
_MOST_NAMED = 3


def rests_on(
    slos: Sequence[Slo], checks: Sequence[Check], run: Evidence, judged: Callable[[Slo], Check]
) -> list[str]:
    """In sentences, what the verdict would not be the same without. checks: those of these SLOs, in order.

    judged: an SLO held to the whole run.
    """
    notes = [_window(slo, check, run, judged) for slo, check in zip(slos, checks, strict=True)]
    if any(slo.measure in ("ttft", "tpot") for slo in slos):
        notes.append(_answered_whole(run))
    if any(slo.statistic == "cold" for slo in slos):
        notes.append(_silent(run))
    notes += [_emptied(run), _bodiless(run), _alike(run), *shorter_answers(run), _sent_before(run)]
    return [
        note for note in (*notes, tried_again(run.summary.counts), _never_tried(run.summary.counts)) if note
    ]


def _window(slo: Slo, check: Check, run: Evidence, judged: Callable[[Slo], Check]) -> str | None:
    """How much a window leaves out, and what the whole run would say."""
    if slo.window == _WHOLE or slo.needs_baseline or slo.needs_recording:
        return None
    n = int(np.count_nonzero(rows_of(run.columns, slo.selector, _WHOLE)))
    out = n - int(np.count_nonzero(rows_of(run.columns, slo.selector, slo.window)))
    if not out:
        return None
    whole = judged(slo._replace(window=_WHOLE))
    says = {"pass": "pass", "fail": "fail", "inconclusive": "be inconclusive"}[whole.verdict]
    too = ", too" if whole.verdict == check.verdict else ""
    return (
        f"{slo.text}: the window leaves out {out:,} of {counted(n, 'step')}; with them it would {says}{too}"
        f"{_shown(slo, whole)}"
    )


def _shown(slo: Slo, check: Check) -> str:
    if check.unit == "ms":
        return "" if check.observed_ms is None else f" ({milliseconds(check.observed_ms)})"
    known = check.observed
    return "" if known is None else f" ({number(known)}{'%' if check.unit == 'percent' else ''})"


def _sent_before(run: Evidence) -> str | None:
    """A run that repeats its trace measures what a target keeps of it, too."""
    found = remembering(run.columns)
    if found is None:
        return None
    of = f"{found.requests:,} of {counted(found.sessions, 'session')}"
    return (
        f"the same requests took {milliseconds(found.first_ms)} in the median when they came first, and "
        f"{milliseconds(found.again_ms)} later in the run ({of}): "
        "a target that keeps answers, or has warmed up, is slower for new ones"
    )


def _emptied(run: Evidence) -> str | None:
    """Answers of nothing are quick."""
    columns = run.columns
    n = int(np.count_nonzero(columns.ok & columns.flags("emptied")))
    if not n or run.summary.trace.synthetic:
        return None
    of = counted(int(np.count_nonzero(columns.ok)), "answer")
    return f"{n:,} of {of} had no body, where the recorded ones had one, and count as ok"


def _bodiless(run: Evidence) -> str | None:
    """Nothing but empty answers, of which the trace does not say that they should not be: nearly nothing answers so."""
    columns = run.columns
    is_call = np.fromiter(
        # A name of an importer's begins with the method, and what HEAD asks for has no body.
        (kind in ("http", "tool") and not name.startswith("HEAD ") for kind, name in columns.series_names),
        bool,
    )
    if not is_call.any() or SIMULATED in run.summary.notes:
        return None
    may_have_one = (columns.status >= 200) & (columns.status < 300)
    may_have_one &= (columns.status != 204) & (columns.status != 205)
    # What is not modified is so for whoever has it, as whoever recorded such a status had.
    is_unchanged = (columns.status == 304) & (columns.numbers("recorded_status") != 304)
    rows = columns.ok & is_call[columns.series] & (may_have_one | is_unchanged)
    of = int(np.count_nonzero(rows))
    n = int(np.count_nonzero(rows & (columns.response_bytes == 0) & ~columns.flags("emptied")))
    if n < _LEAST_ALIKE or n < _SHARE_ALIKE * of:
        return None
    return (
        f"{n:,} of {counted(of, 'answer')} had no body, and the trace does not say that they should have one: "
        'a stand-in answers so, too. [[expect]] with matches = "." in a target file fails them'
    )


def _alike(run: Evidence) -> str | None:
    """Answers to steps of several kinds that are all of one size are one answer: a page to sign in at, a stand-in.

    A short one may be right, as `{"ok":true}` is, unless it is nearly all that the target says.
    """
    columns, fidelity = run.columns, run.summary.fidelity
    if fidelity is not None and (fidelity.answer_sizes or 0.0) >= LEAST_FIDELITY:
        # They are of one size where the recorded ones were.
        return None
    rows = columns.ok & (columns.response_bytes > 0) & ~columns.flags("streamed")
    n = int(np.count_nonzero(rows))
    alike: dict[int, list[int]] = {}
    told: Counter[int] = Counter()
    # One sorting of all, since a trace may have a name for each of ten thousand paths.
    codes = columns.series[rows].astype(np.int64)
    of_name = np.bincount(codes, minlength=len(columns.series_names))
    found, times = np.unique(codes << _SIZE_BITS | columns.response_bytes[rows], return_counts=True)
    names = found >> _SIZE_BITS
    is_most = (of_name[names] >= _LEAST_ALIKE) & (times >= _SHARE_ALIKE * of_name[names])
    for one, of_it in zip(found[is_most].tolist(), times[is_most].tolist(), strict=True):
        size = one & ((1 << _SIZE_BITS) - 1)
        alike.setdefault(size, []).append(one >> _SIZE_BITS)
        told[size] += of_it
    for size, of_it in told.most_common():
        series = alike[size]
        if len(series) >= _LEAST_SERIES and (size >= _LEAST_PAGE_BYTES or of_it >= _SHARE_ALIKE * n):
            named = [":".join(columns.series_names[code]) for code in series[:_MOST_NAMED]]
            more = f" and {len(series) - _MOST_NAMED} more" if len(series) > _MOST_NAMED else ""
            return (
                f"{of_it:,} of {counted(n, 'answer')} are of the same size ({counted(size, 'byte')}), whatever was "
                f"asked for ({', '.join(named)}{more}): as a page to sign in at would be, or a stand-in"
            )
    return None


def _answered_whole(run: Evidence) -> str | None:
    """Streams that were asked for and brought no token."""
    columns = run.columns
    asked = columns.ok & columns.flags("stream")
    n = int(np.count_nonzero(asked & (columns.first_token_ns == ABSENT_NS)))
    if not n:
        return None
    of = counted(int(np.count_nonzero(asked)), "model call")
    return (
        f"{n:,} of {of} that asked for a stream got an answer in one piece, or without a token: its end counts as its "
        "ttft, and it has no tpot"
    )


def _silent(run: Evidence) -> str | None:
    """Steps of which none says whether it was cold are in no share of those that do."""
    columns = run.columns
    says = np.bincount(columns.series[columns.cold >= 0], minlength=max(1, len(columns.series_names))) > 0
    silent = int(np.count_nonzero(columns.ok & (columns.cold < 0) & ~says[columns.series])) if columns.n else 0
    if not silent or not says.any():
        return None
    return (
        f"cold: {counted(silent, 'answer')} of {columns.n:,} are of steps of which none says whether it was cold, and "
        "are left out"
    )


def tried_again(counts: Counts) -> str | None:
    """Attempts that failed and were not the last. A kept-alive connection that had been closed is nobody's failure."""
    failed = counts.retries - (counts.stale_connections or 0)
    attempts = counts.sent + failed
    if failed <= 0 or failed < _LEAST_TRIED_AGAIN * attempts:
        return None
    return (
        f"{counted(failed, 'attempt')} failed and had another after it ({percent(failed / attempts)} of all); errors "
        "are of steps, each by its last attempt"
    )


def _never_tried(counts: Counts) -> str | None:
    n = counts.unsent_reasons.get("skip-rest", 0)
    if not n:
        return None
    return (
        f"{were(n, 'step')} not tried, since one before them in their session had failed (--on-error skip-rest); "
        "errors are of the steps that were tried"
    )
