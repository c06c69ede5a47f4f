"""Which events of which layout are tokens, errors and ends: the oddities of servers, one by one."""

import json
from typing import Any

import pytest

from replay.dialects.facts import LONGEST_NAME, MOST_NAMES
from replay.dialects.streams import StreamReader
from replay.dialects.types import Usage


def event(value: Any, name: str = "") -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def chat(delta: Any, finish: str | None = None, **fields: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields})


def call(**function: Any) -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"index": 0, "function": function}]}


def block(kind: str, **fields: Any) -> bytes:
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}})


def response(kind: str, **fields: Any) -> bytes:
    return event({"type": f"response.{kind}", **fields}, f"response.{kind}")


def fed(*reads: bytes, family: str | None = "model") -> StreamReader:
    reader = StreamReader(family)
    for at, data in enumerate(reads, 1):
        reader.feed(data, at * 10)
    reader.finish()
    return reader


A = chat({"content": "a"})
TOKENS = {
    "a blank": chat({"content": " "}),
    "a line end": chat({"content": "\n"}),
    "role and content": chat({"role": "assistant", "content": "Hi"}),
    "content that speaks of errors": chat({"content": '{"error":{"message":"x"}}'}),
    "reasoning_content": chat({"content": "", "reasoning_content": "hm"}),
    "reasoning": chat({"content": None, "reasoning": "hm"}),
    "thinking": chat({"content": "", "thinking": "hm"}),
    "reasoning_details": chat({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
    "a reasoning summary": chat({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}),
    "content in parts": chat({"content": [{"type": "text", "text": "Hi"}]}),
    "thinking in parts": chat({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
    "a refusal": chat({"refusal": "No"}),
    "a tool's name": chat(call(name="look", arguments="")),
    "a tool's arguments": chat(call(arguments='{"a')),
    "a custom tool's input": chat({"tool_calls": [{"index": 0, "custom": {"input": "x"}}]}),
    "a function's arguments": chat({"function_call": {"arguments": "{"}}),
    "audio": chat({"audio": {"id": "a", "data": "AAAA"}}),
    "an image as it comes": response("image_generation_call.partial_image", partial_image_b64="AAAA"),
    "a thought that is not to be read": event(
        {"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "AAAA"}}
    ),
    "a transcript": chat({"audio": {"transcript": "Hi"}}),
    "the second choice": event(
        {"choices": [{"delta": {"content": ""}}, {"index": 1, "delta": {"content": "x"}}]}
    ),
    "content with the reason of the end": chat({"content": "a"}, "stop"),
    "content with usage": chat({"content": "a"}, usage={"completion_tokens": 1}),
    "keys in another order, with blanks": event(
        b'{ "choices" :\t[ { "finish_reason" : null , "delta" : { "content" : "a" } } ] }'
    ),
    "an error that is null": chat({"content": "a"}, error=None),
    "an error that is empty": chat({"content": "a"}, error=""),
    "half a surrogate pair": event(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}'),
    "bytes that are no UTF-8": event(b'{"choices":[{"delta":{"content":"\xf0\x9f"}}]}'),
    "no number among the log-probabilities": event(
        b'{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"logprob":-Infinity}]}}]}'
    ),
    "a whole message": event({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}),
    "a legacy completion": event({"choices": [{"text": "a", "index": 0}]}),
    "Anthropic text": block("text_delta", text=" "),
    "Anthropic thinking": block("thinking_delta", thinking="hm"),
    "Anthropic tool input": block("input_json_delta", partial_json='{"error":'),
    "Responses text": response("output_text.delta", delta="Hi"),
    "Responses refusal": response("refusal.delta", delta="No"),
    "Responses reasoning": response("reasoning_text.delta", delta="hm"),
    "Responses arguments": response("function_call_arguments.delta", delta="{"),
    "Responses transcript": response("audio.transcript.delta", delta="Hi"),
    "another layout": event({"token": {"text": "a"}}),
    "plain text": event(b"Hello"),
}
NO_TOKENS = {
    "the role": chat({"role": "assistant", "content": ""}),
    "the role with a name": chat({"role": "assistant", "name": "bot"}),
    "nothing": chat({}),
    "no delta": event({"choices": [{"index": 0, "content_filter_results": {}}]}),
    "a delta that is null": chat(None),
    "a choice that is null": event({"choices": [None]}),
    "every field null": chat({"content": None, "tool_calls": None, "audio": None, "reasoning_details": None}),
    "every field empty": chat({"content": "", "tool_calls": [], "audio": {}, "reasoning_details": []}),
    "a signature of reasoning": chat({"reasoning_details": [{"type": "reasoning.text", "signature": "c2ln"}]}),
    "a tool call without anything": chat(call(arguments="")),
    "the id of audio": chat({"audio": {"id": "a"}}),
    "the usage alone": event({"choices": [], "usage": {"completion_tokens": 2}}),
    "Azure's filter": event({"choices": [], "prompt_filter_results": [{"content_filter_results": {}}]}),
    "choices that are none": event({"choices": [], "object": "chat.completion.chunk"}),
    "[DONE]": event(b"[DONE]"),
    "[DONE] with blanks": b"data:  [DONE]\t \n\n",
    "no data": b"id: 1\nretry: 10\n\n",
    "empty data": b"data:\n\ndata\n\ndata: \n\n",
    "a comment": b": OPENROUTER PROCESSING\n\n:\n\n",
    "a ping": event({"type": "ping"}, "ping"),
    "a ping by name": event({"time": 1}, "ping"),
    "a ping in words": event(b"ping"),
    "a keep-alive": event({"type": "keepalive", "sequence_number": 3}, "keepalive"),
    "an Anthropic signature": block("signature_delta", signature="c2ln"),
    "an Anthropic citation": block("citations_delta", citation={"cited_text": "a"}),
    "empty Anthropic text": block("text_delta", text=""),
    "a block's start": event(
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {}}}
    ),
    "Responses done": response("output_text.done", text="Hi"),
    "an empty Responses delta": response("output_text.delta", delta=""),
    "a Responses item": response("output_item.done", item={"type": "message", "content": [{"text": "Hi"}]}),
    "a JSON-RPC answer": event({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": "Hi"}]}}),
    "a JSON-RPC batch": event([{"jsonrpc": "2.0", "id": 1, "result": {}}]),
}


@pytest.mark.parametrize("name", TOKENS)
def test_content_is_a_token(name):
    assert fed(TOKENS[name]).token_count == 1


@pytest.mark.parametrize("name", NO_TOKENS)
def test_what_brings_no_content_is_no_token(name):
    assert fed(NO_TOKENS[name]).token_count == 0


@pytest.mark.parametrize("name", [name for name in NO_TOKENS if "JSON-RPC" not in name])
def test_what_brings_no_content_is_no_token_between_tokens_either(name):
    reader = fed(A, A, A, NO_TOKENS[name], A)
    assert (reader.token_count, reader.last_token_ns, reader.itl_ns) == (4, 50, [10, 10, 20])


def test_what_came_before_the_layout_was_told_is_no_token_of_it():
    reader = fed(event({"hello": 1}), event(b"connected"), A)
    assert (reader.token_count, reader.first_token_ns, reader.layout) == (1, 30, "openai-chat")


def test_what_is_in_no_layout_is_no_token_in_a_stream_that_is_in_one():
    assert fed(A, event({"x": 1}), event(b"y"), event(b"[1]"), event(b"{"), A).token_count == 2


def test_streams_in_no_known_layout_say_so_and_count_each_event():
    reader = fed(event({"outputs": [{"content": {}}]}), event({"outputs": []}), event(b"[DONE]"))
    assert (reader.layout, reader.token_count, reader.is_cut_short) == (None, 2, False)
    assert repr(reader) == "<StreamReader unknown layout, 2 tokens>"


def test_a_prompt_that_gemini_blocks_is_answered_with_that_alone():
    reader = fed(event({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}))

    assert (reader.layout, reader.token_count, reader.is_cut_short) == ("gemini-generate", 0, False)
    assert (reader.finish_reasons, reader.usage) == (("SAFETY",), Usage(4))


def test_gemini_ends_with_a_reason_for_each_candidate():
    def candidate(index: int, **fields: Any) -> bytes:
        return event({"candidates": [{"index": index, "content": {"parts": [{"text": "a"}]}, **fields}]})

    begun = [candidate(0), candidate(1), candidate(0, finishReason="STOP")]
    assert fed(*begun).is_cut_short
    assert not fed(*begun, candidate(1, finishReason="MAX_TOKENS")).is_cut_short


def test_an_event_of_several_documents_is_one_token():
    line = A.removesuffix(b"\n\n")
    reader = fed(line + b"\n" + line + b"\ndata: [DONE]\n\n")
    assert (reader.token_count, reader.has_ended) == (1, True)


def test_every_choice_must_have_ended():
    def chunk(index: int, finish: str | None) -> bytes:
        return event({"choices": [{"index": index, "delta": {"content": "a"}, "finish_reason": finish}]})

    assert fed(chunk(0, None), chunk(1, None), chunk(0, "stop")).is_cut_short
    assert fed(chunk(0, "stop"), chunk(1, None)).is_cut_short
    assert not fed(chunk(0, None), chunk(1, None), chunk(0, "stop"), chunk(1, "length")).is_cut_short
    assert not fed(chunk(0, None), event(b"[DONE]")).is_cut_short


def test_an_empty_finish_reason_is_none():
    assert fed(chat({"content": "a"}, "")).is_cut_short


def test_done_ends_no_stream_that_has_an_end_of_its_own():
    assert fed(block("text_delta", text="a"), event(b"[DONE]")).is_cut_short
    assert fed(response("output_text.delta", delta="a"), event(b"[DONE]")).is_cut_short


def test_a_model_stream_without_an_event_is_cut_short():
    assert fed().is_cut_short
    assert fed(b": ping\n\n").is_cut_short
    assert not fed(family=None).is_cut_short
    assert not fed(family="rpc").is_cut_short


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled"])
def test_responses_end_in_any_of_four_ways(status):
    reader = fed(response(status, response={"status": status, "error": None, "usage": {"output_tokens": 2}}))
    assert (reader.has_ended, reader.is_cut_short, reader.usage) == (True, False, Usage(None, 2))
    assert reader.error == ("model_error" if status == "failed" else None)
    assert reader.finish_reasons == (status,)


def test_why_a_response_is_incomplete_is_its_finish_reason():
    details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert fed(response("incomplete", response=details)).finish_reasons == ("max_output_tokens",)


def test_a_choice_that_ended_by_an_error_is_a_model_error_and_other_ends_are_none():
    assert fed(A, chat({"content": ""}, "error")).error == "model_error"
    assert fed(A, chat({}, "content_filter")).error is None
    assert fed(A, chat({}, "length")).error is None


RPC_ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "x"}}
TOOL_ERROR = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"content": [{"type": "text", "text": "x"}], "isError": True},
}
FINE = {"jsonrpc": "2.0", "id": 2, "result": {"content": [{"type": "text", "text": '"isError": true'}]}}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([FINE], None),
        ([RPC_ERROR], "rpc_error"),
        ([TOOL_ERROR], "tool_error"),
        ([[FINE, TOOL_ERROR]], "tool_error"),
        (
            [{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"error": 1}}, RPC_ERROR],
            "rpc_error",
        ),
        ([{"jsonrpc": "2.0", "id": 4, "method": "sampling/createMessage", "params": {}}, FINE], None),
        ([{**FINE, "error": None}], None),
        ([{"jsonrpc": "2.0", "id": 1, "result": {"isError": "true"}}], None),
        ([{"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": {"isError": True}}}], None),
    ],
)
@pytest.mark.parametrize("family", ["rpc", None])
def test_json_rpc_answers_in_a_stream_say_whether_they_failed(messages, error, family):
    reader = fed(*(event(message, "message") for message in messages), family=family)
    assert (reader.error, reader.layout, reader.has_ended) == (error, "json-rpc", True)
    assert (reader.token_count, reader.is_cut_short) == (0, False)


