"""Requests as they are kept until all are known, and the sessions that they become."""

from typing import Any

import msgspec
import numpy as np

ROW = np.dtype(
    [
        ("start_us", "i8"),
        ("took_us", "i8"),
        ("place", "i8"),
        ("key", "i4"),
        ("client", "i4"),
        ("agent", "i4"),
    ]
)
"""A request without its text. took_us: UNKNOWN_US where unknown. place: how many came before it. key: what is equal for
all of a session. client, agent: numbers of its client, and of its user agent, -1 where it has none."""

Ints = np.ndarray[Any, np.dtype[np.int64]]

Rows = np.ndarray[Any, np.dtype[np.void]]


class SessionRule(msgspec.Struct, frozen=True):
    """When requests of equal key are of one session. gap_us: a silence that ends it. resolution_us: of their times.

    has_gaps: whether sessions that are named end by silence, too.
    """

    gap_us: int
    resolution_us: int
    has_gaps: bool


class MadeSession(msgspec.Struct, frozen=True, gc=False, array_like=True, order=True):
    """A session that only lacks its place in the trace. place: of its first request, to order those that start at once.

    key, client, agent: of its first request. steps, clients: how many it has. is_long: whether one of its steps took
    more than a day. text: the JSON of its steps, with commas between them.
    """

    start_us: int
    place: int
    key: int
    client: int
    agent: int
    steps: int
    clients: int
    is_long: bool
    text: str
