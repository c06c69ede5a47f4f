"""What holds for every dialect in which this program asks models, or answers for models that are not there."""

import json
from typing import get_args

import pytest

from replay.dialects.asked import LIMITS, answered_in, asks_for_stream, asks_model, is_model_path
from replay.dialects.bodies import read_body
from replay.dialects.families import family_of_request
from replay.dialects.registry import DIALECTS
from replay.dialects.streams import StreamReader
from replay.dialects.types import Layout, ModelLayout, Scripted, Usage
from replay.engine.requests.shapes import ModelCalls
from replay.planes.modelled.asking import kind_and_name, scan_for
from replay.planes.modelled.types import Asked
from replay.planes.modelled.wording import WORDS, wording_at
from replay.target.sending import Shape
from replay.trace.types import LlmCall

MODELS = [dialect for dialect in DIALECTS if dialect.family == "model"]
PROMPTED = [dialect for dialect in DIALECTS if dialect.prompting is not None]
ANSWERED = [dialect for dialect in DIALECTS if dialect.answering is not None]
# A path at which each is asked, as its own API has it.
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-completions": "/v1/completions",
    "openai-responses": "/v1/responses",
    "openai-embeddings": "/v1/embeddings",
    "anthropic-messages": "/v1/messages",
    "gemini-generate": "/v1beta/models/gemini-2.5-pro:generateContent",
    "bedrock-converse": "/model/anthropic.claude-3%3A0/converse",
}
STREAMED_AT = {
    **PATHS,
    "gemini-generate": "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
    "bedrock-converse": "/model/anthropic.claude-3%3A0/converse-stream",
}
GENERATING = [dialect for dialect in MODELS if dialect.limits]
STREAMING = [dialect for dialect in ANSWERED if dialect.answering.token is not None]
NAME = b"0123456789abcdef"


def named(dialects):
    return [pytest.param(dialect, id=dialect.layout) for dialect in dialects]


def test_every_layout_that_there_is_has_its_dialect():
    assert {dialect.layout for dialect in DIALECTS} == set(get_args(Layout))
    layouts = {dialect.layout for dialect in MODELS}
    assert {dialect.layout for dialect in PROMPTED} == layouts == PATHS.keys() == set(get_args(ModelLayout))
    assert MODELS == ANSWERED
    assert {dialect.layout for dialect in MODELS if dialect not in GENERATING} == {"openai-embeddings"}
    assert STREAMING == GENERATING


@pytest.mark.parametrize("dialect", named(MODELS))
def test_its_requests_are_known_by_their_path(dialect):
    path = PATHS[dialect.layout]

    for before in ("", "/gateway", "/openai/deployments/gpt"):
        for after in ("", "/", "?api-version=1"):
            assert is_model_path(before + path + after)
            assert family_of_request("http", "POST", before + path + after, b"{}") == "model"
    assert not is_model_path(path + "/batches")
    assert set(dialect.limits) <= set(LIMITS)


@pytest.mark.parametrize("dialect", named(PROMPTED))
@pytest.mark.parametrize("is_stream", [True, False])
def test_what_it_asks_by_a_prompt_alone_is_what_its_own_readers_find(dialect, is_stream):
    ignores_eos = is_stream and dialect.prompting.can_ignore_eos
    calls = ModelCalls(Shape(kind=dialect.layout, ignore_eos=ignores_eos))
    call = LlmCall(input_tokens=9, output_tokens=7, stream=is_stream, model='a/"b')
    path, body = calls.path(call), calls.body(call, "s", "a")
    scan = scan_for(path.partition("?")[0].encode())
    scan.feed(body)
    asked = json.loads(body)

    assert family_of_request("http", "POST", path, body) == "model"
    assert is_model_path(path)
    assert asked.get("model") == 'a/"b' or "/a%2F%22b" in path
    assert asked.get("ignore_eos", False) is ignores_eos
    assert scan.prompt_tokens == 9
    if dialect in GENERATING:
        assert scan.asked() == Asked(7, is_stream, is_stream and b"include_usage" in body)
    else:
        assert scan.asked() == Asked(1)


@pytest.mark.parametrize("dialect", named(PROMPTED))
def test_a_target_may_have_it_at_a_path_of_its_own(dialect):
    call = LlmCall(1, 1, model="m", stream=True)

    assert ModelCalls(Shape(kind=dialect.layout, path="/proxy/{model}/ask")).path(call) == "/proxy/m/ask"


@pytest.mark.parametrize("dialect", named([d for d in PROMPTED if not d.prompting.can_ignore_eos]))
def test_what_no_server_of_it_can_be_asked_for_is_refused(dialect):
    with pytest.raises(ValueError, match="ignore_eos"):
        Shape(kind=dialect.layout, ignore_eos=True)


def test_names_of_models_without_end_take_no_memory():
    calls = ModelCalls(Shape(kind="gemini-generate"))
    for n in range(5000):
        calls.path(LlmCall(1, 1, model=f"m-{n}"))

    assert len(calls._paths) <= 1024


