"""A disk that is full in the middle of a run: it ends, says which file, and shows what there is."""

import errno
import os

import pytest

from replay.engine.records import writer
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results import rundir
from replay.target.target import Target


@pytest.fixture
def replayed(truth, write_trace, tmp_path):
    trace = write_trace(*[(n * 5.0, [write_trace.get("a", "/?ms=1")]) for n in range(20)])
    return lambda: replay_trace(trace, Target(url=truth.url, name="t"), RunOptions(), tmp_path / "run")


def test_a_record_that_cannot_be_written_ends_the_run_with_the_figures_so_far(replayed, tmp_path, monkeypatch):
    written, write_down = [], os.write

    def write(fd, data):
        written.append(len(data))
        if sum(written) > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_down(fd, data)

    monkeypatch.setattr(writer.os, "write", write)

    outcome = replayed()

    run = tmp_path / "run"
    assert len(written) > 1
    assert outcome.summary.status == "failed"
    why = "No space left on device; what was recorded before is kept"
    assert any(
        note.startswith(f"could not write {run}/") and note.endswith(why) for note in outcome.summary.notes
    )
    assert {file.name for file in run.iterdir()} == {"latency.hlog", "run.json", "steps.jsonl", "summary.json"}


def test_an_end_that_cannot_be_written_is_told_and_the_figures_are_shown(replayed, tmp_path, monkeypatch):
    write, manifests = rundir.write_whole, []

    def write_whole(path, data):
        if path.name == "run.json":
            manifests.append(data)
        if path.name == "summary.json" or len(manifests) > 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(rundir, "write_whole", write_whole)

    outcome = replayed()

    assert (outcome.summary.status, outcome.summary.counts.ok) == ("failed", 20)
    assert [note for note in outcome.summary.notes if note.startswith("could not")] == [
        f"could not write {tmp_path / 'run' / name}: No space left on device; what was recorded before is kept"
        for name in ("run.json", "summary.json")
    ]


def test_room_for_the_end_of_a_run_is_kept_while_it_lasts(replayed, tmp_path, monkeypatch):
    seen = []
    release = rundir.RunDir.release

    def released(directory):
        seen.append((directory.path / ".reserve").stat().st_size)
        release(directory)

    monkeypatch.setattr(rundir.RunDir, "release", released)

    replayed()

    assert seen == [64 << 10]
    assert not (tmp_path / "run" / ".reserve").exists()
