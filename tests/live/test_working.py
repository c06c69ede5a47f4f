"""A line on a terminal about work that takes long; nothing into a pipe."""

import io
import os
import threading
from contextlib import redirect_stderr

import pytest

from replay.live import working as module
from replay.live.working import Work, read_of, working


class Terminal(io.StringIO):
    """Knows when something has been written."""

    def __init__(self):
        super().__init__()
        self.has_line = threading.Event()

    def isatty(self):
        return True

    def flush(self):
        self.has_line.set()


@pytest.fixture
def terminal(monkeypatch):
    made = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "_FIRST_S", 0.001)
    return made


def test_work_that_takes_long_is_told_and_the_line_is_gone_afterwards(terminal):
    with redirect_stderr(terminal), working("explaining runs/today"):
        assert terminal.has_line.wait(30)

    assert terminal.getvalue().startswith("\r\x1b[Kexplaining runs/today  ")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_short_work_leaves_no_trace(terminal, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_S", 1000.0)
    with redirect_stderr(terminal), working("explaining runs/today"):
        pass

    assert terminal.getvalue() == ""


def test_the_line_is_gone_before_an_error_is_told(terminal):
    def interrupted():
        with redirect_stderr(terminal), working("reading"):
            terminal.has_line.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("kind", ["pipe", "dumb", "closed"])
def test_nothing_is_told_where_nobody_looks(terminal, monkeypatch, kind):
    if kind == "pipe":
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    elif kind == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    before = threading.active_count()
    with redirect_stderr(None if kind == "closed" else terminal), working("reading"):
        assert threading.active_count() == before

    assert terminal.getvalue() == ""


def test_a_terminal_that_has_gone_stops_no_work(terminal, monkeypatch):
    def gone(text):
        terminal.has_line.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", gone)
    with redirect_stderr(terminal), working("reading"):
        assert terminal.has_line.wait(30)


def test_a_line_is_as_wide_as_the_terminal_at_most_and_shows_nothing_hostile(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    with redirect_stderr(terminal), working("reading \x1b[31m" + "x" * 500):
        assert terminal.has_line.wait(30)

    line = terminal.getvalue().split("\r\x1b[K")[1]
    assert len(line) <= 19
    assert "\x1b" not in line


@pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="this system has no /proc")
def test_how_far_a_file_has_been_read_is_seen_from_outside(tmp_path):
    path = tmp_path / "run" / "steps.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"x" * (4 << 20))

    assert read_of([path]) is None
    with path.open("rb", buffering=0) as file:
        assert read_of([path]) is None
        file.seek(1 << 20)
        assert read_of([path]) == read_of([path.parent]) == 0.25
        assert read_of([tmp_path / "other"]) is None
        assert read_of([tmp_path / "ru"]) is None
        assert Work("reading", [path], None).line() == "reading 25%  0.0 s"
        file.seek(0, os.SEEK_END)
        assert read_of([path]) is None


def test_where_the_system_does_not_tell_the_time_alone_is_shown(tmp_path):
    assert read_of([tmp_path], root=tmp_path / "no-proc") is None
