"""A log whose lines are of several formats is read as most of them are, and what the others make of it is doubted."""

import json

import pytest
from click.testing import CliRunner

from replay.cli.traces.trace import trace
from replay.importers import IMPORTERS
from replay.importers.mixed_lines import of_most_lines
from tests.support.recordings import FORMATS

ACCESS = [FORMATS["access-log"].record(n, "x") for n in range(40)]
JSON = [FORMATS["json-log"].record(n, "x") for n in range(40)]
PLAIN = [f"2026-01-01 00:00:{n:02} INFO worker {n} did something\n" for n in range(40)]


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Imports a log of these lines: its format and doubts, as its header has them, and the rows of doubts."""
    monkeypatch.chdir(tmp_path)

    def run(lines):
        (tmp_path / "a.log").write_text("".join(lines))
        result = CliRunner().invoke(trace, ["import", "a.log", "-o", "out.jsonl"])
        assert result.exit_code == 0, result.output
        told = json.loads((tmp_path / "out.jsonl").read_text().partition("\n")[0])["attributes"]["import"]
        return (
            told["format"],
            told.get("doubts", []),
            [row for row in result.stderr.split("\n") if "doubt" in row],
        )

    return run


def in_turn(*logs):
    return [line for lines in zip(*logs, strict=True) for line in lines]


def test_a_log_is_of_the_format_of_most_of_its_lines(imported):
    assert imported([ACCESS[0], *JSON])[0] == "json-log"
    assert imported([JSON[0], *ACCESS])[0] == "access-log"


def test_lines_of_another_format_are_doubted_and_named(imported):
    name, doubts, rows = imported(in_turn(ACCESS, JSON))

    said = "lines of 80 that could not be read: what they tell is missing; those at its beginning look like json-log, "
    assert (name, doubts) == ("access-log", [f"40 {said}import them apart"])
    assert rows == [f"doubt       40  {said}import them apart"]


def test_lines_of_no_format_are_doubted_where_they_are_a_tenth_of_all(imported):
    assert imported([*ACCESS, *PLAIN[:5]])[1] == [
        "5 lines of 45 that could not be read: what they tell is missing"
    ]
    assert imported([*ACCESS, *PLAIN[:4]])[1] == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_of_one_format_stays_of_it(name):
    beginning = FORMATS[name].of(40).encode()

    assert of_most_lines(IMPORTERS[name], beginning, IMPORTERS) is IMPORTERS[name]


def test_files_of_a_folder_that_look_like_another_format_are_told(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, format_name in (("a.log", "access-log"), ("b.jsonl", "json-log"), ("c.jsonl", "json-log")):
        (folder / name).write_text(FORMATS[format_name].of(3))
    (folder / "README").write_text("What was recorded.\n")
    mixed = CliRunner().invoke(trace, ["import", str(folder), "-o", str(tmp_path / "out.jsonl")])
    (folder / "a.log").unlink()
    alone = CliRunner().invoke(trace, ["import", str(folder), "-o", str(tmp_path / "out.jsonl")])

    told = "1 file in this folder looks like another format, as a.log (access-log). Import such apart."
    assert (mixed.exit_code, alone.exit_code) == (0, 0)
    assert told in mixed.output.splitlines()
    assert "another format" not in alone.output
