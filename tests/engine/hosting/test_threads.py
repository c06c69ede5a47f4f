"""Runs of a Python program that keeps its signals: anywhere in it, and broken off by whoever waits for them."""

import asyncio
import gc
import json
import os
import signal
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import pytest

from replay.engine.hosting import threads
from replay.engine.hosting.event_loop import run_to_end
from replay.engine.hosting.threads import Breaker, await_in_thread, call_in_thread
from replay.engine.run import replay_trace
from replay.engine.types import At, RunOptions
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from tests.support.waiting import until, until_loop

SESSIONS, SESSIONS_LONG = 20, 10_000
HANDLED = [signal.SIGINT, signal.SIGTERM, signal.SIGALRM]


@pytest.fixture
def short(write_trace):
    return write_trace(*[(n * 2.0, [write_trace.get("a", "/a")]) for n in range(SESSIONS)])


@pytest.fixture
def long(write_trace):
    return write_trace(*[(n * 20.0, [write_trace.get("a", "/a?ms=1")]) for n in range(SESSIONS_LONG)])


@pytest.fixture
def target(truth):
    return Target(url=truth.url, name="truth")


@pytest.fixture
def replayed(target, tmp_path):
    def replayed(trace, on_progress=None, **options):
        return replay_trace(trace, target, RunOptions(**options), tmp_path / "run", on_progress)

    return replayed


@pytest.fixture
def left(tmp_path):
    """What a run left of itself."""

    def read():
        folder = tmp_path / "run"
        lines = (folder / "steps.jsonl").read_bytes().splitlines()
        assert all(json.loads(line) for line in lines)
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["status"] == json.loads((folder / "run.json").read_text())["status"]
        return summary["status"], summary["counts"]["ok"], len(lines)

    return read


def process_state():
    return [signal.getsignal(number) for number in HANDLED], gc.isenabled()


def threads_but(before):
    """Threads that were not there. Those of other tests may end meanwhile."""
    return set(threading.enumerate()) - before


def in_the_main_thread(replayed, short):
    return replayed(short)


def in_an_event_loop(replayed, short):
    async def cell():
        return replayed(short)

    return asyncio.run(cell())


def beside_an_event_loop(replayed, short):
    async def main():
        return await asyncio.to_thread(replayed, short)

    return asyncio.run(main())


def awaited(replayed, short):
    async def main():
        return await await_in_thread(lambda: replayed(short))

    return asyncio.run(main())


def in_another_thread(replayed, short):
    found = []
    thread = threading.Thread(target=lambda: found.append(replayed(short)))
    thread.start()
    thread.join()
    return found[0]


ANYWHERE = [in_the_main_thread, in_an_event_loop, beside_an_event_loop, awaited, in_another_thread]


@pytest.mark.parametrize("where", ANYWHERE)
def test_a_run_is_made_anywhere_and_leaves_the_process_as_it_was(where, replayed, short, left):
    before, threads = process_state(), set(threading.enumerate())

    outcome = where(replayed, short)

    assert (outcome.summary.status, outcome.summary.counts.ok) == ("finished", SESSIONS)
    assert left() == ("finished", SESSIONS, SESSIONS)
    assert (process_state(), threads_but(threads)) == (before, set())


@pytest.mark.parametrize("where", [where for where in ANYWHERE if where is not in_another_thread])
def test_what_a_run_raises_comes_to_who_called_it_and_is_told_nowhere_else(where, short, tmp_path, capfd):
    def fail(trace):
        target = Target(url="http://127.0.0.1:1", name="dead")
        return replay_trace(trace, target, RunOptions(), tmp_path / "run")

    with pytest.raises(TargetUnreachable, match="connection refused"):
        where(fail, short)

    assert capfd.readouterr() == ("", "")


class Limit(BaseException):
    """What a handler of a program raises."""


@pytest.fixture
def on_alarm():
    """Install a handler of SIGALRM, as a program might have one."""
    before = signal.getsignal(signal.SIGALRM)
    yield lambda handler: signal.signal(signal.SIGALRM, handler)
    signal.signal(signal.SIGALRM, before)


def raising(error):
    def handle(number, frame):
        raise error

    return handle


@pytest.mark.parametrize(
    ("error", "grace_s"), [(KeyboardInterrupt(), 0.5), (KeyboardInterrupt(), 0.0), (Limit("too long"), 600.0)]
)
def test_what_a_handler_raises_where_the_run_is_waited_for_ends_it_and_loses_nothing(
    replayed, long, left, on_alarm, error, grace_s
):
    """The handlers of the program are its own all the while."""
    on_alarm(raising(error))
    before, seen = process_state()[0], []

    def strike(_):
        seen.append(process_state()[0])
        os.kill(os.getpid(), signal.SIGALRM)

    with pytest.raises(type(error)) as raised:
        replayed(long, on_progress=strike, grace_s=grace_s)

    status, ok, lines = left()
    assert raised.value is error
    assert "What was recorded is in " in error.__notes__[0]
    assert seen[0] == before
    assert status == "interrupted"
    assert 0 < ok <= lines < SESSIONS_LONG


