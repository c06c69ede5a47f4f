"""Requests as they are kept until all are known, and the sessions that they become."""

from typing import Any, NamedTuple

import msgspec
import numpy as np

ROW = np.dtype(
    [
        ("start_us", "i8"),
        ("took_us", "i8"),
        ("place", "i8"),
        ("key", "i8"),
        ("client", "i8"),
        ("agent", "i8"),
    ]
)
"""A request without its text. took_us: UNKNOWN_US where unknown. place: grows with its place in the recording.

key: what is equal for all of a session. client, agent: digests of its client, and of its user agent, NOTHING where it
has none.
"""

HEAD = np.dtype(
    [
        ("start_us", "i8"),
        ("place", "i8"),
        ("key", "i8"),
        ("client", "i8"),
        ("agent", "i8"),
        ("first", "i8"),
        ("steps", "i8"),
        ("size_bytes", "i8"),
        ("is_long", "?"),
    ]
)
"""A session without the text of its steps, which takes size_bytes: a line break, and JSON with commas between them.
is_long: whether one of these took more than a day.

place: of its first request, to order those that start at once. key, client, agent: of its first request. first: which
session of its run is the first of its client, counted from 0; told where no request has a name.
"""

FIRST = np.dtype([("client", "i8"), ("start_us", "i8"), ("place", "i8")])
"""The first request of a client."""

NOTHING = 0
"""The digest of what is not there."""

Ints = np.ndarray[Any, np.dtype[np.int64]]

Rows = np.ndarray[Any, np.dtype[np.void]]


class SessionRule(msgspec.Struct, frozen=True):
    """When requests of equal key are of one session. gap_us: a silence that ends it. resolution_us: of their times.

    has_gaps: whether sessions that are named end by silence, too.
    """

    gap_us: int
    resolution_us: int
    has_gaps: bool


class Kept(msgspec.Struct, frozen=True):
    """Where requests lie that were kept together, part after part, their rows in one run and their texts in another.

    row_ends, text_ends: of each part, from where the run begins.
    """

    rows_at: int
    texts_at: int
    row_ends: Ints
    text_ends: Ints


class Ordered(NamedTuple):
    """Sessions that follow one another in the trace: their heads, as HEAD, and where their texts begin."""

    heads: Rows
    texts_at: Ints
