"""Token events of a stream: whole, cut anywhere, and against a reader of whole streams that looks at each event."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.streams import MOST_GAPS, StreamReader


def chunk(delta: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta, **fields}]}).encode()


ROLE = chunk({"role": "assistant", "content": ""})
HELLO = chunk({"content": "Hello"})
STOP = chunk({}, finish_reason="stop")
USAGE = b'{"choices":[],"usage":{"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":0}}}'
DONE = b"[DONE]"

SHOWS = {
    "content": HELLO,
    "a space": chunk({"content": " "}),
    "a quotation mark": chunk({"content": '"'}),
    "content that speaks of nothing": chunk({"content": '"content":"" "choices":[] "delta":{}'}),
    "role and content": chunk({"role": "assistant", "content": "Hi"}),
    "reasoning": chunk({"content": None, "reasoning_content": "hm"}),
    "reasoning, by its short name": chunk({"content": "", "reasoning": "hm"}),
    "a refusal": chunk({"content": None, "refusal": "No"}),
    "a tool call": chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, "id": "t"}]}),
    "a function call": chunk({"content": None, "function_call": {"name": "f", "arguments": ""}}),
    "one of two choices": b'{"choices":[{"delta":{"content":""}},{"delta":{"content":"x"}}]}',
    "another layout": b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}',
    "plain text": b"Hello",
}
SHOWS_NOTHING = {
    "the end mark": DONE,
    "an empty line": b"",
    "the role alone": chunk({"role": "assistant"}),
    "the role with empty content": ROLE,
    "the role with every field named": chunk(
        {"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": None}
    ),
    "the role with no refusal": chunk({"role": "assistant", "content": "", "refusal": None}),
    "empty reasoning": chunk({"content": None, "reasoning_content": ""}),
    "no tool calls": chunk({"content": None, "tool_calls": []}),
    "why it ended": STOP,
    "the usage": USAGE,
    "the usage, with spaces": USAGE.replace(b":", b": "),
}


def fed(*reads: bytes) -> StreamReader:
    """A timer that got these reads at 10, 20, 30 ... ns."""
    timer = StreamReader()
    for at, data in enumerate(reads, 1):
        timer.feed(data, at * 10)
    return timer


def event(*values: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(b"data: " + value + end for value in values) + end


@pytest.mark.parametrize("name", SHOWS)
@pytest.mark.parametrize("is_compact", [False, True])
def test_what_carries_something_to_show_is_a_token(name, is_compact):
    value = SHOWS[name].replace(b'": ', b'":') if is_compact else SHOWS[name]
    assert fed(event(value)).token_count == 1
    assert fed(b": slow path\n" + event(value)).token_count == 1


@pytest.mark.parametrize("name", SHOWS_NOTHING)
@pytest.mark.parametrize("is_compact", [False, True])
def test_what_carries_nothing_to_show_is_no_token(name, is_compact):
    value = SHOWS_NOTHING[name].replace(b'": ', b'":') if is_compact else SHOWS_NOTHING[name]
    assert fed(event(value)).token_count == 0
    assert fed(b": slow path\n" + event(value)).token_count == 0


def test_tokens_are_timed_by_the_read_that_brings_their_end():
    timer = fed(event(ROLE), b"data: " + HELLO, b"\n", b"\n", event(HELLO), event(STOP), event(HELLO))

    assert timer.first_token_ns == 40
    assert timer.itl_ns == [10, 20]
    assert timer.token_count == 3


def test_events_in_one_read_happen_together():
    timer = fed(event(ROLE) + event(HELLO) * 2, event(HELLO) * 2 + event(DONE))

    assert timer.first_token_ns == 10
    assert timer.itl_ns == [0, 10, 0]


def test_without_tokens_nothing_is_timed():
    timer = fed(event(ROLE), event(USAGE), event(DONE))

    assert (timer.first_token_ns, timer.token_count, timer.itl_ns) == (0, 0, [])
    assert repr(timer) == "<StreamReader openai-chat, 0 tokens>"


def test_an_event_that_never_ended_did_not_happen():
    assert fed(event(HELLO) + b"data: " + HELLO + b"\n").token_count == 1


def test_several_data_lines_are_one_event():
    assert fed(event(HELLO, HELLO)).token_count == 1
    assert fed(event(b"", HELLO)).token_count == 1


@pytest.mark.parametrize("line", [b": ping", b"event: ping", b"id: 7", b"retry: 10", b"database: 1", b"data"])
def test_lines_that_are_no_data_are_no_tokens(line):
    assert fed(line + b"\n\n").token_count == 0
    assert fed(line + b"\n" + event(HELLO)).token_count == 1


def test_a_byte_order_mark_is_passed_over_at_the_start_only():
    bom = b"\xef\xbb\xbf"
    assert fed(bom + event(HELLO)).token_count == 1
    assert fed(event(HELLO) + bom + event(HELLO)).token_count == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_at_every_byte_has_the_same_tokens(end):
    stream = b"\xef\xbb\xbf: hi" + end * 2
    stream += b"".join(
        event(value, end=end) for value in (ROLE, HELLO, SHOWS["a tool call"], STOP, USAGE, DONE)
    )
    assert fed(stream).token_count == 2
    for cut in range(len(stream) + 1):
        timer = fed(stream[:cut], stream[cut:])
        assert timer.token_count == 2
        assert len(timer.itl_ns) == 1


def test_line_ends_may_be_mixed_and_split_between_reads():
    assert fed(b"data: x\r", b"\n\r", b"\n", b"data: y\n\r\n", b"data: z\r\r").token_count == 3


def test_empty_reads_change_nothing():
    assert fed(b"", b"data: x\r", b"", b"\n", b"", b"\n", b"").token_count == 1


@pytest.mark.parametrize("shows", [b'"content":"x"', b'"content":""'])
def test_an_event_too_long_to_keep_is_bounded_in_memory_and_judged_by_its_start(shows):
    line = b'data: {"choices":[{"delta":{' + shows + b'}}],"pad":"' + b"x" * 3_000_000 + b'","content":""}\n\n'
    counts = set()
    for size in (1_000, 65_536, 100_000, len(line)):
        timer = StreamReader()
        for at in range(0, len(line), size):
            timer.feed(line[at : at + size], at)
            assert len(timer._cutter.unfinished()) < 1_200_000
        timer.feed(event(HELLO), 0)
        counts.add(timer.token_count)
    assert counts == {1 if b'""' in shows else 2}


def reference_token_count(stream: bytes) -> int:
    """The HTML standard's algorithm on the whole stream, and JSON read as JSON."""
    text = stream.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    *events, _ = text.split("\n\n")
    count, is_chat = 0, False
    for lines in events:
        values = [line[5:].removeprefix(" ") for line in lines.split("\n") if line.startswith("data:")]
        documents = [read(value) for value in values]
        if not is_chat and any(isinstance(document, dict) and "choices" in document for document in documents):
            count, is_chat = 0, True
        count += any(
            shows_something(document) if isinstance(document, dict) else document and not is_chat
            for document in documents
        )
    return count


