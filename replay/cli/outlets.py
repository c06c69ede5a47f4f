"""Standard output and error, as those at the other end may be: gone, or a CI system that takes lines for commands.

What is printed is not what a command is for. A gate whose reader has gone still has a verdict to end with and files to
write, and a run still has steps to send: `replay gate … | head -1` ends as it would alone. Whatever is printed goes by
here, so no line of it is a command of a CI system, but for those that we mean, and none of it is more than the encoding
of the output can say.
"""

import errno
import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

import click

from replay.report.ci.log_commands import CommandBreaker, is_read_for_commands
from replay.words.signs import PLAIN_SIGNS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


# How a stream of Python's treats what its encoding cannot say: it fails, in the locale C too (PEP 538).
_UNSAYABLE = ("strict", "surrogateescape")


class _Outlet(io.FileIO):
    """Writes on, to nowhere, once nobody reads it; or, after saying so once, where there is no space left."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        # Asked while it is there: of a terminal that has hung up this is not told any more.
        self._is_terminal = self.isatty()

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._let_go()
            return memoryview(data).nbytes
        except OSError as error:
            if self._is_terminal and error.errno == errno.EIO:
                self._let_go()
                return memoryview(data).nbytes
            # What is buffered is written again when the interpreter ends, which would complain as well.
            self._let_go()
            raise OSError(error.errno, error.strerror, "standard output") from error

    def _let_go(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class _Printed(io.TextIOWrapper):
    """Text in which a CI system that looks for commands finds only those that are given to `command`.

    Its first line is not an empty one where programs read it: `replay gate ... | head -1` is the verdict.
    """

    _breaker: CommandBreaker | None = None
    _has_begun = False

    def write(self, text: str, /) -> int:
        shown = text
        if not self._has_begun and not self.isatty():
            shown = text.lstrip("\n")
        self._has_begun = self._has_begun or bool(shown)
        super().write(shown if self._breaker is None else self._breaker.broken(shown))
        return len(text)

    def command(self, line: str) -> None:
        self._has_begun = True
        super().write(line + "\n")

    def look_out_for_commands(self) -> None:
        self._breaker = CommandBreaker()


def guard_outlets() -> None:
    """Have what is printed from here on fail for no reader that has gone, and command no CI system."""
    sys.stdout = _guarded(sys.stdout)
    sys.stderr = _guarded(sys.stderr)


def print_commands(lines: Iterable[str], *, err: bool = False) -> None:
    """Print workflow commands of our own, a line each; on standard error if err."""
    stream = sys.stderr if err else sys.stdout
    for line in lines:
        if isinstance(stream, _Printed):
            stream.command(line)
        else:
            click.echo(line, err=err)


def _guarded(stream: TextIO | None) -> TextIO:
    if stream is None:
        # Closed by whoever started the command.
        return open(os.devnull, "w")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    printed = _Printed(
        io.BufferedWriter(_Outlet(stream.fileno())),
        encoding=stream.encoding,
        errors=PLAIN_SIGNS if stream.errors in _UNSAYABLE else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    if is_read_for_commands():
        printed.look_out_for_commands()
    return printed
