"""A journal becomes a trace, also when its end was cut off."""

import msgspec
import pytest

from replay.recording import output
from replay.recording.journal import JournalReader, JournalWriter
from replay.recording.output import NothingRecorded, write_trace
from replay.recording.types import JournalEntry, JournalHeader
from replay.trace.errors import TraceError
from replay.trace.file.stream import open_trace
from replay.trace.types import Edge, GrpcCall, McpCall, Recorded, Request, Step, WsCall

HEADER = JournalHeader("replay-journal", 1, "shop", "replay trace record", "2026-01-01T00:00:00.000+00:00")


def step(step_id, at_ms, took_ms=10.0, ttft_ms=None):
    return Step(
        step_id,
        "http",
        "GET /",
        at_ms=at_ms,
        took_ms=took_ms,
        request=Request("GET", "/"),
        recorded=Recorded(ttft_ms=ttft_ms),
    )


@pytest.fixture
def journal(tmp_path):
    """Writes entries, given as (session, step), to a journal; returns its path."""

    def write(*entries):
        path = tmp_path / "out.jsonl.journal"
        with JournalWriter(path, HEADER) as writer:
            for session, made in entries:
                writer.add(JournalEntry(session, "header", made))
        return path

    return write


def sessions(journal_path, tmp_path):
    written = write_trace(journal_path, tmp_path / "out.jsonl")
    with open_trace(tmp_path / "out.jsonl") as reader:
        return written, list(reader)


def test_sessions_come_whole_in_order_of_their_starts_from_the_first_on(journal, tmp_path):
    path = journal(("b", step("r2", 30.0)), ("a", step("r3", 60.0)), ("a", step("r1", 20.0)))

    written, (a, b) = sessions(path, tmp_path)

    assert (a.id, a.start_ms, [(s.id, s.at_ms) for s in a.steps]) == ("a", 0.0, [("r1", 0.0), ("r3", 40.0)])
    assert (b.id, b.start_ms) == ("b", 10.0)
    assert (written.sessions, written.steps, written.told_by) == (2, 3, {"header": 2})


def test_steps_that_ran_side_by_side_do_so_again(journal, tmp_path):
    path = journal(
        ("s", step("plan", 0.0, 100.0, ttft_ms=20.0)),
        ("s", step("early", 50.0, 100.0)),
        ("s", step("other", 55.0, 100.0)),
        ("s", step("answer", 160.0, 5.0)),
    )

    _, (session,) = sessions(path, tmp_path)

    after = {made.id: made.after for made in session.steps}
    assert after["early"] == (Edge("plan", "first_byte", 30.0),)
    assert after["other"] == (Edge("early", "start", 5.0),)
    assert {edge.step: edge.delay_ms for edge in after["answer"]} == {"plan": 60.0, "early": 10.0, "other": 5.0}


def test_a_step_that_was_written_while_it_went_on_is_replaced_by_its_end(journal, tmp_path):
    path = journal(("s", step("r1", 0.0, None)), ("s", step("r1", 0.0, 900.0)), ("s", step("r2", 0.0, None)))

    written, (session,) = sessions(path, tmp_path)

    assert [(made.id, made.took_ms) for made in session.steps] == [("r1", 900.0), ("r2", None)]
    assert written.unfinished == 1


def test_a_step_whose_answer_told_its_session_is_in_that_one_alone(journal, tmp_path):
    path = journal(
        ("client-1", step("r1", 0.0, None)), ("client-1", step("r2", 1.0)), ("cookie-2", step("r1", 0.0, 900.0))
    )

    _, found = sessions(path, tmp_path)

    assert {one.id: [made.id for made in one.steps] for one in found} == {
        "cookie-2": ["r1"],
        "client-1": ["r2"],
    }


