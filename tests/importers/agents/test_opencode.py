"""OpenCode's sessions: one model call a step of a message, with the tools that it called.

The documents are laid out by the types of its SDK, release 1.19.
"""

import json

from replay.importers.agents.opencode import OpenCode
from replay.importers.types import ImportOptions
from tests.support.recordings import START_MS
from tests.support.walks import walked_starts_ms

TOKENS = {"input": 24, "output": 20, "reasoning": 5, "cache": {"read": 1024, "write": 1000}}


def timed(start, end):
    return {"start": START_MS + start, "end": START_MS + end}


def tool(start, end, name="bash", status="completed"):
    state = {"status": status, "input": {"command": "ls"}, "output": "x", "time": timed(start, end)}
    return {"type": "tool", "callID": "c", "tool": name, "state": state}


def text(start, end):
    return {"type": "text", "text": "x", "time": timed(start, end)}


def message(created, completed, *parts, name="m1", **info):
    times = {"created": START_MS + created, "completed": START_MS + completed}
    told = {"id": name, "sessionID": "ses_1", "role": "assistant", "time": times, "modelID": "m-1", **info}
    return {"info": told, "parts": list(parts)}


def imported(folder, *messages):
    asked = {
        "info": {"id": "u", "sessionID": "ses_1", "role": "user", "time": {"created": START_MS}},
        "parts": [],
    }
    path = folder / "session.json"
    path.write_text(
        json.dumps({"info": {"id": "ses_1", "projectID": "p"}, "messages": [asked, *messages]}, indent=2)
    )
    assert OpenCode().sniff(path.read_bytes())
    result = OpenCode().read([path], ImportOptions(stream=False))
    return result, list(result.sessions())


BEGIN, END = {"type": "step-start"}, {"type": "step-finish", "tokens": TOKENS}


def test_a_message_of_several_steps_is_several_calls(tmp_path):
    _, [session] = imported(
        tmp_path,
        message(0, 9000, BEGIN, text(500, 1500), tool(2000, 3000), tool(2100, 4000, status="error"), END, BEGIN, text(5000, 9000), END),
    )  # fmt: skip

    assert session.id == "ses_1"
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "main", 0.0, 2100.0),
        ("tool", "bash", 2000.0, 1000.0),
        ("tool", "bash", 2100.0, 1900.0),
        ("llm", "main", 4000.0, 5000.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    llm = session.steps[0].llm
    assert (llm.input_tokens, llm.output_tokens, llm.stream, len(llm.prefix)) == (2048, 25, True, 4)
    assert session.steps[0].recorded.ttft_ms == 500.0
    assert session.steps[2].attributes == {"error": "true"}


def test_without_times_of_texts_the_message_tells(tmp_path):
    _, [session] = imported(
        tmp_path,
        message(0, 3000, {"type": "text", "text": "x"}, tokens=TOKENS),
        message(5000, 8000, {"type": "text", "text": "x"}, name="m2", summary=True),
        message(5000, 8000, {"type": "text", "text": "x"}, name="m2"),
    )

    assert [(step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("main", 0.0, 3000.0),
        ("compaction", 5000.0, 3000.0),
    ]
    assert session.steps[0].llm.output_tokens == 25
    assert not session.steps[0].llm.stream


def spawning(start, end, session):
    told = tool(start, end, "task")
    told["state"]["metadata"] = {"sessionId": session}
    return told


def exported(folder, session, *messages):
    of_session = [{**each, "info": {**each["info"], "sessionID": session}} for each in messages]
    path = folder / f"{session}.json"
    path.write_text(json.dumps({"info": {"id": session, "projectID": "p"}, "messages": of_session}))


def test_a_sub_agent_that_was_exported_too_stands_in_the_place_of_its_tool(tmp_path):
    exported(tmp_path, "child", message(220, 400, BEGIN, text(300, 380), END, name="m2"))
    exported(
        tmp_path,
        "parent",
        message(0, 500, BEGIN, spawning(200, 450, "child"), spawning(200, 480, "gone"), END, name="m1"),
        message(600, 700, BEGIN, text(650, 690), END, name="m3"),
    )

    result = OpenCode().read([tmp_path], ImportOptions())
    [session] = result.sessions()

    assert session.id == "parent"
    assert [(step.id, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("1", "main", 0, 200),
        ("1.2", "task", 200, 280),
        ("a1.1", "subagent", 220, 180),
        ("2", "main", 600, 100),
    ]
    assert result.header.attributes["import"]["subagents"] == 1


def test_sessions_that_set_each_other_to_work_are_all_kept(tmp_path):
    exported(tmp_path, "a", message(0, 90, BEGIN, spawning(50, 80, "b"), END, name="m1"))
    exported(tmp_path, "b", message(60, 75, BEGIN, spawning(65, 70, "a"), END, name="m2"))

    [session] = OpenCode().read([tmp_path], ImportOptions()).sessions()

    assert [step.kind for step in session.steps].count("llm") == 2
