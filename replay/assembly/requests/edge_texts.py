"""The edges of the steps of many sessions, as JSON. Pure.

Who waits for whom says replay/trace/edges/concurrent.py, a request at a time. Most begin when all before them have
ended, and follow the one before alone: that is told of all of them at once, and only what is left is walked through.

A session is quiet behind a request where that began on time and nothing else runs: behind its first one; behind one
that follows the one before alone, where it was quiet; and behind one that begins so long after all others had ended
that no delay within the resolution is left. In a quiet session, a request that begins when the one before had ended,
and not within the resolution of its start, follows that one alone. What is not told so is walked from the two requests
before it, as the walk asks for nothing earlier: the second of them follows the first.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.assembly.requests.latest import Flags, latest_before
from replay.assembly.requests.types import Ints
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts, concurrent_waits

_encode = msgspec.json.Encoder().encode


class EdgeTexts(NamedTuple):
    """The field `after` of each step, and the comma in front, in three pieces; all are empty where it has none.

    Most steps follow one other alone, and the first piece ends with its number: then no text is made for each but the
    second, the delay.
    """

    openings: list[str]
    delays: list[str]
    closings: list[str]


def edge_texts(
    starts_us: Ints, tooks_us: Ints, numbers: Ints, resolution_us: int, counts: EdgeCounts
) -> EdgeTexts:
    """The edges of each step.

    Sessions stand one behind the other, the requests of each by their starts. starts_us: from the start of the session.
    tooks_us: UNKNOWN_US where unknown. numbers: of the steps in their session, from 1.
    """
    ends_us = starts_us + np.maximum(tooks_us, 0)
    follows, is_left = _told_at_once(starts_us, ends_us, numbers == 1, resolution_us)
    counts.followed += int(np.count_nonzero(follows))
    texts = _usual(follows, starts_us, ends_us, tooks_us, numbers)
    for begin, end in _spans(is_left):
        before = min(2, int(numbers[begin]) - 1)
        counts.followed -= before == 2  # the second of them was told above
        first = begin - before
        texts.openings[begin:end] = _walked(
            starts_us[first:end].tolist(),
            tooks_us[first:end].tolist(),
            int(numbers[first]),
            before,
            resolution_us,
            counts,
        )
    return texts


def _usual(follows: Flags, starts_us: Ints, ends_us: Ints, tooks_us: Ints, numbers: Ints) -> EdgeTexts:
    """The edges of those of these steps that follow the one before alone, and nothing for the others."""
    before = np.flatnonzero(follows) - 1
    delays = np.full(len(numbers), "", object)
    delays[follows] = ms_texts(starts_us[before + 1] - ends_us[before])
    most = int(numbers.max())
    # By the step that is followed, and behind these once more by one whose end is not known.
    kinds = np.zeros(len(numbers), np.int64)
    kinds[follows] = numbers[before] + np.where(tooks_us[before] == UNKNOWN_US, most, 0)
    steps = range(1, most + 1)
    openings = [
        "",
        *(f',"after":[{{"step":"{n}","delay_ms":' for n in steps),
        *(f',"after":[{{"step":"{n}","anchor":"start","delay_ms":' for n in steps),
    ]
    closings = ["", *["}]"] * most, *(f'}},{{"step":"{n}"}}]' for n in steps)]
    told = kinds.tolist()
    return EdgeTexts(
        list(map(openings.__getitem__, told)), delays.tolist(), list(map(closings.__getitem__, told))
    )


def ms_texts(times_us: Ints) -> list[str]:
    """Times in ms, as an encoder writes them."""
    return _encode((times_us / 1_000).tolist()).decode()[1:-1].split(",") if len(times_us) else []


def _told_at_once(starts_us: Ints, ends_us: Ints, is_first: Flags, resolution_us: int) -> tuple[Flags, Flags]:
    """Which requests follow the one before alone, and which are left to be walked through."""
    n = len(starts_us)
    is_after, is_apart = np.zeros((2, n), bool)
    is_after[1:] = ends_us[:-1] <= starts_us[1:]
    is_apart[1:] = starts_us[1:] - starts_us[:-1] >= resolution_us
    goes_on = is_after & is_apart & ~is_first
    begins_quiet = is_first | (is_apart & (latest_before(ends_us, is_first) + resolution_us - 1 <= starts_us))
    places = np.arange(n)
    quiet = np.maximum.accumulate(np.where(begins_quiet, places, -1))
    loud = np.maximum.accumulate(np.where(goes_on | begins_quiet, -1, places))
    was_quiet = np.concatenate([[False], (quiet > loud)[:-1]])
    follows = goes_on & was_quiet
    return follows, ~(follows | is_first)


def _spans(flags: Flags) -> Iterator[tuple[int, int]]:
    """Where they begin to be set, and where they end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _walked(
    starts_us: Sequence[int],
    tooks_us: Sequence[int],
    number: int,
    before: int,
    resolution_us: int,
    counts: EdgeCounts,
) -> list[str]:
    """The texts of requests that follow one another in a session, but for the first of them, `before` ones.

    number: of the first one's step.
    """
    waits = concurrent_waits(starts_us, tooks_us, resolution_us, counts)
    texts = []
    for n in range(before, len(starts_us)):
        edges = [
            f'{{"step":"{parent + number}","delay_ms":{waits.think_us[n] / 1_000}}}'
            if tooks_us[parent] != UNKNOWN_US
            else _from_start(parent + number, (starts_us[n] - waits.walked_us[parent]) / 1_000)
            for parent in waits.parents[n]
        ]
        texts.append(f',"after":[{",".join(edges)}]' if edges else "")
    return texts


def _from_start(step: int, delay_ms: float) -> str:
    return f'{{"step":"{step}","anchor":"start","delay_ms":{delay_ms}}},{{"step":"{step}"}}'
