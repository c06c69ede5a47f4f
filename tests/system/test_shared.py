"""What several threads change of the process: by the first of them, and back by the last."""

import contextlib

from replay.system.shared import Shared


def test_the_first_changes_and_the_last_changes_back():
    done = []

    @contextlib.contextmanager
    def change():
        done.append("changed")
        yield
        done.append("changed back")

    shared = Shared(change)
    with shared:
        with shared:
            assert done == ["changed"]
        assert done == ["changed"]
    assert done == ["changed", "changed back"]
    with shared:
        assert done[2:] == ["changed"]
