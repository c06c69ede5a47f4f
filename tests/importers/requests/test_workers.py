"""Work that is shared by processes comes in the order of its pieces, and ends as it would in one."""

import gc
import os
import signal

import pytest

from replay.importers.logs import logged_requests
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.json_log import JsonLog
from replay.importers.requests.workers import LEAST_BYTES, made_of, workers_for
from replay.importers.types import ImportOptions
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from tests.support.long_logs import access_lines, json_lines


def doubled(n):
    return 2 * n


def refused(n):
    raise TraceError(f"x.log, line {n}: no.")


def killed(n):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_made_comes_in_the_order_of_the_pieces(workers):
    assert list(made_of(iter(range(20)), doubled, workers, "x.log")) == [2 * n for n in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_piece_is_refused_for_is_said(workers):
    with pytest.raises(TraceError, match=r"x\.log, line 7: no\."):
        list(made_of([7, 8], refused, workers, "x.log"))


def test_a_process_that_is_killed_is_told_with_what_to_do():
    text = r"x\.log: a process that shared the work ended early; is memory short\? Try --workers 1\."
    with pytest.raises(TraceError, match=text):
        list(made_of([1], killed, 2, "x.log"))


def test_pieces_are_asked_for_no_further_ahead_than_they_are_worked_on():
    asked = []
    made = made_of((asked.append(n) or n for n in range(1_000)), doubled, 2, "x.log")
    next(made)
    made.close()

    assert len(asked) <= 8


def test_garbage_is_looked_for_again_once_all_is_made():
    gc.enable()
    assert list(made_of([1], lambda n: gc.isenabled(), 1, "x.log")) == [False]
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
            for line in result.lines():
                writer.write_line(line.text, line.start_ms, line.steps)
        traces.append(((tmp_path / "t.jsonl").read_bytes(), result.notes))

    assert traces[0] == traces[1]
