"""Paths on the command line: what is wrong with one is said before anything is done.

An option with an empty value comes from a variable that is not set, mostly in CI; as a path it would mean this folder.
A file that is written is none that is read, none of a run's own, and named once.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from replay.errors import InputError
from replay.results.types import MANIFEST_FILE, RUN_FILES
from replay.system.files import end_of_links, is_written_through
from replay.trace.errors import TraceError, shown_path

_OUTPUTS, _INPUTS = "replay.outputs", "replay.inputs"
_STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
EMPTY = "is empty. Is a variable unset that should name it?"


class NamedPath(click.Path):
    """A path, of whatever there is or will be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        path = super().convert(value, param, ctx)
        if ctx is not None and param is not None:
            # A line that is read a second time, after a fault in it, names each file once all the same.
            is_output = isinstance(self, OutputFile)
            ctx.meta.setdefault(_OUTPUTS if is_output else _INPUTS, {})[param.name, path] = path
        return path


class OutputFile(NamedPath):
    """A file that is written in the end, so its folder must be there in the beginning."""

    _instead_of_dash = "For standard output, name /dev/stdout."

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "-":
            self.fail(f"-: not a regular file. {self._instead_of_dash}", param, ctx)
        path = super().convert(value, param, ctx)
        try:
            folder = end_of_links(path).parent
        except OSError:
            self.fail(f"{shown_path(path)}: is a link that leads in a circle.", param, ctx)
        if not folder.is_dir():
            self.fail(
                f"{shown_path(path)}: there is no folder {shown_path(folder)}. Make it first.", param, ctx
            )
        # A file is written beside and renamed.
        if not is_written_through(path) and not os.access(folder, os.W_OK | os.X_OK):
            self.fail(f"{shown_path(path)}: nothing may be written in {shown_folder(folder)}.", param, ctx)
        return path


class TraceFile(OutputFile):
    """A trace that is written: beside, and renamed once it is whole, which standard output cannot be."""

    _instead_of_dash = "A trace is written to a file: name one that ends in .jsonl or .jsonl.zst."


def refuse_lost_files(ctx: click.Context) -> None:
    """Raises InputError where a file that is to be written is one that the command reads, of a run, or named twice.

    ctx: of a command line that was read, but not yet carried out.
    """
    outputs = list(ctx.meta.get(_OUTPUTS, {}).values())
    if not outputs:
        return
    targets = ctx.params.get("targets") or ctx.params.get("target") or ()
    named = [Path(target) for target in ((targets,) if isinstance(targets, str) else targets)]
    inputs = [path for path in (*ctx.meta.get(_INPUTS, {}).values(), *named) if path.is_file()]
    for n, path in enumerate(outputs):
        if is_written_through(path):
            continue
        if path.exists() and any(path.samefile(other) for other in inputs):
            raise InputError(f"{shown_path(path)}: is an input. Write to another file.")
        if path.name in RUN_FILES and (path.parent / MANIFEST_FILE).exists():
            raise InputError(
                f"{shown_path(path)}: is a file of the run that is recorded there. Write to another one."
            )
        if any(os.path.realpath(path) == os.path.realpath(other) for other in outputs[:n]):
            raise InputError(f"{shown_path(path)}: is named for two files. Write each to its own.")


def shown_folder(folder: Path) -> str:
    """A folder within or at the end of a sentence, where a lone point would be read as its end."""
    return "this folder" if folder == Path() else shown_path(folder)


def is_stdout_a_file(ctx: click.Context) -> bool:
    """Whether standard output is named as a file to write, so that nothing else may be printed there.

    ctx: of a command line that was read.
    """
    return any(str(path.absolute()) in _STDOUT for path in ctx.meta.get(_OUTPUTS, {}).values())


PATH = NamedPath()
OUTPUT_FILE = OutputFile()
TRACE_FILE = TraceFile()


def replace_trace(out: Path, *inputs: Path) -> None:
    """Say so where a trace is there already. Raises TraceError where it is an input, or in a folder that is one."""
    if not out.exists():
        return
    if any(out.samefile(file) for path in inputs if path.exists() for file in _files_of(path)):
        raise TraceError(f"{shown_path(out)}: is an input. Write to another file.")
    if out.is_file() and out.stat().st_size:
        click.echo(f"{shown_path(out)} is there already, and will be replaced", err=True)


def _files_of(path: Path) -> Iterable[Path]:
    return path.iterdir() if path.is_dir() else (path,)
