"""Qwen Code's chats: linked like Claude Code's logs, laid out like Gemini's messages, and never taken for the former."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.agents.claude_code import ClaudeCode
from replay.importers.agents.qwen_code import QwenCode
from replay.trace.errors import TraceError
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms


def record(kind, n, *parts, role="model", **more):
    told = {
        "uuid": f"u{n}",
        "parentUuid": None,
        "sessionId": "s-1",
        "timestamp": at(n),
        "type": kind,
        "version": "0.21",
    }
    return {**told, **more, "message": {"role": role, "parts": list(parts)}}


def call(name, **arguments):
    return {"functionCall": {"id": name, "name": "read_file", "args": arguments}}


def result_of(name):
    return {"functionResponse": {"id": name, "name": "read_file", "response": {"output": "x"}}}


USAGE = {
    "promptTokenCount": 2048,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 1024,
}
ASKED = record("user", 0, {"text": "hello"}, role="user")
CALLING = record(
    "assistant", 3, {"text": "x"}, call("c1", path="a"), call("c2"), model="m-1", usageMetadata=USAGE
)
RESULTS = (
    record("tool_result", 5, result_of("c1"), role="user", toolCallResult={"status": "success"}),
    record("tool_result", 6, result_of("c2"), role="user", toolCallResult={"status": "error"}),
)
SAID = record("assistant", 9, {"text": "done"}, model="m-1")
OTHERS = [
    {**record("system", 1), "message": None, "systemPayload": {"uiEvent": {}}},
    record("system", 2, {"text": "x"}),
]


@pytest.fixture
def imported(tmp_path):
    def run(*logs):
        paths = []
        for n, records in enumerate(logs):
            paths.append(tmp_path / f"{n}.jsonl")
            paths[-1].write_text("".join(f"{json.dumps(each)}\n" for each in records))
            assert QwenCode().sniff(paths[-1].read_bytes())
            assert not ClaudeCode().sniff(paths[-1].read_bytes())
        result = QwenCode().read(paths, ImportOptions())
        return result, list(result.sessions())

    return run


def test_a_call_goes_from_its_input_to_its_record_and_tools_to_their_results(imported):
    _, [session] = imported([ASKED, *OTHERS, CALLING, *RESULTS, SAID])

    assert session.id == "s-1"
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "main", 0.0, 3000.0),
        ("tool", "read_file", 3000.0, 2000.0),
        ("tool", "read_file", 3000.0, 3000.0),
        ("llm", "main", 6000.0, 3000.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    first = session.steps[0].llm
    assert (first.model, first.input_tokens, first.output_tokens, len(first.prefix)) == ("m-1", 2048, 25, 4)
    assert bytes(session.steps[1].request.json) == b'{"path":"a"}'
    assert session.steps[2].attributes == {"error": "true"}


def test_each_refuses_what_is_the_others(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (ASKED, CALLING)))
    with pytest.raises(TraceError, match="line 1, message: has parts, as Qwen Code's have, and no content"):
        ClaudeCode().read([path], ImportOptions())

    path.write_text(json.dumps({**SAID, "message": {"role": "assistant", "content": [], "usage": {}}}) + "\n")
    with pytest.raises(TraceError, match="without parts, which those of Qwen Code have"):
        QwenCode().read([path], ImportOptions())


def test_records_that_another_log_has_too_are_history(imported):
    result, sessions = imported([ASKED, CALLING, *RESULTS], [ASKED, CALLING, *RESULTS, SAID])

    assert [len(session.steps) for session in sessions] == [3, 1]
    assert result.header.attributes["import"]["dropped"]["record(s) that another log has, too"] == 4
