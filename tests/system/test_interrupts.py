"""Ctrl-C goes to every process under a terminal, and those that it is not meant for do not hear it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from replay.live.live import ProcessView
from replay.system.interrupts import interrupts_held
from replay.trials.watching import Watcher

WAITS = [sys.executable, "-c", "import sys; print(sys.stdin.read())"]


def test_a_process_started_meanwhile_hears_no_interrupt_not_even_before_its_imports():
    """Ctrl-C in the first seconds of a pilot had each of its planes print a traceback."""
    with interrupts_held():
        process = subprocess.Popen(WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.send_signal(signal.SIGINT)

    said, errors = process.communicate(b"whole", timeout=60)

    assert (process.returncode, said.strip(), errors) == (0, b"whole", b"")


_SPAWNS = """
import multiprocessing, sys
from replay.system.interrupts import start_uninterrupted

if __name__ == "__main__":
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=theirs.recv)
    start_uninterrupted(process)
    print(open(f"/proc/{process.pid}/status").read())
    process.kill()
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells which signals a process blocks"
)
def test_nor_does_the_first_process_that_is_spawned(tmp_path):
    """Its tracker of resources, started with it, unblocked Ctrl-C: a doctor's server ended in a traceback."""
    script = tmp_path / "spawns.py"
    script.write_text(_SPAWNS)

    told = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)

    (blocked,) = (line.split()[1] for line in told.stdout.splitlines() if line.startswith("SigBlk:"))
    assert int(blocked, 16) & 1 << signal.SIGINT - 1


def test_the_one_that_starts_it_hears_it_all_the_same():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert heard == [signal.SIGINT]


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells which signals a process blocks"
)
@pytest.mark.parametrize("start", [ProcessView, lambda: Watcher("replay.trials.stopping")])
def test_what_a_run_starts_for_itself_never_hears_it(start):
    process = start()._process
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        (blocked,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
        assert int(blocked, 16) & 1 << signal.SIGINT - 1
    finally:
        process.kill()
        process.communicate()
