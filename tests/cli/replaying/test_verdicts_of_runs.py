"""A verdict on runs that were made before is left where --out says, and nowhere else."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.results.rundir import RunDirError

ROOT = Path(__file__).parents[3]
JUDGED = {
    "gate": ["gate", "--run", "RUN", "--slo", "p50 < 10s"],
    "compare": ["compare", "--run", "RUN", "--run", "OTHER"],
    "coldstart": ["coldstart", "--run", "RUN"],
}


def replay(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two folders with the same run of a few sessions."""
    folder = tmp_path_factory.mktemp("runs")
    trace = folder / "trace.jsonl"
    lines = (ROOT / "traces" / "support-agent.jsonl").read_bytes().splitlines(keepends=True)
    trace.write_bytes(b"".join(lines[:9]))
    target = ROOT / "targets" / "simulated.toml"
    replay("plane", "simulate", trace, "-t", target, "--out", folder / "RUN")
    shutil.copytree(folder / "RUN", folder / "OTHER")
    return folder


@pytest.fixture
def judge(runs):
    def run(command, *words):
        return replay(*(runs / word if word.isupper() else word for word in JUDGED[command]), *words)

    return run


@pytest.mark.parametrize("command", JUDGED)
def test_the_verdict_stands_in_the_folder_as_it_was_printed(command, judge, tmp_path, runs):
    result = judge(command, "--out", tmp_path / "new" / "verdict", "--json")

    left = json.loads((tmp_path / "new" / "verdict" / "verdict.json").read_text())
    assert left == json.loads(result.stdout)
    assert left["command"] == command
    assert not (runs / "RUN" / "verdict.json").exists()


@pytest.mark.parametrize("command", JUDGED)
def test_a_folder_that_holds_something_is_refused(command, judge, runs):
    result = judge(command, "--out", runs / "OTHER")

    assert isinstance(result.exception, RunDirError)
    assert "holds a run already" in str(result.exception)


def test_a_folder_for_a_verdict_that_never_came_is_gone(judge, runs, tmp_path):
    result = replay("gate", "--run", tmp_path / "none", "--slo", "p50 < 1s", "--out", tmp_path / "verdict")

    assert isinstance(result.exception, RunDirError)
    assert not (tmp_path / "verdict").exists()
