"""Damage in a recording: a line that says nothing costs itself only, until most of them are like that.

A line is damaged that was cut off or overwritten, or that says something which the format does not have: it is left
out, counted, and the first is named. So is a file that cannot be read among others.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from replay.trace.errors import TraceError
from replay.words.phrases import counted

_Read = TypeVar("_Read")


class Damage(msgspec.Struct):
    """Counts lines as they are read. damaged: those that say nothing. first: where the first of these is, and why.

    lost_files: those of files that could not be read at all, or to their end. is_refused: whether the first one ends
    the import, as in a list that somebody wrote.
    """

    lines: int = 0
    damaged: int = 0
    first: str = ""
    files: int = 0
    lost_files: int = 0
    first_file: str = ""
    is_refused: bool = False

    def lose(self, why: TraceError) -> None:
        """Leave out a line, or raise why. why: says its place first."""
        if self.is_refused:
            raise why
        self.damaged += 1
        self.first = self.first or str(why)

    def lose_untold(self) -> bool:
        """Leave out a line that is surely damaged, where nobody will hear why; whether that was so.

        What is wrong with a line costs more to say than to see, and the first one is told already.
        """
        if self.is_refused or not self.first:
            return False
        self.damaged += 1
        return True

    def lose_at_once(self) -> bool:
        """As lose_untold, a line that was not counted yet."""
        lost = self.lose_untold()
        self.lines += lost
        return lost

    def lose_file(self, why: TraceError) -> None:
        """Leave out a file, or what is left of it, or raise why."""
        if self.is_refused:
            raise why
        self.lost_files += 1
        self.first_file = self.first_file or str(why)

    def of_files(self, files: Sequence[Path], read: Callable[[Path], Iterator[_Read]]) -> Iterator[_Read]:
        """What is read of all files. One that cannot be read costs itself only, where there are others."""
        for file in files:
            self.files += 1
            try:
                yield from read(file)
            except TraceError as error:
                if len(files) == 1:
                    raise
                self.lose_file(error)

    def include(self, other: "Damage") -> None:
        self.lines += other.lines
        self.damaged += other.damaged
        self.first = self.first or other.first
        self.files += other.files
        self.lost_files += other.lost_files
        self.first_file = self.first_file or other.first_file

    @property
    def is_mostly_damaged(self) -> bool:
        """Whether more than half of the lines are damaged."""
        return self.damaged * 2 > self.lines

    def refuse_most(self) -> None:
        """Raises TraceError where more than half of the lines, or of the files, say nothing."""
        if self.damaged and self.lines == 1:
            raise TraceError(self.first)
        if self.is_mostly_damaged:
            raise TraceError(
                f"{self.first} So {self.damaged} of {counted(self.lines, 'line')} could not be read."
            )
        if self.lost_files * 2 > self.files:
            text = f"So {self.lost_files} of {counted(self.files, 'file')} could not be read."
            raise TraceError(f"{self.first_file} {text}")

    def told(self) -> dict[str, int]:
        """For the header of the trace."""
        lost = {"unreadable_files": self.lost_files} if self.lost_files else {}
        return {"lines": self.lines, "unreadable": self.damaged, **lost}

    def notes(self) -> Iterator[str]:
        """For people."""
        if self.damaged:
            yield f"{self.damaged} line(s) could not be read. The first: {self.first}"
        if self.lost_files:
            yield f"{self.lost_files} file(s) could not be read. The first: {self.first_file}"

    @property
    def behind(self) -> str:
        """The notes as what an error goes on with; empty where nothing is lost."""
        return "".join(f" {note}" for note in self.notes())
