"""Token counts in a model's response."""

import json
import zlib

import pytest

from replay.recording.usage import UsageReader

CHAT = {
    "id": "c",
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}},
}
ANTHROPIC_START = {
    "type": "message_start",
    "message": {
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 20,
            "output_tokens": 1,
        }
    },
}
ANTHROPIC_DELTA = {"type": "message_delta", "usage": {"output_tokens": 33}}
RESPONSES = {
    "type": "response.completed",
    "response": {
        "usage": {"input_tokens": 7, "output_tokens": 8, "input_tokens_details": {"cached_tokens": 2}}
    },
}


def sse(*events):
    return (
        "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"
    )


CASES = {
    "chat": (
        "application/json",
        json.dumps(CHAT).encode(),
        {"input_tokens": 9, "output_tokens": 12, "cached_tokens": 4},
    ),
    "chat stream": (
        "text/event-stream; charset=utf-8",
        sse({"choices": [], "usage": None}, CHAT),
        {"input_tokens": 9, "output_tokens": 12, "cached_tokens": 4},
    ),
    "messages stream": (
        "text/event-stream",
        sse(ANTHROPIC_START, ANTHROPIC_DELTA),
        {"input_tokens": 125, "output_tokens": 33, "cached_tokens": 100},
    ),
    "responses stream": (
        "text/event-stream",
        sse({"delta": "x"}, RESPONSES),
        {"input_tokens": 7, "output_tokens": 8, "cached_tokens": 2},
    ),
    "chat of a gateway that tells of the cache as Anthropic does": (
        "application/json",
        # https://github.com/BerriAI/litellm/issues/11364: 10 tokens were in no cache.
        json.dumps(
            {
                "usage": {
                    "prompt_tokens": 98_805,
                    "completion_tokens": 5_120,
                    "prompt_tokens_details": {"cached_tokens": 66_360, "cache_creation_tokens": 32_435},
                    "cache_read_input_tokens": 66_360,
                    "cache_creation_input_tokens": 32_435,
                }
            }
        ).encode(),
        {"input_tokens": 98_805, "output_tokens": 5_120, "cached_tokens": 66_360},
    ),
    "chat of a gateway, without details": (
        "application/json",
        b'{"usage":{"prompt_tokens":100,"completion_tokens":5,"cache_read_input_tokens":80}}',
        {"input_tokens": 100, "output_tokens": 5, "cached_tokens": 80},
    ),
    "chat of a gateway that fills in the fields of Responses with zeros": (
        "application/json",
        b'{"usage":{"prompt_tokens":100,"completion_tokens":5,"input_tokens":0,"output_tokens":0,'
        b'"input_tokens_details":null}}',
        {"input_tokens": 100, "output_tokens": 5},
    ),
    "responses of a gateway that tells of the cache twice": (
        "application/json",
        b'{"usage":{"input_tokens":100,"output_tokens":5,"input_tokens_details":{"cached_tokens":80},'
        b'"cache_read_input_tokens":80}}',
        {"input_tokens": 100, "output_tokens": 5, "cached_tokens": 80},
    ),
    "chat of DeepSeek": (
        "application/json",
        b'{"usage":{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":64}}',
        {"input_tokens": 100, "output_tokens": 5, "cached_tokens": 64},
    ),
    "details that do not tell of a cache": (
        "application/json",
        b'{"usage":{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{},'
        b'"prompt_cache_hit_tokens":64}}',
        {"input_tokens": 100, "output_tokens": 5, "cached_tokens": 64},
    ),
    "no usage": ("application/json", b'{"a":1}', {}),
    "not JSON after all": ("application/json", b"oops", {}),
    "hostile": (
        "application/json",
        b'{"usage":{"input_tokens":"x","output_tokens":-1,"prompt_tokens_details":[]}}',
        {},
    ),
    "another type": ("text/plain", json.dumps(CHAT).encode(), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_counts_are_found_wherever_the_response_is_cut(case):
    content_type, data, expected = CASES[case]
    for cut in range(0, len(data), 7):
        reader = UsageReader(content_type, "")
        reader.feed(data[:cut])
        reader.feed(data[cut:])
        assert reader.counts() == expected


def test_counts_are_found_in_a_compressed_response():
    reader = UsageReader("application/json", "gzip")
    packer = zlib.compressobj(wbits=31)
    reader.feed(packer.compress(json.dumps(CHAT).encode()) + packer.flush())

    assert reader.counts()["output_tokens"] == 12


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_memory_is_bounded(content_type):
    reader = UsageReader(content_type, "")
    for _ in range(40):
        reader.feed(b"x" * 100_000)

    assert len(reader._buffer) <= 1 << 20
    assert reader.counts() == {}


def test_a_compressed_response_that_unpacks_to_too_much_is_given_up():
    reader = UsageReader("application/json", "gzip")
    packer = zlib.compressobj(wbits=31)
    reader.feed(packer.compress(b" " * 50_000_000) + packer.flush())

    assert reader.counts() == {}


def test_the_first_token_is_not_the_first_byte():
    """A role, a ping and an empty chunk come before it."""
    at_ns = iter([10, 20, 30, 40])
    reader = UsageReader("text/event-stream", "", lambda: next(at_ns))
    for delta in (
        {"role": "assistant", "content": ""},
        {"content": ""},
        {"reasoning_content": "hm"},
        {"content": "Hi"},
    ):
        reader.feed(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")

    assert reader.first_token_ns == 30
    assert UsageReader("application/json", "").first_token_ns is None
    assert UsageReader("text/event-stream", "").first_token_ns is None
