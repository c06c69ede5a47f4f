"""Whole streams as servers are known to send them, odd in their lines or their chunks: what each says, however it is cut.

Each is fed whole, byte by byte, and in two reads, cut at every byte.
"""

import json
import zlib
from typing import Any, NamedTuple

import pytest

from replay.dialects.streams import StreamReader
from replay.dialects.types import AnswerError, Usage
from replay.http.codings import uncoder
from replay.wire.answers import CodedEvents

Lines = list[str]


class Truth(NamedTuple):
    """tokens: events that bring content. A stream that is cut short, or has failed, is not whole."""

    tokens: int
    is_cut_short: bool = False
    error: AnswerError | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ("stop",)
    tool_names: tuple[str, ...] = ()


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **fields: Any) -> Lines:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return data({"id": "c", "object": "chat.completion.chunk", "choices": [choice], **fields})


def data(value: Any) -> Lines:
    return ["data: " + (value if isinstance(value, str) else json.dumps(value))]


def called(**fields: Any) -> Any:
    return {"tool_calls": [{"index": 0, **fields}]}


ROLE, HI, THERE = chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk({"content": "!"})
STOP, DONE = chunk({}, "stop"), data("[DONE]")
PLAIN = [ROLE, HI, THERE, THERE, STOP, DONE]
USED = {"prompt_tokens": 5, "completion_tokens": 7}
FAILED = data({"error": {"message": "boom", "code": 500}})

# The lines of each event; between events stands an empty line.
CHATS: dict[str, tuple[list[Lines], Truth]] = {
    "plain": (PLAIN, Truth(3)),
    "no blank behind the colon": (
        [[line.replace("data: ", "data:") for line in event] for event in PLAIN],
        Truth(3),
    ),
    "comments, alone and between lines": (
        [[": hello"], *([":", *event, ": more"] for event in PLAIN), [":"]],
        Truth(3),
    ),
    "ids and times to wait": ([["id: 7", "retry: 100", *event] for event in PLAIN], Truth(3)),
    "unknown fields": ([["charset: utf-8", *event, "eventually: no"] for event in PLAIN], Truth(3)),
    "data of many lines": (
        [
            [f"data: {line}" for line in json.dumps(json.loads(event[0][6:]), indent=1).split("\n")]
            for event in PLAIN[:-1]
        ],
        Truth(3),
    ),
    "no [DONE]": (PLAIN[:-1], Truth(3)),
    "no reason": ([ROLE, HI, THERE, DONE], Truth(2, finish_reasons=())),
    "no end": ([ROLE, HI, THERE], Truth(2, is_cut_short=True, finish_reasons=())),
    "[DONE] alone": ([DONE], Truth(0, is_cut_short=True, finish_reasons=())),
    "a role and [DONE]": ([ROLE, DONE], Truth(0, is_cut_short=True, finish_reasons=())),
    "a ping and [DONE]": ([["event: ping", "data: {}"], DONE], Truth(0, is_cut_short=True, finish_reasons=())),
    "nothing said, and why": ([ROLE, STOP, DONE], Truth(0)),
    "usage in the middle": (
        [ROLE, HI, data({"choices": [], "usage": USED}), THERE, STOP],
        Truth(2, usage=Usage(5, 7)),
    ),
    "usage behind the end": ([*PLAIN, data({"choices": [], "usage": USED})], Truth(3, usage=Usage(5, 7))),
    "usage that grows": (
        [chunk({"content": "a"}, usage={"completion_tokens": n}) for n in (1, 2, 3)] + [STOP],
        Truth(3, usage=Usage(None, 3)),
    ),
    "usage that is null until the end": (
        [chunk({"content": "a"}, usage=None), chunk({}, "stop", usage=USED)],
        Truth(1, usage=Usage(5, 7)),
    ),
    "no choices first": ([data({"choices": [], "prompt_filter_results": []}), *PLAIN], Truth(3)),
    "choices that are null": ([data({"choices": None}), *PLAIN], Truth(3)),
    "two choices by turns": (
        [
            HI,
            chunk({"content": "a"}, index=1),
            THERE,
            chunk({"content": "b"}, index=1),
            STOP,
            chunk({}, "stop", 1),
        ],
        Truth(4),
    ),
    "two choices, one without an end": (
        [HI, chunk({"content": "a"}, index=1), STOP],
        Truth(2, is_cut_short=True),
    ),
    "a call of a tool first": (
        [
            chunk(
                {
                    "role": "assistant",
                    "content": None,
                    **called(id="1", function={"name": "look", "arguments": ""}),
                }
            ),
            chunk(called(function={"arguments": '{"a'})),
            chunk(called(function={"arguments": '":1}'})),
            chunk({}, "tool_calls"),
        ],
        Truth(3, finish_reasons=("tool_calls",), tool_names=("look",)),
    ),
    "a refusal": (
        [chunk({"role": "assistant", "content": None, "refusal": ""}), chunk({"refusal": "No"}), STOP],
        Truth(1),
    ),
    "an error for a chunk": ([ROLE, HI, FAILED], Truth(1, error="model_error", finish_reasons=())),
    "an error for a chunk, and then an end": (
        [ROLE, HI, FAILED, DONE],
        Truth(1, error="model_error", finish_reasons=()),
    ),
    "an error inside of a chunk": (
        [ROLE, HI, chunk({"content": ""}, "error", error={"code": 502})],
        Truth(1, error="model_error", finish_reasons=("error",)),
    ),
    "an error by its name": (
        [ROLE, HI, ["event: error", "data: overloaded"]],
        Truth(1, error="model_error", finish_reasons=()),
    ),
    "an error that is null in each": (
        [chunk({"content": "a"}, error=None), chunk({}, "stop", error=None)],
        Truth(1),
    ),
    "several tokens an event": (
        [
            chunk({"content": "one two three"}),
            chunk({"content": "four"}, "stop", usage={"completion_tokens": 4}),
        ],
        Truth(2, usage=Usage(None, 4)),
    ),
    "what is no chunk between them": ([ROLE, HI, data("null"), data("{}"), data("[]"), THERE, STOP], Truth(2)),
    "separators of Unicode": ([chunk({"content": "\u2028\u2029\x85"}), STOP], Truth(1)),
}
ENDS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r"}


