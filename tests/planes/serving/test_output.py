"""Where a plane's lines go: whoever reads them slowly, or not at all, holds nothing up."""

import contextlib
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from replay.planes.serving import output
from replay.planes.serving.output import MOST_WAITING_BYTES, Output

DROPPED = r"\[plane\] (\d+) lines? (?:was|were) dropped: nobody read (?:it|them)"


@pytest.fixture
def pipe():
    """The end to read, and a stream for the end to write."""
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    yield read, stream
    for end in (lambda: os.close(read), stream.close):
        with contextlib.suppress(OSError):
            end()


def read_all(descriptor):
    data = b""
    while piece := os.read(descriptor, 1 << 20):
        data += piece
    return data.decode().splitlines()


def test_lines_come_in_order_after_what_was_printed_before(pipe):
    read, stream = pipe
    told = Output(stream)
    stream.write("before\n")
    for n in range(3):
        told.say(f"line {n}")
    told.close()
    stream.close()

    assert read_all(read) == ["before", "line 0", "line 1", "line 2"]


def test_nobody_waits_for_a_reader_and_what_is_dropped_is_counted(pipe, monkeypatch):
    monkeypatch.setattr(output, "_CLOSE_S", 0.0)
    read, stream = pipe
    told = Output(stream)
    line = "x" * 1023
    count = 3 * MOST_WAITING_BYTES // 1024
    for _ in range(count):
        told.say(line)  # blocked for ever with print
    told.close()  # gives up waiting for a reader, and the thread goes on

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_all, read)
        told._thread.join()
        stream.close()
        found = reading.result()
    dropped = [int(said[1]) for text in found if (said := re.fullmatch(DROPPED, text))]
    assert len(dropped) >= 1
    assert found.count(line) + sum(dropped) == count
    assert found.count(line) + len(dropped) == len(found)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (1, "1 line was dropped: nobody read it"),
        (2, "2 lines were dropped: nobody read them"),
    ],
)
def test_lines_after_a_gap_say_how_many_are_missing(pipe, monkeypatch, lost, said):
    monkeypatch.setattr(output, "MOST_WAITING_BYTES", 0)
    read, stream = pipe
    told = Output(stream)
    for _ in range(lost):
        told.say("lost")
    monkeypatch.setattr(output, "MOST_WAITING_BYTES", 1 << 20)
    told.say("kept")
    told.close()
    stream.close()

    assert read_all(read) == [f"[plane] {said}", "kept"]


def test_a_reader_that_has_left_is_no_fault(pipe):
    read, stream = pipe
    os.close(read)
    told = Output(stream)
    for _ in range(100):
        told.say("nobody hears this")
    told.close()
    told.say("nor this")

    assert "gone" in repr(told)


def test_a_stream_in_memory_has_each_line_at_once_and_a_closed_one_none():
    stream = io.StringIO()
    told = Output(stream)
    told.say("now")
    assert stream.getvalue() == "now\n"
    stream.close()
    told.say("never")
    told.close()


def test_a_line_that_the_stream_cannot_encode_is_shown_all_the_same(pipe):
    read, stream = pipe
    told = Output(stream)
    told.say("half \ud83d")
    told.close()
    stream.close()

    assert read_all(read) == ["half \\ud83d"]
