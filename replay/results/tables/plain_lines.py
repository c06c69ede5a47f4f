"""Plain lines as a table: those of steps that were answered at the first try, on a kept connection, and as usual.

They differ in few columns, so whoever records them keeps only these in hand, one after the other in a flat list: that
takes 0.05 µs a line, and an object for each takes twenty times as long.
"""

from typing import Any

import msgspec

from replay.results.tables.table import FLAGS, MILLISECONDS, NUMBERS, TEXTS, Made, Table, column_of
from replay.results.types import StepRecord

CELLS = (
    "session",
    "kind",
    "name",
    "intended_ns",
    "sent_ns",
    "first_byte_ns",
    "end_ns",
    "status",
    "response_bytes",
    "recorded_ms",
    "connection",
    "told",
)
"""What is kept of each line, in this order: columns of its table, and at last what else the trace told, or None."""
TOLD = (
    "recorded_status",
    "recorded_input_tokens",
    "recorded_output_tokens",
    "recorded_stream",
    "made_up",
    "recorded_bytes",
)
"""What the trace tells of a step, in the order in which `told` has it."""

_WIDTH = len(CELLS)
_NOT_KEPT = (
    "step",
    "target",
    "request_bytes",
    "recorded_at_ms",
    "recorded_ttft_ms",
    "attributes",
)
_ALIKE = {
    **{field.name: field.default for field in msgspec.structs.fields(StepRecord) if not field.required},
    "outcome": "ok",
}
_SAME = {
    name: _ALIKE[name]
    for name in (*TEXTS, *NUMBERS, *MILLISECONDS, *FLAGS)
    if name in _ALIKE and name not in (*CELLS, *TOLD, *_NOT_KEPT)
}


def lines_in(cells: list[Any]) -> int:
    """How many lines they are of."""
    return len(cells) // _WIDTH


def plain_table(cells: list[Any]) -> Table:
    """These lines as a table of the columns of which a summary is made; the others (KeyError) were not kept."""
    n = lines_in(cells)

    def make(name: str) -> Made:
        if name in TOLD:
            return column_of(name, _told(cells, name))
        if name in CELLS:
            return column_of(name, cells[CELLS.index(name) :: _WIDTH])
        return column_of(name, [_SAME[name]] * n)

    return Table(n, make)


def _told(cells: list[Any], name: str) -> list[Any]:
    at, none, of_lines = TOLD.index(name), _ALIKE[name], cells[_WIDTH - 1 :: _WIDTH]
    if of_lines.count(None) == len(of_lines):
        return [none] * len(of_lines)
    return [none if told is None else told[at] for told in of_lines]
