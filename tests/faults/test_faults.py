"""A slice of what `scripts/faults` does: each kind of fault once or twice, and that the harness itself sees what is wrong."""

import random
from pathlib import Path

import msgspec
import pytest

from tests.faults.checks import gate_problems, problems_of
from tests.faults.commands import COMMANDS
from tests.faults.disk import Change, changes_in
from tests.faults.powercut import state_after
from tests.faults.trials import Target, power_cuts, trial

USUAL_S = 3.0
SEED = 3


@pytest.fixture(scope="module")
def target():
    target = Target()
    yield target
    target.end()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("run", "kill"),
        ("run", "term"),
        ("run", "full-disk"),
        ("workers", "kill"),
        ("workers", "full-disk"),
        ("gate", "kill"),
        ("gate", "file-size"),
        ("gate", "target"),
        ("record", "kill"),
        ("import", "file-size"),
    ],
)
def test_what_a_fault_leaves_is_whole(name, fault, tmp_path, target):
    outcome = trial(COMMANDS[name], fault, SEED, tmp_path / "trial", target, USUAL_S)

    assert outcome.problems == [], outcome.words


@pytest.mark.parametrize("name", ["gate", "workers", "record", "import"])
def test_what_a_power_cut_leaves_is_whole(name, tmp_path, target):
    outcomes = list(power_cuts(COMMANDS[name], 25, SEED, tmp_path / "trial", target))

    assert len(outcomes) == 25
    assert [outcome for outcome in outcomes if outcome.problems] == []


def states(changes, at=None):
    return [state_after(changes, len(changes) if at is None else at, random.Random(n)) for n in range(200)]


def test_a_power_cut_may_keep_a_name_and_lose_what_it_was_given_for():
    changes = [
        Change("create", 1, ".x.new"),
        Change("write", 1, data=b"whole"),
        Change("rename", path=".x.new", to="x"),
    ]
    contents = {state["x"] for state in states(changes) if "x" in state}

    assert {b"", b"whole", b"\0" * 5} <= contents
    assert any(not state for state in states(changes))


def test_what_was_synced_before_it_was_renamed_is_whole_or_not_there():
    changes = [
        Change("create", 1, ".x.new"),
        Change("write", 1, data=b"whole"),
        Change("sync", 1),
        Change("rename", path=".x.new", to="x"),
    ]
    assert {state.get("x", b"whole") for state in states(changes)} == {b"whole"}
    assert all(state for state in states(changes))


def test_a_file_in_the_place_of_one_that_is_gone_is_another(tmp_path):
    log = tmp_path / "log"
    noted = [
        Change("create", 7, "old"),
        Change("write", 7, data=b"old"),
        Change("unlink", path="old"),
        Change("create", 7, "new"),
    ]
    notes = [msgspec.msgpack.encode(tuple(change)) for change in noted]
    log.write_bytes(b"".join(len(note).to_bytes(4, "big") + note for note in notes))

    created, written, _, anew = changes_in(log)

    assert created.file == written.file != anew.file


def test_half_a_file_and_a_gate_that_passes_without_a_verdict_are_seen(tmp_path):
    run = tmp_path / "out" / "run"
    run.mkdir(parents=True)
    (run / "verdict.json").write_text('{"verdict": "pa')
    (tmp_path / "out" / "junit.xml").write_text("<testsuites")
    (tmp_path / "out" / "verdict.md").write_text("")
    (tmp_path / "out" / "imported.jsonl").write_text('{"format":"replay-trace","version":1,"name":"x"}\n')

    assert len(list(problems_of(tmp_path))) == 4
    assert len(list(gate_problems(tmp_path, 0))) == 1


def test_a_target_can_go_and_come_back_at_its_port():
    target = Target()
    url = target.url
    target.end()
    target.begin()
    target.end()
    assert target.url == url


def test_every_command_has_a_file_that_may_be_full():
    assert all(command.files for command in COMMANDS.values())
    assert Path(__file__).parent.joinpath("child.py").exists()