def test_a_second_ctrl_c_ends_the_grace_time(replayed, write_trace, left, on_alarm):
    on_alarm(raising(KeyboardInterrupt()))
    slow = write_trace((0.0, [write_trace.get("a", "/a?ms=60000")]))

    def strike(_):
        os.kill(os.getpid(), signal.SIGALRM)

    with pytest.raises(KeyboardInterrupt):
        replayed(slow, on_progress=strike, grace_s=600.0)

    assert left() == ("interrupted", 0, 1)


def test_a_run_that_is_cancelled_while_it_is_awaited_ends_at_once_and_loses_nothing(
    replayed, write_trace, left
):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/a?ms=1"), get("b", "/b?ms=60000", ["a"])]))
    reached = threading.Event()

    async def main():
        task = asyncio.create_task(
            await_in_thread(lambda: replayed(trace, grace_s=600.0, on_progress=lambda _: reached.set()))
        )
        await until_loop(reached.is_set)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())

    assert left() == ("interrupted", 1, 2)


def test_a_run_that_is_cancelled_before_it_begins_leaves_nothing(replayed, short, tmp_path, monkeypatch):
    broken_off, break_off = threading.Event(), Breaker.break_off

    def break_off_and_tell(breaker, **how):
        break_off(breaker, **how)
        broken_off.set()

    def begin():
        assert broken_off.wait(60)
        return replayed(short)

    monkeypatch.setattr(Breaker, "break_off", break_off_and_tell)

    async def main():
        task = asyncio.create_task(await_in_thread(begin))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())

    assert not (tmp_path / "run").exists()


def test_an_application_that_holds_the_run_up_does_not_hold_up_who_leaves_it(monkeypatch):
    monkeypatch.setattr("replay.engine.hosting.threads._HEARD_WITHIN_S", 0.05)
    released = threading.Event()

    async def main():
        task = asyncio.create_task(await_in_thread(lambda: run_to_end(held_up)))
        await until_loop(lambda: begun)
        task.cancel()
        await task

    begun = []

    async def held_up(host):
        begun.append(True)
        released.wait()

    try:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
    finally:
        released.set()


@pytest.mark.parametrize("where", ["waited for", "awaited"])
def test_a_run_that_is_held_up_once_it_has_heard_does_not_hold_up_who_leaves_it(where, monkeypatch):
    monkeypatch.setattr("replay.engine.hosting.threads._TURNS_WITHIN_S", 0.05)
    released, begun, heard = threading.Event(), [], []

    async def held_up(host):
        begun.append(True)
        try:
            await asyncio.sleep(3600)
        finally:
            heard.append(True)
            released.wait()

    def run():
        return run_to_end(held_up)

    async def awaited():
        task = asyncio.create_task(await_in_thread(run))
        await until_loop(lambda: begun)
        task.cancel()
        await task

    try:
        if where == "awaited":
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(awaited())
        else:
            breaker = Breaker()
            ended = threading.Event()
            worker = threads._Worker(run, breaker, ended.set)
            until(lambda: begun)
            breaker.break_off(at_once=True)
            threads._wait_for_end(ended, breaker)
            assert worker is not None
            assert not ended.is_set()
        assert heard
    finally:
        released.set()


def test_two_runs_that_are_awaited_together_are_both_whole(target, short, tmp_path):
    async def main():
        return await asyncio.gather(
            *(
                await_in_thread(lambda n=n: replay_trace(short, target, RunOptions(), tmp_path / f"run-{n}"))
                for n in range(3)
            )
        )

    before, threads = process_state(), set(threading.enumerate())
    outcomes = asyncio.run(main())

    assert [outcome.summary.counts.ok for outcome in outcomes] == [SESSIONS] * 3
    assert (process_state(), threads_but(threads)) == (before, set())


class OnceThereIs(NamedTuple):
    """Ends a run when a file is there."""

    path: Path

    def begin(self, directory, progress):
        pass

    def is_met(self):
        return "the file is there" if self.path.exists() else None


def test_a_command_is_carried_out_in_the_middle_of_a_run_in_a_thread(target, long, tmp_path):
    marker = tmp_path / "was-here"
    options = RunOptions(at=(At(0.0, command=f"touch {marker}"),))

    outcome = replay_trace(long, target, options, tmp_path / "run", stop_when=OnceThereIs(marker))

    assert outcome.ended_early == "the file is there"


def test_a_context_of_the_caller_is_that_of_the_run():
    asked = ContextVar("asked", default="nobody")
    asked.set("the caller")

    assert call_in_thread(asked.get) == "the caller"
