"""Paths on the command line: what is wrong with one is said before anything is done.

An option with an empty value comes from a variable that is not set, mostly in CI; as a path it would mean this folder.
"""

from pathlib import Path
from typing import Any

import click

from replay.trace.errors import shown_path

EMPTY = "is empty. Is a variable unset that should name it?"


class NamedPath(click.Path):
    """A path, of whatever there is or will be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class OutputFile(NamedPath):
    """A file that is written in the end, so its folder must be there in the beginning."""

    def __init__(self, *, is_precious: bool = False) -> None:
        """is_precious: whoever replaces one that is there is told so."""
        super().__init__(dir_okay=False)
        self._is_precious = is_precious

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        folder = path.parent
        if not folder.is_dir():
            self.fail(
                f"{shown_path(path)}: there is no folder {shown_path(folder)}. Make it first.", param, ctx
            )
        if self._is_precious and path.is_file() and path.stat().st_size and not (ctx and ctx.resilient_parsing):
            click.echo(f"{shown_path(path)} is there already, and will be replaced", err=True)
        return path


PATH = NamedPath()
OUTPUT_FILE = OutputFile()
OUTPUT_TRACE = OutputFile(is_precious=True)