@pytest.mark.parametrize(
    "call",
    [
        {"request": Request("POST", "/", json=msgspec.Raw(b""))},
        {"request": Request("POST", "/", json=msgspec.Raw(b'{\n"a":\r\n1}'))},
        {"mcp": McpCall("tools/list", arguments=msgspec.Raw(b""), params=msgspec.Raw(b""))},
        {"ws": WsCall("/", json=msgspec.Raw(b""), text="a")},
        {"grpc": GrpcCall("a.B/C", message=msgspec.Raw(b""))},
    ],
    ids=["request", "in lines", "mcp", "ws", "grpc"],
)
def test_json_that_is_empty_or_in_several_lines_spoils_no_line(journal, tmp_path, call):
    made = msgspec.structs.replace(step("r1", 0.0), **{"request": None, **call})

    with JournalReader(journal(("s", made), ("s", step("r2", 20.0)))) as reader:
        found = reader.scan()
        steps = [reader.entry(place.offset).step.id for place in found.places]

    assert (steps, found.cut_bytes) == (["r1", "r2"], 0)


def test_only_a_last_line_that_was_cut_off_is_lost(journal, tmp_path):
    path = journal(("s", step("r1", 0.0)), ("s", step("r2", 20.0)))
    whole = path.read_bytes()
    last = whole.rindex(b"{", 0, whole.rindex(b'"session"') + 1)

    for cut in range(last + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        written, (session,) = sessions(path, tmp_path)
        assert [made.id for made in session.steps] == ["r1"]
        assert written.cut_bytes == cut - last


@pytest.mark.parametrize(("limit", "value"), [("MOST_STEPS", 2), ("MOST_BYTES", 400)])
def test_a_session_too_large_for_one_line_becomes_several(journal, tmp_path, monkeypatch, limit, value):
    monkeypatch.setattr(output, limit, value)
    path = journal(*(("s", step(f"r{n}", 20.0 * n)) for n in range(5)))

    _, found = sessions(path, tmp_path)

    assert [[made.id for made in session.steps] for session in found] == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert len({session.id for session in found}) == 3


def test_a_journal_that_is_there_already_is_never_overwritten(journal):
    path = journal(("s", step("r1", 0.0)))

    with pytest.raises(TraceError, match="is there already, left by a recording that was killed"):
        JournalWriter(path, HEADER)


def test_nobody_but_its_owner_may_read_a_journal(journal):
    assert journal().stat().st_mode & 0o077 == 0


def test_a_journal_without_steps_makes_no_trace(journal, tmp_path):
    with pytest.raises(NothingRecorded):
        write_trace(journal(), tmp_path / "out.jsonl")

    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a recording's journal. Name an OUT.journal file."),
        (
            b'{"format":"replay-trace","version":1,"name":"x"}\n',
            "not a recording's journal. Name an OUT.journal file.",
        ),
        (
            b'{"format":"replay-journal","version":9,"name":"x","source":"","started":""}\n',
            "a replay-journal of version 9; this version of replay reads replay-journal of version 1.",
        ),
    ],
)
def test_what_is_no_journal_is_told_plainly(content, message, tmp_path):
    path = tmp_path / "x.journal"
    path.write_bytes(content)

    with pytest.raises(TraceError) as refused:
        write_trace(path, tmp_path / "out.jsonl")

    assert str(refused.value) == f"{path}: {message}"


def test_a_line_that_is_no_json_takes_no_other_with_it(journal, tmp_path):
    """One that a power cut left as zeros kept all that was recorded from becoming a trace."""
    path = journal(("s", step("r1", 0.0)), ("s", step("r2", 20.0)), ("s", step("r3", 40.0)))
    header, first, second, third = path.read_bytes().splitlines(keepends=True)
    for damaged in (bytes(len(second) - 1) + b"\n", second.replace(b":", b":,", 1), b"\xff\n"):
        path.write_bytes(header + first + damaged + third)

        written, (session,) = sessions(path, tmp_path)

        assert ([made.id for made in session.steps], written.damaged) == (["r1", "r3"], 1)


def test_a_line_in_the_middle_that_is_no_entry_is_an_error_with_its_place(journal, tmp_path):
    path = journal()
    with path.open("ab") as file:
        file.write(b'{"session":"s"}\n{"x":1}\n')

    with pytest.raises(TraceError, match=r"line 2: no entry of a journal"):
        write_trace(path, tmp_path / "out.jsonl")
