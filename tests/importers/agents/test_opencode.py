"""OpenCode's sessions: one model call a step of a message, with the tools that it called.

The documents are laid out by the types of its SDK, release 1.19.
"""

import json
import shutil
import sqlite3

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.agents.opencode import OpenCode
from replay.importers.foreign import foreign
from replay.reading.inputs import SNIFFED_BYTES, first_bytes
from replay.trace.errors import TraceError
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
        ("a1.1", "subagent", 220, 160),
        ("2", "main", 600, 90),
    ]
    assert result.header.attributes["import"]["subagents"] == 1


def test_sessions_that_set_each_other_to_work_are_all_kept(tmp_path):
    exported(tmp_path, "a", message(0, 90, BEGIN, spawning(50, 80, "b"), END, name="m1"))
    exported(tmp_path, "b", message(60, 75, BEGIN, spawning(65, 70, "a"), END, name="m2"))

    [session] = OpenCode().read([tmp_path], ImportOptions()).sessions()

    assert [step.kind for step in session.steps].count("llm") == 2


def database(path, *messages):
    """As OpenCode 1.18 keeps sessions: what it wrote last stands beside the database."""
    made = sqlite3.connect(path)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute(
        "CREATE TABLE `message` (`id` text PRIMARY KEY, `session_id` text, `time_created` integer, `data` text)"
    )
    made.execute(
        "CREATE TABLE `part` (`id` text PRIMARY KEY, `message_id` text, `session_id` text, `time_created` integer, `data` text)"
    )
    n = 0
    for each in messages:
        info = {key: value for key, value in each["info"].items() if key not in ("id", "sessionID")}
        made.execute(
            "INSERT INTO message VALUES (?, ?, 0, ?)",
            (each["info"]["id"], each["info"]["sessionID"], json.dumps(info)),
        )
        for part in each["parts"]:
            n += 1
            data = part if isinstance(part, str) else json.dumps(part)
            made.execute(
                "INSERT INTO part VALUES (?, ?, ?, 0, ?)", (f"prt_{n:03}", each["info"]["id"], "ses_1", data)
            )
    made.commit()
    return made


MESSAGES = [
    message(0, 4000, BEGIN, text(500, 1500), tool(2000, 3000), END, name="msg_1"),
    message(5000, 9000, BEGIN, text(6000, 9000), END, name="msg_2"),
]


def test_its_database_is_read_as_its_export_with_what_stands_beside_it(tmp_path):
    path = tmp_path / "opencode.db"
    made = database(
        path, *MESSAGES, {"info": {"id": "u", "sessionID": "ses_1", "role": "user"}, "parts": [text(0, 1)]}
    )
    _, [exported] = imported(tmp_path, *MESSAGES)

    assert path.with_name("opencode.db-wal").stat().st_size > 0
    assert [name for name, each in IMPORTERS.items() if each.sniff(first_bytes(path, SNIFFED_BYTES))] == [
        "opencode"
    ]
    [session] = OpenCode().read([path], ImportOptions(stream=False)).sessions()
    assert session == exported
    (tmp_path / "session.json").unlink()
    assert list(OpenCode().read([tmp_path], ImportOptions(stream=False)).sessions()) == [exported]
    made.close()


def test_a_damaged_part_or_message_of_the_database_costs_itself(tmp_path):
    path = tmp_path / "opencode.db"
    first, second = MESSAGES
    made = database(path, {**first, "parts": [*first["parts"], '{"type":"tool","tool']}, second)
    made.execute("INSERT INTO message VALUES ('msg_3', 'ses_1', 0, '{\"role\":\"assi')")
    made.commit()
    result = OpenCode().read([path], ImportOptions(stream=False))

    assert [step.kind for step in next(iter(result.sessions())).steps] == ["llm", "tool", "llm"]
    assert result.header.attributes["import"]["unreadable"] == 1
    made.close()


def test_a_database_without_what_stands_beside_it_is_refused_with_what_to_do(tmp_path):
    path, alone = tmp_path / "opencode.db", tmp_path / "alone.db"
    made = database(path, *MESSAGES)
    shutil.copy(path, alone)

    assert "ends in -wal: copy both" in foreign(first_bytes(alone, SNIFFED_BYTES)).to_do
    with pytest.raises(TraceError, match=r"alone.db: a database without a table part.*alone.db-wal: copy both"):
        OpenCode().read([alone], ImportOptions())
    made.close()


def test_ids_that_are_no_texts_cost_only_what_has_them(tmp_path):
    path = tmp_path / "opencode.db"
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE message (id, session_id, data)")
    made.execute("CREATE TABLE part (id, message_id, data)")
    for odd in (None, 7, b"\xff"):
        made.execute("INSERT INTO message VALUES (?, 'ses_1', '{}')", (odd,))
        made.execute("INSERT INTO part VALUES ('prt_0', ?, '{}')", (odd,))
    whole = message(0, 4000, BEGIN, text(500, 1500), END)
    made.execute("INSERT INTO message VALUES ('msg_1', 'ses_1', ?)", (json.dumps(whole["info"]),))
    for n, part in enumerate(whole["parts"]):
        made.execute("INSERT INTO part VALUES (?, 'msg_1', ?)", (f"prt_{n}", json.dumps(part)))
    made.commit()
    made.close()

    [session] = OpenCode().read([path], ImportOptions(stream=False)).sessions()

    assert [step.kind for step in session.steps] == ["llm"]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("CREATE TABLE messages (id TEXT, parts TEXT NOT NULL, created_at INTEGER)", "Crush's database"),
        (
            "CREATE TABLE messages (id INTEGER, content_json TEXT, created_timestamp INTEGER)",
            "Goose's database",
        ),
        (
            "CREATE TABLE checkpoints (thread_id TEXT, checkpoint_ns TEXT, checkpoint BLOB)",
            "LangGraph's checkpoints",
        ),
        ("CREATE TABLE t (a)", "another kind than MLflow's or OpenCode's"),
    ],
)
def test_other_databases_are_told_by_their_tables(table, what, tmp_path):
    path = tmp_path / "x.db"
    made = sqlite3.connect(path)
    made.execute(table)
    made.commit()
    made.close()

    assert what in foreign(first_bytes(path, SNIFFED_BYTES)).what
