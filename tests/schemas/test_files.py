"""What is written fits the schema that is printed for it."""

import json
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.money.calendar_file import NAMED
from replay.trace.synthesis.presets import PRESETS, preset_text
from tests.support.schemas import misfits, misfits_of_file

ROOT = Path(__file__).parents[2]


def replay(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


@pytest.fixture
def trace(write_trace):
    recorded = {"took_ms": 5.0, "recorded": {"status": 200}}
    return write_trace(
        *(
            (n * 5.0, [write_trace.get("a", f"/{n}", **recorded), write_trace.get("b", "/", ["a"], **recorded)])
            for n in range(5)
        )
    )


def test_the_files_of_a_run_do(trace, answering, tmp_path):
    out = tmp_path / "run"
    told = replay(
        "run",
        trace,
        "-t",
        answering("plain"),
        "--answers",
        "values",
        "--at",
        "1ms",
        "true",
        "--out",
        out,
        "--json",
    )

    assert misfits("summary", json.loads(told.stdout)) == []
    for name, file in (
        ("run", "run.json"),
        ("steps", "steps.jsonl"),
        ("summary", "summary.json"),
        ("events", "events.jsonl"),
        ("answers", "answers.jsonl"),
        ("recovery", "verdict.json"),
    ):
        assert misfits_of_file(name, out / file) == []


def test_those_of_a_run_that_leaves_steps_unsent_do(trace, answering, tmp_path):
    out = tmp_path / "run"
    url = answering("plain")
    replay(
        "run", trace, "-t", url, "--max-in-flight", "1", "--late", "skip", "--late-limit", "0s", "--out", out
    )

    for name, file in (("run", "run.json"), ("steps", "steps.jsonl"), ("summary", "summary.json")):
        assert misfits_of_file(name, out / file) == []


def test_the_instances_of_a_simulated_plane_do(trace, tmp_path):
    target = tmp_path / "target.toml"
    target.write_text('url = "http://127.0.0.1:1"\n[simulate]\nprofile = "cloud-run"\n')

    replay("plane", "simulate", trace, "-t", target, "--out", tmp_path / "run")

    assert misfits_of_file("instances", tmp_path / "run" / "instances.jsonl") == []
    assert misfits_of_file("summary", tmp_path / "run" / "summary.json") == []


def test_a_forecast_does(trace):
    told = replay("run", trace, "-t", "http://127.0.0.1:9", "--dry-run", "--json")

    assert misfits("forecast", json.loads(told.stdout)) == []


@pytest.mark.parametrize("trace", sorted((ROOT / "traces").glob("*.jsonl")), ids=lambda path: path.stem)
def test_sample_traces_do(trace):
    assert misfits_of_file("trace", trace) == []


def test_a_trace_with_fields_that_are_not_known_here_does(trace_of):
    edge = {"step": "a", "later": 1}
    step = {
        "id": "b",
        "kind": "tool",
        "name": "b",
        "after": [edge],
        "request": {"method": "GET", "path": "/", "later": 1},
    }
    path = trace_of(
        {
            "id": "s",
            "start_ms": 0,
            "steps": [{**step, "id": "a", "after": []}, {**step, "later": {}}],
            "later": 1,
        }
    )

    assert misfits_of_file("trace", path) == []


@pytest.mark.parametrize("preset", PRESETS)
def test_recipes_do(preset):
    assert misfits("recipe", tomllib.loads(preset_text(preset))) == []
    assert misfits("recipe", {**tomllib.loads(preset_text(preset)), "nmae": "x"})


TARGET = """
url = "http://127.0.0.1:1"
[simulate]
profile = "cloud-run"
[simulate.instances.service]
of = "lognormal"
p50_ms = 60
p99_ms = 200
[simulate.instances.faults]
error_ratio = %s
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with runs, good and bad: in the bad one nearly all steps fail. other: a copy of the good one."""
    folder = tmp_path_factory.mktemp("runs")
    step = {"id": "a", "kind": "tool", "name": "a", "took_ms": 60.0, "recorded": {"status": 200}}
    sessions = [
        {"id": f"s-{n}", "start_ms": n * 400.0, "steps": [{**step, "request": {"method": "GET", "path": "/"}}]}
        for n in range(400)
    ]
    header = {"format": "replay-trace", "version": 1, "name": "t"}
    (folder / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (header, *sessions)))
    for name, errors in (("good", 0), ("bad", 0.97)):
        target = folder / f"{name}.toml"
        target.write_text(TARGET % errors)
        replay("plane", "simulate", folder / "t.jsonl", "-t", target, "--out", folder / name)
    shutil.copytree(folder / "good", folder / "other")
    return folder


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (
            "gate",
            "gate --run good --slo 'p99 < 1s' --slo 'errors < 1%' --slo 'p99 < baseline * 1.2' --baseline bad",
        ),
        (
            "gate",
            "gate --run bad --slo 'p99 < 1s' --slo 'errors < 1%' --slo 'p50(failed) < 1s' --slo 'cold < 9%'",
        ),
        ("compare", "compare --run good --run bad"),
        ("compare", "compare --run bad --run good --metric p50"),
        ("compare", "compare --run good --run bad --run other"),
        ("compare", "compare --recorded --run good"),
        ("coldstart", "coldstart --run good"),
        ("coldstart", "coldstart --run bad"),
        ("explain", "explain good"),
        ("explain", "explain bad --session s-1"),
    ],
)
def test_verdicts_do(kind, command, runs):
    words = [str(runs / word) if word in ("good", "bad", "other") else word for word in shlex.split(command)]
    document = json.loads(replay(*words, "--json").stdout)

    assert misfits(kind, document) == []
    assert misfits("verdict", document) == []


