"""Messages to MCP servers in each version, held to what the official SDK makes and takes."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.layouts.json_rpc import Awaited, answer_among, awaited_by
from replay.dialects.mcp import (
    NAMED_BY,
    SESSIONS,
    STATELESS,
    Client,
    header_value,
    headers_of,
    is_safe,
    message,
    named_params,
    negotiated,
    session_headers,
    session_id_in,
    version_spoken,
)
from replay.dialects.streams import StreamReader
from tests.support.later import later

inbound = later("mcp.shared.inbound")
versions = later("mcp.types.version")

CLIENT = Client("1.2.3")


def test_the_versions_are_those_of_the_official_sdk():
    assert set(SESSIONS) == set(versions.HANDSHAKE_PROTOCOL_VERSIONS)
    assert (STATELESS,) == versions.MODERN_PROTOCOL_VERSIONS


@given(
    name=st.text(min_size=1, max_size=20), method=st.sampled_from([*NAMED_BY, "tools/list"]), own=st.booleans()
)
def test_a_request_of_the_stateless_version_is_taken_by_the_official_sdk(name, method, own):
    given = b""
    if method in NAMED_BY:
        given = named_params(method, name, b'{"q":1.0}')
    if own:
        members = {**json.loads(given or "{}"), "_meta": {"progressToken": 7}}
        given = json.dumps(members).encode()
    params = CLIENT.with_meta(given)
    body = json.loads(message(method, "id-1", params))
    headers = headers_of(method, params, STATELESS)

    route = inbound.classify_inbound_request(body, headers=headers)

    assert isinstance(route, inbound.InboundModernRoute), route
    assert route.client_info == {"name": "agent-replay", "version": "1.2.3"}
    assert body["params"]["_meta"].get("progressToken") == (7 if own else None)
    assert (body["id"], body["method"]) == ("id-1", method)
    if method in NAMED_BY:
        assert body["params"][NAMED_BY[method]] == name


@given(st.text(max_size=30))
def test_a_text_survives_a_header(text):
    value = header_value(text)

    assert value.isascii()
    assert value.isprintable()
    assert inbound.decode_header_value(value) == text


def test_what_is_sent_of_a_session_depends_on_its_version():
    assert session_headers("2025-11-25", "s1") == {"mcp-session-id": "s1", "mcp-protocol-version": "2025-11-25"}
    assert session_headers("2025-03-26", "s1") == {"mcp-session-id": "s1"}
    assert session_headers("2025-06-18", None) == {"mcp-protocol-version": "2025-06-18"}


@pytest.mark.parametrize("value", [b"", b"a b", b"a\r\nb: c", b"\xe9", b"x" * 1_025])
def test_an_id_that_the_protocol_does_not_allow_is_none(value):
    assert session_id_in(value) is None


def test_the_version_is_the_one_asked_for_or_the_recordings_where_it_is_known():
    assert version_spoken("2025-06-18", "2026-07-28") == "2025-06-18"
    assert version_spoken("as-recorded", "2026-07-28") == "2026-07-28"
    assert version_spoken("as-recorded", "2025-03-26") == "2025-03-26"
    assert version_spoken("as-recorded", "2099-01-01") == version_spoken("as-recorded", None) == "2025-11-25"


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (b'{"jsonrpc":"2.0","id":"i","result":{"protocolVersion":"2025-06-18"}}', "2025-06-18"),
        (b'{"jsonrpc":"2.0","id":"i","result":{"protocolVersion":"1999-01-01"}}', None),
        (b'{"jsonrpc":"2.0","id":"i","result":{"protocolVersion":7}}', None),
        (b'{"jsonrpc":"2.0","id":"i","error":{"code":1}}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_the_version_is_settled_by_the_answer(answer, version):
    assert negotiated(answer) == version


def test_the_answer_is_found_among_events():
    events = (
        b": ping\r\n\r\nid: 1\r\ndata:\r\n\r\n"
        b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\r\n\r\n'
        b'data: {"jsonrpc":"2.0","id":"other","result":{"x":2}}\r\n\r\n'
        b'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{"x":1}}'
    )
    awaited = Awaited(listens=False, message_id="1")

    assert answer_among(events, awaited) == b'{"jsonrpc":"2.0","id":1,"result":{"x":1}}'
    assert answer_among(b"", awaited) == answer_among(events, None) == b""


def test_only_what_asks_is_safe():
    assert all(map(is_safe, ["tools/list", "resources/read", "prompts/get", "initialize"]))
    assert not any(
        map(is_safe, ["tools/call", "resources/subscribe", "subscriptions/listen", "logging/setLevel", "x"])
    )


def event(**members) -> bytes:
    return b"data: " + msgspec.json.encode({"jsonrpc": "2.0", **members}) + b"\n\n"


PROGRESS = event(method="notifications/progress", params={"progress": 1})
RESULT = event(id="a", result={"content": []})


def reader(body: bytes) -> StreamReader:
    return StreamReader("rpc", awaited_by("POST", body))


def test_a_stream_is_answered_by_the_message_with_the_requests_id():
    read = reader(message("tools/call", "a", b"{}"))
    for n, data in enumerate(
        [b": ping\n\n", PROGRESS, event(id="b", result={"isError": True}), event(id=7, error={})]
    ):
        read.feed(data, n)
        assert not read.is_answered

    read.feed(RESULT, 9)

    assert (read.is_answered, read.error, read.is_cut_short, read.token_count) == (True, None, False, 0)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (event(id="a", result={"isError": True}), "tool_error"),
        (event(id="a", error={"code": -1}), "rpc_error"),
        (event(id=None, error={"code": -32700}), "rpc_error"),
        (event(id="a", result={"resultType": "input_required", "inputRequests": {}}), "input_required"),
        (event(id="s-1", method="elicitation/create", params={}), "input_required"),
        (event(id="a", result={"resultType": "complete", "content": []}), None),
    ],
)
def test_what_the_answer_says_is_the_outcome(data, error):
    read = reader(message("tools/call", "a", b"{}"))
    for n in range(len(data)):
        read.feed(data[n : n + 1], n)

    assert (read.is_answered, read.error) == (True, error)


def test_a_stream_that_ends_without_the_answer_is_cut_short():
    read = reader(message("tools/call", "a", b"{}"))
    read.feed(PROGRESS, 1)
    read.finish()

    assert read.is_cut_short


def test_what_a_request_waits_for():
    assert awaited_by("POST", message("tools/call", "a", b"")) == Awaited(False, "a")
    assert awaited_by("POST", b'{"jsonrpc":"2.0","id":3,"method":"x"}') == Awaited(False, "3")
    assert awaited_by("POST", message("subscriptions/listen", "a", b"")) == Awaited(True, "a")
    assert awaited_by("GET", b"") == Awaited(True)
    assert awaited_by("POST", message("notifications/x", "a", b"")) is None
    assert awaited_by("POST", b'[{"jsonrpc":"2.0","id":3,"method":"x"}]') is None
    assert awaited_by("POST", b"{") is None
