"""Paths on the command line: what is wrong with one is said before anything is done.

An option with an empty value comes from a variable that is not set, mostly in CI; as a path it would mean this folder.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from replay.trace.errors import TraceError, shown_path

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

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        folder = path.parent
        if not folder.is_dir():
            self.fail(
                f"{shown_path(path)}: there is no folder {shown_path(folder)}. Make it first.", param, ctx
            )
        return path


PATH = NamedPath()
OUTPUT_FILE = OutputFile()


def replace_trace(out: Path, *inputs: Path) -> None:
    """Say so where a trace is there already. Raises TraceError where it is an input, or in a folder that is one."""
    if not out.exists():
        return
    if any(out.samefile(file) for path in inputs if path.exists() for file in _files_of(path)):
        raise TraceError(f"{shown_path(out)}: is the input. Write the trace to another file.")
    if out.is_file() and out.stat().st_size:
        click.echo(f"{shown_path(out)} is there already, and will be replaced", err=True)


def _files_of(path: Path) -> Iterable[Path]:
    return path.iterdir() if path.is_dir() else (path,)