def read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.strip().replace("[DONE]", "")


def shows_something(chunk: dict[str, Any]) -> bool:
    keys = ("content", "reasoning_content", "refusal", "tool_calls", "function_call")
    return any(choice["delta"].get(key) for choice in chunk.get("choices", ()) for key in keys)


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", '"content":""', '{"delta":{}}', "\\"]
)
DELTAS = st.one_of(
    st.fixed_dictionaries({"content": TEXTS | st.none()}, optional={"refusal": TEXTS | st.none()}),
    st.fixed_dictionaries(
        {"role": st.just("assistant") | st.none(), "content": TEXTS | st.none()},
        optional={"reasoning_content": TEXTS | st.none(), "tool_calls": st.none()},
    ),
    st.fixed_dictionaries(
        {"content": st.none(), "tool_calls": st.just([{"index": 0, "id": "t"}]) | st.just([])}
    ),
    st.just({}),
    st.just({"role": "assistant"}),
)
CHUNKS = st.lists(DELTAS, max_size=2).map(lambda deltas: {"choices": [{"delta": d} for d in deltas]})
SPACINGS = st.sampled_from([(",", ":"), (", ", ": "), (",", ": ")])
JSON_CHUNKS = st.builds(
    lambda read, spacing, is_ascii: json.dumps(read, separators=spacing, ensure_ascii=is_ascii).encode(),
    CHUNKS,
    SPACINGS,
    st.booleans(),
)
VALUES = JSON_CHUNKS | st.sampled_from([DONE, b"", USAGE, b"plain"])
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
EVENTS = st.builds(
    lambda before, values, end: before + (end if before else b"") + event(*values, end=end),
    st.sampled_from([b"", b": comment", b"event: x", b"id: 1"]),
    st.lists(VALUES, min_size=1, max_size=2),
    LINE_ENDS,
)
STREAMS = st.lists(EVENTS, max_size=6).map(b"".join)


@given(STREAMS, st.booleans())
def test_tokens_are_those_that_a_reader_of_the_json_counts(stream, has_bom):
    stream = b"\xef\xbb\xbf" * has_bom + stream
    assert fed(stream).token_count == reference_token_count(stream)


@given(STREAMS, st.data())
def test_any_cutting_has_the_same_tokens_and_gaps_that_sum_to_the_whole(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    timer, seen_ns, now_ns = StreamReader(), [], 0
    for start, end in pairwise([0, *cuts, len(stream)]):
        now_ns += data.draw(st.integers(1, 10**9))
        before, was_known = timer.token_count, timer.layout
        timer.feed(stream[start:end], now_ns)
        if timer.layout != was_known:
            seen_ns, before = [], 0
        seen_ns += [now_ns] * (timer.token_count - before)

    assert timer.token_count == fed(stream).token_count
    assert len(timer.itl_ns) == max(0, timer.token_count - 1)
    if seen_ns:
        assert timer.first_token_ns == seen_ns[0]
        assert sum(timer.itl_ns) == seen_ns[-1] - seen_ns[0]


@given(st.lists(st.binary(max_size=40)))
def test_bytes_that_are_no_stream_do_no_harm(reads):
    timer = fed(*reads)
    assert timer.token_count == fed(b"".join(reads)).token_count


def test_the_gaps_of_a_flood_are_counted_in_bounded_room():
    reader, at_ns, further_ns = StreamReader(), 0, []
    for n in range(MOST_GAPS + 50_001):
        gap_ns = (n * 7919) % 2_000_000
        at_ns += gap_ns
        if n > MOST_GAPS:
            further_ns.append(gap_ns)
        reader.feed(b"data: x\n\n", at_ns)

    assert reader.token_count == MOST_GAPS + 50_001
    assert len(reader.itl_ns) == MOST_GAPS
    assert sum(reader.further_itl_ns.values()) == len(further_ns) == 50_000
    assert len(reader.further_itl_ns) < 20_000
    folded_ns = sum(gap_ns * times for gap_ns, times in reader.further_itl_ns.items())
    assert 0.999 * sum(further_ns) < folded_ns <= sum(further_ns)
