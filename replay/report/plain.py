"""Text and tables that show what they are given as it is: names come from traces, targets and files made elsewhere.

rich takes a bare string for its markup (`[red]`, `[/x]`, `:boom:`), and prints escape codes in it. What is made of the
types here has neither: each string becomes text, and what cannot be printed is replaced. Wherever rich is used for
people to read, they come from here; a test holds us to it.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import rich.table
import rich.text
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding

from replay.words.names import printable

_ANY_WIDTH = 1000
_INDENT = "  "
_NOTHING = ("", "–")


class Text(rich.text.Text):
    """rich's text, without what cannot be printed but for line ends."""

    def __init__(self, text: str = "", *args: Any, **kwargs: Any) -> None:
        super().__init__(printable(text, keep="\n"), *args, **kwargs)

    def append(self, text: "rich.text.Text | str", style: Any = None) -> "Text":
        super().append(printable(text, keep="\n") if isinstance(text, str) else text, style)
        return self


class Table(rich.table.Table):
    """rich's table, whose heads and cells are no markup."""

    def add_column(self, header: RenderableType = "", *args: Any, **kwargs: Any) -> None:
        super().add_column(_shown(header), *args, **kwargs)

    def add_row(self, *cells: RenderableType | None, **kwargs: Any) -> None:
        super().add_row(*map(_shown, cells), **kwargs)


def fitted(table: Table, console: Console, *, names: int = 1, folds: bool = False) -> RenderableType:
    """The table, or, where the console is too narrow for it, each row as a list of its figures: none is cut.

    names: how many of the first columns name a row. folds: whether cells may take several lines before it is a list.
    """
    natural = Measurement.get(console, console.options.update(width=_ANY_WIDTH), table)
    if (_folded_width(table, console) if folds else natural.maximum) <= console.width:
        return table
    heads = [_plain(column.header) for column in table.columns]
    listing = Text()
    title = " ".join(head for head in heads[:names] if head.strip())
    if title and table.row_count > 1:
        listing.append(title, style="dim")
    for row in zip(*(column.cells for column in table.columns), strict=True):
        figures = [
            " ".join(f"{head} {said}".split())
            for head, cell in zip(heads[names:], row[names:], strict=True)
            if (said := _plain(cell)) not in _NOTHING
        ]
        name = " ".join(said for cell in row[:names] if (said := _plain(cell).strip()))
        listing.append("\n" if listing else "").append(name, style="bold")
        for line in _packed(figures, console.width - len(_INDENT)):
            listing.append(f"\n{_INDENT}{line}")
    return listing


def _folded_width(table: Table, console: Console) -> int:
    """What the table takes at least: columns that do not wrap are whole, the others no less than a word."""
    width = 0
    for column in table.columns:
        cells = [Measurement.get(console, console.options, cell) for cell in (column.header, *column.cells)]
        width += max(cell.maximum if column.no_wrap else cell.minimum for cell in cells)
    _, right, _, left = table.padding
    return width + (len(table.columns) - 1) * (left + right)


def indented(text: str, blanks: int) -> RenderableType:
    """Text of which every line begins so far in, those that it is wrapped into as well."""
    return Padding(Text(text), (0, 0, 0, blanks))


def _packed(figures: list[str], width: int) -> Iterator[str]:
    """Lines of as many figures as fit, each whole: with its head, and with its unit."""
    line = ""
    for figure in figures:
        longer = f"{line}  {figure}" if line else figure
        if line and len(longer) > width:
            yield line
            longer = figure
        line = longer
    if line:
        yield line


def _plain(cell: Any) -> str:
    return cell.plain if isinstance(cell, rich.text.Text) else str(cell)


class _Unpadded:
    """Standard output without the blanks that rich fills lines up with: in a pipe they are part of what is read."""

    encoding = property(lambda self: sys.stdout.encoding)

    def write(self, text: str) -> int:
        *lines, last = text.split("\n")
        return sys.stdout.write("".join(f"{line.rstrip(' ')}\n" for line in lines) + last)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return sys.stdout.fileno()


def plain_console(**options: Any) -> Console:
    """Standard output, for those who name no other. options: of rich's Console, such as file, stderr and width."""
    if not options.keys() & {"file", "stderr"} and sys.stdout is not None and not sys.stdout.isatty():
        options["file"] = _Unpadded()
    if os.environ.get("COLUMNS", "unset").strip("0") == "":
        # Some terminals say 0 where they do not know; rich would print nothing at all.
        options.setdefault("width", shutil.get_terminal_size().columns)
    return Console(highlight=False, markup=False, emoji=False, **options)


def _shown(cell: Any) -> Any:
    return Text(cell) if isinstance(cell, str) else cell
