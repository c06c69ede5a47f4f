"""Freed memory that is kept is not cleared by the system before it is used again."""

import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys
from replay.system.freed_memory import keep_freed_memory
if not hasattr(ctypes.CDLL(None), "mallopt"):
    sys.exit(5)
if sys.argv[1] == "kept":
    keep_freed_memory()
def use():
    b"x" * int(sys.argv[2])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = use()
for _ in range(4):
    after = use()
print(after - before)
"""


def pages_asked_for_again(how):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how, str(8 << 20)], capture_output=True, text=True, check=False
    )
    if done.returncode == 5:
        pytest.skip("this C library cannot be told")
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="for glibc")
def test_memory_that_was_freed_is_not_asked_for_again():
    assert pages_asked_for_again("kept") < 1_000