def read(reads, reader=None) -> Truth:
    reader = reader or StreamReader("model")
    for at_ns, part in enumerate(reads, 1):
        reader.feed(part, at_ns)
    reader.finish()
    said = (reader.error, reader.usage, reader.finish_reasons, reader.tool_names)
    return Truth(reader.token_count, reader.is_cut_short, *said)


@pytest.mark.parametrize("has_bom", [False, True], ids=["", "BOM"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", CHATS)
def test_what_a_chat_says_does_not_depend_on_how_it_is_written_and_cut(name, end, has_bom):
    events, truth = CHATS[name]
    line_end = ENDS[end]
    written = "".join(line_end.join([*event, "", ""]) for event in events)
    stream = (b"\xef\xbb\xbf" if has_bom else b"") + written.encode()

    assert read([stream]) == truth
    assert read([bytes([byte]) for byte in stream]) == truth
    for at in range(len(stream)):
        assert read([stream[:at], stream[at:]]) == truth


@pytest.mark.parametrize("name", CHATS)
def test_what_a_chat_says_does_not_depend_on_its_coding(name):
    events, truth = CHATS[name]
    pack = zlib.compressobj(wbits=31)
    # Flushed with each event, as servers do that stream what they compress.
    reads = [
        pack.compress("".join(f"{line}\n" for line in [*event, ""]).encode()) + pack.flush(zlib.Z_SYNC_FLUSH)
        for event in events
    ]
    reads.append(pack.flush())

    for parts in (reads, [bytes([byte]) for read_ in reads for byte in read_]):
        coded = uncoder("gzip", 1 << 20)
        assert coded is not None
        assert read(parts, CodedEvents("model", None, coded)) == truth
