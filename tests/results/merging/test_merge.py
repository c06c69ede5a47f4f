"""What several workers left, added up: the same as one would have left, in every count."""

import errno
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.results.answer_types import AnswerRecord, AnswersHead, ShapeRecord
from replay.results.answers import read_answers
from replay.results.hlog import read_hlog
from replay.results.manifest_types import Ended, Generator, Manifest, TargetFacts, TraceFacts, WorkerFacts
from replay.results.merging.layout import step_files, worker_directory
from replay.results.merging.merge import merge
from replay.results.merging.whole import make_whole
from replay.results.record import read_steps
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.results.types import StepRecord
from tests.support.worker_directories import leave

MS = 1_000_000


def manifest(sessions, steps, status="finished", **more):
    more.setdefault("generator", Generator("ok", []))
    return Manifest(
        schema="replay.run/1",
        status=status,
        version="0",
        started_at="2026-01-01T00:00:00Z",
        trace=TraceFacts("t", "0", sessions=sessions, steps=steps),
        target={},
        target_facts=TargetFacts("x", "http://x"),
        options={},
        seed=1,
        host={},
        clock={},
        **more,
    )


def record(session, at_ms, took_ms=10.0, outcome="ok", n=0, **more):
    if outcome == "unsent":
        return StepRecord(session, f"a{n}", "tool", "search", "x", "unsent", error="late")
    sent_ns = round((at_ms + 0.1) * MS)
    return StepRecord(
        session, f"a{n}", "tool", "search", "x", outcome,
        intended_ns=round(at_ms * MS), sent_ns=sent_ns, first_byte_ns=sent_ns + MS, end_ns=sent_ns + round(took_ms * MS),
        error="timeout" if outcome == "failed" else None, status=200, connection="reused", **more,
    )  # fmt: skip


def deal(tmp_path, records, of, **more):
    """Leave the records as `of` workers would, and an unfinished manifest at the top; returns the run's directory."""
    run = tmp_path / "run"
    sessions = sorted({each.session for each in records}, key=lambda name: int(name[2:]))
    for place in range(of):
        mine = set(sessions[place::of])
        lines = [each for each in records if each.session in mine]
        leave(worker_directory(run, place), lines, manifest(len(mine), len(lines), **more))
    top = manifest(
        len(sessions), len(records), "running", workers=[WorkerFacts(n) for n in range(of)], generator=None
    )
    RunDir(run).write_manifest(top)
    return run


RECORDS = st.lists(
    st.builds(
        record,
        st.integers(0, 8).map(lambda n: f"s-{n}"),
        st.floats(0, 4000),
        st.floats(0.2, 1500),
        st.sampled_from(["ok", "ok", "ok", "failed", "unsent"]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=25)
@given(records=RECORDS, of=st.integers(1, 5))
def test_workers_merged_are_one_worker_in_every_count(tmp_path_factory, records, of):
    tmp_path = tmp_path_factory.mktemp("runs")
    records = sorted(records, key=lambda each: each.end_ns or 0)
    sessions = len({each.session for each in records})
    leave(tmp_path / "one", records, manifest(sessions, len(records)))
    run = deal(tmp_path, records, of)

    merge(run)
    one, whole = rebuild(tmp_path / "one"), rebuild(run)

    for name in ("status", "counts", "rate", "latency_ms", "series", "dispatch_lag_us", "steady", "fidelity"):
        assert getattr(whole, name) == getattr(one, name), name
    assert sorted(map(msgspec.json.encode, read_steps(run / "steps.jsonl"))) == sorted(
        map(msgspec.json.encode, records)
    )
    ends = [each.end_ns for each in read_steps(run / "steps.jsonl") if each.end_ns is not None]
    assert ends == sorted(ends)


def test_histograms_are_added_by_tag_and_second(tmp_path):
    records = [record(f"s-{n}", at_ms=500.0 * n) for n in range(12)]
    run = deal(tmp_path, records, 3)

    merge(run)

    intervals = list(read_hlog(run / "latency.hlog"))
    responses = [(round(each.start_s), each.histogram.n) for each in intervals if each.tag == "response"]
    assert responses == [(second, 2) for second in range(6)]


def test_it_can_be_done_again_and_gives_the_same(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(9)], 2)

    merge(run)
    first = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    merge(run)

    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == first


def test_a_full_disk_is_told_by_the_file_and_by_what_to_do(tmp_path, monkeypatch):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(9)], 2)
    with monkeypatch.context() as full:
        full.setattr("replay.system.files.os.fsync", no_room)

        with pytest.raises(OSError, match="No space") as told:
            merge(run)

    said = f"No space left on device; the workers' files are kept, and `replay report {run}` puts them together"
    assert (told.value.filename, told.value.strerror) == (str(run / "steps.jsonl"), said)
    assert merge(run).status == "finished"
    assert len(list(read_steps(run / "steps.jsonl"))) == 9


def no_room(fd):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_run_whose_conductor_died_is_made_whole_by_whoever_reads_it(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(9)], 2, status="interrupted")

    assert [file.parent.name for file in step_files(run)] == ["00", "01"]
    summary = rebuild(run)

    assert (summary.status, summary.counts.ok) == ("interrupted", 9)
    assert RunDir(run).read_manifest().status == "interrupted"


