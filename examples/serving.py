"""A target on this machine, for the other examples: a plane with modelled instances, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def a_plane(*options: str) -> Iterator[str]:
    """Serve one for as long as the block lasts; gives its URL. options: those of `replay plane serve --modelled`."""
    command = [sys.executable, "-m", "replay", "plane", "serve", "--modelled", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as plane:
        try:
            assert plane.stderr is not None
            yield plane.stderr.readline().removeprefix("listening on ").strip()
        finally:
            plane.terminate()
