"""What an agent's log repeats of another one is no work, and is counted; what an agent does for itself is."""

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.agents.claude_code import ClaudeCode
from replay.importers.agents.codex import Codex
from tests.support.claude_logs import output, prompt, write
from tests.support.codex_logs import call as codex_call
from tests.support.codex_logs import line, text, tokens, user
from tests.support.codex_logs import meta as codex_meta
from tests.support.codex_logs import write as write_codex


def sessions_of(importer, path):
    result = importer.read([path], ImportOptions())
    return result, {session.id: session.steps for session in result.sessions()}


def test_a_forked_session_keeps_only_what_it_did_itself_and_its_origin_keeps_all(tmp_path):
    own = [
        prompt(0, uuid="u1"),
        output(10, "m1", uuid="u2"),
        prompt(20, uuid="u3"),
        output(30, "m2", uuid="u4"),
    ]
    copies = [{**record, "sessionId": "f", "forkedFrom": {"sessionId": "s"}} for record in own]
    more = [prompt(50, uuid="u5", sessionId="f"), output(60, "m3", uuid="u6")]
    write(tmp_path / "s.jsonl", *own, prompt(900, uuid="u9"), output(950, "m9", uuid="u10"))
    write(tmp_path / "f.jsonl", *copies, *more)

    result, found = sessions_of(ClaudeCode(), tmp_path)

    assert {name: len(steps) for name, steps in found.items()} == {"s": 3, "f": 1}
    assert found["f"][0].took_ms == 10.0
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["record(s) of history that a resumed or forked session repeats"] == 4


def test_a_sub_agent_that_was_forked_repeats_the_answers_of_its_session(tmp_path):
    path = tmp_path / "s.jsonl"
    side = {"isSidechain": True, "agentId": "a"}
    write(path, prompt(0), output(10, "m1"), prompt(20), output(30, "m2"))
    fork = [output(10, "m1", **side), prompt(40, **side), output(50, "n1", **side)]
    write(tmp_path / "s" / "subagents" / "agent-a.jsonl", *fork)

    _, found = sessions_of(ClaudeCode(), path)

    assert len(found["s"]) == 3


def test_sessions_that_happen_to_number_their_records_alike_are_their_own(tmp_path):
    for name in ("a", "b"):
        records = (prompt(0, uuid="1"), output(10, f"m-{name}", uuid="2"))
        write(tmp_path / f"{name}.jsonl", *({**record, "sessionId": name} for record in records))

    assert len(sessions_of(ClaudeCode(), tmp_path)[1]) == 2


@pytest.mark.parametrize(("count", "kept"), [(1, 400), (350, 350), (2, 400)])
def test_a_count_of_tokens_is_set_by_the_text_only_where_it_cannot_be_true(tmp_path, count, kept):
    said = {"type": "text", "text": "abc " * 400}
    path = write(tmp_path / "s.jsonl", prompt(0), output(10, "m", said, usage={"output_tokens": count}))

    assert sessions_of(ClaudeCode(), path)[1]["s"][0].llm.output_tokens == kept


def fork(**fields):
    made = codex_meta("f")
    made["payload"] |= fields
    return made


HISTORY = [user(0), text(0), tokens(0, 10, 5, 15), user(0), codex_call(0, "c1"), tokens(0, 10, 5, 30)]
OWN = [user(5_000), text(5_400), tokens(5_500, 10, 5, 45)]


@pytest.mark.parametrize(
    "head",
    [[fork(forked_from_id="p")], [codex_meta("f"), codex_meta("p")], [codex_meta("f", parent="p")]],
    ids=["a fork", "the origin's head below its own", "a sub-agent"],
)
def test_what_a_fork_writes_at_once_is_history(tmp_path, head):
    path = write_codex(tmp_path / "f.jsonl", *head, *HISTORY, *OWN)

    result, found = sessions_of(Codex(), path)

    assert [step.took_ms for step in found["f"]] == [500.0]
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["model call(s) of history that the log of a fork repeats"] == 2


def test_a_log_that_is_no_fork_keeps_what_took_no_time(tmp_path):
    path = write_codex(tmp_path / "f.jsonl", codex_meta("f"), *HISTORY, *OWN)

    assert sum(step.kind == "llm" for step in sessions_of(Codex(), path)[1]["f"]) == 3


def test_a_compaction_in_the_middle_of_a_turn_is_a_call(tmp_path):
    compacted = [
        user(6_000),
        line(9_000, "compacted", message="short " * 40),
        text(9_500),
        tokens(9_600, 10, 5, 60),
    ]
    path = write_codex(tmp_path / "s.jsonl", codex_meta(), *OWN, *compacted)

    steps = sessions_of(Codex(), path)[1]["s"]

    assert [(step.name, step.at_ms, step.took_ms) for step in steps] == [
        ("main", 0.0, 500.0),
        ("compaction", 1_000.0, 3_000.0),
        ("main", 4_000.0, 600.0),
    ]
    assert (steps[1].llm.input_tokens, steps[1].llm.output_tokens) == (15, 60)
