"""What holds for the streams of every dialect: whole, cut at every byte, with any line ends, and broken off."""

import json
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.dialects.registry import DIALECTS
from replay.dialects.streams import StreamReader
from replay.dialects.types import Usage


def event(value: Any, name: str = "") -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def typed(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def chat(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event({"id": "c-1", "object": "chat.completion.chunk", "choices": [choice], **fields})


def completion(text: str, finish: str | None = None) -> bytes:
    return event(
        {"object": "text_completion", "choices": [{"text": text, "index": 0, "finish_reason": finish}]}
    )


def block_delta(**delta: Any) -> bytes:
    return typed("content_block_delta", index=0, delta=delta)


def output_delta(text: str, number: int) -> bytes:
    return typed("response.output_text.delta", sequence_number=number, item_id="m", delta=text, logprobs=[])


def gemini(*parts: Any, finish: str | None = None, **usage: int) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"})


def converse(kind: str, **fields: Any) -> bytes:
    """As Amazon's frames are made into events before they are read (tests/dialects/test_aws_frames.py)."""
    return event(fields, kind)


class Sample(NamedTuple):
    """A stream as events; tokens are the places of those that are tokens, end is that of the one that ends it."""

    events: list[bytes]
    tokens: list[int]
    end: int
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
CALL_ANSWER = {"type": "function_call", "name": "look", "arguments": "{}"}
SAMPLES = {
    "openai-chat": Sample(
        [
            event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
            chat({"role": "assistant", "content": "", "refusal": None}),
            chat({"reasoning_content": "hm"}),
            chat({"content": "Hi"}),
            b": ping\n\n",
            chat({"content": " "}),
            chat({"content": 'say "error": {"delta":{}}\n[DONE]\u00e9'}),
            chat({"content": ""}),
            chat({"tool_calls": [CALL]}),
            chat({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
            chat({}, "tool_calls"),
            event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}}),
            event(b"[DONE]"),
        ],
        [2, 3, 5, 6, 8, 9],
        10,
        Usage(3, 9),
        ("tool_calls",),
        ("look",),
    ),
    "openai-completions": Sample(
        [completion(""), completion("a"), completion("\n"), completion("", "length"), event(b"[DONE]")],
        [1, 2],
        3,
        None,
        ("length",),
    ),
    "openai-responses": Sample(
        [
            typed("response.created", response={"object": "response", "status": "in_progress", "error": None}),
            typed("response.output_item.added", item={"type": "reasoning"}),
            typed("response.reasoning_summary_text.delta", delta="hm"),
            output_delta("Hi", 3),
            output_delta(" you", 4),
            typed("response.output_text.done", text="Hi you"),
            typed("response.output_item.added", item=CALL_ANSWER),
            typed("response.function_call_arguments.delta", delta="{}"),
            typed("response.function_call_arguments.done", arguments="{}"),
            typed(
                "response.completed",
                response={
                    "object": "response",
                    "status": "completed",
                    "error": None,
                    "output": [CALL_ANSWER],
                    "usage": {
                        "input_tokens": 7,
                        "output_tokens": 8,
                        "input_tokens_details": {"cached_tokens": 2},
                    },
                },
            ),
        ],
        [2, 3, 4, 7],
        9,
        Usage(7, 8, 2),
        ("completed",),
        ("look",),
    ),
    "anthropic-messages": Sample(
        [
            typed(
                "message_start",
                message={
                    "type": "message",
                    "content": [],
                    "stop_reason": None,
                    "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1},
                },
            ),
            typed("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
            typed("ping"),
            block_delta(type="thinking_delta", thinking="hm"),
            block_delta(type="signature_delta", signature="c2ln"),
            typed("content_block_stop", index=0),
            typed("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            block_delta(type="text_delta", text="Hi"),
            block_delta(type="text_delta", text=" you"),
            block_delta(type="citations_delta", citation={"cited_text": "Hi"}),
            typed(
                "content_block_start",
                index=2,
                content_block={"type": "tool_use", "id": "t", "name": "look", "input": {}},
            ),
            block_delta(type="input_json_delta", partial_json=""),
            block_delta(type="input_json_delta", partial_json='{"a":'),
            typed("content_block_stop", index=2),
            typed("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 33}),
            typed("message_stop"),
        ],
        [3, 7, 8, 12],
        15,
        Usage(105, 33, 100),
        ("tool_use",),
        ("look",),
    ),
    "gemini-generate": Sample(
        [
            gemini({"text": "hm", "thought": True}, promptTokenCount=5, thoughtsTokenCount=1),
            gemini({"text": "Hi"}, promptTokenCount=5, candidatesTokenCount=1, thoughtsTokenCount=1),
            gemini({"text": ""}, promptTokenCount=5),
            gemini({"text": " you"}, {"text": " there"}, promptTokenCount=5),
            gemini({"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": "c2ln"}),
            gemini(
                {"text": ""},
                finish="STOP",
                promptTokenCount=5,
                cachedContentTokenCount=2,
                candidatesTokenCount=30,
                thoughtsTokenCount=3,
                totalTokenCount=38,
            ),
        ],
        [0, 1, 3, 4],
        5,
        Usage(5, 33, 2, 3),
        ("STOP",),
        ("look",),
    ),
    "bedrock-converse": Sample(
        [
            converse("messageStart", role="assistant"),
            converse("contentBlockDelta", delta={"reasoningContent": {"text": "hm"}}, contentBlockIndex=0),
            converse(
                "contentBlockDelta", delta={"reasoningContent": {"signature": "c2ln"}}, contentBlockIndex=0
            ),
            converse("contentBlockStop", contentBlockIndex=0),
            converse("contentBlockDelta", delta={"text": "Hi"}, contentBlockIndex=1, p="abcdefg"),
            converse("contentBlockDelta", delta={"text": " you"}, contentBlockIndex=1, p="abc"),
            converse("contentBlockDelta", delta={"text": ""}, contentBlockIndex=1),
            converse(
                "contentBlockStart", start={"toolUse": {"toolUseId": "t", "name": "look"}}, contentBlockIndex=2
            ),
            converse("contentBlockDelta", delta={"toolUse": {"input": '{"a":'}}, contentBlockIndex=2),
            converse("messageStop", stopReason="tool_use"),
            converse(
                "metadata",
                usage={"inputTokens": 5, "outputTokens": 33, "totalTokens": 38, "cacheReadInputTokens": 100},
                metrics={"latencyMs": 7},
            ),
        ],
        [1, 4, 5, 8],
        9,
        Usage(105, 33, 100),
        ("tool_use",),
        ("look",),
    ),
    "json-rpc": Sample(
        [
            event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error"}}),
            event({"jsonrpc": "2.0", "id": 9, "method": "ping"}),
            event({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "isError": False}}),
        ],
        [],
        2,
    ),
}
MODELS = [layout for layout in SAMPLES if layout != "json-rpc"]
ENDS = [b"\n", b"\r\n", b"\r"]


def facts(reader: StreamReader) -> tuple[Any, ...]:
    return (
        reader.token_count,
        reader.layout,
        reader.error,
        reader.has_ended,
        reader.is_cut_short,
        reader.usage,
        reader.finish_reasons,
        reader.tool_names,
    )


def told(sample: Sample, layout: str) -> tuple[Any, ...]:
    """What a whole stream of this sample tells."""
    said = (sample.usage, sample.finish_reasons, sample.tool_names)
    return (len(sample.tokens), layout, None, True, False, *said)


def test_every_dialect_has_a_sample():
    has_streams = {dialect.layout for dialect in DIALECTS if dialect.family == "rpc" or dialect.limits}

    assert has_streams == set(SAMPLES)


@pytest.mark.parametrize("layout", SAMPLES)
@pytest.mark.parametrize("family", [None, "model", "rpc"])
def test_a_token_is_an_event_of_content_and_comes_when_its_event_does(layout, family):
    sample = SAMPLES[layout]
    reader = StreamReader(family)
    for at, data in enumerate(sample.events, 1):
        reader.feed(data, at * 10)
    reader.finish()

    at_ns = [(place + 1) * 10 for place in sample.tokens] or [0]
    assert facts(reader) == told(sample, layout)
    assert (reader.first_token_ns, reader.last_token_ns) == (at_ns[0], at_ns[-1])
    assert reader.itl_ns == [later - at for at, later in pairwise(at_ns)]


@pytest.mark.parametrize("layout", SAMPLES)
@pytest.mark.parametrize("end", ENDS)
def test_where_a_stream_is_cut_into_reads_changes_nothing(layout, end):
    sample = SAMPLES[layout]
    stream = b"\xef\xbb\xbf: hi\n\n" + b"".join(sample.events) * 2
    stream = stream.replace(b"\n", end)
    whole = told(sample, layout)
    expected = (2 * whole[0], *whole[1:])
    for cut in range(len(stream) + 1):
        reader = StreamReader()
        reader.feed(stream[:cut], 1)
        reader.feed(stream[cut:], 2)
        assert facts(reader) == expected


@pytest.mark.parametrize("layout", SAMPLES)
@pytest.mark.parametrize("end", ENDS)
def test_a_stream_may_come_byte_by_byte_or_in_one_event_a_read_of_several_lines(layout, end):
    sample = SAMPLES[layout]
    stream = b"".join(sample.events).replace(b"\n", end)
    by_byte, spaced = StreamReader(), StreamReader()
    for at in range(len(stream)):
        by_byte.feed(stream[at : at + 1], at)
    for data in sample.events:
        lines = data.replace(b'", "', b'",\ndata: "').replace(b"\n", end)
        spaced.feed(b"id: 7" + end + b"retry: 10" + end + lines, 1)

    assert facts(by_byte) == facts(spaced) == told(sample, layout)


@pytest.mark.parametrize("layout", MODELS)
def test_a_model_stream_is_cut_short_until_its_end_is_there(layout):
    sample = SAMPLES[layout]
    for count in range(1, len(sample.events) + 1):
        reader = StreamReader("model")
        reader.feed(b"".join(sample.events[:count]), 1)
        reader.finish()
        assert reader.is_cut_short == (count <= sample.end)


@pytest.mark.parametrize("layout", SAMPLES)
def test_an_end_without_its_empty_line_is_an_end(layout):
    sample = SAMPLES[layout]
    reader = StreamReader("model")
    reader.feed(b"".join(sample.events[: sample.end + 1]).removesuffix(b"\n\n"), 1)
    assert not reader.has_ended

    reader.finish()

    assert reader.has_ended
    assert reader.token_count == len([place for place in sample.tokens if place < sample.end])


@pytest.mark.parametrize("layout", MODELS)
@pytest.mark.parametrize(
    "error",
    [
        event({"error": {"message": "boom", "code": 500}}),
        event({"error": "boom"}),
        event({"message": "boom", "error": {}}),
        event({"type": "error", "error": {"type": "overloaded_error", "message": "boom"}}, "error"),
        event({"type": "error", "code": "server_error", "message": "boom", "param": None}),
        event({"object": "error", "message": "boom", "code": 400}),
        event({"message": "boom"}, "error"),
        event(b"boom", "error"),
        b"event: error\n\n",
        b"event:error\ndata:\n\n",
    ],
)
def test_an_error_event_is_told_and_is_no_token_wherever_it_comes(layout, error):
    sample = SAMPLES[layout]
    for count in range(len(sample.events)):
        reader = StreamReader("model")
        for data in [*sample.events[:count], error]:
            reader.feed(data, 1)
        reader.finish()
        assert reader.error == "model_error"
        assert not reader.is_cut_short
        assert reader.token_count == len([place for place in sample.tokens if place < count])


@pytest.mark.parametrize("layout", SAMPLES)
@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_cutting_tells_the_same(layout, data):
    sample = SAMPLES[layout]
    end = data.draw(st.sampled_from(ENDS))
    stream = b"".join(sample.events).replace(b"\n", end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reader = StreamReader()
    for begin, until in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[begin:until], until)
    assert facts(reader) == told(sample, layout)


@given(
    st.lists(
        st.binary(max_size=60)
        | st.sampled_from([*(data for sample in SAMPLES.values() for data in sample.events)])
        | st.sampled_from([b"data:", b"event: error", b"\n", b"\r", b"\n\n", b'{"choices":[', b"[{}]", b"null"])
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "choices",
                            "delta",
                            "type",
                            "error",
                            "usage",
                            "item",
                            "response",
                            "jsonrpc",
                            "tool_calls",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
        ).map(event)
    )
)
def test_whatever_comes_does_no_harm(reads):
    by_read, whole = StreamReader("model"), StreamReader("model")
    for data in reads:
        by_read.feed(data, 1)
    whole.feed(b"".join(reads), 1)
    by_read.finish()
    whole.finish()
    assert facts(by_read) == facts(whole)
