"""The edges of the steps of many sessions, as JSON. Pure.

Who waits for whom says replay/trace/edges/concurrent.py, a request at a time. Most begin when all before them have
ended, and follow the one before alone: that is told of all of them at once, and only what is left is walked through.

A session is quiet behind a request where that began on time and nothing else runs: behind its first one; behind one
that follows the one before alone, where it was quiet; and behind one that begins so long after all others had ended
that no delay within the resolution is left. In a quiet session, a request that begins when the one before had ended,
and not within the resolution of its start, follows that one alone. What is not told so is walked from the two requests
before it, as the walk asks for nothing earlier: the second of them follows the first.
"""

from collections.abc import Iterator

import msgspec
import numpy as np

from replay.importers.requests.latest import Flags, latest_before
from replay.importers.requests.types import Ints
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts, concurrent_waits

_encode = msgspec.json.Encoder().encode


def edge_texts(
    starts_us: Ints, tooks_us: Ints, numbers: Ints, resolution_us: int, counts: EdgeCounts
) -> list[str]:
    """The field `after` of each step, and the comma in front; nothing where it has none.

    Sessions stand one behind the other, the requests of each by their starts. starts_us: from the start of the session.
    tooks_us: UNKNOWN_US where unknown. numbers: of the steps in their session, from 1.
    """
    ends_us = starts_us + np.maximum(tooks_us, 0)
    follows, is_left = _told_at_once(starts_us, ends_us, numbers == 1, resolution_us)
    texts = np.full(len(numbers), "", object)
    places = np.flatnonzero(follows)
    told = (numbers[places - 1], ms_texts(starts_us[places] - ends_us[places - 1]))
    is_known = tooks_us[places - 1] != UNKNOWN_US
    counts.followed += len(places)
    texts[places] = [
        f',"after":[{{"step":"{step}","delay_ms":{delay_ms}}}]'
        if known
        else f',"after":[{_from_start(step, delay_ms)}]'
        for step, delay_ms, known in zip(told[0].tolist(), told[1], is_known.tolist(), strict=True)
    ]
    for begin, end in _spans(is_left):
        before = min(2, int(numbers[begin]) - 1)
        counts.followed -= before == 2  # the second of them was told above
        texts[begin:end] = _walked(
            starts_us[begin - before : end],
            tooks_us[begin - before : end],
            int(numbers[begin]) - before,
            resolution_us,
            counts,
        )[before:]
    return texts.tolist()


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


def _walked(starts_us: Ints, tooks_us: Ints, number: int, resolution_us: int, counts: EdgeCounts) -> list[str]:
    """The texts of requests that follow one another in a session. number: of the first one's step."""
    starts, tooks = starts_us.tolist(), tooks_us.tolist()
    waits = concurrent_waits(starts, tooks, resolution_us, counts)
    texts = []
    for start_us, parents, delay_ms in zip(
        starts, waits.parents, ms_texts(np.array(waits.think_us)), strict=True
    ):
        edges = [
            f'{{"step":"{parent + number}","delay_ms":{delay_ms}}}'
            if tooks[parent] != UNKNOWN_US
            else _from_start(parent + number, str((start_us - waits.walked_us[parent]) / 1_000))
            for parent in parents
        ]
        texts.append(f',"after":[{",".join(edges)}]' if edges else "")
    return texts


def _from_start(step: int, delay_ms: str) -> str:
    return f'{{"step":"{step}","anchor":"start","delay_ms":{delay_ms}}},{{"step":"{step}"}}'
