"""Work that is shared by processes comes in the order of its pieces, and ends as it would in one."""

import gc
import os
import signal

import pytest

from replay.assembly.requests import waiting
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.workers import LEAST_BYTES, Workers, workers_for
from replay.assembly.types import ImportOptions
from replay.importers.logs import logged_requests
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.json_log import JsonLog
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from tests.support.long_logs import access_lines, json_lines


def doubled(spilled, n):
    return 2 * n


def refused(spilled, n):
    raise TraceError(f"x.log, line {n}: no.")


def killed(spilled, n):
    os.kill(os.getpid(), signal.SIGKILL)


def put(spilled, n):
    return spilled.put(b"%04d" % n)


def got(spilled, at):
    return spilled.get(at, 4)


def of(count, spilled=None):
    return Workers(count, spilled or Spilled(), "x.log")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_made_comes_in_the_order_of_the_pieces(workers):
    assert list(of(workers).made_of(iter(range(20)), doubled)) == [2 * n for n in range(20)]


@pytest.mark.parametrize("most_held_bytes", [3, 10], ids=["on the disk before it is shared", "in memory"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_one_process_puts_down_all_can_read(count, most_held_bytes):
    spilled = Spilled(most_held_bytes)
    first = spilled.put(b"first")
    workers = of(count, spilled)
    places = list(workers.made_of(range(50), put))
    last = spilled.put(b"last")

    assert list(workers.made_of(places, got)) == [b"%04d" % n for n in range(50)]
    assert [spilled.get(at, 4) for at in places] == [b"%04d" % n for n in range(50)]
    assert (spilled.get(first, 5), spilled.get(last, 4)) == (b"first", b"last")
    workers.close()


def test_processes_that_were_ended_are_started_again_where_there_is_more():
    workers = of(2)
    assert list(workers.made_of([1], doubled)) == [2]
    workers.close()

    assert list(workers.made_of([2], doubled)) == [4]
    workers.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_piece_is_refused_for_is_said(workers):
    with pytest.raises(TraceError, match=r"x\.log, line 7: no\."):
        list(of(workers).made_of([7, 8], refused))


def test_a_process_that_is_killed_is_told_with_what_to_do():
    text = r"x\.log: a process that shared the work ended early; is memory short\? Try --workers 1\."
    with pytest.raises(TraceError, match=text):
        list(of(2).made_of([1], killed))


def test_pieces_are_asked_for_no_further_ahead_than_they_are_worked_on():
    asked = []
    made = of(2).made_of((asked.append(n) or n for n in range(1_000)), doubled)
    next(made)
    made.close()

    assert len(asked) <= 8


def test_garbage_is_looked_for_again_once_all_is_made():
    gc.enable()
    assert list(of(1).made_of([1], lambda spilled, n: gc.isenabled())) == [False]
    assert gc.isenabled()


def test_only_a_long_recording_is_worth_several_processes():
    assert [workers_for(size, 64) for size in (0, LEAST_BYTES - 1, LEAST_BYTES, 1 << 40)] == [1, 1, 4, 64]


@pytest.mark.parametrize(
    ("importer", "lines"),
    [(AccessLog(), access_lines("timed", 4_000)), (JsonLog(), json_lines(4_000))],
    ids=["access-log", "json-log"],
)
def test_a_log_that_several_read_becomes_the_same_trace(tmp_path, monkeypatch, importer, lines):
    path = tmp_path / "long.log"
    path.write_text("\n".join(lines))
    monkeypatch.setattr(logged_requests, "workers_for", lambda size, workers: workers)
    monkeypatch.setattr(logged_requests, "parts_for", lambda size: 3)
    traces = []
    for workers in (1, 2):
        result = importer.read([path], ImportOptions(workers=workers))
        with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
            for lines in result.lines(writer.pack):
                writer.write_lines(lines.text, lines.starts_ms, lines.steps)
        traces.append(((tmp_path / "t.jsonl").read_bytes(), result.notes))

    assert traces[0] == traces[1]


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
def test_what_several_compressed_reads_as_one(tmp_path, monkeypatch, suffix):
    (tmp_path / "long.log").write_text("\n".join(access_lines("timed", 4_000)))
    monkeypatch.setattr(logged_requests, "workers_for", lambda size, workers: workers)
    monkeypatch.setattr(waiting, "_STRETCH_BYTES", 10_000)
    result = AccessLog().read([tmp_path / "long.log"], ImportOptions(workers=2))
    path = tmp_path / f"t.jsonl{suffix}"
    with TraceWriter(path, result.header) as writer:
        stretches = [
            writer.write_lines(lines.text, lines.starts_ms, lines.steps) for lines in result.lines(writer.pack)
        ]

    assert len(stretches) > 10
    assert list(read_sessions(path)) == list(result.sessions())
