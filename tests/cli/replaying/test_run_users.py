"""`replay run` with users: messages, exit codes, and what the dry run says."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from replay.cli.main import cli


@pytest.fixture
def trace(write_trace):
    return write_trace((0.0, [write_trace.get("a", "/{{row.user}}"), write_trace.get("b", "/x", ["a"])]))


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user,password\nann,hush\nbob,hush\n")
    return path


def foreseen(*arguments):
    result = CliRunner().invoke(cli, ["run", *map(str, arguments), "-t", "http://127.0.0.1:1", "--dry-run"])
    return result.exit_code, " ".join(result.output.split())


def test_the_dry_run_says_how_many_requests_are_byte_for_byte_alike(trace, users):
    code, out = foreseen(trace, "--data", users, "--scale", 4)

    assert code == 0
    assert (
        "identical 5 requests, identical to an earlier one, except for traceparent and idempotency key" in out
    )
    assert "{{row.NAME}} with --data makes each another user" in out
    assert "note: users.csv has 2 rows for 4 sessions, so that some are the same user" in out


def test_the_dry_run_as_json_has_the_count(trace, users):
    arguments = ["run", str(trace), "-t", "http://127.0.0.1:1", "--data", str(users), "--dry-run", "--json"]

    assert json.loads(CliRunner().invoke(cli, arguments).stdout)["identical_requests"] == 0


def test_references_can_be_left_alone(trace):
    assert foreseen(trace, "--no-references")[0] == 0


def test_a_column_that_is_not_there_ends_with_2_before_anything_is_sent(write_trace, users):
    trace = write_trace((0.0, [write_trace.get("a", "/{{row.usr}}")]))

    result = subprocess.run(
        [sys.executable, "-m", "replay", "run", trace, "-t", "http://127.0.0.1:1", "--data", users],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert result.stderr == (
        f'replay: {trace}, line 2: step "a" of session "s-0" asks for {{{{row.usr}}}}, and {users} has no such column. '
        'Did you mean "user"?\n'
    )


def test_rows_without_references_are_refused(trace, users):
    code, out = foreseen(trace, "--data", users, "--no-references")

    assert code == 2
    assert "--data gives values to references, and --no-references leaves them alone." in out


def test_a_trace_is_told_by_the_references_it_has(trace):
    for command in ("validate", "info"):
        result = CliRunner().invoke(cli, ["trace", command, str(trace)])
        assert "{{row.user}} in 1 step\n" in result.output
