"""A check from beginning to end, against a target that knows the truth."""

import io
import socket

import pytest
from rich.console import Console

from replay.engine.forecast.connections import short_of_descriptors
from replay.engine.forecast.dryrun import foresee
from replay.engine.requests.own_origin import OriginRefused
from replay.engine.types import RunOptions
from replay.report.terminal.check import print_check
from replay.target.auth import Auth, OAuth
from replay.target.login import Login
from replay.target.sending import Connections
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.trials.check.checking import check_target

OPTIONS = RunOptions()


@pytest.fixture
def trace(write_trace):
    """Thirty sessions of two sorts, with an hour of thinking in each."""
    get = write_trace.get
    plain = [get("a", "/a"), get("b", "/b", [{"step": "a", "delay_ms": 3_600_000}])]
    other = [get("a", "/other?do=503", recorded={"status": 200}), get("c", "/c", ["a"], method="DELETE")]
    return write_trace(*[(n * 1000.0, plain) for n in range(20)], *[(n * 1000.0, other) for n in range(20, 30)])


def topics(report):
    return {(finding.topic, finding.level) for finding in report.findings}


def test_one_session_of_each_sort_is_sent_at_once_and_nothing_is_left_behind(
    trace, truth, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())

    checked = check_target(trace, Target(url=truth.url, name="truth"), OPTIONS)

    assert sorted(seen["path"] for seen in truth.arrivals) == ["/a", "/b", "/c", "/other?do=503"]
    assert {("connection", "ok"), ("statuses", "problem"), ("changes", "warn")} <= topics(checked.report)
    assert (checked.report.verdict, checked.report.requests) == ("problem", 4)
    assert checked.conclusion == "not_carried_out"
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "truth.json"}


def test_read_only_holds_for_a_check_too(trace, truth, tmp_path):
    check_target(trace, Target(url=truth.url), RunOptions(read_only=True), out=tmp_path / "out")

    assert {seen["method"] for seen in truth.arrivals} == {"GET"}
    assert (tmp_path / "out" / "verdict.json").exists()
    assert (tmp_path / "out" / "run" / "summary.json").exists()


def test_a_target_that_is_all_right_has_nothing_to_do(write_trace, truth):
    trace = write_trace((0.0, [write_trace.get("a", "/a", recorded={"status": 200})]))

    checked = check_target(trace, Target(url=truth.url), OPTIONS)

    assert (checked.report.verdict, checked.report.to_do) == ("ok", [])
    assert checked.conclusion == "done"


def test_each_session_of_a_check_has_its_row_of_the_users(write_trace, truth, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/u/{{row.name}}")]))
    users = tmp_path / "users.csv"
    users.write_text("name\nann\n")

    check_target(trace, Target(url=truth.url), RunOptions(data=str(users)))
    check_target(trace, Target(url=truth.url), RunOptions(references=False))

    first, second = (seen["path"] for seen in truth.arrivals)
    assert first == "/u/ann"
    assert "row.name" in second


def test_a_target_that_is_not_there_is_a_finding(trace):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        checked = check_target(trace, Target(url=url), OPTIONS)

    assert ("connection", "problem") in topics(checked.report)
    assert checked.report.requests == 0
    assert checked.report.to_do[0].startswith(f"Start the target at {url}")


def test_where_the_trace_was_recorded_nothing_is_checked(write_trace):
    trace = write_trace((0.0, [write_trace.get("a")]), origins=["https://prod.invalid"])

    with pytest.raises(OriginRefused):
        check_target(trace, Target(url="https://prod.invalid"), OPTIONS)


def test_a_trace_that_sends_nothing_has_nothing_to_check(write_trace):
    trace = write_trace((0.0, [{"id": "a", "kind": "tool", "name": "local", "took_ms": 5.0}]))

    with pytest.raises(TraceError, match=r"sends nothing: all of its steps are waits\."):
        check_target(trace, Target(url="http://a.invalid"), OPTIONS)


def test_it_is_printed_within_80_columns_with_what_to_do_at_its_end(trace, truth):
    report = check_target(trace, Target(url=truth.url, name="truth"), OPTIONS).report
    out = io.StringIO()

    print_check(report, console=Console(file=out, width=80, highlight=False))

    lines = [line.rstrip() for line in out.getvalue().strip().splitlines()]
    assert lines[0] == "1 problem, 1 warning; a replay against this target would be misleading"
    assert max(map(len, lines)) <= 80
    assert "what to do" in lines
    assert any(line.startswith("2. If the target is not yours to change") for line in lines)


def test_what_keeps_a_run_from_beginning_is_told_as_what_it_is(trace, truth, monkeypatch):
    """The target is there: it was told to be started, though the server of tokens was away."""
    monkeypatch.setenv("CLIENT_SECRET", "s")
    oauth = OAuth("http://127.0.0.1:1/token", "CLIENT_SECRET", client_id="us")
    signs_in = check_target(trace, Target(url=truth.url, auth=Auth(oauth=oauth)), OPTIONS).report
    speaks = check_target(trace, Target(url=truth.url, http2=True), OPTIONS).report

    assert [(f.topic, f.what.partition(": ")[0]) for f in signs_in.findings if f.level == "problem"] == [
        ("credentials", "auth.oauth")
    ]
    assert [f.topic for f in speaks.findings if f.level == "problem"] == ["connection"]
    assert signs_in.to_do[0] == "Get the target file's [auth] a token; until then no run begins."
    assert "does not speak HTTP/2" in str(speaks.findings)
    assert not any("Start the target" in line for line in [*signs_in.to_do, *speaks.to_do])


def test_a_login_without_its_token_is_told_as_the_login_it_is(write_trace, truth):
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))
    target = Target(url=truth.url, login=Login(path="/login", token="/token"))

    report = check_target(trace, target, OPTIONS).report

    (told,) = [finding for finding in report.findings if finding.topic == "answers"]
    assert told.what == (
        "1 failed with extract, the session could not log in: the answer to POST /login has no token at /token: tool:a"
    )
    assert told.to_do == (
        "Check [login] in the target file: its path, what it sends, and where the answer has the token."
    )


@pytest.mark.parametrize(("limit", "verdict"), [(64, "problem"), (4096, "ok")])
def test_a_machine_that_may_not_open_as_many_connections_as_the_trace_has_at_once_is_a_problem(
    truth, write_trace, monkeypatch, limit, verdict
):
    monkeypatch.setattr("replay.engine.forecast.connections.most_descriptors_possible", lambda: limit)
    trace = write_trace(*((n * 1.0, [write_trace.get("a", took_ms=2000.0)]) for n in range(40)))
    target = Target(url=truth.url, name="truth")

    report = check_target(trace, target, RunOptions()).report
    notes = foresee(trace, target, RunOptions()).notes

    assert report.verdict == verdict
    said = (
        "about 40 requests are in flight at once, and a process may have 64 files open on this machine: the others would "
        "wait here, and a run be saturated"
    )
    assert [found.what for found in report.findings if found.topic == "machine"] == [said][: limit == 64]
    assert [note for note in notes if "files open" in note] == [f"{said}; raise the limit with ulimit -n"][
        : limit == 64
    ]


def test_requests_that_share_connections_need_no_more_files(truth):
    shared = Target(url="https://truth.example", name="truth", http2=True)
    few = Target(url=truth.url, name="truth", connections=Connections(max=8))

    assert short_of_descriptors(5_000, shared) is None
    assert short_of_descriptors(5_000_000, few) is None
