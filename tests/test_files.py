"""Files that are whole or not there, and those that are for their owner alone."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replay.files import as_private, write_whole


@pytest.fixture
def full_disk(monkeypatch):
    """What was written finds no room, which a disk may say as late as when it is synced."""

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("replay.files.os.fsync", full)


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


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_what_stands_for_an_open_file_is_written_to_and_not_replaced(name, tmp_path):
    code = (
        f"from pathlib import Path; from replay.files import write_whole; write_whole(Path({name!r}), 'told')"
    )
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
