"""Reading the audit trail, whole and damaged."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.results import record as reading
from replay.results.record import ReadTally, read_steps, steps_of_session
from replay.results.types import StepRecord


def record(n, **more):
    return StepRecord(session=f"s-{n}", step="a", kind="tool", name="x", target="t", outcome="ok", **more)


def lines_of(*records):
    return msgspec.json.Encoder().encode_lines(records)


def test_a_file_cut_anywhere_gives_its_whole_lines(tmp_path):
    data = lines_of(record(1, end_ns=5), record(2), record(3, status=200))
    path = tmp_path / "steps.jsonl"
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        tally = ReadTally()

        found = [step.session for step in read_steps(path, tally)]

        whole = data[:cut].count(b"\n")
        assert found == ["s-1", "s-2", "s-3"][:whole]
        assert tally.unreadable == (not data[:cut].endswith(b"\n") and cut > 0)


def test_a_damaged_line_is_left_out_and_counted(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_bytes(lines_of(record(1)) + b'{"session":\x00\n' + b"[]\n" + lines_of(record(2)))
    tally = ReadTally()

    assert [step.session for step in read_steps(path, tally)] == ["s-1", "s-2"]
    assert tally.unreadable == 2


@given(st.lists(st.text(max_size=20), max_size=20))
def test_names_come_back_as_they_were(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("steps") / "steps.jsonl"
    path.write_bytes(lines_of(*(msgspec.structs.replace(record(1), name=name) for name in names)))

    assert [step.name for step in read_steps(path)] == names


_ID = st.text(st.sampled_from('s1-"\\é\n😀'), min_size=1, max_size=4)


@given(st.lists(st.tuples(_ID, _ID), max_size=12), _ID, st.booleans(), st.integers(1, 300))
def test_a_sessions_steps_are_those_that_a_whole_reading_finds(
    tmp_path_factory, of, sought, is_escaped, block_bytes
):
    """Also where its id stands in other places, or was written by another program."""
    path = tmp_path_factory.mktemp("run") / "steps.jsonl"
    records = [
        msgspec.structs.replace(record(n), session=session, name=name) for n, (session, name) in enumerate(of)
    ]
    lines = [msgspec.to_builtins(each) for each in records]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode() if is_escaped else lines_of(*records)
    path.write_bytes(text + b'no json "' + sought.encode() + b'"\n{"session":"cut')

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "_BLOCK_BYTES", block_bytes)
        found = steps_of_session(path, sought)

    assert found == [each for each in read_steps(path) if each.session == sought]
