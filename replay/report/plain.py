"""Text and tables that show what they are given as it is: names come from traces, targets and files made elsewhere.

rich takes a bare string for its markup (`[red]`, `[/x]`, `:boom:`), and prints escape codes in it. What is made of the
types here has neither: each string becomes text, and what cannot be printed is replaced. Wherever rich is used for
people to read, they come from here; a test holds us to it.
"""

from typing import Any

import rich.table
import rich.text
from rich.console import Console, RenderableType

from replay.report.words import printable


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


def plain_console(**options: Any) -> Console:
    """Standard output, for those who name no other. options: of rich's Console, such as file, stderr and width."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def _shown(cell: Any) -> Any:
    return Text(cell) if isinstance(cell, str) else cell
