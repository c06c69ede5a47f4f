"""The files that `replay gate` and `replay compare` write beside the verdict that they print."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.target import Target


@pytest.fixture
def run_dir(write_trace, truth, tmp_path):
    get = write_trace.get
    trace = write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(50)])
    return replay_trace(trace, Target(url=truth.url), RunOptions(), tmp_path / "run").directory


@pytest.fixture(params=["gate", "compare"])
def command(request, run_dir, tmp_path):
    run = ["--run", str(run_dir)]
    if request.param == "gate":
        return ["gate", *run, "--slo", "p50 < 10s"]
    other = shutil.copytree(run_dir, tmp_path / "other-run")
    return ["compare", *run, "--run", str(other)]


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_folder_that_is_not_there_is_missed_before_anything_is_done_and_not_made(option, command, tmp_path):
    other = tmp_path / "other.xml" if option == "--markdown" else tmp_path / "other.md"
    beside = ["--junit" if option == "--markdown" else "--markdown", str(other)]

    result = CliRunner().invoke(cli, [*command, *beside, option, str(tmp_path / "none" / "verdict")])

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no folder {tmp_path / 'none'}. Make it first." in result.stderr
    assert not (tmp_path / "none").exists()
    assert "there is no folder" in other.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_file_that_cannot_be_written_does_not_cost_the_verdict(option, command):
    result = CliRunner().invoke(cli, [*command, "--json", option, "/dev/full"])

    assert isinstance(result.exception, OSError)
    assert json.loads(result.stdout)["command"] == command[0]


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_directory_in_the_place_of_a_file_is_refused_before_anything_is_done(option, command, tmp_path):
    result = CliRunner().invoke(cli, [*command, option, str(tmp_path)])

    assert result.exit_code == 2
    assert "is a directory" in result.stderr
    assert result.stdout == ""
