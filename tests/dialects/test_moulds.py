"""An event is known again by its bytes only where reading it would say the same."""

import json
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.moulds import mould_of
from replay.dialects.streams import StreamReader

EVENT = b'data: {"sequence_number":7,"choices":[{"delta":{"content":"a"}}],"obfuscation":"xyz","created":5}'


def read(block: bytes) -> object:
    document = json.loads(block[5:])
    return document["choices"][0]["delta"].get("content")


@pytest.mark.parametrize(
    "other",
    [
        EVENT,
        EVENT.replace(b'"a"', b'"another one"'),
        EVENT.replace(b'"a"', b'"\\n\\"\\u00e9"'),
        EVENT.replace(b'"a"', '"é"'.encode()),
        EVENT.replace(b"7", b"123").replace(b"xyz", b"q"),
    ],
)
def test_an_event_that_says_the_same_of_another_text_fits(other):
    mould = mould_of(EVENT, "a", read, is_loose=False)
    assert mould is not None
    assert mould.fits(other)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        EVENT + b" ",
        EVENT.replace(b'"a"', b'""'),
        EVENT.replace(b'"a"', b"null"),
        EVENT.replace(b'"a"', b'"\\"'),
        EVENT.replace(b'"a"', b'"\\x"'),
        EVENT.replace(b'"a"', b'"x","content":""'),
        EVENT.replace(b'"a"', b'"x\ny"'),
        EVENT.replace(b"7", b"7.5"),
        EVENT.replace(b"xyz", b""),
        EVENT.replace(b"5}", b"6}"),
    ],
)
def test_an_event_that_may_say_something_else_does_not_fit(other):
    mould = mould_of(EVENT, "a", read, is_loose=False)
    assert mould is not None
    assert not mould.fits(other)


def test_a_loose_mould_passes_over_times_and_ids():
    mould = mould_of(EVENT, "a", read, is_loose=True)
    assert mould is not None
    assert mould.fits(EVENT.replace(b"5}", b"6}"))


def test_there_is_no_mould_where_the_text_is_not_what_was_found():
    block = b'data: {"role":"a","choices":[{"delta":{"content":"a"}}]}'
    assert mould_of(block, "a", read, is_loose=False) is None


TEXTS = st.text(max_size=5) | st.sampled_from(
    ["", " ", '"', "\\", "é", "\U0001f600", "content", '","content":"']
)
DELTAS = st.sampled_from(["content", "reasoning", "thinking", "role", "refusal"])
CHUNKS = st.builds(
    lambda key, text, index, finish, created, usage: {
        "id": "c",
        "created": created,
        "choices": [{"index": index, "delta": {key: text}, "finish_reason": finish}],
        **({"usage": usage} if usage else {}),
        "obfuscation": "x" * created,
    },
    DELTAS,
    TEXTS,
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([None, None, None, "", "stop", "length"]),
    st.sampled_from([1, 1, 2]),
    st.sampled_from([None, None, {"completion_tokens": 3}]),
)
TYPED = st.builds(
    lambda kind, key, text, number: {
        "type": kind,
        "sequence_number": number,
        "delta": {"type": "x", key: text},
    },
    st.sampled_from(["content_block_delta"] * 3 + ["message_delta", "ping", "error"]),
    st.sampled_from(["text", "text", "thinking", "partial_json", "signature", "stop_reason"]),
    TEXTS,
    st.integers(0, 12),
)
RESPONSES = st.builds(
    lambda kind, text, number: {"type": kind, "sequence_number": number, "delta": text, "obfuscation": "xy"},
    st.sampled_from(
        ["response.output_text.delta"] * 3 + ["response.refusal.delta", "response.output_text.done"]
    ),
    TEXTS,
    st.integers(0, 12),
)


@given(
    st.lists(CHUNKS, max_size=40) | st.lists(TYPED, max_size=40) | st.lists(RESPONSES, max_size=40),
    st.booleans(),
    st.integers(1, 3),
)
def test_a_stream_read_with_moulds_says_what_it_says_without(documents, is_ascii, events_a_read):
    events = [
        f"data: {json.dumps(document, ensure_ascii=is_ascii)}\n\n".encode("utf-8", "replace")
        for document in documents
    ]
    fast, slow = StreamReader("model"), StreamReader("model")
    for at in range(0, len(events), events_a_read):
        data = b"".join(events[at : at + events_a_read])
        fast.feed(data, at)
        with patch("replay.dialects.streams.mould_of", return_value=None):
            slow.feed(data, at)
    assert [fast.itl_ns, fast.first_token_ns, fast.last_token_ns] == [
        slow.itl_ns,
        slow.first_token_ns,
        slow.last_token_ns,
    ]
    for name in ("token_count", "error", "has_ended", "usage", "finish_reasons", "tool_names", "layout"):
        assert getattr(fast, name) == getattr(slow, name)
