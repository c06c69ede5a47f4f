"""The latest end so far, of requests in groups that follow one another. Pure."""

from typing import Any

import numpy as np

from replay.assembly.requests.types import Ints

Flags = np.ndarray[Any, np.dtype[np.bool_]]


def latest_before(ends_us: Ints, is_first: Flags) -> Ints:
    """For each request the latest end of those before it in its group. is_first: of a group; the first of all is.

    The first of a group has none before it, and its own end is told.
    """
    n = len(ends_us)
    # Ranks, since of times of several years in many groups there would be more than an integer holds.
    order = np.argsort(ends_us, kind="stable")
    ranks = np.empty(n, np.int64)
    ranks[order] = np.arange(n)
    above = np.cumsum(is_first) * n
    latest = ends_us[order[np.maximum.accumulate(ranks + above) - above]]
    before = np.concatenate([latest[:1], latest[:-1]])
    return np.where(is_first, ends_us, before)
