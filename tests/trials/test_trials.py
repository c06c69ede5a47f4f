"""Gates and comparisons for real, against servers that know the truth."""

import json

import msgspec
import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.judge.types import CompareVerdict, GateVerdict
from replay.results.rundir import RunDirError
from replay.target.target import Target
from replay.trials.ceiling import find_ceiling
from replay.trials.compare import compare_runs, compare_targets
from replay.trials.gate.baselines import read_baselines
from replay.trials.gate.trial import gate_run, gate_trace


def slos(*texts):
    return [parse_slo(text) for text in texts]


@pytest.fixture
def trace(write_trace):
    get = write_trace.get
    return write_trace(*[(n * 2.0, [get("a", "/a?ms=4"), get("b", "/b?ms=2", ["a"])]) for n in range(300)])


@pytest.fixture
def target(truth):
    return Target(url=truth.url, name="truth")


def test_a_gate_leaves_its_verdict_beside_the_run(trace, target, tmp_path):
    outcome = gate_trace(trace, target, slos("p50 < 10s", "errors == 0"), RunOptions(), out=tmp_path / "run")

    written = msgspec.json.decode((tmp_path / "run" / "verdict.json").read_bytes(), type=GateVerdict)
    assert written == outcome.verdict
    assert [check.n for check in written.checks] == [600, 600]
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["schema"] == "replay.verdict/1"
    # A machine that stalls widens an interval to all that was seen, its own lateness taken off and not: never to nothing.
    (check,) = gate_run(tmp_path / "run", slos("p50 < 10us")).checks
    assert check.limit_ms == 0.01 < check.ci_ms[0]


def test_a_hopeless_run_is_ended_long_before_its_end(write_trace, target, tmp_path):
    get = write_trace.get
    hour = write_trace(*[(n * 5.0, [get("a", "/a?ms=4")]) for n in range(72_000)])

    outcome = gate_trace(hour, target, slos("p99 < 1ms"), RunOptions(), out=tmp_path / "run", early=True)

    (check,) = outcome.verdict.checks
    assert check.limit_ms == 1.0 < check.ci_ms[0]
    assert check.decided_early
    assert check.n < 36_000
    assert outcome.status == "interrupted"
    assert outcome.ended_early is not None
    assert outcome.ended_early.startswith("the verdict, ")


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_level_that_broke_off_is_no_level_and_ends_the_search(trace, target, tmp_path, status):
    levels = []

    def broken(trace, target, options, out, on_progress, stop_when):
        outcome = replay_trace(trace, target, RunOptions(sessions=1), out)
        outcome.summary.status = status
        return outcome

    outcome = find_ceiling(
        trace,
        target,
        slos("p50 < 10s"),
        RunOptions(),
        out=tmp_path / "out",
        on_level=levels.append,
        replay=broken,
    )

    assert outcome.status == status
    assert levels == outcome.verdict.levels == []
    assert outcome.verdict.verdict == "inconclusive"


def test_a_folder_of_baselines_gives_the_last_that_passed(trace, target, tmp_path):
    folder = tmp_path / "runs"
    for n, bound in enumerate(("p50 < 10s", "p50 < 0.001ms", "p50 < 10s")):
        gate_trace(trace, target, slos(bound), RunOptions(sessions=50), out=folder / f"{n}")
        # Those of a machine that was late come after all others.
        manifest = json.loads((folder / f"{n}" / "run.json").read_text())
        manifest["generator"] = {"verdict": "ok", "reasons": []}
        (folder / f"{n}" / "run.json").write_text(json.dumps(manifest))

    passed = {path.name for path in folder.iterdir() if '"pass"' in (path / "verdict.json").read_text()}
    assert {run.name for run in read_baselines([folder])} == passed
    with pytest.raises(RunDirError, match="holds no run that passed"):
        read_baselines([_empty(tmp_path)])
    with pytest.raises(RunDirError, match="there is no such folder"):
        read_baselines([tmp_path / "baselines"])


def _empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.parametrize("mode", ["paired", "interleaved", "sequential"])
def test_each_mode_replays_both_and_leaves_runs_and_a_verdict(mode, trace, target, tmp_path):
    other = Target(url=target.url, name="other")

    outcome = compare_targets(trace, [target, other], RunOptions(), mode, out=tmp_path / "out")

    written = msgspec.json.decode((tmp_path / "out" / "verdict.json").read_bytes(), type=CompareVerdict)
    assert written == outcome.verdict
    assert written.mode == mode
    assert [side.name for side in written.targets] == ["truth", "other"]
    runs = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    expected = {"truth", "other"}
    assert runs == (expected | {"truth-round-2", "other-round-2"} if mode == "sequential" else expected)
    steps = {path: len((tmp_path / "out" / path / "steps.jsonl").read_text().splitlines()) for path in runs}
    assert set(steps.values()) == {300 if mode == "interleaved" else 600}


def test_paired_sessions_are_intended_within_two_phases_of_each_other(trace, target, tmp_path):
    compare_targets(trace, [target, Target(url=target.url, name="other")], RunOptions(), out=tmp_path / "out")

    starts = []
    for name in ("truth", "other"):
        lines = [
            json.loads(line) for line in (tmp_path / "out" / name / "steps.jsonl").read_text().splitlines()
        ]
        starts.append({line["session"]: line["intended_ns"] for line in lines if line["step"] == "a"})
    apart = [starts[0][session] - starts[1][session] for session in starts[0]]
    assert len(apart) == 300
    assert all(5_000_000 <= abs(ns) <= 10_000_000 for ns in apart)
    assert 90 < sum(ns > 0 for ns in apart) < 210


def test_a_target_against_itself_and_runs_made_apart(trace, target, tmp_path):
    verdict = compare_targets(trace, [target], RunOptions(), out=tmp_path / "aa").verdict

    assert verdict.is_aa
    difference = verdict.differences[0]
    assert verdict.noise_floor_ms == difference.detectable_ms
    # On a machine that stalls, 300 sessions may tell nothing of p99; then nothing bounds the difference, either.
    assert (verdict.noise_floor_ms is None) == (None in difference.ci_ms)
    assert compare_runs([tmp_path / "aa" / "truth", tmp_path / "aa" / "truth-2"]).mode == "unpaired"
