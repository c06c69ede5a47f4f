"""A gate's folder of baselines: it keeps the last runs that passed, and touches nothing else."""

import json
import shutil

import pytest

from replay.engine.types import RunOptions
from replay.errors import InputError, ReplayError
from replay.judge.measures.slo import parse_slo
from replay.results.evidence import read_evidence
from replay.results.rundir import RunDir
from replay.target.target import Target
from replay.trials.gate import trial
from replay.trials.gate.baselines import Keeper, read_baselines
from replay.trials.gate.trial import gate_run, gate_trace

AGAINST = [parse_slo("p50 < baseline * 9")]


@pytest.fixture
def made(write_trace, truth, tmp_path):
    """A run that passed, as this machine may not have managed it."""
    get = write_trace.get
    trace = write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(50)])
    run = tmp_path / "made"
    gate_trace(trace, Target(url=truth.url), [parse_slo("p50 < 10s")], RunOptions(), out=run)
    return run


@pytest.fixture
def keep(made, tmp_path):
    """Keep that run by this name, as begun at this time; gives what is in the folder then."""
    folder = tmp_path / "baselines"

    def of(name, second, *, most=2, verdict=None):
        run = tmp_path / name
        shutil.copytree(made, run)
        manifest = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(manifest | {"started_at": f"2026-01-01T00:00:{second:02}Z"}))
        judged = gate_run(run, [parse_slo("p50 < 10s")])
        found = Keeper([folder], most).keep(run, judged if verdict is None else verdict)
        return found, sorted(path.name for path in folder.iterdir())

    return of


def test_the_last_ones_are_kept(keep, tmp_path):
    assert keep("a", 1)[1] == ["a"]
    assert keep("b", 3)[1] == ["a", "b"]
    assert keep("c", 2)[1] == ["b", "c"]
    found, there = keep("d", 4)

    assert there == ["b", "d"]
    assert found.kept == "d"
    assert found.notes[-1] == f"kept as the first baseline: {tmp_path / 'baselines' / 'd'}"


def test_what_is_kept_is_a_baseline_and_the_first_one_is_too_though_it_could_not_pass(keep, tmp_path):
    keep("a", 1)
    kept = tmp_path / "baselines" / "a"

    verdict = json.loads((kept / "verdict.json").read_text())
    (kept / "verdict.json").write_text(json.dumps(verdict | {"verdict": "inconclusive"}))

    assert [run.name for run in read_baselines([tmp_path / "baselines"])] == ["a"]
    assert read_evidence(kept).columns.n == read_evidence(tmp_path / "a").columns.n == 50


def test_a_run_that_somebody_put_there_stays(keep, made, tmp_path):
    shutil.copytree(made, tmp_path / "baselines" / "mine")

    for n, name in enumerate("abcd"):
        _, there = keep(name, n + 1)

    assert there == ["c", "d", "mine"]


def test_a_run_that_was_made_there_stays(made, tmp_path):
    folder = made.parent / "baselines"
    for name in "abc":
        shutil.copytree(made, folder / name)
        Keeper([folder], 1).keep(folder / name, gate_run(folder / name, [parse_slo("p50 < 10s")]))

    assert sorted(path.name for path in folder.iterdir()) == ["a", "b", "c"]
    assert len(Keeper([folder], 1).known()) == 1


def test_only_a_runs_own_files_are_let_go_of(keep, tmp_path):
    keep("a", 1, most=1)
    (tmp_path / "baselines" / "a" / "notes.txt").write_text("mine")

    _, there = keep("b", 2, most=1)

    assert there == ["a", "b"]
    assert [path.name for path in (tmp_path / "baselines" / "a").iterdir()] == ["notes.txt"]


def test_a_name_that_is_taken_gets_a_number(keep, tmp_path):
    keep("a", 1)
    shutil.rmtree(tmp_path / "a")

    found, there = keep("a", 2)

    assert (found.kept, there) == ("a-2", ["a", "a-2"])


