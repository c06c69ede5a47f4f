"""What LiteLLM logs of its calls becomes sessions of model and tool calls."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.tracing.litellm import LiteLlm
from replay.trace.types import LlmImage, LlmTools
from tests.support.carried import TOOL, openai_image

# As LiteLLM 1.110 wrote them, without what is never read: one that was not streamed, one that was, one that failed.
PLAIN = {
    "id": "chatcmpl-86c6aa88",
    "trace_id": "02b57cb0",
    "session_id": "",
    "call_type": "acompletion",
    "cache_hit": None,
    "stream": None,
    "status": "success",
    "custom_llm_provider": "openai",
    "startTime": 1795946526.609129,
    "endTime": 1795946526.939649,
    "completionStartTime": 1795946526.939649,
    "model": "gpt-4o-mini",
    "metadata": {"user_api_key_hash": "hash", "requester_metadata": {"run": "r-1"}},
    "response_cost": 1.35e-05,
    "total_tokens": 30,
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "messages": [{"role": "user", "content": "hunter2"}],
    "response": {"choices": [{"message": {"content": "hunter2"}}]},
    "model_parameters": {},
}
STREAMED = {
    **PLAIN,
    "id": "chatcmpl-cd53641a",
    "stream": True,
    "startTime": 1795946526.951427,
    "endTime": 1795946528.131934,
    "completionStartTime": 1795946527.878841,
    "prompt_tokens": 8,
    "completion_tokens": 8,
}
FAILED = {
    **PLAIN,
    "id": "479cede2",
    "status": "failure",
    "startTime": 1795946528.140997,
    "endTime": 1795946528.149721,
    "completionStartTime": 1795946528.149721,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "error_str": "litellm.RateLimitError: hunter2",
}


@pytest.fixture
def imported(tmp_path):
    def run(*payloads, **options):
        path = tmp_path / "calls.jsonl"
        path.write_text("".join(f"{json.dumps(payload)}\n" for payload in payloads))
        result = LiteLlm().read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


def test_calls_of_one_trace_are_a_session_with_their_times_tokens_and_streams(imported):
    [session], result = imported(PLAIN, STREAMED, FAILED)

    assert session.id == "02b57cb0"
    assert [(step.took_ms, step.llm.input_tokens, step.llm.output_tokens) for step in session.steps] == [
        (330.52, 10, 20),
        (1_180.507, 8, 8),
        (8.724, 0, 0),
    ]
    assert [step.llm.stream for step in session.steps] == [False, True, False]
    assert session.steps[1].recorded.ttft_ms == 927.414
    assert session.steps[2].attributes["error"] == "true"
    assert "Whether calls were streamed is recorded." in result.notes
    assert "hunter2" not in repr((session, result))


def test_the_format_is_told_from_langfuses_which_has_keys_of_the_same_names():
    start = json.dumps(STREAMED).encode()

    assert [name for name, importer in IMPORTERS.items() if importer.sniff(start)] == ["litellm"]


def test_a_row_of_the_spend_logs_is_streamed_where_its_first_token_came_before_its_end(imported):
    row = {
        "request_id": "r1",
        "call_type": "completion",
        "spend": 0.1,
        "startTime": "2026-01-01T00:00:00.000000",
        "endTime": "2026-01-01T00:00:02.000000",
        "completionStartTime": "2026-01-01T00:00:00.500000",
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "session_id": "s-7",
    }
    [session], _ = imported(row, {**row, "request_id": "r2", "completionStartTime": row["endTime"]})

    assert session.id == "s-7"
    assert [(step.llm.stream, step.recorded and step.recorded.ttft_ms) for step in session.steps] == [
        (True, 500.0),
        (False, None),
    ]


def test_other_calls_are_tools_and_what_the_cache_answered_says_so(imported):
    called = {"mcp_tool_call_metadata": {"name": "search", "arguments": {"q": 1, "api_key": "hunter2"}}}
    mcp = {**PLAIN, "id": "m", "call_type": "call_mcp_tool", "metadata": called}
    [session], _ = imported(mcp, {**STREAMED, "call_type": "aembedding"}, {**FAILED, "cache_hit": True})

    assert [(step.kind, step.name) for step in session.steps] == [
        ("tool", "search"),
        ("tool", "aembedding"),
        ("llm", "completion"),
    ]
    assert json.loads(bytes(session.steps[0].request.json)) == {"q": 1, "api_key": "redacted"}
    assert session.steps[2].attributes["cached"] == "true"


def test_what_a_session_is_may_stand_in_the_callers_metadata(imported):
    sessions, _ = imported({**PLAIN, "trace_id": "a"}, {**STREAMED, "trace_id": "b"}, session_by="run")

    assert [session.id for session in sessions] == ["r-1"]


@pytest.mark.parametrize("value", [None, "x", -1, 1e300, [], {}, True])
def test_a_field_of_another_type_does_no_harm_or_costs_its_line(imported, value):
    for key in PLAIN:
        sessions, _ = imported(PLAIN, STREAMED, {**FAILED, key: value})

        assert sum(len(session.steps) for session in sessions) >= 2


def test_images_and_tools_that_were_logged_are_told_by_their_size(imported):
    asked = {
        "messages": [{"role": "user", "content": [openai_image(), {"type": "text", "text": "hunter2"}]}],
        "model_parameters": {"tools": [TOOL, TOOL]},
    }
    [session], _ = imported({**PLAIN, **asked}, {**STREAMED, **asked}, FAILED)
    first, second, third = (step.llm for step in session.steps)

    assert first.images == second.images == (LlmImage(9_000, "image/png", 320, 200, 0),)
    assert first.tools == LlmTools(2, len(json.dumps([TOOL, TOOL], separators=(",", ":"))))
    assert (third.images, third.tools) == ((), None)
