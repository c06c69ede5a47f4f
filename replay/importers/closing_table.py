"""What became of a recording, as a table: read, dropped by reason, inferred, unreadable, doubtful. Pure."""

import re
from collections.abc import Iterable, Sequence

_DEPARTURE = re.compile(r"(?P<kind>Dropped|Inferred): (?P<n>\d+) (?P<what>.*?)\.?", re.DOTALL).fullmatch
_UNREADABLE = re.compile(r"(?P<n>\d+) (?P<what>(?:line|file)\(s\) could not be read\..*)", re.DOTALL).fullmatch


def closing_table(
    notes: Iterable[str], sessions: int, steps: int, doubts: Sequence[tuple[int, str]]
) -> tuple[list[str], list[str]]:
    """What is left of an importer's notes, and the lines of the table.

    doubts: how often, and what.
    """
    rows = [("read", steps, f"step(s) in {sessions} session(s)")]
    sentences: list[str] = []
    for note in notes:
        departure, unreadable = _DEPARTURE(note), _UNREADABLE(note)
        if departure is not None:
            rows.append((departure["kind"].lower(), int(departure["n"]), departure["what"]))
        elif unreadable is not None:
            rows.append(("unreadable", int(unreadable["n"]), unreadable["what"]))
        else:
            sentences.append(note)
    order = ("read", "unreadable", "dropped", "inferred", "doubt")
    rows += [("doubt", n, what) for n, what in doubts]
    rows.sort(key=lambda row: order.index(row[0]))
    width = max(len(f"{n:,}") for _, n, _ in rows)
    return sentences, [f"{kind:<10}  {f'{n:,}'.rjust(width)}  {what}" for kind, n, what in rows]
