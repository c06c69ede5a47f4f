"""Gemini CLI's chats: answers end when they were written down, and tools when all of a message had ended.

The files are laid out as ChatRecordingService of its release 0.61 writes them.
"""

import json

from replay.assembly.types import ImportOptions
from replay.importers.agents.gemini_cli import GeminiCli
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms

HEAD = {"sessionId": "chat-1", "projectHash": "h", "startTime": at(0), "lastUpdated": at(0), "kind": "main"}
ASKED = {"id": "u1", "timestamp": at(0), "type": "user", "content": [{"text": "hello"}]}
TOKENS = {"input": 2048, "output": 20, "cached": 1024, "thoughts": 5, "tool": 0, "total": 2073}
CALLING = {
    "id": "g1",
    "timestamp": at(3),
    "type": "gemini",
    "content": "",
    "model": "m-1",
    "thoughts": [],
    "tokens": TOKENS,
}
CALL = {"id": "c1", "name": "read_file", "args": {"path": "a"}, "status": "success", "timestamp": at(5)}
FAILED = {**CALL, "id": "c2", "name": "run_shell_command", "status": "error"}
SAID = {"id": "g2", "timestamp": at(9), "type": "gemini", "content": "done", "model": "m-1", "tokens": TOKENS}


def imported(folder, *records, name="session.jsonl"):
    path = folder / name
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    result = GeminiCli().read([path], ImportOptions())
    return result, list(result.sessions())


def test_a_call_goes_from_its_input_to_its_answer_and_its_tools_follow(tmp_path):
    _, [session] = imported(
        tmp_path, HEAD, ASKED, CALLING, {**CALLING, "toolCalls": [CALL, FAILED]}, {"$set": {"lastUpdated": at(5)}}, SAID
    )  # fmt: skip

    assert session.id == "chat-1"
    assert [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", "main", 0.0, 3000.0),
        ("tool", "read_file", 3000.0, 2000.0),
        ("tool", "run_shell_command", 3000.0, 2000.0),
        ("llm", "main", 5000.0, 4000.0),
    ]
    assert walked_starts_ms(session) == {step.id: step.at_ms for step in session.steps}
    first = session.steps[0].llm
    assert (first.model, first.input_tokens, first.output_tokens, len(first.prefix)) == ("m-1", 2048, 25, 4)
    assert bytes(session.steps[1].request.json) == b'{"path":"a"}'
    assert session.steps[2].attributes == {"error": "true"}


def test_what_was_rewound_was_work_all_the_same(tmp_path):
    _, [session] = imported(tmp_path, HEAD, ASKED, CALLING, {"$rewindTo": "u1"}, SAID)

    assert [step.at_ms for step in session.steps] == [0.0, 3000.0]


def test_older_releases_wrote_one_document(tmp_path):
    path = tmp_path / "session.json"
    messages = [ASKED, {**CALLING, "toolCalls": [CALL]}, SAID]
    path.write_text(json.dumps({**HEAD, "messages": messages}, indent=2))
    assert GeminiCli().sniff(path.read_bytes())

    [session] = GeminiCli().read([path], ImportOptions()).sessions()

    assert session.id == "chat-1"
    assert [step.took_ms for step in session.steps] == [3000.0, 2000.0, 4000.0]


def test_a_message_of_two_logs_counts_once(tmp_path):
    imported(tmp_path, HEAD, ASKED, CALLING, name="a.jsonl")
    imported(tmp_path, {**HEAD, "sessionId": "chat-2"}, ASKED, CALLING, SAID, name="b.jsonl")

    result = GeminiCli().read([tmp_path], ImportOptions())

    assert [len(session.steps) for session in result.sessions()] == [1, 1]
    assert "Dropped: 2 message(s) that another log has, too." in result.notes
