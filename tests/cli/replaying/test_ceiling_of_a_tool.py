"""`replay ceiling --mcp URL --tool NAME`: load without a trace, of one tool of an MCP server."""

import pytest
from click.testing import CliRunner

import replay.cli.replaying.ceiling as command
from replay.cli.main import cli
from replay.target.errors import TargetError
from replay.target.file import mcp_server
from replay.trace.file.stream import read_sessions


class Asked(Exception):
    """The search was asked for."""


@pytest.fixture
def asked(monkeypatch):
    """What the search is given, in place of the search: its trace, read, and its target."""
    found = {}

    def find(trace, target, *_given, **_named):
        found.update(sessions=list(read_sessions(trace)), target=target)
        raise Asked

    monkeypatch.setattr(command, "find_ceiling", find)

    def ask(*words):
        result = CliRunner().invoke(cli, ["ceiling", *words, "--slo", "p99 < 1s"])
        return found if isinstance(result.exception, Asked) else result

    return ask


def test_a_tool_is_called_ten_times_a_session_one_call_after_the_other(asked):
    found = asked("--mcp", "http://127.0.0.1:9/x/mcp?k=v", "--tool", "search", "--arguments", '{\n"q": 1.0}')

    assert (found["target"].url, found["target"].mcp.path) == ("http://127.0.0.1:9", "/x/mcp?k=v")
    steps = found["sessions"][0].steps
    assert [len(one.steps) for one in found["sessions"]] == [10] * 100
    assert {(one.kind, one.name, one.mcp.method, one.mcp.tool, bytes(one.mcp.arguments)) for one in steps} == {
        ("mcp", "search", "tools/call", "search", b'{"q":1.0}')
    }
    assert [one.after[0].step for one in steps[1:]] == [one.id for one in steps[:-1]]


def test_a_target_may_say_where_the_server_is_and_which_version_it_speaks(asked, tmp_path):
    (tmp_path / "t.toml").write_text('url = "http://127.0.0.1:9"\n[mcp]\nversion = "2026-07-28"\n')
    found = asked("-t", str(tmp_path / "t.toml"), "--tool", "search")

    assert found["target"].mcp.version == "2026-07-28"
    assert bytes(found["sessions"][0].steps[0].mcp.arguments) == b"{}"


@pytest.mark.parametrize(
    ("url", "path"), [("http://h", "/mcp"), ("https://h:8443/", "/mcp"), ("http://h/a/b", "/a/b")]
)
def test_the_path_of_the_url_is_the_servers(url, path):
    assert mcp_server(url).mcp.path_of(None) == path


@pytest.mark.parametrize("url", ["h", "ftp://h/mcp", "http://h/a b", ""])
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(TargetError):
        mcp_server(url)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tool", "x"], "name the target with -t, or an MCP server with --mcp."),
        (["--mcp", "http://h", "-t", "http://h", "--tool", "x"], "name the target with -t, or an MCP server with --mcp."),
        (["--mcp", "http://h"], "name the tool that is to be called with --tool."),
        (["-t", "http://h", "--arguments", "{}"], "name the tool that is to be called with --tool."),
        (["trace.jsonl", "-t", "http://h", "--tool", "x"], "--tool brings its own sessions; leave the TRACE and --shape out."),
        (["--mcp", "http://h", "--tool", "x", "--arguments", "[1]"], "--arguments is not a JSON object; quote it for the shell: --arguments '{\"q\": \"x\"}'."),
        (["--mcp", "http://h", "--tool", "x", "--arguments", "{q: 1}"], "--arguments is not a JSON object; quote it for the shell: --arguments '{\"q\": \"x\"}'."),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(asked, words, said):
    result = asked(*words)

    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("path", ["", "health", "/x\r\nHost: y"])
def test_a_path_that_no_trace_may_hold_is_said_without_the_file_that_is_made_of_it(path, asked):
    result = asked("--shape", "constant", "--path", path, "-t", "http://127.0.0.1:9")

    assert str(result.exception).startswith("the request has the path ")
