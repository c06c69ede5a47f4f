"""`replay trace synth`, as its users meet it; and presets as the load of a ceiling."""

import json

import pytest

from tests.support.commands import replay
from tests.support.schemas import misfits_of_file


def test_a_preset_becomes_a_trace_that_is_valid(tmp_path):
    made = replay("trace", "synth", "bursty", "--sessions", "50", "-o", "b.jsonl.zst", cwd=tmp_path)

    assert made.returncode == 0
    assert "50 sessions" in made.stdout
    assert replay("trace", "validate", "b.jsonl.zst", cwd=tmp_path).returncode == 0


def test_a_preset_s_recipe_can_be_printed_changed_and_used(tmp_path):
    printed = replay("trace", "synth", "steady", "--print-recipe", cwd=tmp_path).stdout
    (tmp_path / "mine.toml").write_text(printed.replace("per_min = 90", "per_min = 300"))

    replay("trace", "synth", "--recipe", "mine.toml", "--duration", "1m", "-o", "mine.jsonl", cwd=tmp_path)
    info = json.loads(replay("trace", "info", "mine.jsonl", "--json", cwd=tmp_path).stdout)

    assert info["sessions_per_min"] == pytest.approx(300)


def test_a_likeness_says_what_process_it_took(tmp_path):
    replay("trace", "synth", "interactive", "--sessions", "60", "-o", "a.jsonl", cwd=tmp_path)

    made = replay("trace", "synth", "--like", "a.jsonl", "-o", "b.jsonl", cwd=tmp_path)

    assert made.returncode == 0
    assert "fitted to a.jsonl" in made.stderr
    assert "60 sessions" in made.stdout


def test_a_likeness_at_another_rate_has_that_rate(tmp_path):
    replay("trace", "synth", "interactive", "--sessions", "60", "-o", "a.jsonl", cwd=tmp_path)

    replay("trace", "synth", "--like", "a.jsonl", "--rate", "400", "-o", "b.jsonl", cwd=tmp_path)
    info = json.loads(replay("trace", "info", "b.jsonl", "--json", cwd=tmp_path).stdout)

    assert info["sessions"] == 60
    assert info["sessions_per_min"] == pytest.approx(400, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "name one of"),
        (["steady", "--like", "x.jsonl"], 2, "name one of"),
        (["steady"], 2, "-o"),
        (["--recipe", "nosuch.toml", "-o", "a.jsonl"], 2, "cannot be read"),
        (["--like", "nosuch.jsonl", "-o", "a.jsonl"], 2, "no such file"),
        (["steady", "--rate", "-3", "-o", "a.jsonl"], 2, "is not a valid rate"),
        (["steady", "-o", "nosuch/a.jsonl"], 2, "nosuch"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(tmp_path, arguments, code, says):
    made = replay("trace", "synth", *arguments, cwd=tmp_path)

    assert made.returncode == code
    assert says in made.stderr
    assert "Traceback" not in made.stdout
    assert not list(tmp_path.iterdir())


def test_a_ceiling_takes_a_preset_instead_of_a_trace(truth, tmp_path):
    asked = [
        "ceiling",
        "-t",
        truth.url,
        "--slo",
        "p50 < 2s",
        "--shape",
        "steady",
        "--most",
        "2",
        "--level",
        "500ms",
    ]
    found = replay(*asked, "--no-recovery", "--json", "--out", "out", cwd=tmp_path)

    assert found.returncode in (0, 3)
    assert json.loads(found.stdout)["command"] == "ceiling"
    assert misfits_of_file("ceiling", tmp_path / "out" / "verdict.json") == []


def test_a_preset_s_shape_and_a_trace_exclude_each_other(tmp_path):
    asked = replay(
        "ceiling", "x.jsonl", "-t", "http://127.0.0.1:9", "--slo", "p50 < 1s", "--shape", "bursty", cwd=tmp_path
    )

    assert asked.returncode == 2
    assert "leave the TRACE out" in asked.stderr
