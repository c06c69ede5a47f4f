"""Run directories that somebody else wrote: every command that reads one refuses it in words."""

import json
import shutil

import pytest
from click.testing import CliRunner

from replay.cli.failures import failure_of
from replay.cli.main import cli
from replay.engine.types import RunOptions
from replay.simulation.simulation import simulate_trace
from replay.target.file import load_target

TARGET = """
url = "http://127.0.0.1:1"
plane = "serverless"
[simulate.plane]
concurrency = 1
[simulate.instances.boot]
of = "constant"
ms = 500
"""
YEAR_NS = 365 * 86_400 * 10**9
COMMANDS = {
    "report": ("report", "RUN"),
    "session": ("report", "RUN", "--session", "s-0"),
    "gate": ("gate", "--run", "RUN", "--slo", "p99 < 9s"),
    "compare": ("compare", "--run", "RUN", "--run", "SOUND"),
    "recorded": ("compare", "--recorded", "--run", "RUN"),
    "coldstart": ("coldstart", "--run", "RUN"),
    "explain": ("explain", "RUN"),
    "cost": ("cost", "RUN", "--price", "cloud-run-us-central1", "--vcpu", "1", "--memory", "1"),
}
every_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    trace = [{"format": "replay-trace", "version": 1, "name": "t", "resolution_ms": 1.0}]
    trace += [
        {
            "id": f"s-{n}",
            "start_ms": n * 50.0,
            "steps": [{"id": "a", "kind": "tool", "name": "n", "request": {"method": "GET", "path": "/"}}],
        }
        for n in range(20)
    ]
    (folder / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in trace))
    (folder / "t.toml").write_text(TARGET)
    simulate_trace(folder / "t.jsonl", load_target(str(folder / "t.toml")), RunOptions(), out=folder / "run")
    return folder / "run"


@pytest.fixture
def run(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "run")


def ended(command, run, sound):
    """The exit code and the sentence."""
    named = {"RUN": str(run), "SOUND": str(sound)}
    done = CliRunner().invoke(cli, [named.get(word, word) for word in COMMANDS[command]], standalone_mode=False)
    if done.exception is None:
        return done.return_value if isinstance(done.return_value, int) else 0, ""
    failure = failure_of(done.exception)
    assert not failure.is_ours, failure.sentence
    return failure.exit_code, failure.sentence


def changed(run, **fields):
    """One more step, which is as the last but for these fields."""
    steps = run / "steps.jsonl"
    last = json.loads(steps.read_text().splitlines()[-1])
    with steps.open("a") as file:
        file.write(json.dumps({**last, "session": "s-0", **fields}) + "\n")


def shifted(by_ns):
    return dict.fromkeys(("intended_ns", "sent_ns", "first_byte_ns", "end_ns"), by_ns)


@every_command
@pytest.mark.parametrize(
    "fields",
    [
        {"status": 1 << 40},
        {"status": -1},
        {"attempt": 1 << 40},
        {"attempt": 0},
        {"end_ns": 1 << 70},
        {"tokens": 1 << 62},
        {"recorded_ms": 1e308},
        shifted(200 * YEAR_NS),
        shifted(-YEAR_NS),
    ],
    ids=lambda fields: ",".join(f"{name}={value}" for name, value in fields.items())[:40],
)
def test_numbers_that_cannot_be_are_refused_by_line(command, fields, run, sound):
    changed(run, **fields)

    code, said = ended(command, run, sound)

    assert code == 2
    assert said.startswith(f"{run}/steps.jsonl, line 21: is not a record of a step (")


@every_command
@pytest.mark.parametrize("early", ["intended_ns", "sent_ns"])
def test_a_step_that_ends_before_it_began_is_refused_and_not_the_fastest_of_all(command, early, run, sound):
    """A gate passed steps of -400 ms."""
    changed(run, **{**shifted(5_000_000), early: 9_000_000})

    assert ended(command, run, sound) == (
        2,
        f'{run}/steps.jsonl: step "a" of session "s-0" ends before it began, which no run records. '
        "Copy the run again, or repeat it.",
    )


@every_command
def test_a_run_of_a_later_release_is_refused_and_not_half_understood(command, run, sound):
    manifest = run / "run.json"
    manifest.write_text(manifest.read_text().replace('"replay.run/1"', '"replay.run/2"'))

    assert ended(command, run, sound) == (
        2,
        f"{manifest}: is of a later release of agent-replay (its schema is replay.run/2). Read it with that one.",
    )


def test_so_is_a_verdict_of_one(run, sound):
    (run / "verdict.json").write_text('{"schema":"replay.verdict/10","command":"gate","verdict":"perhaps"}')

    assert ended("report", run, sound) == (
        2,
        f"{run}/verdict.json: is of a later release of agent-replay (its schema is replay.verdict/10). "
        "Read it with that one.",
    )


@every_command
def test_a_step_decades_later_than_the_others_takes_no_more_than_any(command, run, sound):
    changed(run, **shifted(60 * YEAR_NS))

    code, _ = ended(command, run, sound)

    assert code in (0, 3)


@every_command
def test_a_manifest_that_is_no_text_is_refused(command, run, sound):
    manifest = run / "run.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"name": "', b'"name": "\xff', 1))

    assert ended(command, run, sound) == (2, f"{manifest}: is not a run's manifest (it is not valid UTF-8).")


@every_command
def test_a_line_that_is_no_text_is_left_out_as_a_damaged_one_is(command, run, sound):
    steps = run / "steps.jsonl"
    steps.write_bytes(steps.read_bytes() + b'{"session":"\xff"}\n')

    code, _ = ended(command, run, sound)

    assert code in (0, 3)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("verdict.json", b'{"command":"gate\xff"}', "is not a verdict (it is not valid UTF-8)."),
        (
            "verdict.json",
            b'{"command":"gate","x":' + b"[" * 5000,
            "is not a verdict (it is nested too deeply to be read).",
        ),
        ("instances.jsonl", b'{"instance":"\xff"}', "is not a record of instances (it is not valid UTF-8)."),
        (
            "run.json",
            b'{"host":{"x":' + b"[" * 5000,
            "is not a run's manifest (it is nested too deeply to be read).",
        ),
    ],
    ids=["verdict", "deep verdict", "instances", "deep manifest"],
)
def test_every_file_of_a_run_is_refused_by_name(file, text, says, run, sound):
    (run / file).write_bytes(text)

    codes = {command: ended(command, run, sound) for command in ("report", "coldstart", "cost")}

    refused = [said for code, said in codes.values() if code == 2]
    assert refused
    assert all(said.startswith(f"{run}/{file}") and said.endswith(says) for said in refused)
