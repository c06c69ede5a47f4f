"""An address that cannot be listened on, and which option names another."""

import contextlib
import os
import socket
from collections.abc import Iterator

from replay.errors import ReplayError


class CannotListen(ReplayError):
    """Another program has the port, it is not ours to take, or this machine has no such address."""


@contextlib.contextmanager
def listening_on(option: str, host: str, port: int) -> Iterator[None]:
    """Raises CannotListen for what goes wrong inside. option: whose port it is."""
    try:
        yield
    except OSError as cause:
        # The event loop's own words name the address a second time. Names that are not found have numbers of their own.
        is_name = isinstance(cause, socket.gaierror) or not cause.errno
        why = (cause.strerror or str(cause)) if is_name else os.strerror(cause.errno or 0)
        raise CannotListen(
            f"cannot listen on {host} port {port}: {why[:1].lower()}{why[1:]}. Try another {option}, or port 0."
        ) from cause
