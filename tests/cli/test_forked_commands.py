"""What tests take for a command of its own is one: forked from a process that imported it, it ends as any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import replay

TRACE = Path(__file__).parents[2] / "traces" / "triage-burst.jsonl"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["gate", "--help"],
        ["trace", "info", str(TRACE)],
        ["trace", "info", "none.jsonl"],
        ["run", str(TRACE), "-t", "no target"],
    ],
)
def test_a_forked_command_prints_and_ends_as_one_that_is_started(arguments, tmp_path):
    started = subprocess.run(
        [sys.executable, "-m", "replay", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    forked = replay(*arguments, cwd=tmp_path)

    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_each_has_an_environment_and_a_folder_of_its_own(tmp_path):
    wide = replay("run", "--help", env={**os.environ, "COLUMNS": "160"}, cwd=tmp_path).stdout
    narrow = replay("run", "--help", env={**os.environ, "COLUMNS": "60"}, cwd=tmp_path).stdout

    assert max(map(len, wide.splitlines())) > max(map(len, narrow.splitlines()))
    assert replay("trace", "synth", "bursty", "--sessions", "2", "-o", "b.jsonl", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.jsonl").exists()


def test_one_that_does_not_end_is_killed_and_the_next_one_is_carried_out(tmp_path):
    os.mkfifo(tmp_path / "log")

    with pytest.raises(subprocess.TimeoutExpired):
        replay("trace", "import", "log", "-o", "t.jsonl", cwd=tmp_path, timeout=0.5)

    assert replay("--version", cwd=tmp_path).returncode == 0
