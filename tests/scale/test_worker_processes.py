"""Real worker processes against a target that knows what it was sent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

import replay
from replay.engine.run import Job
from replay.engine.types import Knobs, RunOptions
from replay.errors import InputError
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.scale import crew
from replay.scale.conductor import NotStarted
from replay.scale.launching import LocalWorker
from replay.scale.replaying import replay_dealt
from replay.target.target import Target
from replay.trials.aborting import dealing_runs
from replay.trials.compare import compare_targets
from tests.support.waiting import is_alive, until

TWO = RunOptions(workers=2)


@pytest.fixture
def started(monkeypatch):
    """The workers that were started, in order."""
    found = []

    class Noted(LocalWorker):
        def __init__(self, index):
            super().__init__(index)
            found.append(self._process.pid)

    monkeypatch.setattr(crew, "LocalWorker", Noted)
    return found


def chain(get, n, ms=5):
    return [get("a", f"/{n}/a?ms={ms}", name="first"), get("b", f"/{n}/b", ["a"], name="second")]


def has_begun(run):
    files = [run / "workers" / name / "steps.jsonl" for name in ("00", "01")]
    return all(file.exists() and file.stat().st_size for file in files)


def spread(write_trace, sessions, gap_ms):
    return write_trace(*[(n * gap_ms, chain(write_trace.get, n)) for n in range(sessions)])


def test_every_request_goes_out_once_and_the_merged_run_says_so(truth, write_trace, tmp_path, started):
    trace = spread(write_trace, 30, 5.0)
    target = Target(url=truth.url, name="truth")

    (outcome,) = replay_dealt(
        trace, [Job(target, tmp_path / "run")], RunOptions(knobs=Knobs(scale=2), workers=2)
    )

    summary = outcome.summary
    assert (summary.status, summary.counts.ok, summary.counts.steps) == ("finished", 120, 120)
    assert [worker.steps for worker in summary.workers] == [60, 60]
    assert Counter(seen["path"].partition("?")[0] for seen in truth.arrivals) == {
        f"/{n}/{step}": 2 for n in range(30) for step in "ab"
    }
    assert rebuild(outcome.directory) == summary
    lines = [json.loads(line) for line in (outcome.directory / "steps.jsonl").read_text().splitlines()]
    assert len({(line["session"], line["step"]) for line in lines}) == 120
    assert {RunDir(path).read_manifest().share for path in (outcome.directory / "workers").iterdir()} == {
        "0 of 2",
        "1 of 2",
    }
    assert not any(map(is_alive, started))


def test_a_worker_that_is_killed_leaves_a_run_that_says_so(truth, write_trace, tmp_path, started):
    trace = spread(write_trace, 60, 40.0)
    seen = []

    def kill_one(snapshot):
        if not seen:
            os.kill(started[1], signal.SIGKILL)
        seen.append(snapshot.sent)

    (outcome,) = replay_dealt(trace, [Job(Target(url=truth.url), tmp_path / "run")], TWO, kill_one)

    counts = outcome.summary.counts
    assert outcome.summary.status == "incomplete"
    assert counts.ok + counts.failed + counts.unsent == counts.steps == 120
    assert outcome.summary.workers[1].lost == "its process was killed by SIGKILL"
    assert counts.unsent_reasons == {"worker_lost": counts.unsent}
    assert outcome.summary.workers[0].status == "finished"
    assert not any(map(is_alive, started))


def begun(trace, truth, run):
    """The command, once its two workers have begun to record."""
    options = ["-t", truth.url, "--out", str(run), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", "run", str(trace), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: has_begun(run))
    return process


def test_workers_end_and_are_merged_when_their_conductor_is_killed(truth, write_trace, tmp_path):
    trace = spread(write_trace, 400, 50.0)
    run = tmp_path / "run"
    process = begun(trace, truth, run)

    process.kill()
    process.wait()

    workers = [run / "workers" / name for name in ("00", "01")]
    until(lambda: all(RunDir(worker).read_manifest().status == "interrupted" for worker in workers))
    summary = rebuild(run)
    assert summary.status == "interrupted"
    assert summary.counts.ok > 0
    assert summary.counts.ok + summary.counts.failed + summary.counts.unsent == 800


def test_sigterm_ends_all_of_them_and_keeps_what_was_recorded(truth, write_trace, tmp_path):
    trace = spread(write_trace, 400, 50.0)
    run = tmp_path / "run"
    process = begun(trace, truth, run)

    process.terminate()

    assert process.wait(60) == 130
    summary = rebuild(run)
    assert (summary.status, RunDir(run).read_manifest().status) == ("interrupted", "interrupted")
    assert summary.counts.ok > 0


def test_a_run_that_a_program_cancels_is_ended_in_all_workers(truth, write_trace, tmp_path, started):
    trace = spread(write_trace, 400, 50.0)
    run = tmp_path / "run"

    async def cancelled():
        making = asyncio.create_task(replay.arun(trace, truth.url, out=run, workers=2))
        await asyncio.to_thread(until, lambda: has_begun(run))
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    asyncio.run(cancelled())

    assert RunDir(run).read_manifest().status == "interrupted"
    assert not any(map(is_alive, started))


def test_a_target_that_nothing_answers_at_is_told_and_nothing_is_left(write_trace, tmp_path, started):
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))

    with pytest.raises(NotStarted, match=r"could not begin: .*http://127\.0\.0\.1:9"):
        replay_dealt(trace, [Job(Target(url="http://127.0.0.1:9"), tmp_path / "run")], TWO)

    assert not (tmp_path / "run").exists()
    assert not any(map(is_alive, started))


def test_workers_are_kept_from_one_run_to_the_next(truth, write_trace, tmp_path, started):
    second = spread(write_trace, 20, 5.0).rename(tmp_path / "second.jsonl")
    first = spread(write_trace, 10, 5.0)
    target = Target(url=truth.url)

    with crew.Crew(TWO) as kept:
        outcomes = [
            replay_dealt(trace, [Job(target, tmp_path / f"run-{n}")], TWO, crew=kept)[0]
            for n, trace in enumerate((first, second, first))
        ]
        alive = list(map(is_alive, started))

    assert [outcome.summary.status for outcome in outcomes] == ["finished"] * 3
    assert [outcome.summary.counts.ok for outcome in outcomes] == [20, 40, 20]
    assert [outcome.summary.workers[1].steps for outcome in outcomes] == [10, 20, 10]
    assert (alive, len(started)) == ([True, True], 2)
    assert not any(map(is_alive, started))


def test_a_crew_that_lost_a_worker_is_let_go_and_the_next_run_has_a_fresh_one(
    truth, write_trace, tmp_path, started
):
    trace = spread(write_trace, 60, 40.0)
    target = Target(url=truth.url)

    killed = []

    def kill_one(_):
        if not killed:
            killed.append(started[1])
            os.kill(killed[0], signal.SIGKILL)

    with crew.Crew(TWO) as kept:
        (broken,) = replay_dealt(trace, [Job(target, tmp_path / "run-1")], TWO, kill_one, crew=kept)
        (whole,) = replay_dealt(trace, [Job(target, tmp_path / "run-2")], TWO, crew=kept)

    assert [broken.summary.status, whole.summary.status] == ["incomplete", "finished"]
    assert len(started) == 4
    assert not any(map(is_alive, started))


def test_the_levels_of_a_ceiling_are_done_by_the_same_workers(truth, write_trace, tmp_path, started):
    """Whatever a busy machine makes of the levels, they are runs of two workers that were started once."""
    trace = write_trace(*[(n * 1000.0, [write_trace.get("a", "/a")]) for n in range(10)])

    outcome = replay.ceiling(
        trace,
        truth.url,
        out=tmp_path / "ceiling",
        first_scale=20,
        most_scale=40,
        level_s=0.5,
        most_s=2.0,
        shows_recovery=False,
        workers=2,
    )

    levels = [path for path in outcome.directory.iterdir() if path.is_dir()]
    assert len(levels) > 1
    assert {len(rebuild(path).workers) for path in levels} == {2}
    assert len(started) == 2
    assert not any(map(is_alive, started))


def test_the_rounds_of_a_comparison_are_done_by_the_same_workers(truth, write_trace, tmp_path, started):
    trace, target = spread(write_trace, 10, 5.0), Target(url=truth.url)

    outcome = compare_targets(trace, [target, target], TWO, "sequential", out=tmp_path / "compare")

    rounds = [path for path in outcome.directory.iterdir() if path.is_dir()]
    assert [len(rebuild(path).workers) for path in rounds] == [2] * 4
    assert len(started) == 2
    assert not any(map(is_alive, started))


def test_what_deals_runs_of_others_deals_all_of_them_to_the_same_workers(truth, write_trace, tmp_path, started):
    """As a pilot does, whose phases say nothing of workers."""
    trace, jobs = (
        spread(write_trace, 10, 5.0),
        [Job(Target(url=truth.url), tmp_path / f"{n}") for n in range(2)],
    )

    with dealing_runs(TWO) as replay_all:
        outcomes = [replay_all(trace, [job], RunOptions(sessions=6), None, None)[0] for job in jobs]

    assert [[worker.steps for worker in outcome.summary.workers] for outcome in outcomes] == [[6, 6]] * 2
    assert len(started) == 2


def test_an_application_in_this_process_cannot_be_shared(write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))

    with pytest.raises(InputError, match="Serve it, and name its URL"):
        replay_dealt(
            trace, [Job(Target(url="asgi:app:app", name="app", transport="httpx"), tmp_path / "run")], TWO
        )