@pytest.mark.parametrize("dialect", named(ANSWERED))
def test_a_modelled_plane_finds_in_a_request_what_is_asked_for(dialect):
    path = STREAMED_AT[dialect.layout].encode()
    scan = scan_for(path)
    body = ModelCalls(Shape(kind=dialect.layout)).body(LlmCall(9, 7, stream=True), "s", "a")
    scan.feed(body[:30])
    scan.feed(body[30:])

    assert answered_in(path) is dialect
    assert kind_and_name(path) == ("llm", "chat")
    assert scan.asked().max_tokens == (7 if dialect in GENERATING else 1)
    assert scan.asked().stream == (dialect in STREAMING)
    assert scan_for(b"/tools/search") is None


@pytest.mark.parametrize("tells_usage", [True, False])
@pytest.mark.parametrize("dialect", named(STREAMING))
@pytest.mark.parametrize("tokens", [1, 2, len(WORDS) + 3])
def test_a_modelled_stream_is_read_as_so_many_tokens_of_its_layout(dialect, tokens, tells_usage):
    wording = wording_at(STREAMED_AT[dialect.layout].encode())
    answer = Scripted(NAME, tokens, 4, tells_usage)
    reader = StreamReader()
    at_ns = 0
    for n in range(tokens):
        for event in unchunked(wording.token(answer, n)):
            at_ns += 1_000
            reader.feed(event, at_ns)
    for event in unchunked(wording.end(answer)):
        reader.feed(event, at_ns + 1_000)

    assert reader.layout == dialect.layout
    assert reader.token_count == tokens
    assert reader.last_token_ns == at_ns
    assert not reader.is_cut_short
    assert reader.error is None
    assert reader.finish_reasons
    if tells_usage or not dialect.ends_with_done:
        assert reader.usage[:2] == Usage(4, tokens)[:2]


@pytest.mark.parametrize("dialect", named(STREAMING))
def test_a_modelled_stream_that_breaks_off_is_cut_short(dialect):
    wording = wording_at(STREAMED_AT[dialect.layout].encode())
    reader = StreamReader()
    for n in range(3):
        for event in unchunked(wording.token(Scripted(NAME, 9, 4), n)):
            reader.feed(event, 1_000)

    assert reader.is_cut_short


@pytest.mark.parametrize("dialect", named(ANSWERED))
def test_a_modelled_answer_that_comes_whole_tells_its_usage(dialect):
    body = wording_at(PATHS[dialect.layout].encode()).whole(Scripted(NAME, 30, 4))

    told = read_body(body, "model")
    assert told.usage.input_tokens == 4
    assert told.usage.output_tokens == (30 if dialect in GENERATING else None)
    assert bool(told.finish_reasons) == (dialect in GENERATING)
    assert NAME in body or dialect.layout == "bedrock-converse"  # which has no ids


def unchunked(data):
    """The chunks of HTTP/1.1 in data, without the last, empty one."""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        if length:
            yield rest[:length]
        data = rest[length + 2 :]


@pytest.mark.parametrize(
    ("path", "body", "asks"),
    [
        ("/v1/chat/completions", b'{"stream": true}', True),
        ("/v1/chat/completions", b'{"model":"m","stream":\n true,"messages":[]}', True),
        ("/v1/chat/completions", b'{"stream":false}', False),
        ("/v1/chat/completions", b'{"messages":[{"content":"say \\"stream\\": true"}]}', False),
        ("/v1/chat/completions", b'{"messages":[{"content":[{"input":{"stream":true}}]}]}', False),
        ("/v1/chat/completions", b'{"stream":true', False),
        ("/v1beta/models/g:streamGenerateContent?alt=sse", b"{}", True),
        ("/v1beta/models/g:streamGenerateContent?key=k&alt=sse", b"{}", True),
        ("/v1beta/models/g:streamGenerateContent", b"{}", False),
        ("/model/m/converse-stream", b"{}", True),
        ("/model/m/converse", b"{}", False),
    ],
)
def test_whether_a_recorded_request_asks_for_an_event_stream(path, body, asks):
    assert asks_for_stream(path, body) is asks


@pytest.mark.parametrize(
    ("path", "body", "asks"),
    [
        ("/v1/chat/completions", b"{}", True),
        ("/openai/deployments/e/embeddings?api-version=1", b'{"input":"x"}', True),
        ("/v1/messages", b'{"model":"m","messages":[]}', True),
        ("/v1/messages", b'{"to":"x","text":"hello"}', False),
        ("/surveys/7/responses", b'{"answer":3}', False),
        ("/api/completions", b'{"prefix":"de"}', False),
        ("/v1/orders", b'{"model":"m"}', False),
    ],
)
def test_a_path_that_others_have_too_is_a_models_where_one_is_named(path, body, asks):
    assert asks_model(path, body) is asks