def test_the_first_error_counts():
    assert fed(event(TOOL_ERROR), event(RPC_ERROR)).error == "tool_error"


def test_an_error_in_no_layout_is_of_the_family_that_was_asked():
    assert fed(event({"error": "x"}), family="rpc").error == "rpc_error"
    assert fed(event({"error": "x"}), family=None).error == "model_error"


def test_usage_of_each_event_replaces_what_was_told_before():
    reader = fed(
        chat({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        chat({"content": "b"}, usage={"prompt_tokens": 3, "completion_tokens": 2}),
        chat({"content": "c"}, usage=None),
    )
    assert reader.usage == Usage(3, 2)


def test_names_are_kept_once_and_within_bounds():
    names = ["look", "look", *(str(n) * 1000 for n in range(10, 100))]
    reader = fed(*(chat(call(name=name)) for name in names), *(chat({}, name) for name in names))
    assert reader.tool_names[0] == "look"
    assert len(reader.tool_names) == len(reader.finish_reasons) == MOST_NAMES
    assert max(map(len, reader.tool_names)) == LONGEST_NAME


def test_a_gigantic_last_event_still_ends_the_stream():
    last = response("completed", response={"status": "completed", "output": [{"text": "x" * 3_000_000}]})
    for size in (65_536, len(last)):
        reader = fed(*(last[at : at + size] for at in range(0, len(last), size)))
        assert (reader.has_ended, reader.error, reader.token_count) == (True, None, 0)


THINKING = {
    "prompt_tokens": 5,
    "completion_tokens": 107,
    "completion_tokens_details": {"reasoning_tokens": 100},
}
SUMMARY = {"type": "reasoning.summary", "summary": "hm"}
HIDDEN = {
    "a chat that shows nothing of it": ((chat({"content": "a"}, usage=THINKING),), 107, 100),
    "a chat that shows all of it": (
        (chat({"reasoning_content": "hm"}), chat({"content": "a"}, usage=THINKING)),
        107,
        None,
    ),
    "a chat that shows it in parts": (
        (chat({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}), chat({}, usage=THINKING)),
        107,
        None,
    ),
    "a chat that shows a summary of it": (
        (chat({"reasoning": "hm", "reasoning_details": [SUMMARY]}), chat({}, usage=THINKING)),
        107,
        100,
    ),
    "xAI, which counts it beside": (
        (chat({"content": "a"}, usage={**THINKING, "total_tokens": 212}),),
        207,
        100,
    ),
    "one that counts it within": ((chat({"content": "a"}, usage={**THINKING, "total_tokens": 112}),), 107, 100),
    "Responses": (
        (
            response("reasoning_summary_text.delta", delta="hm"),
            response(
                "completed",
                response={
                    "status": "completed",
                    "usage": {
                        "input_tokens": 5,
                        "output_tokens": 107,
                        "output_tokens_details": {"reasoning_tokens": 100},
                    },
                },
            ),
        ),
        107,
        100,
    ),
    "Gemini": (
        (
            event(
                {
                    "candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}],
                    "usageMetadata": {
                        "promptTokenCount": 5,
                        "candidatesTokenCount": 7,
                        "thoughtsTokenCount": 100,
                    },
                }
            ),
        ),
        107,
        100,
    ),
    "a usage that does not say": ((chat({"content": "a"}, usage={"completion_tokens": 7}),), 7, None),
    "a usage of nonsense": (
        (
            chat(
                {"content": "a"},
                usage={"completion_tokens": 7, "completion_tokens_details": [{"reasoning_tokens": 1}]},
            ),
        ),
        7,
        None,
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_was_thought_and_not_shown_is_told_apart(name):
    reads, output, hidden = HIDDEN[name]
    reader = fed(*reads)

    assert (reader.usage.output_tokens, reader.hidden_tokens) == (output, hidden)
