"""Answers that are far shorter than the recorded ones, and count as ok: what a quick target may not have done.

An error under status 200 says nothing wrong to whoever does not know its members. Where the trace has the sizes, it is
told by them. So is an empty list of a test account: so this is a note, and decides nothing.

Sizes change for honest reasons, too. A staging server compresses JSON to a twelfth at the very least, which leaves the
sizes of several answers different; its fixtures have one size, which is about a usual one.
"""

from collections.abc import Iterator

import numpy as np

from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.histogram import Int64s
from replay.words.numbers import size
from replay.words.phrases import counted

_LEAST_ANSWERS = 10
_SHRUNKEN = 12
# Nine in ten of one size: an id, or a time, may make some a little longer.
_INNER = (0.05, 0.95)
_ONE_SIZE, _MANY_SIZES = 1.05, 2.0
_MOST_NAMED = 3


def shorter_answers(run: Evidence) -> Iterator[str]:
    """In sentences, which answers are so, where the replay is not called unlike its recording for it anyway."""
    columns, fidelity = run.columns, run.summary.fidelity
    if columns.recorded_bytes is None or run.summary.trace.synthetic:
        return
    known = columns.ok & (columns.recorded_bytes > 0) & (columns.response_bytes > 0)
    if fidelity is None or (fidelity.answer_sizes or 1.0) >= LEAST_FIDELITY:
        yield from _of_one_size(columns, known & ~columns.flags("streamed"))


def _of_one_size(columns: Columns, rows: Flags) -> Iterator[str]:
    """Names of which all answers are of one size, and a small one beside all that were recorded."""
    places = np.flatnonzero(rows)
    if len(places) < _LEAST_ANSWERS:
        return
    places = places[np.argsort(columns.series[places], kind="stable")]
    codes = columns.series[places]
    found = []
    for of_it in np.split(places, np.flatnonzero(np.diff(codes)) + 1):
        here, recorded = columns.response_bytes[of_it], columns.numbers("recorded_bytes")[of_it]
        if len(of_it) >= _LEAST_ANSWERS and _is_another(here, recorded):
            name = ":".join(columns.series_names[int(columns.series[of_it[0]])])
            found.append((name, here, recorded))
    if not found:
        return
    shown = ", ".join(
        f"{name} ({counted(len(here), 'answer')} of {_median(here)}, recorded with {_span(recorded)})"
        for name, here, recorded in found[:_MOST_NAMED]
    )
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    yield (
        f"answers of one size, far below every recorded one: {shown}{more}: as an error under status 200 would be, or "
        "an empty list of a test account. [[expect]] with json in a target file says what a right one has"
    )


def _is_another(here: Int64s, recorded: Int64s) -> bool:
    least, most = np.quantile(here, _INNER)
    was_least, was_most = np.quantile(recorded, _INNER)
    # One answer, compressed, is of one size again; several are not.
    below = _MANY_SIZES if was_most > _MANY_SIZES * was_least else _SHRUNKEN
    return bool(most <= _ONE_SIZE * least + 1 and below * most < was_least)


def _median(sizes: Int64s) -> str:
    return size(int(np.median(sizes)))


def _span(sizes: Int64s) -> str:
    least, most = size(int(sizes.min())), size(int(sizes.max()))
    return least if least == most else f"{least} to {most}"
