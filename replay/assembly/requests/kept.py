"""Requests that are kept until all are known, in parts of which each holds whole sessions.

What is equal for all requests of a session says which part they go to, so that one part after the other can be made
into sessions.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.types import ROW, Ints, Kept, Rows

PART_BYTES = 8 << 20
"""So much of a recording is to make a part, which is worked upon in about six times as much memory."""

_MOST_PARTS = 256


def parts_for(recording_bytes: int) -> int:
    """How many parts requests are kept in whose recording is so long."""
    return max(1, min(_MOST_PARTS, -(-recording_bytes // PART_BYTES)))


def kept(spilled: Spilled, parts: int, rows: Rows, texts: Sequence[str]) -> Kept:
    """Keep these. Raises TraceError where the disk takes no more.

    A text is what its step has before `after`, a line break, and what it has behind `at_ms`, as JSON.
    """
    of = (rows["key"] >> 1) % parts
    order = np.argsort(of, kind="stable")
    counts = np.bincount(of, minlength=parts)
    if parts > 1:
        rows, texts = rows[order], [texts[n] for n in order.tolist()]
    ends = np.cumsum(counts).tolist()
    of_parts = ["\n".join(texts[begin:end]).encode() for begin, end in zip([0, *ends], ends, strict=False)]
    return Kept(
        rows_at=spilled.put(rows.tobytes()),
        texts_at=spilled.put(b"".join(of_parts)),
        row_ends=np.cumsum(counts) * ROW.itemsize,
        text_ends=np.cumsum([len(text) for text in of_parts]),
    )


class Part(msgspec.Struct, frozen=True):
    """Where the requests of one part lie: pieces of rows and of texts, each where it begins and how long it is."""

    rows: Ints
    texts: Ints


def part_of(these: Sequence[Kept], part: int) -> Part:
    """What was kept of a part."""
    rows, texts = [], []
    for each in these:
        row_begin, text_begin = (int(ends[part - 1]) if part else 0 for ends in (each.row_ends, each.text_ends))
        if row_length := int(each.row_ends[part]) - row_begin:
            rows.append((each.rows_at + row_begin, row_length))
            texts.append((each.texts_at + text_begin, int(each.text_ends[part]) - text_begin))
    return Part(np.array(rows, np.int64), np.array(texts, np.int64))


def read_part(spilled: Spilled, part: Part) -> tuple[Rows, bytes]:
    """The requests of a part and their texts, a line for each half of one."""
    rows = b"".join(spilled.get(at, length) for at, length in part.rows.tolist())
    return np.frombuffer(rows, ROW), b"\n".join(spilled.get(at, length) for at, length in part.texts.tolist())
