"""Copilot's events: a call goes from its input to its message, tools as they say, and agents that tools set to work.

The events are laid out as those of its releases 0.0.369 to 1.0.77, and as `copilot -p --output-format json` prints them.
"""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.agents.copilot import Copilot
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms


def event(kind, n, later_ms=0, *, agent=None, name=None, **data):
    told = {"type": kind, "data": data, "id": name or f"{kind} {n} {later_ms}", "timestamp": at(n, later_ms)}
    return told if agent is None else {**told, "agentId": agent}


HEAD = event("session.start", 0, sessionId="s-1", copilotVersion="1.0.77", selectedModel="m-0")
ASKED = event("user.message", 1, content="hello")
TURN = event("assistant.turn_start", 1, 100, turnId="0")


def requested(name, tool="bash", arguments=None):
    return {"toolCallId": name, "name": tool, "arguments": arguments or {"command": "ls"}, "type": "function"}


def answered(n, *requests, later_ms=0, agent=None, **data):
    told = {"content": "", "model": "m-1", "outputTokens": 12, "toolRequests": list(requests), **data}
    return event("assistant.message", n, later_ms, agent=agent, **told)


def tool(name, n, until, *, agent=None, tool="bash", success=True, **data):
    begun = event("tool.execution_start", n, agent=agent, toolCallId=name, toolName=tool, **data)
    return begun, event("tool.execution_complete", until, agent=agent, toolCallId=name, success=success)


@pytest.fixture
def imported(tmp_path):
    def run(*logs, **options):
        paths = []
        for n, events in enumerate(logs):
            paths.append(tmp_path / f"{n}.jsonl")
            paths[-1].write_text("".join(f"{json.dumps(each)}\n" for each in events))
            assert Copilot().sniff(paths[-1].read_bytes())
        result = Copilot().read(paths, ImportOptions(**options))
        return result, list(result.sessions())

    return run


