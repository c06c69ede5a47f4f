"""What a command imports before it begins: counted rather than timed."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import replay
from replay.cli.lazy import LazyGroup
from replay.cli.main import cli

TRACE = Path(__file__).parents[2] / "traces" / "support-agent.jsonl"
HEAVY = ("scipy", "pyarrow", "httpx", "rich", "numpy", "anyio", "zstandard", "hdrh")
NOT_OF_A_RUN = (
    "replay.simulation.simulation",
    "replay.money.cost",
    "replay.choice.types",
    "replay.trials.evidence",
    "replay.scale.replaying",
    "replay.results.merging.merge",
    "replay.judge.gate.abort",
    "replay.judge.measures.metrics",
    "replay.wire.http2.wire",
    "hpack",
    "http.cookiejar",
    "numpy.ma",
)
_TELLS = """
import sys
from replay.cli.entry import main
sys.argv = ["replay", *{words!r}]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


def loaded_by(*words):
    told = subprocess.run(
        [sys.executable, "-c", _TELLS.format(words=words, heavy=(*HEAVY, *NOT_OF_A_RUN))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, *names = told.stderr.splitlines()[-1].split()
    assert first == "loaded", told.stderr
    return set(names)


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("trace", "--help"), ("plane", "--help")])
def test_what_only_lists_imports_no_library_but_click(words):
    assert loaded_by(*words) == set()


@pytest.mark.parametrize("words", ["replay r", "replay trace in", "replay plane s", "replay -"])
def test_a_completion_of_a_commands_name_imports_no_command(words, monkeypatch):
    monkeypatch.setenv("_REPLAY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))

    assert loaded_by() == set()


def test_a_completion_names_the_commands_that_begin_so():
    completed = cli.shell_complete(click.Context(cli), "re")

    assert [(item.value, item.help) for item in completed] == [
        ("report", "Show a run or a verdict again, as text or as a page.")
    ]


_COLLECTS = """
import gc, sys
from replay.cli import command, entry
imported = []
invoke = command.Command.invoke
def noted(self, ctx):
    imported.append(gc.isenabled())
    code = invoke(self, ctx)
    imported.append(gc.isenabled())
    return code
command.Command.invoke = noted
sys.argv = ["replay", "trace", "validate", {trace!r}]
try:
    entry.main()
finally:
    print(*imported, gc.get_freeze_count() > 0, file=sys.stderr)
"""


def test_garbage_is_looked_for_while_a_command_is_carried_out_and_not_before_or_after():
    code = _COLLECTS.format(trace=str(TRACE))
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert told.stderr.split() == ["False", "True", "True"]


def test_what_judges_a_tail_and_draws_it_imports_statistics_when_it_needs_them():
    code = (
        "import sys, replay.judge.tail.explain, replay.report.page.cause_chart; "
        "print(*{'scipy', 'scipy.stats'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert told.stdout.split() == []


def test_no_verdict_imports_all_of_scipys_statistics():
    """Which takes longer than most of them: what the house needs of it has names in replay/judge/statistics."""
    asked_for = re.compile(r"from scipy\.stats import|import scipy\.stats|from scipy import stats")

    assert [path for path in Path(replay.__path__[0]).rglob("*.py") if asked_for.search(path.read_text())] == []


def test_a_trace_is_checked_without_statistics_and_without_pages():
    assert loaded_by("trace", "validate", str(TRACE)).isdisjoint({"scipy", "pyarrow", "httpx", "rich", "anyio"})


def test_a_run_without_a_verdict_needs_no_statistics(truth, write_trace, tmp_path):
    trace = write_trace(*((n * 10.0, [write_trace.get("a", "/x")]) for n in range(5)))

    loaded = loaded_by("run", str(trace), "-t", truth.url, "--out", str(tmp_path / "run"))

    assert loaded.isdisjoint({"scipy", "pyarrow", "httpx", *NOT_OF_A_RUN})


def test_a_run_that_prints_a_document_draws_nothing(truth, write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/x")]))

    loaded = loaded_by("run", str(trace), "-t", truth.url, "--out", str(tmp_path / "run"), "--json")

    assert "rich" not in loaded


def groups(group):
    yield group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from groups(command)


@pytest.mark.parametrize("group", list(groups(cli)), ids=lambda group: group.name)
def test_each_command_of_a_list_is_there_and_is_told_in_one_line(group):
    assert isinstance(group, LazyGroup)
    context = click.Context(group, info_name="replay", terminal_width=80)
    listed = group.get_help(context).splitlines()

    for name in group.list_commands(context):
        assert group.get_command(context, name).name == name
        (line,) = [line for line in listed if line.split()[:1] == [name]]
        assert line.endswith(".")
        assert not line.endswith("...")


def test_a_command_that_is_not_there_is_bad_input():
    assert cli.get_command(click.Context(cli), "trasse") is None
