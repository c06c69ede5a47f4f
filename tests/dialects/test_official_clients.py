"""The official clients read the same streams: what they show is what counts as a token, and where they raise is an error."""

import importlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.sse import EventCutter, fields_of
from replay.dialects.streams import StreamReader
from tests.support.later import later

openai = later("openai")
anthropic = later("anthropic")
openai_streaming = later("openai._streaming")

TYPES = ("ping", "message_start", "content_block_delta", "error", "response.output_text.delta")
LINES = st.sampled_from(
    [
        *(b"event: " + kind.encode() for kind in TYPES),
        b"data: {}",
        b"data:x",
        b"data:  y ",
        b"data",
        b": ping",
        b"id: 7",
        b"retry: 1",
        b"event",
        b"database: 1",
        b"",
        b"",
        b"",
    ]
)


@given(st.lists(LINES, max_size=30), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 9))
def test_a_stream_is_cut_into_the_events_that_the_openai_client_sees(lines, end, step):
    stream = b"".join(line + end for line in lines) + end
    decoder = openai_streaming.SSEDecoder()
    seen = [(sse.event or "", sse.data) for sse in decoder.iter_bytes(iter([stream])) if sse.data]
    cutter = EventCutter()
    blocks = [block for at in range(0, len(stream), step) for block in cutter.feed(stream[at : at + step])]
    assert [(name.decode(), value.decode()) for name, value in map(fields_of, blocks) if value] == seen


def event(document: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(document).encode() + b"\n\n"


def typed(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def chat(delta: dict[str, Any], finish: str | None = None) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def answering(base: type, *events: bytes) -> Any:
    """A client that answers with these events, of that httpx of which a package's own client is made."""
    names = [kind.__module__.partition(".")[0] for kind in base.__mro__]
    httpx = importlib.import_module(next(name for name in names if name.startswith("httpx")))

    def answer(_request: Any) -> Any:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(events))

    return httpx.Client(transport=httpx.MockTransport(answer))


def shown_by_chat(*events: bytes) -> list[str]:
    client = openai.OpenAI(api_key="k", http_client=answering(openai.DefaultHttpxClient, *events))
    stream = client.chat.completions.create(model="m", messages=[], stream=True)
    deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    return [text for delta in deltas if (text := _text_of(delta))]


def _text_of(delta: Any) -> str | None:
    calls = delta.tool_calls or ()
    return (
        delta.content
        or delta.refusal
        or "".join(call.function.arguments or call.function.name for call in calls)
    )


def shown_by_responses(*events: bytes) -> list[str]:
    client = openai.OpenAI(api_key="k", http_client=answering(openai.DefaultHttpxClient, *events))
    stream = client.responses.create(model="m", input="x", stream=True)
    return [event.delta for event in stream if event.type.endswith(".delta") and event.delta]


def shown_by_messages(*events: bytes) -> list[str]:
    client = anthropic.Anthropic(api_key="k", http_client=answering(anthropic.DefaultHttpxClient, *events))
    stream = client.messages.create(model="m", max_tokens=1, messages=[], stream=True)
    deltas = [event.delta for event in stream if event.type == "content_block_delta"]
    texts = [getattr(delta, name, "") for delta in deltas for name in ("text", "thinking", "partial_json")]
    return [text for text in texts if text]


CALL = {"index": 0, "id": "t", "type": "function", "function": {"name": "look", "arguments": ""}}
STREAMS = {
    "chat": (
        shown_by_chat,
        [
            chat({"role": "assistant", "content": ""}),
            chat({"content": "Hi"}),
            b": ping\n\n",
            chat({"content": " "}),
            chat({"refusal": "No"}),
            chat({"tool_calls": [CALL]}),
            chat({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            chat({}, "tool_calls"),
            b"data: [DONE]\n\n",
        ],
        5,
    ),
    "responses": (
        shown_by_responses,
        [
            typed("response.in_progress", sequence_number=0, response={"status": "in_progress", "error": None}),
            typed("response.output_text.delta", sequence_number=1, delta="Hi", item_id="m"),
            typed("response.output_text.delta", sequence_number=2, delta="\n", item_id="m"),
            typed("response.output_text.done", sequence_number=3, text="Hi\n", item_id="m"),
            typed("response.function_call_arguments.delta", sequence_number=4, delta="{", item_id="f"),
            typed("response.completed", sequence_number=5, response={"status": "completed", "error": None}),
        ],
        3,
    ),
    "messages": (
        shown_by_messages,
        [
            typed("message_start", message={"type": "message", "content": [], "usage": {"input_tokens": 1}}),
            typed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            typed("ping"),
            typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"}),
            typed("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
            typed("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
            typed("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ""}),
            typed("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{"}),
            typed("content_block_stop", index=0),
            typed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
            typed("message_stop"),
        ],
        3,
    ),
}
FAILURES = {
    "chat": event({"error": {"message": "boom", "code": 500}}),
    "responses": event({"error": {"message": "boom"}}),
    "messages": typed("error", error={"type": "overloaded_error", "message": "boom"}),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_client_shows_is_what_counts_as_a_token(name):
    shown, events, tokens = STREAMS[name]
    reader = StreamReader("model")
    for data in events:
        reader.feed(data, 1)

    assert len(shown(*events)) == reader.token_count == tokens
    assert (reader.error, reader.is_cut_short) == (None, False)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("place", [0, 4])
def test_where_a_client_raises_there_is_an_error(name, place):
    shown, events, _ = STREAMS[name]
    failing = [*events[:place], FAILURES[name]]
    reader = StreamReader("model")
    for data in failing:
        reader.feed(data, 1)

    assert reader.error == "model_error"
    with pytest.raises((openai.APIError, anthropic.APIError)):
        shown(*failing)