def test_a_run_that_goes_on_says_so_and_is_merged_again_later(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(9)], 2, status="running", generator=None)

    assert rebuild(run).status == "running"
    more = record("s-0", 400.0, n=1)
    with (worker_directory(run, 0) / "steps.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(more) + b"\n")

    assert rebuild(run).counts.ok == 10


def test_what_a_lost_worker_left_no_record_of_is_unsent(tmp_path):
    records = [record(f"s-{n}", 10.0 * n) for n in range(10)]
    run = deal(tmp_path, records, 2)
    lost = worker_directory(run, 1)
    lines = (lost / "steps.jsonl").read_bytes().splitlines(keepends=True)
    # Killed in the middle of a line, with a request under way that its engine ended by itself.
    own_end = msgspec.json.encode(record("s-5", 50.0, outcome="failed")).replace(b"timeout", b"interrupted")
    (lost / "steps.jsonl").write_bytes(b"".join([*lines[:2], own_end, b"\n", lines[3][:40]]))
    RunDir(lost).write_manifest(manifest(5, 5, "running", generator=None))
    top = RunDir(run).read_manifest()
    top.workers[1].lost = "its process was killed by SIGKILL"

    merge(run, top)
    summary = rebuild(run)

    counts = summary.counts
    assert summary.status == "incomplete"
    assert (counts.ok, counts.failed, counts.unsent, counts.steps) == (7, 0, 3, 10)
    assert counts.unsent_reasons == {"worker_lost": 3}
    assert summary.generator.verdict == "suspect"
    assert summary.generator.reasons == ["worker 1 was lost: its process was killed by SIGKILL"]
    assert summary.workers[1].lost_steps == 3
    assert (
        "lost: worker 1 (its process was killed by SIGKILL); 3 steps of what it had to send count as unsent"
        in (summary.notes)
    )


def test_a_worker_that_left_nothing_at_all_has_all_of_its_steps_unsent(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(4)], 1)
    top = RunDir(run).read_manifest()
    top.workers.append(WorkerFacts(1, sessions=3, steps=3, lost="nothing was heard of it for 5 seconds"))

    merge(run, top)

    assert rebuild(run).counts.unsent_reasons == {"worker_lost": 3}


def test_the_worst_worker_speaks_for_the_run_and_it_is_said_how_many_would_do(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(4)], 2)
    full = Generator("saturated", ["1% of the steps were sent more than 200 ms late"], cpu_percent=99.0)
    path = worker_directory(run, 1)
    RunDir(path).write_manifest(manifest(2, 2, generator=full))
    RunDir(worker_directory(run, 0)).write_manifest(
        manifest(2, 2, generator=Generator("ok", [], cpu_percent=98.0))
    )

    found = merge(run).generator

    assert found.verdict == "saturated"
    assert found.reasons == [
        "worker 1: 1% of the steps were sent more than 200 ms late",
        "3 workers would do (--workers 3), each with a core of its own",
    ]
    assert found.cpu_percent == 99.0


def test_more_workers_are_not_advised_where_the_processor_was_not_what_was_short(tmp_path):
    run = deal(tmp_path, [record("s-0", 0.0)], 1)
    late = Generator("saturated", ["half of the steps were sent more than 20 ms late"], cpu_percent=40.0)
    RunDir(worker_directory(run, 0)).write_manifest(manifest(1, 1, generator=late))

    assert merge(run).generator.reasons == ["worker 0: half of the steps were sent more than 20 ms late"]


def test_what_one_worker_was_ended_by_ended_the_run(tmp_path):
    run = deal(tmp_path, [record("s-0", 0.0)], 1, status="interrupted", ended=Ended("budget", "spent"))

    assert rebuild(run).ended == Ended("budget", "spent")


def test_a_start_that_is_less_sure_than_a_step_may_be_late_is_stated(tmp_path):
    run = deal(tmp_path, [record("s-0", 0.0)], 1)
    top = RunDir(run).read_manifest()
    top.workers[0].uncertainty_ms = 3.5

    assert merge(run, top).notes == [
        "workers began together to within 3.5 ms, so what happened on different ones stands that far apart at most; "
        "latencies are not touched by it"
    ]


def test_shapes_of_answers_keep_apart(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 0.0) for n in range(2)], 2)
    for place in range(2):
        lines = [
            AnswersHead("replay.answers/1", "shape"),
            ShapeRecord(1, [(f"/of-{place}", "string")]),
            AnswerRecord(f"s-{place}", "a", "tool", "search", 200, shape=1),
        ]
        path = worker_directory(run, place) / "answers.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + b'{"is":"ans')

    merge(run)
    answers = read_answers(run)

    shapes = {each.session: answers.shapes[each.shape].paths for each in answers.answers}
    assert shapes == {f"s-{place}": [(f"/of-{place}", "string")] for place in range(2)}
    assert (run / "answers.jsonl").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("name", ["workers/x", "workers/٣", "workers/-1"])
def test_other_folders_are_no_workers(tmp_path, name):
    run = deal(tmp_path, [record("s-0", 0.0)], 1)
    (run / name).mkdir(exist_ok=True)

    make_whole(run)

    assert json.loads((run / "run.json").read_text())["trace"]["steps"] == 1


def test_a_workers_file_that_cannot_be_read_is_told_by_its_own_name(tmp_path):
    run = deal(tmp_path, [record(f"s-{n}", 10.0 * n) for n in range(9)], 2)
    lost = worker_directory(run, 1) / "latency.hlog"
    lost.unlink()
    lost.mkdir()

    with pytest.raises(OSError, match="Is a directory") as told:
        merge(run)

    assert told.value.filename == str(lost)
