"""What holds for every dialect in which this program asks models, or answers for models that are not there."""

import json
from typing import get_args

import pytest

from replay.dialects.asked import LIMITS, answered_in, is_model_path, prompting_of
from replay.dialects.bodies import read_body
from replay.dialects.families import family_of_request
from replay.dialects.registry import DIALECTS
from replay.dialects.streams import StreamReader
from replay.dialects.types import Layout, PromptLayout, Usage
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
    "anthropic-messages": "/v1/messages",
}


def named(dialects):
    return [pytest.param(dialect, id=dialect.layout) for dialect in dialects]


def test_every_layout_that_there_is_has_its_dialect():
    assert {dialect.layout for dialect in DIALECTS} == set(get_args(Layout))
    assert {dialect.layout for dialect in PROMPTED} == set(get_args(PromptLayout))
    assert {dialect.layout for dialect in MODELS} == PATHS.keys()


@pytest.mark.parametrize("dialect", named(MODELS))
def test_its_requests_are_known_by_their_path_and_have_a_bound_for_the_answer(dialect):
    path = PATHS[dialect.layout]

    for before in ("", "/gateway", "/openai/deployments/gpt"):
        for after in ("", "/", "?api-version=1"):
            assert is_model_path(before + path + after)
            assert family_of_request("http", "POST", before + path + after, b"{}") == "model"
    assert not is_model_path(path + "/batches")
    assert dialect.limits
    assert set(dialect.limits) <= set(LIMITS)


@pytest.mark.parametrize("dialect", named(PROMPTED))
@pytest.mark.parametrize("is_stream", [True, False])
def test_what_it_asks_by_a_prompt_alone_is_what_its_own_readers_find(dialect, is_stream):
    prompting = prompting_of(dialect.layout)
    calls = ModelCalls(Shape(kind=dialect.layout, ignore_eos=is_stream))
    body = calls.body(LlmCall(input_tokens=9, output_tokens=7, stream=is_stream, model='a"b'), "s", "a")
    asked = json.loads(body)

    assert calls.path == prompting.path
    assert family_of_request("http", "POST", prompting.path, body) == "model"
    assert asked["model"] == 'a"b'
    assert [asked[limit] for limit in dialect.limits if limit in asked] == [7]
    assert is_model_path(prompting.path)


@pytest.mark.parametrize("dialect", named(PROMPTED))
def test_a_target_may_have_it_at_a_path_of_its_own(dialect):
    assert ModelCalls(Shape(kind=dialect.layout, path="/proxy/ask")).path == "/proxy/ask"


@pytest.mark.parametrize("dialect", named(ANSWERED))
def test_a_modelled_plane_finds_in_a_request_what_is_asked_for(dialect):
    path = PATHS[dialect.layout].encode()
    scan = scan_for(path)
    body = ModelCalls(Shape(kind=dialect.layout)).body(LlmCall(9, 7, stream=True), "s", "a")
    scan.feed(body[:30])
    scan.feed(body[30:])

    assert answered_in(path) is dialect
    assert kind_and_name(path) == ("llm", "chat")
    assert scan.asked() == Asked(7, stream=True)
    assert scan_for(b"/tools/search") is None


@pytest.mark.parametrize("dialect", named(ANSWERED))
@pytest.mark.parametrize("tokens", [1, 2, len(WORDS) + 3])
def test_a_modelled_stream_is_read_as_so_many_tokens_of_its_layout(dialect, tokens):
    wording = wording_at(PATHS[dialect.layout].encode())
    name = b"0123456789abcdef"
    reader = StreamReader()
    at_ns = 0
    for n in range(tokens):
        for event in unchunked(wording.token(name, n)):
            at_ns += 1_000
            reader.feed(event, at_ns)
    for event in unchunked(wording.end(name)):
        reader.feed(event, at_ns + 1_000)

    assert reader.layout == dialect.layout
    assert reader.token_count == tokens
    assert not reader.is_cut_short
    assert reader.error is None
    assert reader.finish_reasons


@pytest.mark.parametrize("dialect", named(ANSWERED))
def test_a_modelled_answer_that_comes_whole_tells_its_usage(dialect):
    body = wording_at(PATHS[dialect.layout].encode()).whole(b"0123456789abcdef", 30, 4)

    assert read_body(body, "model").usage == Usage(4, 30)
    assert b"0123456789abcdef" in body


def unchunked(data):
    """The chunks of HTTP/1.1 in data, without the last, empty one."""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        if length:
            yield rest[:length]
        data = rest[length + 2 :]
