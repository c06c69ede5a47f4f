"""An address that a plane cannot listen on, and which option names it."""

import contextlib
import os
from collections.abc import Iterator


class CannotListen(OSError):
    """str() is the whole message."""


@contextlib.contextmanager
def listening_on(option: str, host: str, port: int) -> Iterator[None]:
    """Raises CannotListen for what goes wrong inside. option: whose port it is."""
    try:
        yield
    except OSError as cause:
        # The event loop's own words name the address a second time.
        why = os.strerror(cause.errno).lower() if cause.errno else str(cause)
        raise CannotListen(
            f"cannot listen on {host} port {port}: {why}. Try another {option}, or 0."
        ) from cause