def test_what_cannot_be_kept_costs_no_verdict_and_leaves_nothing(keep, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)

    found, there = keep("a", 1)

    assert (found.verdict, found.kept, there) == ("pass", None, [])
    assert found.notes[-1] == "not kept as a baseline: No space left on device"


def test_a_run_that_is_kept_is_told_as_kept_though_older_ones_cannot_be_let_go_of(keep, monkeypatch):
    def held(_):
        raise OSError(13, "Permission denied")

    keep("a", 1, most=1)
    monkeypatch.setattr(Keeper, "_let_go", held)

    found, there = keep("b", 2, most=1)

    assert (found.kept, there) == ("b", ["a", "b"])
    assert found.notes[-1] == "older baselines are still there: Permission denied"


def test_a_verdict_is_there_before_its_run_is_copied(write_trace, truth, tmp_path, monkeypatch):
    def ended(*_, **__):
        raise KeyboardInterrupt

    get = write_trace.get
    trace = write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(20)])
    monkeypatch.setattr(trial, "why_unfit", lambda *_, **__: None)
    monkeypatch.setattr(shutil, "copy2", ended)

    with pytest.raises(KeyboardInterrupt):
        gate_trace(
            trace,
            Target(url=truth.url),
            AGAINST,
            RunOptions(),
            out=tmp_path / "run",
            baselines=[tmp_path / "baselines"],
            keep_last=5,
        )

    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["verdict"] == "inconclusive"
    assert list((tmp_path / "baselines").iterdir()) == []


@pytest.mark.parametrize("most", [0, -1])
def test_at_least_one_run_is_kept(most, tmp_path):
    with pytest.raises(InputError, match="has to be 1 or more"):
        Keeper([tmp_path / "baselines"], most)


def test_a_copy_that_was_broken_off_is_no_baseline(keep, made, tmp_path):
    keep("a", 1)
    shutil.copytree(made, tmp_path / "baselines" / ".b.0000.part")

    assert [run.name for run in read_baselines([tmp_path / "baselines"])] == ["a"]


@pytest.mark.parametrize("named", [[], ["one", "other"]])
def test_one_folder_is_named(named, tmp_path):
    with pytest.raises(InputError, match="name one --baseline"):
        Keeper([tmp_path / name for name in named], 10)


def test_a_run_or_a_file_is_no_folder_to_keep_runs_in(made, tmp_path):
    (tmp_path / "file").write_text("")

    for path in (made, tmp_path / "file"):
        with pytest.raises(InputError, match="is not a folder of runs"):
            Keeper([path], 10)


def test_a_gate_that_kept_nothing_leaves_no_folder(write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))
    folder = tmp_path / "new" / "baselines"

    with pytest.raises(ReplayError):
        gate_trace(
            trace,
            Target(url="http://127.0.0.1:1"),
            AGAINST,
            RunOptions(),
            out=tmp_path / "run",
            baselines=[folder],
            keep_last=5,
        )

    assert not folder.parent.exists()


def test_where_no_folder_can_be_made_nothing_is_sent(write_trace, truth, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        gate_trace(
            write_trace((0.0, [write_trace.get("a", "/a")])),
            Target(url=truth.url),
            AGAINST,
            RunOptions(),
            out=tmp_path / "run",
            baselines=[tmp_path / "file" / "baselines"],
            keep_last=5,
        )

    assert not (tmp_path / "run").exists()


def test_the_first_gate_makes_the_baseline_that_the_next_is_held_to(write_trace, truth, tmp_path):
    get = write_trace.get
    trace = write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(400)])
    folder = tmp_path / "new" / "baselines"

    def gate(name):
        return gate_trace(
            trace,
            Target(url=truth.url),
            AGAINST,
            RunOptions(),
            out=tmp_path / name,
            baselines=[folder],
            keep_last=5,
        )

    first = gate("first").verdict
    # On a machine that is too busy the run is in doubt, and says so in place of being kept.
    kept = [first.kept] if first.kept else []

    assert first.verdict == "inconclusive"
    assert [path.name for path in folder.glob("*")] == kept
    assert gate("second").verdict.baselines == kept
    assert RunDir(tmp_path / "second").read_manifest().status == "finished"
