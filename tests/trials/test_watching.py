"""The process that watches a run ends with whoever started it, however early that is killed."""

import os
import select
import signal
import subprocess
import sys

import msgspec
import pytest

from replay.results.types import STEPS_FILE

# Starts a watcher as a run does, tells it what to look for, and is killed before that has begun to watch.
KILLED_AT_ONCE = """
import os, signal, sys
from replay.trials.watching import Watcher
watcher = Watcher(sys.argv[1])
watcher.tell(sys.argv[2].encode())
print(watcher._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process does not change its parent there")
def test_a_watcher_whose_run_is_killed_before_it_began_to_watch_ends(tmp_path):
    """It took whoever adopted it for the run, and looked for ever."""
    (tmp_path / STEPS_FILE).touch()
    asked = {"directory": str(tmp_path), "rules": ["errors > 20% over 1s"], "start_ns": 0}
    read_end, write_end = os.pipe()  # the watcher holds the other end as long as it is there

    with subprocess.Popen(
        [sys.executable, "-c", KILLED_AT_ONCE, "replay.trials.aborting", msgspec.json.encode(asked).decode()],
        stdout=subprocess.PIPE,
        stderr=write_end,
        text=True,
    ) as run:
        pid = int(run.stdout.readline())
    os.close(write_end)
    has_ended, _, _ = select.select([read_end], [], [], 30)
    os.close(read_end)
    if not has_ended:
        os.kill(pid, signal.SIGKILL)
    assert has_ended
