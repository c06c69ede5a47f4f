"""The event loop of a run, and whose fault is whose in it."""

from importlib.util import find_spec

from replay.engine.hosting.event_loop import _BETWEEN


def test_the_modules_between_a_run_and_an_application_are_there():
    """One had moved, and what an application raised below it was taken for a fault of the replay itself."""
    assert [name for name in _BETWEEN if find_spec(name) is None] == []
