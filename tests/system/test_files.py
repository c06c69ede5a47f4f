"""Files that are whole or not there, and those that are for their owner alone."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replay.system.files import as_private, open_written, read_small, settle, write_whole
from replay.trace.errors import TraceError
from replay.trace.file.stored import WholeFile


@pytest.fixture
def full_disk(monkeypatch):
    """What was written finds no room, which a disk may say as late as when it is synced."""

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("replay.system.files.os.fsync", full)


def test_what_does_not_reach_the_disk_takes_no_name_of_another(full_disk, tmp_path):
    path, part = tmp_path / "steps.csv", tmp_path / "part"
    path.write_text("old")
    part.write_text("new")

    with pytest.raises(OSError, match="No space"):
        settle(part, path)

    assert path.read_text() == "old"


@pytest.mark.parametrize("before", [None, "old"])
def test_a_full_disk_leaves_the_old_file_or_none(before, full_disk, tmp_path):
    path = tmp_path / "page.html"
    if before is not None:
        with path.open("w") as file:
            file.write(before)

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(path, "new page")

    assert caught.value.filename == str(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if before is None else [before])


def test_text_is_written_in_utf_8_and_by_the_umask(tmp_path):
    write_whole(tmp_path / "a", "ü\n")
    write_whole(tmp_path / "a", b"\xff")
    (tmp_path / "b").touch()

    assert (tmp_path / "a").read_bytes() == b"\xff"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_a_link_points_to_is_replaced_and_not_the_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "page").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "page")

    write_whole(link, "new")

    assert link.is_symlink()
    assert (tmp_path / "there" / "page").read_text() == "new"


def test_links_in_a_circle_are_refused_and_stay(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(link)

    with pytest.raises(OSError, match="Too many levels of symbolic links") as caught:
        write_whole(link, "new")
    with pytest.raises(TraceError, match=r"link: cannot be written: too many levels of symbolic links\."):
        WholeFile(link)

    assert caught.value.filename == str(link)
    assert {path.name for path in tmp_path.iterdir() if path.is_symlink()} == {"link", "other"}


def test_a_link_to_nothing_makes_what_it_points_to(tmp_path):
    (tmp_path / "link").symlink_to("page")

    write_whole(tmp_path / "link", "new")

    assert (tmp_path / "page").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o664, 0o666])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
def test_a_file_that_is_replaced_keeps_its_mode(mode, umask, tmp_path, monkeypatch):
    path = tmp_path / "verdict.json"
    path.touch()
    path.chmod(mode)
    before_it_was_whole = []
    sync = os.fsync

    def seen(fd):
        before_it_was_whole.append(stat.S_IMODE(os.fstat(fd).st_mode))
        sync(fd)

    monkeypatch.setattr("replay.system.files.os.fsync", seen)
    umask_before = os.umask(umask)
    try:
        write_whole(path, "new")
    finally:
        os.umask(umask_before)

    assert path.read_text() == "new"
    assert [stat.S_IMODE(path.stat().st_mode), *before_it_was_whole] == [mode, mode]


def test_no_other_group_may_read_what_one_group_could(tmp_path, monkeypatch):
    path = tmp_path / "verdict.json"
    path.touch()
    path.chmod(0o660)
    fstat = os.fstat

    class Elsewhere:
        st_gid = path.stat().st_gid + 1

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("replay.system.files.os.fstat", lambda _: Elsewhere)
    monkeypatch.setattr("replay.system.files.os.fchown", refused)
    write_whole(path, "new")
    monkeypatch.setattr("replay.system.files.os.fstat", fstat)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("character", ["a", "ü", "字", "🐵"])
def test_a_name_as_long_as_the_file_system_takes_is_taken(character, tmp_path):
    size = len(character.encode())
    path = tmp_path / (character * (255 // size))

    for text in ("old", "new"):
        write_whole(path, text)
    with WholeFile(path) as file:
        file.write(path.read_bytes() + b"er")

    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "newer"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()

    write_whole(pipe, "told")

    reader.join()
    assert read == ["told"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_is_no_file_is_named_as_it_was_given(tmp_path):
    """It was said of what the link led to: of /dev/stdout, for one, /proc/26521/fd/pipe:[1030827]."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")

    with pytest.raises(TraceError) as refused:
        WholeFile(tmp_path / "link")

    assert str(refused.value) == f"{tmp_path}/link: not a regular file. Name a file to write."


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_what_stands_for_an_open_file_is_written_to_and_not_replaced(name, tmp_path):
    code = f"from pathlib import Path; from replay.system.files import write_whole; write_whole(Path({name!r}), 'told')"
    out = tmp_path / "out"

    piped = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
        assert os.stat(out).st_ino == os.fstat(file.fileno()).st_ino

    assert piped.stdout == out.read_bytes() == b"told"


@pytest.mark.parametrize(
    ("path", "why"), [("gone/x", "No such file or directory"), (".", "Is a directory")], ids=["folder", "name"]
)
def test_what_cannot_be_a_file_is_named(path, why, tmp_path):
    with pytest.raises(OSError, match=why) as caught:
        write_whole(tmp_path / path, "x")

    assert caught.value.filename == str(tmp_path / path)


def test_a_private_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        open(tmp_path / "a", "wb", opener=as_private).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.system.files._OTHER_END_WITHIN_S", 0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="nothing was written to this pipe for 0 s"):
        open_written(pipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_is_read_to_its_end_whoever_comes_first(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"x" * 300_000))
    writer.start()

    assert read_small(pipe) == b"x" * 300_000
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_that_nobody_reads_from_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.system.files._OTHER_END_WITHIN_S", 0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="nobody has read from this pipe for 0 s"):
        write_whole(pipe, "text")
    assert pipe.is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_gets_all_that_is_written_whoever_comes_first(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    timer = threading.Timer(0.1, reader.start)
    timer.start()

    # More than a pipe holds.
    write_whole(pipe, "x" * 300_000)

    timer.join()
    reader.join()
    assert got == [b"x" * 300_000]
