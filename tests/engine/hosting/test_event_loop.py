"""The event loop of a run, and whose fault is whose in it."""

import asyncio
import contextlib
from importlib.util import find_spec

import pytest

from replay.engine.hosting.event_loop import _BETWEEN, run_to_end


def test_the_modules_between_a_run_and_an_application_are_there():
    """One had moved, and what an application raised below it was taken for a fault of the replay itself."""
    assert [name for name in _BETWEEN if find_spec(name) is None] == []


def test_a_time_limit_that_struck_before_the_run_ends_it_though_its_cancellation_was_swallowed():
    begun = []

    async def main(host):
        host.interrupts.end_now(TimeoutError("the test's time is up"))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        with host.interrupts.stopping([], 1.0):
            begun.append("the run")

    with pytest.raises(TimeoutError, match="the test's time is up"):
        run_to_end(main)

    assert begun == []
