"""Standard output and error, which may lose their readers: `replay gate … | head -1` ends as it would alone.

What is printed is not what a command is for. A gate whose reader has gone still has a verdict to end with and files to
write, and a run still has steps to send.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Outlet(io.FileIO):
    """Writes on, to nowhere, once nobody reads it; or, after saying so once, where there is no space left."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._let_go()
            return memoryview(data).nbytes
        except OSError as error:
            # What is buffered is written again when the interpreter ends, which would complain as well.
            self._let_go()
            raise OSError(error.errno, error.strerror, "standard output") from error

    def _let_go(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def outlive_readers() -> None:
    """Have what is printed from here on fail for no reader that has gone."""
    sys.stdout = _outliving(sys.stdout)
    sys.stderr = _outliving(sys.stderr)


def _outliving(stream: TextIO | None) -> TextIO:
    if stream is None:
        # Closed by whoever started the command.
        return open(os.devnull, "w")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
