"""Which runs of a folder another run is held against."""

import json
import shutil

import pytest

from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.results.rundir import RunDirError
from replay.target.target import Target
from replay.trials.gate.baselines import read_baselines
from replay.trials.gate.trial import gate_run, gate_trace

BOUND = parse_slo("p50 < baseline * 2")


@pytest.fixture
def runs(write_trace, truth, tmp_path):
    """A folder with one run that nobody has judged yet."""
    get = write_trace.get
    trace = write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(50)])
    folder = tmp_path / "runs"
    gate_trace(trace, Target(url=truth.url), [parse_slo("p50 < 10s")], RunOptions(), out=folder / "judged")
    (folder / "judged" / "verdict.json").unlink()
    return folder


def test_a_run_in_the_folder_of_baselines_is_not_held_against_itself(runs):
    shutil.copytree(runs / "judged", runs / "earlier")

    verdict = gate_run(runs / "judged", [BOUND], [runs])

    assert verdict.baselines == ["earlier"]


def test_a_run_alone_in_the_folder_of_baselines_has_none(runs):
    with pytest.raises(RunDirError) as raised:
        gate_run(runs / "judged", [BOUND], [runs])

    message = f"{runs}: holds no other run that passed. Name a run directory, or a folder of them."
    assert str(raised.value) == message


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_did_not_finish_and_was_never_judged_is_no_baseline(status, runs):
    shutil.copytree(runs / "judged", runs / "cut")
    manifest = json.loads((runs / "cut" / "run.json").read_text())
    (runs / "cut" / "run.json").write_text(json.dumps(manifest | {"status": status}))

    assert [run.name for run in read_baselines([runs])] == ["judged"]


def test_a_run_that_was_ended_early_because_it_had_passed_is_a_baseline(runs):
    manifest = json.loads((runs / "judged" / "run.json").read_text())
    (runs / "judged" / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    (runs / "judged" / "verdict.json").write_text('{"verdict": "pass"}')

    assert [run.name for run in read_baselines([runs])] == ["judged"]


def kept_up(run_dir, verdict):
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["generator"] = {"verdict": verdict, "reasons": []}
    (run_dir / "run.json").write_text(json.dumps(manifest))


def test_runs_of_a_late_machine_are_baselines_only_where_there_is_no_other(runs):
    shutil.copytree(runs / "judged", runs / "late")
    kept_up(runs / "judged", "ok")
    kept_up(runs / "late", "suspect")

    assert [run.name for run in read_baselines([runs])] == ["judged"]

    kept_up(runs / "judged", "saturated")

    assert {run.name for run in read_baselines([runs])} == {"judged", "late"}


def test_a_run_that_is_named_twice_is_one_baseline_and_the_one_that_is_judged_is_none(runs):
    run = runs / "judged"

    assert [one.name for one in read_baselines([run, runs, runs / "." / "judged"])] == ["judged"]
    with pytest.raises(RunDirError) as raised:
        gate_run(run, [BOUND], [run])
    assert (
        str(raised.value) == f"{run}: is the run that is judged, and no baseline for itself. Name another run."
    )
