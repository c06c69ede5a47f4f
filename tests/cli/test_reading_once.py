"""A run is read once by each command: a long one takes seconds and gigabytes."""

import msgspec
import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.results.manifest_types import Manifest, TraceFacts
from replay.results.types import STEPS_FILE
from replay.trials.compare import compare_runs
from tests.support.opened import count_openings
from tests.support.runs import step


@pytest.fixture
def run_dir(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    records = [step(f"s-{n // 5}", 10.0 + n % 7, n) for n in range(200)]
    (run / STEPS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(records))
    manifest = Manifest("replay.run/1", "finished", "0", "", TraceFacts("t", "0", 40, 200), {}, {}, 1, {}, {})
    (run / "run.json").write_bytes(msgspec.json.encode(manifest))
    return run


def test_a_run_that_is_compared_with_itself_is_read_once(run_dir, monkeypatch):
    opened = count_openings(monkeypatch)

    verdict = compare_runs([run_dir, run_dir])

    assert opened[STEPS_FILE] == 1
    assert [target.name for target in verdict.targets] == ["run", "run-2"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_run_of_which_a_page_is_made_is_read_once_and_shown_as_ever(run_dir, tmp_path, monkeypatch, more):
    shown = CliRunner().invoke(cli, ["report", str(run_dir), *more]).stdout
    opened = count_openings(monkeypatch)

    made = CliRunner().invoke(cli, ["report", str(run_dir), "--html", str(tmp_path / "page.html"), *more])

    assert made.exit_code == 0, made.output
    assert opened[STEPS_FILE] == 1
    assert made.stdout == shown
