"""Exchanges on their way to the journal."""

import asyncio
import errno
import os
import tempfile
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.recording import recorder as recorder_module
from replay.recording.journal import JournalReader, JournalWriter
from replay.recording.recorder import Recorder
from replay.recording.types import Exchange, JournalHeader, SessionRef
from replay.trace.redaction.requests import Redactor
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio

HEADER = JournalHeader("replay-journal", 1, "x", "replay trace record", "2026-01-01T00:00:00.000+00:00")
S = 1_000_000_000


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def journal(tmp_path):
    with JournalWriter(tmp_path / "x.journal", HEADER) as writer:
        yield writer


def exchange(number, end_ns=1, **fields):
    return Exchange(number, SessionRef("s", "header"), "GET", "/", "/", [], "", 0, end_ns=end_ns, **fields)


def steps(path):
    """What stands in the journal, line by line."""
    with JournalReader(path) as reader:
        return [
            reader.entry(offset).step for _, offset, line in list(reader._lines())[1:] if line.endswith(b"\n")
        ]


async def test_what_is_over_is_in_the_journal_without_anybody_asking(journal):
    recorder = Recorder(journal, Redactor(), "keep", list, pytest.fail)
    recorder.start()

    recorder.add(exchange(1))
    await until_loop(lambda: len(steps(journal.path)) == 1)

    recorder.stop([])


async def test_a_long_request_is_in_the_journal_once_before_its_end_and_once_after(journal):
    now = 0
    going_on = exchange(1, end_ns=None)
    open_exchanges = [going_on, exchange(2, end_ns=None, status=7)]
    open_exchanges[1].begin_ns = 2 * S  # has only just begun
    recorder = Recorder(journal, Redactor(), "keep", lambda: open_exchanges, pytest.fail, now=lambda: now)
    now = 2 * S
    recorder.start()
    await until_loop(lambda: steps(journal.path))
    recorder._turn()

    assert [(step.id, step.took_ms) for step in steps(journal.path)] == [("r1", None)]
    going_on.end_ns = 3 * S
    recorder.add(going_on)
    recorder.stop([])
    assert [(step.id, step.took_ms) for step in steps(journal.path)] == [("r1", None), ("r1", 3000.0)]


async def test_a_request_that_cannot_be_read_keeps_its_time_and_is_counted(journal, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(recorder_module, "step_of", fail)
    recorder = Recorder(journal, Redactor(), "keep", list, pytest.fail, now=lambda: 0)

    recorder.add(exchange(1, end_ns=5_000_000))
    recorder.stop([])

    (step,) = steps(journal.path)
    assert (step.name, step.took_ms, step.is_wait) == ("unreadable request", 5.0, True)
    assert recorder.faults == 1


@pytest.mark.parametrize("has_room_again", [True, False])
async def test_a_journal_that_cannot_be_written_ends_the_recording_once_and_stays_readable(
    journal, monkeypatch, has_room_again
):
    failures = []
    recorder = Recorder(journal, Redactor(), "keep", list, failures.append)
    write = os.write

    def full(descriptor, data):
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:40])

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        for number in range(1, 4):
            recorder.add(exchange(number))
            recorder._turn()
        if not has_room_again:
            recorder.stop([exchange(4)])
    if has_room_again:
        recorder.stop([exchange(4)])

    assert len(steps(journal.path)) == has_room_again
    assert recorder.missed == (3 if has_room_again else 4)
    assert [str(failure) for failure in failures] == [
        f"{journal.path}: cannot be written: no space left on device."
    ]


@pytest.fixture
def long(journal):
    """A recorder of two exchanges that began long ago and go on, and of one that has begun now."""
    now = 2 * S
    going_on = [exchange(number, end_ns=None) for number in (1, 2, 3)]
    going_on[2].begin_ns = now
    failures = []
    return Recorder(journal, Redactor(), "keep", lambda: going_on, failures.append, now=lambda: now), going_on


class Disk:
    """Takes so many bytes."""

    def __init__(self, monkeypatch):
        self.room_bytes = 1 << 30
        self._write = os.write
        monkeypatch.setattr("os.write", self.write)

    def write(self, descriptor, data):
        if not self.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room_bytes])
        self.room_bytes -= written
        return written


async def test_a_request_that_was_lost_before_its_end_and_after_is_missed_once(long, journal, monkeypatch):
    recorder, going_on = long
    disk = Disk(monkeypatch)
    disk.room_bytes = 0
    recorder._turn()
    recorder.stop(going_on)

    assert (recorder.missed, recorder.without_end) == (3, 0)
    assert steps(journal.path) == []


async def test_a_request_that_the_journal_has_before_its_end_is_not_missed(long, journal, monkeypatch):
    recorder, going_on = long
    disk = Disk(monkeypatch)
    recorder._turn()
    disk.room_bytes = 0
    recorder.add(going_on[0])
    recorder._turn()
    recorder.stop(going_on[1:])

    assert [step.id for step in steps(journal.path)] == ["r1", "r2"]
    assert (recorder.missed, recorder.without_end) == (1, 2)


@given(st.integers(0, 1500), st.integers(0, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_the_disk_takes_every_request_is_kept_or_missed(room_bytes, turns, has_room_again):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        disk = Disk(monkeypatch)
        with JournalWriter(Path(folder) / "x.journal", HEADER) as journal:
            going_on = [exchange(number, end_ns=None) for number in (1, 2, 3)]
            recorder = Recorder(
                journal, Redactor(), "keep", lambda: going_on, lambda error: None, now=lambda: 2 * S
            )
            monkeypatch.setattr(asyncio, "get_running_loop", Mock)
            disk.room_bytes = room_bytes
            for _ in range(turns):
                recorder._turn()
                if going_on:
                    over = going_on.pop(0)
                    over.fault = "over"
                    recorder.add(over)
            if has_room_again:
                disk.room_bytes = 1 << 30
            for over in going_on:
                over.fault = "over"
            recorder.stop(going_on)
            kept = {step.id: "fault" in step.attributes for step in steps(journal.path)}

        assert len(kept) + recorder.missed == 3
        assert recorder.without_end == list(kept.values()).count(False)


async def test_a_long_request_that_cannot_be_read_is_counted_once(long, journal, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(recorder_module, "step_of", fail)
    recorder, going_on = long
    recorder._turn()
    recorder.stop(going_on)

    assert recorder.faults == 3
