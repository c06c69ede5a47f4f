"""A tool call without a recorded request becomes one that is safe to send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.tool_requests import LARGEST_ARGUMENTS_BYTES, as_arguments, tool_message, tool_request
from replay.trace.file.rules import find_problem
from replay.trace.types import Session, Step


def test_the_arguments_are_the_body():
    request, is_left_out = tool_request("Bash", '{"command": "ls", "n": [1, {"a": null}]}')
    assert (request.method, request.path, bytes(request.json)) == (
        "POST",
        "/tools/Bash",
        b'{"command":"ls","n":[1,{"a":null}]}',
    )
    assert not is_left_out


def test_without_arguments_the_body_is_an_empty_object():
    assert bytes(tool_request("Bash")[0].json) == b"{}"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("mcp__db/query all", "/tools/mcp__db%2Fquery%20all"),
        ("..", "/tools/%2E%2E"),
        ("", "/tools/unnamed"),
        ("a?b#c", "/tools/a%3Fb%23c"),
        ("ü", "/tools/%C3%BC"),
        ("x" * 300, "/tools/" + "x" * 200),
    ],
)
def test_a_name_is_one_segment_of_the_path(name, path):
    assert tool_request(name)[0].path == path


def test_texts_named_like_secrets_are_replaced_however_deep_and_numbers_are_not():
    request, _ = tool_request("login", '{"a":[{"api_key":"k","max_tokens":5}],"password":"p","author":"me"}')
    assert (
        bytes(request.json)
        == b'{"a":[{"api_key":"redacted","max_tokens":5}],"password":"redacted","author":"me"}'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "[1]",
        "not json",
        '{"a":1e999}',
        '{"a":' + "[" * 50_000 + "]" * 50_000 + "}",
        b"\xff",
        '{"a":"' + "x" * LARGEST_ARGUMENTS_BYTES + '"}',
        '{"a":"\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
def test_what_cannot_be_a_body_is_left_out_and_said_to_be(arguments):
    request, is_left_out = tool_request("t", arguments)
    assert (bytes(request.json), is_left_out) == (b"{}", True)


@given(st.text(), st.none() | st.text() | st.binary())
def test_whatever_was_recorded_the_request_can_be_replayed(name, arguments):
    request, _ = tool_request(
        name, arguments if not isinstance(arguments, str) else arguments.encode("utf-8", "replace")
    )
    assert find_problem(Session("s", 0.0, [Step("a", "tool", "n", request=request)])) is None


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (None, None),
        (b"null", None),
        (b'""', None),
        (b'{"a":1}', b'{"a":1}'),
        (b'" {\\"a\\": 1} "', b'{"a": 1}'),
        (b'"some text"', b'{"input":"some text"}'),
        (b'"{not json"', b'{"input":"{not json"}'),
        (b"[1,2]", b'{"input":[1,2]}'),
        (b"5", b'{"input":5}'),
    ],
)
def test_what_a_log_holds_as_input_becomes_an_object(raw, arguments):
    assert as_arguments(raw) == arguments


@pytest.mark.parametrize(
    ("name", "server", "tool"),
    [
        ("mcp__crm__find_user", "crm", "find_user"),
        ("mcp__my-crm_2__a__b", "my-crm_2", "a__b"),
        ("mcp__a__" + "x" * 300, "a", "x" * 200),
        ("mcp__//h\n__x", "h", "x"),
        ("mcp__crm__", None, None),
        ("mcp____x", None, None),
        ("mcp__crm", None, None),
        ("Mcp__crm__x", None, None),
        ("Bash", None, None),
        ("", None, None),
    ],
)
def test_the_name_of_an_mcp_servers_tool_is_told_by_its_form(name, server, tool):
    made = tool_message(name, '{"q":1,"password":"p"}')

    assert (None if made is None else made[0].tool) == tool
    assert (None if made is None else made[0].server) == server
    if made is not None:
        assert bytes(made[0].arguments) == b'{"q":1,"password":"redacted"}'


def test_a_name_of_any_length_is_looked_at_once():
    assert tool_message("mcp__" + "_a" * 500_000) is None