@pytest.mark.parametrize(
    "asked",
    [
        "--price cloud-run-us-central1 --vcpu 1 --memory 1",
        "--price cloud-run-us-central1 --machine gce-e2-us-central1:e2-medium --machine-rps 20 --staff-hours 5 --staff-rate 80",
        "--price cloud-run-us-central1 --machine gce-e2-us-central1:e2-medium --machine-slots 8 --month office-hours",
    ],
)
def test_what_a_run_costs_does(asked, runs):
    assert misfits("cost", json.loads(replay("cost", runs / "good", *asked.split(), "--json").stdout)) == []


def test_what_a_check_says_does(trace, answering):
    document = json.loads(replay("run", trace, "-t", answering("plain"), "--check", "--json").stdout)

    assert misfits("check", document) == []
    assert misfits("gate", document)


def in_json(written):
    """What TOML stands for, as JSON has it: days and times of day are texts there."""
    return json.loads(json.dumps(written, default=str))


@pytest.mark.parametrize("path", sorted((ROOT / "targets").glob("*.toml")), ids=lambda path: path.stem)
def test_the_sample_targets_do(path):
    assert misfits("target", in_json(tomllib.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "replay" / "money" / "prices").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_shipped_price_tables_do(path):
    assert misfits("prices", in_json(tomllib.loads(path.read_text()))) == []


@pytest.mark.parametrize("name", NAMED)
def test_the_calendars_with_a_name_do(name):
    assert misfits("calendar", in_json(NAMED[name])) == []


@pytest.mark.parametrize(
    ("name", "written", "field"),
    [
        ("target", 'url = "http://127.0.0.1"\nheader = {}', "header"),
        ("target", 'url = "http://127.0.0.1"\n[retry]\nattempts = "two"', "attempts"),
        ("target", 'url = "http://127.0.0.1"\n[simulate.plane]\nconcurency = 2', "concurency"),
        ("model", "speed = 2.0\nmemory_mb = 512", "memory_mb"),
        ("calendar", '[[hours]]\ndays = "weekdays"\nto = "17:00"', "level"),
    ],
)
def test_an_editor_finds_what_is_wrong_in_a_file_of_ones_own(name, written, field):
    (said,) = misfits(name, in_json(tomllib.loads(written)))

    assert field in said
