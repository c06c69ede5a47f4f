"""What an exchange becomes: a step that can be replayed."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.recording.capture import MOST_BODY_BYTES, MOST_MODEL_BODY_BYTES, BodyCapture, step_of
from replay.trace.file.rules import find_problem
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Session
from tests.support.carried import TOOL, openai_image
from tests.support.exchanges import MS, exchange

JSON = [("Content-Type", "application/json")]


def step(bodies="keep", **fields):
    return step_of(exchange(**fields), 2 * MS, Redactor(), bodies)


def test_times_count_from_the_recordings_begin():
    made = step()

    assert (made.at_ms, made.took_ms, made.recorded.ttft_ms) == (3.0, 10.0, 2.0)


def test_a_response_without_an_end_took_nobody_knows_how_long():
    made = step(end_ns=None, fault="client left")

    assert made.took_ms is None
    assert made.attributes["fault"] == "client left"


@pytest.mark.parametrize(
    ("path", "body", "kind", "name"),
    [
        ("/v1/chat/completions?x=1", b"{}", "llm", "POST /v1/chat/completions"),
        ("/v1/responses", b"{}", "llm", "POST /v1/responses"),
        ("/v1/messages", b"{}", "llm", "POST /v1/messages"),
        ("/v1/messages/count_tokens", b"{}", "http", "POST /v1/messages/count_tokens"),
        ("/model/claude/converse-stream", b"{}", "llm", "POST /model/claude/converse-stream"),
        ("/channels/general/messages", b"{}", "http", "POST /channels/general/messages"),
        ("/users/123", b"", "http", "GET /users/*"),
        (
            "/mcp",
            b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"search"}}',
            "mcp",
            "tools/call search",
        ),
        ("/x/mcp/", b'{"jsonrpc":"2.0","method":"tools/list"}', "mcp", "tools/list"),
        ("/mcp", b"", "http", "GET /mcp"),
        ("/mcp", b'{"method":7,"params":[]}', "http", "POST /mcp"),
    ],
)
def test_path_and_body_tell_kind_and_name(path, body, kind, name):
    made = step(path=path, body=body)

    assert (made.kind, made.name) == (kind, name)


def test_a_model_call_keeps_its_model_and_token_counts():
    body = json.dumps({"model": "m-1", "stream": True, "messages": []}).encode()

    made = step(path="/v1/messages", body=body, usage={"input_tokens": 5, "output_tokens": 7})

    assert made.attributes == {"model": "m-1", "stream": "true", "input_tokens": "5", "output_tokens": "7"}


def test_a_step_says_which_upstream_it_went_to_and_keeps_the_prefix_in_its_name():
    made = step(path="/q", client_path="/search/q", upstream="search")

    assert (made.request.path, made.name, made.attributes) == ("/q", "GET /search/q", {"upstream": "search"})


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        (b'{"a":1}', "json", msgspec.Raw(b'{"a":1}')),
        (b'{"a":\n1}', "body", '{"a":\n1}'),
        (b"plain", "body", "plain"),
        (b"\xff\x00", "body_base64", "/wA="),
    ],
)
def test_a_body_is_kept_so_that_the_same_bytes_are_sent_again(body, field, value):
    assert getattr(step(body=body).request, field) == value


def test_dropped_and_hashed_bodies_leave_their_size():
    body = b'{"a":"what nobody should read"}'

    dropped = step("drop", body=body, headers=[*JSON, ("Content-Encoding", "gzip")])
    hashed = step("hash", body=body, body_hash="abcd")

    assert dropped.request.body_bytes == hashed.request.body_bytes == len(body)
    assert dropped.request.headers == {"Content-Type": "application/json"}
    assert hashed.attributes["body_hash"] == "abcd"


def test_a_coded_body_could_hide_secrets_and_leaves_its_size():
    made = step(body=b"\x1f\x8bxyz", headers=[("content-encoding", "gzip")])

    assert made.request.body_bytes == 5
    assert made.request.headers == {}


def test_a_body_that_is_too_large_leaves_its_size():
    capture = BodyCapture(False, None)
    for _ in range(3):
        capture.feed(b"x" * (MOST_BODY_BYTES // 2))

    assert capture.body is None
    assert step(body=None, body_bytes=capture.body_bytes).request.body_bytes == MOST_BODY_BYTES * 3 // 2


@pytest.mark.parametrize("cut", range(1, 22))
def test_a_chunked_body_is_kept_without_its_chunks(cut):
    wire = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    capture = BodyCapture(True, None)

    capture.feed(wire[:cut])
    capture.feed(wire[cut:])

    assert (capture.body, capture.body_bytes) == (b"abcde", 5)


def test_equal_bodies_have_equal_hashes_within_one_recording_only():
    def hashed(body, key):
        capture = BodyCapture(False, key)
        capture.feed(body)
        return capture.body_hash

    assert hashed(b"a", b"k") == hashed(b"a", b"k") != hashed(b"b", b"k")
    assert hashed(b"a", b"k") != hashed(b"a", b"other")
    assert hashed(b"", b"k") is None


header_names = st.text("abcXYZ-09", min_size=1, max_size=12)
header_values = st.binary(max_size=30).map(lambda b: b.translate(None, b"\r\n\0").decode("latin-1"))
targets = st.binary(max_size=40).map(
    lambda b: "/" + b.translate(None, b" \r\n\0#").decode("utf-8", "surrogateescape")
)
bodies = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@given(
    targets,
    st.lists(st.tuples(header_names, header_values), max_size=4),
    bodies,
    st.sampled_from(["", "/mcp", "/v1/messages"]),
)
def test_whatever_a_client_sends_the_step_can_be_written_and_replayed(target, headers, body, ending):
    made = step(path=target + ending, headers=headers, body=body)

    line = msgspec.json.encode(Session("s", 0.0, [made]))
    assert find_problem(msgspec.json.decode(line, type=Session)) is None


CHAT = "/v1/chat/completions"
USED = {"input_tokens": 1_500, "output_tokens": 40}


def asking(*parts, **fields):
    content = [*parts, {"type": "text", "text": "what nobody should read"}]
    return json.dumps({"model": "m-1", "messages": [{"role": "user", "content": content}], **fields}).encode()


@pytest.mark.parametrize("bodies", ["drop", "hash"])
def test_a_model_call_whose_body_is_not_kept_is_known_by_its_counts(bodies):
    body = asking(openai_image(), openai_image(), openai_image(seed=b"b"), tools=[TOOL, TOOL], stream=True)
    made = step(bodies, path=CHAT, body=body, headers=JSON, usage=USED)
    llm = made.llm

    assert made.request is None
    assert (llm.input_tokens, llm.output_tokens, llm.model, llm.stream) == (1_500, 40, "m-1", True)
    assert [(image.bytes, image.width, image.height) for image in llm.images] == [(9_000, 320, 200)] * 3
    assert llm.images[0] == llm.images[1] != llm.images[2]
    assert llm.tools.count == 2
    assert made.recorded.request_bytes == len(body)
    assert find_problem(Session("s", 0.0, [made])) is None
    assert b"nobody" not in msgspec.json.encode(made)


def test_so_is_one_whose_body_is_too_long_to_be_kept():
    body = asking(openai_image(size_bytes=2_000_000))
    made = step(path=CHAT, body=body, headers=JSON, usage=USED)

    assert made.request is None
    assert [image.bytes for image in made.llm.images] == [2_000_000]
    assert len(msgspec.json.encode(made)) < 2_000


def test_a_model_call_whose_body_is_kept_is_sent_as_it_was():
    made = step(path=CHAT, body=asking(openai_image()), headers=JSON, usage=USED)

    assert made.llm is None
    assert made.request.json


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {}},
        {"body": b"\x1f\x8b not JSON"},
        {"body": None, "body_bytes": 20_000_000},
        {"is_cut_short": True},
        {"path": "/v1/files"},
    ],
)
def test_one_of_which_too_little_is_known_leaves_its_size(told):
    made = step("drop", **{"path": CHAT, "body": asking(), "usage": USED, **told})

    assert made.llm is None
    assert made.request.body_bytes


def test_a_model_that_the_path_names_is_the_one_that_was_asked():
    path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    made = step("drop", path=path, body=b'{"contents":[]}', usage=USED, first_token_ns=8 * MS)

    assert (made.llm.model, made.llm.stream) == ("gemini-2.5-pro", True)


def test_of_a_request_to_a_model_more_is_held_than_of_others():
    capture = BodyCapture(False, None, MOST_MODEL_BODY_BYTES)
    capture.feed(b"x" * (MOST_BODY_BYTES + 1))

    assert len(capture.body) == MOST_BODY_BYTES + 1
    assert step(body=capture.body).request.body_bytes == MOST_BODY_BYTES + 1