def test_a_call_goes_from_its_input_to_its_message_and_its_tools_follow(imported):
    arguments = {"command": "ls", "api_key": "hunter2"}
    calls = (*tool("c1", 4, 6, arguments=arguments), *tool("c2", 4, 7, tool="view", success=False))
    _, [session] = imported(
        [
            HEAD,
            ASKED,
            TURN,
            answered(3, requested("c1"), requested("c2", "view", '{"path":"a"}')),
            *calls,
            answered(9),
        ]
    )

    assert (session.id, session.attributes) == ("s-1", {"agent": "copilot", "version": "1.0.77"})
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "main", 0.0, 1900.0),
        ("tool", "bash", 2900.0, 2000.0),
        ("tool", "view", 2900.0, 3000.0),
        ("llm", "main", 5900.0, 2000.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    assert (session.steps[0].llm.model, session.steps[0].llm.output_tokens) == ("m-1", 12)
    assert bytes(session.steps[1].request.json) == b'{"command":"ls","api_key":"redacted"}'
    assert bytes(session.steps[2].request.json) == b'{"path":"a"}'
    assert session.steps[2].attributes == {"error": "true"}


def test_what_is_printed_tells_first_bytes_and_what_the_model_took_in(imported):
    _, [session] = imported(
        [
            ASKED,
            event("model.call_start", 1, 200, model="m-1"),
            event("assistant.reasoning_delta", 2, deltaContent="The"),
            event("assistant.message_delta", 2, 500, deltaContent="x"),
            answered(3),
            event(
                "assistant.usage", 3, 1, model="m-1", inputTokens=2048, outputTokens=20, cacheReadTokens=1024
            ),
        ]
    )

    [step] = session.steps
    assert (step.took_ms, step.recorded.ttft_ms) == (1800.0, 800.0)
    assert (step.llm.input_tokens, step.llm.output_tokens, len(step.llm.prefix)) == (2048, 20, 4)


def test_input_that_is_not_recorded_is_the_mean_of_the_models_totals(imported):
    metrics = {"m-1": {"requests": {"count": 2, "cost": 1}, "usage": {"inputTokens": 3000, "outputTokens": 24}}}
    shut = event("session.shutdown", 9, modelMetrics=metrics)
    result, [session] = imported([ASKED, answered(2), answered(4), answered(5, model="m-2"), shut])

    assert [step.llm.input_tokens for step in session.steps] == [1500, 1500, 0]
    told = result.header.attributes["import"]
    mean = (
        "model call(s) of which the input is not recorded have their model's mean, by its totals of the session"
    )
    assert told["inferred"][mean] == 2
    assert told["dropped"]["count(s) of tokens of the input, which are not recorded"] == 1


@pytest.mark.parametrize("is_named", [True, False])
def test_a_tool_that_set_an_agent_to_work_is_that_agents_lane(imported, is_named):
    """Newer releases give the agent an id of its own, older ones tell its messages by the call."""
    agent = "11111111-2222-3333-4444-555555555555" if is_named else None
    of_call = {} if is_named else {"parentToolCallId": "c1"}
    task = event("tool.execution_start", 3, toolCallId="c1", toolName="task", arguments={"prompt": "x"})
    result, [session] = imported(
        [
            ASKED,
            answered(3, requested("c1", "task")),
            task,
            event("subagent.started", 3, 100, agent=agent, toolCallId="c1", agentName="explore"),
            answered(5, requested("c2", "view"), agent=agent, **of_call),
            *tool("c2", 5, 6, agent=agent, tool="view", **of_call),
            event("tool.execution_complete", 8, toolCallId="c1", success=True),
            answered(9),
        ]
    )

    assert [(step.kind, step.name, step.at_ms) for step in session.steps] == [
        ("llm", "main", 0.0),
        ("llm", "subagent", 2100.0),
        ("tool", "view", 4000.0),
        ("llm", "main", 7000.0),
    ]
    assert session.steps[1].attributes["agent"] == (agent or "c1")
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    assert "1 session(s): 3 model call(s), 1 tool call(s), 1 sub-agent(s)." in result.notes


def test_a_compaction_is_a_call_where_its_tokens_are_told(imported):
    used = {"inputTokens": 2000, "outputTokens": 1000, "cacheReadTokens": 250, "duration": 1200, "model": "m-9"}
    result, [session] = imported(
        [
            ASKED,
            answered(2),
            event("session.compaction_complete", 5, success=True, compactionTokensUsed=used),
            event("session.compaction_complete", 6, success=False, error="Nothing to compact"),
        ]
    )

    compaction = session.steps[1]
    assert (compaction.name, compaction.at_ms, compaction.took_ms) == ("compaction", 2800.0, 1200.0)
    assert (compaction.llm.model, compaction.llm.input_tokens) == ("m-9", 2000)
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["compaction(s) of which neither a start nor tokens are recorded"] == 1


def test_pieces_of_one_call_are_one_call_and_mcp_tools_are_messages(imported):
    begun = event(
        "tool.execution_start", 4, toolCallId="c1", toolName="a-b", mcpServerName="a", mcpToolName="b"
    )
    _, [session] = imported(
        [ASKED, answered(2, apiCallId="x"), answered(3, requested("c1", "a-b"), apiCallId="x"), begun]
    )

    assert [(step.kind, step.took_ms) for step in session.steps] == [("llm", 2000.0), ("mcp", None)]
    assert (session.steps[1].mcp.server, session.steps[1].mcp.tool) == ("a", "b")


def test_events_that_another_log_has_too_are_history(imported):
    name = "11111111-2222-3333-4444-555555555555"
    asked, said = {**ASKED, "id": name}, {**answered(2), "id": name[:-1] + "6"}
    result, sessions = imported([asked, said], [asked, said, answered(5)])

    assert [len(session.steps) for session in sessions] == [1, 1]
    assert result.header.attributes["import"]["dropped"]["event(s) that another log has, too"] == 2


def test_results_and_tools_of_nothing_are_counted(imported):
    lost = (*tool("c9", 1, 2), event("tool.execution_complete", 3, toolCallId="c8", success=True))
    result, [session] = imported([*lost, ASKED, answered(4)])

    assert len(session.steps) == 1
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["tool call(s) without a model call"] == 1
    assert dropped["tool result(s) without a tool call"] == 1
