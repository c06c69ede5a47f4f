"""`replay trace info`: figures in the units in which every report has them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli

TRACE = Path(__file__).parents[3] / "traces" / "support-agent.jsonl"


@pytest.fixture
def row(write_trace):
    """A row of what is told of a trace with these steps, by its name."""

    def of(name, *steps):
        ran = CliRunner().invoke(cli, ["trace", "info", str(write_trace((0.0, list(steps))))])
        assert ran.exit_code == 0
        (line,) = (line for line in ran.output.splitlines() if line.startswith(name))
        return line.removeprefix(name).split()

    return of


@pytest.mark.parametrize(
    ("took_ms", "shown"),
    [(0.25, "250 µs"), (12.0, "12 ms"), (999.9, "1 s"), (119_000.0, "119 s"), (7_200_000.0, "2 h")],
)
def test_a_duration_is_shown_with_three_digits_and_never_with_an_exponent(row, write_trace, took_ms, shown):
    step = {**write_trace.get("a", "/"), "at_ms": 0.0, "took_ms": took_ms}

    assert row("span", step) == shown.split()
    assert row("recorded duration", step) == ["1", *(shown.split() * 5)]


def test_a_number_is_whole(row, write_trace):
    assert row("steps per session", write_trace.get("a", "/")) == ["1"] * 6


def test_what_is_told_of_a_trace_fits_eighty_columns_and_its_levels_are_heights():
    """A trace without an empty second was said to be "idle" for 17% of its time, and at its "peak" for 67% of it."""
    ran = CliRunner().invoke(cli, ["trace", "info", str(TRACE)])

    lines = ran.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines if " of the time, " in line] == [
        ["low", "load"],
        ["middle", "load"],
        ["high", "load"],
    ]


def test_a_folder_that_is_not_there_is_missed_before_a_picture_is_drawn(tmp_path):
    ran = CliRunner().invoke(cli, ["trace", "info", str(TRACE), "--plot", str(tmp_path / "none" / "a.svg")])

    assert ran.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}. Make it first." in ran.stderr


CARRYING = {
    "id": "a",
    "kind": "llm",
    "name": "ask",
    "llm": {
        "input_tokens": 900,
        "images": [{"bytes": 20_000}, {"bytes": 5_000}],
        "tools": {"count": 3, "bytes": 2_000},
    },
}


def test_what_model_calls_carry_is_told(row):
    assert row("images", CARRYING, {**CARRYING, "id": "b"}) == [
        "4",
        "in",
        "model",
        "calls,",
        "50",
        "kB",
        "in",
        "all",
    ]
    assert row("tools offered", CARRYING) == ["in", "1", "model", "call,", "2", "kB", "of", "definitions"]
