"""What this machine runs out of is told as this machine's, in a sentence."""

import errno

import pytest

from replay.cli.failures import failure_of
from replay.trace.errors import TraceError

MEMORY = (
    "out of memory: raise the memory limit of this process (ulimit -v), or replay less at once (--sessions)."
)
THREADS = (
    "this machine starts no further thread: raise ulimit -u, or the memory limit of this process (ulimit -v)."
)


@pytest.mark.parametrize(
    ("error", "sentence", "is_ours"),
    [
        (MemoryError(), MEMORY, False),
        (ExceptionGroup("unhandled errors in a TaskGroup", [MemoryError()]), MEMORY, False),
        (ImportError("/x/_fblas.so: failed to map segment from shared object"), MEMORY, False),
        (RuntimeError("can't start new thread"), THREADS, False),
        (
            RuntimeError("x"),
            "a fault of the program itself: RuntimeError('x'). Please report it, with what REPLAY_DEBUG=1 prints.",
            True,
        ),
    ],
)
def test_a_machine_without_memory_is_told_in_a_sentence(error, sentence, is_ours):
    assert failure_of(error) == (4, sentence, is_ours)


def test_what_ended_a_group_of_tasks_is_told_rather_than_the_group():
    group = BaseExceptionGroup("", [ExceptionGroup("", [TraceError("t.jsonl: is not a trace.")])])

    assert failure_of(group)[:2] == (2, "t.jsonl: is not a trace.")


def test_ctrl_c_in_a_group_of_tasks_is_ctrl_c():
    assert failure_of(BaseExceptionGroup("", [KeyboardInterrupt()])).exit_code == 130


def test_a_name_that_is_too_long_is_bad_input():
    found = failure_of(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300))

    assert (found.exit_code, found.sentence) == (2, f"{'x' * 300}: the name is too long.")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_place_where_nothing_may_be_written_is_bad_input(number):
    failure = failure_of(OSError(number, "Permission denied", "/x/target.toml"))

    assert failure == (2, "/x/target.toml: permission denied. Name another place, or allow it.", False)
