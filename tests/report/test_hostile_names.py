"""Names and notes from anywhere: shown as they are, never obeyed, in whatever form a run or a verdict is reported."""

import io
import json
import os
import re
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from rich.console import Console

from replay.cli.main import cli
from replay.report.plain import Table, Text, plain_console
from replay.words.names import printable
from tests.support import commands

HOSTILE = "\x1b]0;x\x07[/x][red]:boom:\u202e<script>alert(1)</script>\x9b31m\n::error::y"
# What a terminal acts on: control characters but for line ends and rich's own colours, and changes of direction.
ACTED_ON = re.compile("[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\x1b(?!\\[[0-9;]*m)")
NAMES = [
    "[/x]",
    "[red]b",
    ":boom:",
    "\x1b]0;x\x07",
    "\u202egnp.exe",
    "<script>",
    "a\nb",
    "x" * 1000,
    "../../etc",
]
# Told apart by these, or by a fixed set of words; a file that says something else is refused.
SCHEMA = {"schema", "command"}


def replay(*arguments, **environ):
    return commands.replay(*arguments, env={**os.environ, **environ}, timeout=60)


@pytest.fixture
def hostile_trace(write_trace):
    get = write_trace.get
    sessions = [
        (
            n * 2.0,
            [
                {
                    **get(f"i{name[:100]}", "/status/500" if n % 5 == 4 else "/", name=name),
                    "attributes": {name[:100]: name},
                    "took_ms": 1.0,
                }
            ],
        )
        for n, name in enumerate(NAMES * 2)
    ]
    return write_trace(*sessions, name=HOSTILE)


@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_trace_with_hostile_names_is_run_and_told(truth, hostile_trace, tmp_path, columns):
    run = tmp_path / "run"
    for arguments in (
        ("run", hostile_trace, "-t", truth.url, "--out", run),
        ("report", run),
        ("report", run, "--session", "s-0"),
        ("explain", run),
        ("run", hostile_trace, "-t", truth.url, "--dry-run"),
    ):
        done = replay(*arguments, COLUMNS=columns, NO_COLOR="1")

        assert (done.returncode, done.stderr) == (0, "")
        assert ACTED_ON.search(done.stdout) is None
    told = replay("report", run, COLUMNS="200").stdout
    for name in ("tool:[/x]", "tool:[red]b", "tool::boom:", "tool:../../etc", "tool:<script>"):
        assert name in told


def test_what_a_target_says_of_its_instances_is_told_and_not_obeyed(truth, hostile_trace, tmp_path):
    run = tmp_path / "run"
    assert replay("run", hostile_trace, "-t", truth.url, "--out", run).returncode == 0
    steps = run / "steps.jsonl"
    lines = [json.loads(line) for line in steps.read_text().splitlines()]
    hostile = f"{HOSTILE}[link=http://evil.test]x[/link]"
    steps.write_text("".join(json.dumps({**line, "instance": hostile}) + "\n" for line in lines))

    for command in (["report", run, "--session", "s-0"], ["report", run], ["explain", run]):
        done = CliRunner().invoke(cli, [*map(str, command)], terminal_width=200)

        assert done.exception is None
        assert ACTED_ON.search(done.output) is None


def leaves(document, path=()):
    """Where a document holds strings."""
    if isinstance(document, str):
        yield path
    elif isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            if key not in SCHEMA:
                yield from leaves(value, (*path, key))


def with_hostile(document, path):
    changed = json.loads(json.dumps(document))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = HOSTILE
    return changed


def reported(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def spoil(file, folder):
    """Put something hostile into every string of the file that may be anything; returns how many."""
    document = json.loads(file.read_text())
    document.setdefault("notes", []).append("a note")
    count = 0
    for path in list(leaves(document)):
        changed = with_hostile(document, path)
        file.write_text(json.dumps(changed))
        if reported(folder).exception is None:
            document = changed
            count += 1
    file.write_text(json.dumps(document))
    return count


@pytest.fixture
def spoilt(truth, hostile_trace, tmp_path):
    """The folder of a gate, in whose files every string that may be anything is hostile."""
    folder = tmp_path / "gate"
    done = replay("gate", hostile_trace, "-t", truth.url, "--slo", "p50 < 1us", "--out", folder)
    assert done.returncode in (1, 3), done.stderr
    assert spoil(folder / "run.json", folder) > 10
    assert spoil(folder / "verdict.json", folder) > 5
    return folder


def test_files_made_elsewhere_are_told_in_every_form_and_obeyed_in_none(spoilt, tmp_path):
    page, markdown, junit = (tmp_path / f"told.{kind}" for kind in ("html", "md", "xml"))

    done = reported(spoilt, "--html", page, "--markdown", markdown, "--junit", junit)

    assert done.exception is None
    assert ACTED_ON.search(done.output) is None
    for file in (page, markdown, junit):
        told = file.read_text()
        assert ACTED_ON.search(told) is None
        assert "<script" not in told
    ElementTree.fromstring(junit.read_text())
    assert not re.search(r"^::", markdown.read_text(), re.MULTILINE)


def test_an_error_that_quotes_something_hostile_is_printed_without_it(spoilt):
    done = replay("report", spoilt, "--session", "\x1b]0;x\x07\x9b31m\u202e")

    assert done.returncode == 2
    assert ACTED_ON.search(done.stderr) is None
    assert "has no session" in done.stderr


@pytest.mark.parametrize("console", [Console(file=io.StringIO(), width=80), None])
def test_a_table_and_a_text_are_no_markup_on_any_console(console):
    console = console or plain_console()
    table = Table()
    table.add_column("[/head] :boom:")
    table.add_row("[/x][red]b :boom: \x1b]0;x\x07")

    with console.capture() as captured:
        console.print(table)
        console.print(Text("[/y] \x9b31m").append("\x1b]0;"))
        console.print(Text.assemble("[/z]\u202e", ("\x07", "bold")))

    told = captured.get()
    assert ACTED_ON.search(told) is None
    for shown in ("[/head] :boom:", "[/x][red]b :boom: �]0;x�", "[/y] �31m�]0;", "[/z]��"):
        assert shown in told


def test_what_cannot_be_printed_is_replaced_one_for_one():
    assert printable("a\x1b\u202e\x9b\ud800b\n") == "a����b�"
    assert printable("a\nb", keep="\n") == "a\nb"
