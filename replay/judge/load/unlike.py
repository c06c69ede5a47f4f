"""Whether a target answers something else under load: a page that says it is busy, with status 200 and at once. Pure.

What a level of load bears is what it answers, and nothing of a status says that it is an answer. But what is answered
owes nothing to the load: where one size of body is common at a load, is unlike the sizes that are usual at the lowest
load, and is rarer there beyond chance (Fisher's exact test, as of failures), it is not what was asked for. A size that
grows by a digit, as of a counter, is near a usual one and tells nothing; nor do sizes that all differ. Steps of one
kind and name are compared with each other, since another part of the trace may have others.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from replay.judge.load.chance import more_often
from replay.judge.load.types import Failures, Level
from replay.results.columns import Columns, Flags
from replay.words.numbers import exact, percent
from replay.words.phrases import counted

# No more sizes than these can have a twentieth of the answers each.
_MOST_SERIES, _MOST_SIZES = 20, 20
_LEAST_SHARE = 0.05
_FEWEST = 50
# Loads and sizes that are looked at are a few dozen.
_BY_CHANCE = 1e-4
_NEAR_RATIO, _NEAR_BYTES = 0.05, 4


def usual_sizes(columns: Columns, rows: Flags) -> dict[str, list[tuple[int, int]]]:
    """By kind and name, of those with the most steps: the sizes that most answers had, and how many had each."""
    answered = rows & columns.ok
    steps = np.bincount(columns.series[answered], minlength=len(columns.series_names))
    found = {}
    for series in np.argsort(-steps, kind="stable")[:_MOST_SERIES].tolist():
        if not steps[series]:
            break
        sizes, counts = np.unique(
            columns.response_bytes[answered & (columns.series == series)], return_counts=True
        )
        order = np.argsort(-counts, kind="stable")[:_MOST_SIZES]
        found[":".join(columns.series_names[series])] = [(int(sizes[n]), int(counts[n])) for n in order]
    return found


def why_unlike(levels: Sequence[Level], is_held: Callable[[str], bool] = lambda _series: False) -> str | None:
    """What answers have at a load that held, and had not at the lowest; None where nothing tells.

    is_held: whether the answers of a kind and name were held to something themselves, so that they are what was asked
    for.
    """
    held = sorted((level for level in levels if level.verdict == "pass"), key=lambda level: level.scale)
    below = [level for level in held if level.scale == held[0].scale]
    for level in held[len(below) :]:
        for series, sizes in level.usual_bytes.items():
            if is_held(series):
                continue
            usual: Counter[int] = Counter()
            unlisted = 0  # how many at most had a size that is not among the usual ones
            for other in below:
                listed = dict(other.usual_bytes.get(series, ()))
                usual.update(listed)
                unlisted += min(listed.values()) if len(listed) >= _MOST_SIZES else 0
            there, here = usual.total(), sum(count for _, count in sizes)
            for size, count in sizes:
                if there < _FEWEST or count < _LEAST_SHARE * here or _is_near(size, usual):
                    continue
                most = usual.get(size, unlisted)
                if more_often(Failures(count, here), Failures(most, there)) < _BY_CHANCE:
                    so_many = f"at most {most}" if most and size not in usual else f"{most}"
                    return (
                        f"at {exact(level.scale)}x {percent(count / here)} of the answers to {series} have "
                        f"{counted(size, 'byte')}, and {so_many} of {there:,} at {exact(below[0].scale)}x: what is "
                        "answered under load may be something else, such as a page that says so. Say what an answer "
                        'has to hold ([[expect]] in the target file), or that a status is enough (answers = "status")'
                    )
    return None


def _is_near(size: int, usual: Counter[int]) -> bool:
    """Whether it is about as long as what is usual."""
    least = _LEAST_SHARE * usual.total()
    return any(
        abs(size - other) <= max(_NEAR_BYTES, _NEAR_RATIO * other)
        for other, count in usual.items()
        if count >= least
    )
