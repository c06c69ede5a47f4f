"""Damage in a recording: a line that says nothing costs itself only, until most of them are like that.

A line is damaged that was cut off or overwritten: it is not JSON, not a row of the table, not UTF-8. A line that is
whole, and says something that the format does not have, is another matter: what else it means nobody knows.
"""

from collections.abc import Iterator

import msgspec

from replay.trace.errors import TraceError


class Damage(msgspec.Struct):
    """Counts lines as they are read. damaged: those that say nothing. first: where the first of these is, and why.

    is_refused: whether the first one ends the import, as in a list that somebody wrote.
    """

    lines: int = 0
    damaged: int = 0
    first: str = ""
    is_refused: bool = False

    def lose(self, why: TraceError) -> None:
        """Leave out a line, or raise why. why: says its place first."""
        if self.is_refused:
            raise why
        self.damaged += 1
        self.first = self.first or str(why)

    def include(self, other: "Damage") -> None:
        self.lines += other.lines
        self.damaged += other.damaged
        self.first = self.first or other.first

    def refuse_most(self) -> None:
        """Raises TraceError where more than half of the lines say nothing."""
        if self.damaged and self.lines == 1:
            raise TraceError(self.first)
        if self.damaged * 2 > self.lines:
            raise TraceError(f"{self.first} So {self.damaged} of {self.lines} line(s) could not be read.")

    def told(self) -> dict[str, int]:
        """For the header of the trace."""
        return {"lines": self.lines, "unreadable": self.damaged}

    def notes(self) -> Iterator[str]:
        """For people."""
        if self.damaged:
            yield f"{self.damaged} line(s) could not be read. The first: {self.first}"
