"""Traces of the OpenAI Agents SDK, laid out as its own `export()` gives them (release 0.24)."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.tracing.openai_agents import OpenAiAgents
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms

TRACE = {
    "object": "trace",
    "id": "trace_1",
    "workflow_name": "Support",
    "group_id": "chat-7",
    "metadata": {"run": "r9"},
}


def span(span_id, begin_ms, end_ms, parent=None, **data):
    times = {"started_at": at(0, begin_ms), "ended_at": at(0, end_ms)}
    return {"object": "trace.span", "id": span_id, "trace_id": "trace_1", "parent_id": parent, **times, "span_data": data, "error": None}  # fmt: skip


SPANS = [
    span("turn", 0, 900, "agent", type="custom", name="turn", data={"turn": 1}),
    span("plan", 10, 300, "turn", type="response", response_id="resp_1", usage={"input_tokens": 100, "output_tokens": 20}),
    span("look", 310, 500, "turn", type="function", name="search", input='{"q": "x"}', output="[]", mcp_data=None),
    span("file", 320, 600, "turn", type="function", name="read", input="{}", output="", mcp_data={"server": "files"}),
    {**span("say", 610, 900, "turn", type="generation", model="m-1", usage={"prompt_tokens": 5}), "error": {"message": "x"}},
    span("agent", 0, 900, type="agent", name="Helper", handoffs=[], tools=[], output_type="str"),
]  # fmt: skip


def imported(folder, text, **options):
    path = folder / "spans.jsonl"
    path.write_text(text)
    assert OpenAiAgents().sniff(path.read_bytes())
    return list(OpenAiAgents().read([path], ImportOptions(**options)).sessions())


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{json.dumps(each)}\n" for each in (TRACE, *SPANS)),
        json.dumps({"data": [TRACE, *SPANS]}),
        json.dumps([TRACE, *SPANS], indent=1),
    ],
    ids=["lines", "posted", "array"],
)
def test_models_and_functions_become_steps(tmp_path, text):
    [session] = imported(tmp_path, text)

    assert (session.id, session.attributes["agent"]) == ("chat-7", "Support")
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "response", 0.0, 290.0),
        ("tool", "search", 300.0, 190.0),
        ("mcp", "mcp__files__read", 310.0, 280.0),
        ("llm", "generation", 600.0, 290.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    plan, say = session.steps[0].llm, session.steps[3].llm
    assert (plan.input_tokens, plan.output_tokens, say.model, say.input_tokens) == (100, 20, "m-1", 5)
    assert session.steps[3].attributes["error"] == "true"
    assert session.steps[2].mcp.tool == "read"


def test_a_session_may_be_told_by_what_the_trace_says_of_itself(tmp_path):
    [session] = imported(tmp_path, json.dumps([TRACE, *SPANS]), session_by="run")

    assert session.id == "r9"
