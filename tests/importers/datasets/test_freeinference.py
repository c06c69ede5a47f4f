"""The FreeInference agentic trace becomes sessions of agents, their tools and their sub-agents."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from replay.assembly.types import ImportOptions
from replay.importers.datasets.freeinference import FreeInference
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge

START_MS = 1_778_977_459_236


def request(step, at, took, **fields):
    told = {
        "step": step,
        "turn_index": 0,
        "step_trigger": "user" if step == 0 else "tool",
        "link_reason": None,
        "start_ms": START_MS + at,
        "end_ms": START_MS + at + took,
        "ttft_ms": 300,
        "model": "glm-5.1",
        "provider": "B",
        "stream": True,
        "provider_tokens": {"prompt": 40, "completion": 23, "cached": 32},
        "role_tokens": {"system": 17, "user": 11, "assistant": 0, "tool": 0, "tool_definitions": 8},
        "block_ids": [123, 456],
        "tool_calls": [],
    }
    return told | fields


def tool(index, latency_ms, name="terminal", category="*Interpreter", **fields):
    return {
        "call_index": index,
        "name": name,
        "category": category,
        "parse_status": "success",
        "arguments": [["command", "python <path>"]],
        "outcome": "ok",
        "latency_ms": latency_ms,
        "subagent": None,
    } | fields


def session(name, *requests):
    return {
        "week": "2026-05-17_2026-05-23",
        "day": "2026-05-17",
        "session_id": name,
        "user_id": "u1",
        "harness": "claude-code",
        "start_ms": requests[0]["start_ms"],
        "end_ms": requests[-1]["end_ms"],
        "requests": list(requests),
    }


SUBAGENT = session("sub", request(0, 3_050, 400, stream=None))
WHOLE = session(
    "top",
    request(0, 0, 1_000, tool_calls=[tool(0, 500), tool(1, 500, "read", outcome="error")]),
    request(1, 1_500, 1_500, block_ids=[123, 456, 789, 790], tool_calls=[tool(0, 1_000, "task", "Subagent", subagent=SUBAGENT)]),
    request(2, 4_000, 500, provider_tokens=None, tool_calls=[tool(0, 60_000, "ask", "Ask User"), tool(1, None)]),
)  # fmt: skip


@pytest.fixture
def imported(tmp_path):
    def read(*lines, **options):
        path = tmp_path / "2026-05-17.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        assert FreeInference().sniff(path.read_bytes()[:4096])
        return written(FreeInference().read([path], ImportOptions(name="n", **options)), tmp_path)

    return read


def written(result, folder):
    with TraceWriter(folder / "out.jsonl", result.header) as writer:
        for each in result.sessions():
            writer.write(each)
    return list(read_sessions(folder / "out.jsonl")), result


def test_requests_and_tools_become_calls_that_follow_one_another(imported):
    [found], result = imported(WHOLE)

    assert (found.id, found.attributes["agent"]) == ("top", "claude-code")
    assert [(each.id, each.kind, each.name, each.at_ms, each.took_ms) for each in found.steps] == [
        ("1", "llm", "main", 0.0, 1000.0),
        ("1.1", "tool", "terminal", 1000.0, 500.0),
        ("1.2", "tool", "read", 1000.0, 500.0),
        ("2", "llm", "main", 1500.0, 1500.0),
        ("s1.1", "llm", "subagent", 3050.0, 400.0),
        ("3", "llm", "main", 4000.0, 500.0),
    ]
    steps = {each.id: each for each in found.steps}
    assert steps["2"].after == (Edge("1.1", delay_ms=0.0), Edge("1.2", delay_ms=0.0))
    assert steps["3"].after == (Edge("s1.1", delay_ms=550.0),)
    assert steps["1.2"].attributes["error"] == "error"
    assert result.header.attributes["import"]["dropped"] == {
        "question(s) to the user, whose time is think time": 1,
        "tool call(s) without a time": 1,
    }


def test_a_call_has_the_providers_tokens_its_first_byte_and_as_many_blocks_as_fit(imported):
    [found], _ = imported(WHOLE)
    first, second, last = (each.llm for each in found.steps if each.name == "main")

    assert (first.input_tokens, first.output_tokens, first.model, first.stream) == (40, 23, "glm-5.1", True)
    assert found.steps[0].recorded.ttft_ms == 300.0
    assert first.prefix_block_tokens == 16
    assert (first.prefix, second.prefix) == ((0, 1), (0, 1))
    assert (last.input_tokens, last.output_tokens) == (36, 0)


def test_the_tables_of_a_week_give_the_same_steps(imported, tmp_path):
    expected, _ = imported(WHOLE)
    nested = [WHOLE, SUBAGENT]
    requests, tools = [], []
    for each in nested:
        for asked in each["requests"]:
            tokens = asked["provider_tokens"] or {"prompt": None, "completion": None, "cached": None}
            kept = (
                "step",
                "link_reason",
                "start_ms",
                "end_ms",
                "ttft_ms",
                "model",
                "provider",
                "stream",
                "step_trigger",
            )
            requests.append(
                {"session_id": each["session_id"], **{key: asked[key] for key in kept}}
                | {
                    "prompt_tokens": tokens["prompt"],
                    "completion_tokens": tokens["completion"],
                    "cache_read_tokens": tokens["cached"],
                    "role_tokens": asked["role_tokens"],
                    "block_ids": asked["block_ids"],
                }
            )
            for call in asked["tool_calls"]:
                kept = ("call_index", "name", "category", "parse_status", "outcome", "latency_ms")
                tools.append(
                    {
                        "session_id": each["session_id"],
                        "step": asked["step"],
                        **{key: call[key] for key in kept},
                    }
                )
    told = {"user_id": "u1", "harness": "claude-code"}
    spawned = {"parent_session_id": "top", "spawned_by_step": 1, "spawned_by_call_index": 0}
    sessions = [{"session_id": "top", **told}, {"session_id": "sub", **told, **spawned}]
    folder = tmp_path / "processed"
    folder.mkdir()
    schema = pa.schema([*((name, pa.string()) for name in ("session_id", "user_id", "harness", "parent_session_id")), ("spawned_by_step", pa.int32())])  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(sessions, schema), folder / "sessions.parquet")
    parquet.write_table(pa.Table.from_pylist(requests), folder / "requests.parquet")
    parquet.write_table(pa.Table.from_pylist(tools), folder / "tool_calls.parquet")

    found, _ = written(FreeInference().read([folder], ImportOptions(name="n")), tmp_path)

    assert [each.steps for each in found] == [each.steps for each in expected]


def test_whether_a_call_was_streamed_is_the_options_where_it_is_not_recorded(imported):
    [found], _ = imported(session("s", request(0, 0, 10, stream=None), request(1, 20, 10)), stream=False)
    assert [each.llm.stream for each in found.steps] == [False, True]


def test_a_request_that_occurs_again_is_counted(imported):
    [found], result = imported(session("s", request(0, 0, 10)), session("s", request(0, 0, 10)))
    assert len(found.steps) == 1
    assert (
        result.header.attributes["import"]["dropped"]["request(s) of a session and step that occurred before"]
        == 1
    )


def test_blocks_of_different_weeks_are_not_one_another(imported):
    other = session("t", request(0, 0, 10)) | {"week": "2026-05-24_2026-05-30"}
    found, _ = imported(session("s", request(0, 0, 10)), other)
    assert sorted(each.steps[0].llm.prefix for each in found) == [(0, 1), (2, 3)]


def test_a_time_that_is_none_costs_its_session_only_and_is_named(imported):
    broken = session("b", request(0, 0, 10) | {"start_ms": None})
    found, result = imported(session("s", request(0, 0, 10)), session("t", request(0, 5, 10)), broken)
    assert [each.id for each in found] == ["s", "t"]
    assert any("start_ms None of step 0 is not a time" in note for note in result.notes)
    with pytest.raises(TraceError, match="has no session_id"):
        imported({**session("", request(0, 0, 10))})


def test_sub_agents_that_name_one_another_are_sessions_of_their_own(imported):
    rows = [
        session("a", request(0, 0, 10)),
        session("b", request(0, 5, 10)),
        {"session_id": "a", "user_id": "u", "harness": "h", "parent_session_id": "b", "spawned_by_step": 0},
        {"session_id": "b", "user_id": "u", "harness": "h", "parent_session_id": "a", "spawned_by_step": 0},
    ]
    found, _ = imported(*rows)
    assert sorted(each.id for each in found) == ["a", "b"]
