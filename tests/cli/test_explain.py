"""replay explain, from the command line: of runs against a target that knows the truth, and of runs on disk."""

import io
import json
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

from replay.cli.main import cli
from replay.judge.tail.attribution import CAUSES
from replay.judge.tail.explain import explain_run, path_of_session
from replay.report.terminal.explain import CAUSE_WORDS, print_explain
from replay.results.columns import columns_of
from replay.results.rundir import RunDirError
from tests.support.runs import Evidence, step, summary


@pytest.fixture
def invoke():
    def invoked(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return invoked


@pytest.fixture
def a_run(tmp_path, truth, write_trace, invoke):
    """Sessions of plan and search, one of 25 with a search that takes 300 ms instead of 10."""
    get = write_trace.get
    sessions = [
        (
            n * 12.0,
            [get("plan", "/plan?ms=5"), get("search", f"/search?ms={300 if n % 25 == 7 else 10}", ["plan"])],
        )
        for n in range(100)
    ]
    made = invoke("run", write_trace(*sessions), "--target", truth.url, "--out", tmp_path / "run", "--json")
    assert made.exit_code == 0, made.output
    return tmp_path / "run"


def files_of(run_dir):
    return {path.name: path.read_bytes() for path in run_dir.iterdir()}


def test_a_run_is_explained_and_nothing_is_written_into_it(a_run, invoke):
    before = files_of(a_run)

    result = invoke("explain", a_run, "--json")

    verdict = json.loads(result.stdout)
    assert (result.exit_code, verdict["schema"], verdict["command"]) == (0, "replay.verdict/1", "explain")
    assert verdict["attribution"]["of_steps"] == 200
    assert verdict["attribution"]["edge_ms"] >= 300
    assert sum(cause["share"] for cause in verdict["attribution"]["causes"]) == pytest.approx(1, abs=0.001)
    assert verdict["saturation"]["little_holds"]
    assert {series["name"] for series in verdict["critical_paths"]["series"]} == {"plan", "search"}
    assert files_of(a_run) == before


def test_the_slow_step_of_a_session_is_on_its_critical_path(a_run, invoke):
    verdict = json.loads(invoke("explain", a_run, "--session", "s-7", "--json").stdout)

    plan, search = verdict["session"]["steps"]
    assert (plan["on_path"], search["on_path"]) == (True, True)
    assert search["waited_ms"] >= 300
    assert verdict["session"]["makespan_ms"] >= 305


def test_people_read_of_the_tail_the_paths_and_the_drift(a_run, invoke):
    shown = invoke("explain", a_run, "--quantile", "0.95").stdout

    for part in ("the tail: ", "critical paths of 100 sessions", "Little's law holds", "drift over the run: "):
        assert part in shown


def test_a_session_that_is_not_there_is_said_to_be_missing(a_run, invoke):
    result = invoke("explain", a_run, "--session", "s-x")

    assert isinstance(result.exception, RunDirError)
    shown = re.escape(f"{a_run}: has no session 's-x'. It has ") + r"\S+(, \S+){0,4}( and [\d,]+ more)?\."
    assert re.fullmatch(shown, str(result.exception))
    assert str(invoke("report", a_run, "--session", "s-x").exception) == str(result.exception)


@pytest.mark.parametrize("quantile", ["0", "1", "99"])
def test_a_quantile_is_a_share(tmp_path, invoke, quantile):
    assert invoke("explain", tmp_path, "--quantile", quantile).exit_code == 2


def test_every_cause_has_words():
    assert set(CAUSE_WORDS) == set(CAUSES)


def test_names_of_a_trace_cannot_break_eighty_columns_or_send_control_characters():
    name = "\x1b[31m" + "a-very-long-name-" * 6
    records = [step(f"s-{n}{name}", 20 + n % 97, n, name=name, instance=f"{name}{n % 3}") for n in range(300)]
    verdict = explain_run(Evidence(summary(), columns_of([records]), name))
    console = Console(file=io.StringIO(), width=80, highlight=False)

    print_explain(verdict, console)

    shown = console.file.getvalue()
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "…\n" not in shown.partition("load and drift")[2]


def test_a_run_that_sent_nothing_is_explained_as_such():
    console = Console(file=io.StringIO(), width=80, highlight=False)

    print_explain(explain_run(Evidence(summary(), columns_of([]), "run")), console)

    assert "the tail: no step was measured" in console.file.getvalue()


def test_what_failed_is_in_the_document_and_on_the_terminal_and_marked_in_its_session():
    records = [
        step("s-1", 20.0, 0, at_ms=0.0, name="plan", recorded_ms=15.0),
        step(
            "s-1",
            2.0,
            1,
            at_ms=25.0,
            outcome="failed",
            error="check",
            check="json /ok equals",
            recorded_ms=30.0,
        ),
    ]
    evidence = Evidence(summary(), columns_of([records]), "run")

    verdict = explain_run(evidence)
    verdict.session = path_of_session(evidence, "s-1")
    out = io.StringIO()
    print_explain(verdict, Console(file=out, width=80, highlight=False))

    (group,) = verdict.failures.groups
    assert (group.error, group.check, group.steps) == ("check", "json /ok equals", 1)
    assert [(s.error, s.check, s.recorded_ms) for s in verdict.session.steps] == [
        (None, None, 15.0),
        ("check", "json /ok equals", 30.0),
    ]
    assert "1 of 2 steps failed (50%)" in out.getvalue()
    assert out.getvalue().count("check (json /ok equals)") == 2  # in the table, and in the session


def test_a_run_without_failures_has_no_table_of_them():
    verdict = explain_run(Evidence(summary(), columns_of([[step("s", 1.0)]]), "run"))
    out = io.StringIO()
    print_explain(verdict, Console(file=out, width=80, highlight=False))

    assert "failed" not in out.getvalue()
