"""Runs that something tries to break off: an application in this process, a signal handler."""

import asyncio
import errno
import json
import signal
import sys
from types import ModuleType

import pytest

from replay.engine.hosting import event_loop
from replay.engine.hosting.ownership import owning_signals
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.sending import Timeouts
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable

STEPS = 6


class Limit(BaseException):
    """What a handler raises when a test has taken too long."""


@pytest.fixture
def serve(write_trace, tmp_path):
    """Replay a few steps against an application that runs this coroutine after it has answered, or before."""
    module = ModuleType("replay_app_that_breaks")
    sys.modules[module.__name__] = module

    def served(*, before=None, after=None, grace_s=5.0, **limits):
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                raise RuntimeError("no lifespan here")
            if before is not None:
                await before()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
            if after is not None:
                await after()

        module.app = app
        get = write_trace.get
        trace = write_trace(*[(n * 5.0, [get("a", "/")]) for n in range(STEPS)])
        target = Target(
            url=f"asgi:{module.__name__}:app", name="app", transport="httpx", timeouts=Timeouts(**limits)
        )
        with owning_signals():
            return replay_trace(trace, target, RunOptions(grace_s=grace_s), tmp_path / "run")

    yield served
    del sys.modules[module.__name__]


@pytest.fixture
def manifest(tmp_path):
    return lambda: json.loads((tmp_path / "run" / "run.json").read_text())


@pytest.fixture
def alarmed():
    """A coroutine whose first call has SIGALRM raised in the middle of what it then does."""
    before = signal.getsignal(signal.SIGALRM)

    def alarmed(handler, doing):
        signal.signal(signal.SIGALRM, handler)
        begun = []

        async def do():
            if not begun:
                begun.append(True)
                signal.setitimer(signal.ITIMER_REAL, 0.1)
            await doing()

        return do

    yield alarmed
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def raise_limit(number, frame):
    raise Limit("too long")


async def hang():
    await asyncio.get_running_loop().create_future()


async def spin():
    while True:
        pass


async def spin_whatever_is_raised():
    try:
        await spin()
    except BaseException:
        pass


def counts_of(outcome):
    counts = outcome.summary.counts
    return outcome.summary.status, counts.ok, counts.errors


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError, asyncio.CancelledError, Limit])
def test_a_task_or_a_callback_of_an_application_cannot_end_the_run(serve, kind):
    def fail():
        raise kind

    async def leave_behind():
        async def task():
            fail()

        asyncio.create_task(task())  # noqa: RUF006 - an application may forget it
        asyncio.get_running_loop().call_soon(fail)

    outcome = serve(after=leave_behind)

    assert counts_of(outcome) == ("finished", STEPS, {})
    (note,) = [note for note in outcome.summary.notes if note.startswith("the application raised")]
    assert kind.__name__ in note


def test_an_application_that_stops_the_event_loop_does_not_stop_the_run(serve):
    async def stop():
        asyncio.get_running_loop().stop()

    assert counts_of(serve(before=stop)) == ("finished", STEPS, {})


@pytest.mark.parametrize("ignored", [asyncio.CancelledError, BaseException])
def test_a_task_that_ignores_that_it_is_cancelled_does_not_keep_the_run_from_ending(serve, ignored):
    async def leave_behind():
        async def task():
            while True:
                try:
                    await asyncio.sleep(3600)
                except ignored:
                    pass

        asyncio.create_task(task())  # noqa: RUF006 - an application may forget it

    assert counts_of(serve(after=leave_behind)) == ("finished", STEPS, {})


def test_an_application_that_never_answers_is_ended_by_the_time_limits(serve):
    assert counts_of(serve(before=hang, first_byte_s=0.05)) == ("finished", 0, {"timeout": STEPS})


def test_an_application_that_cancels_every_task_ends_a_run_that_says_so(serve, manifest):
    async def cancel_all():
        for task in asyncio.all_tasks():
            task.cancel()

    with pytest.raises(TargetUnreachable) as refused:
        serve(before=cancel_all)

    assert str(refused.value) == (
        "asgi:replay_app_that_breaks:app: the application cancelled the run that it was tested by."
    )
    assert manifest()["status"] == "failed"


@pytest.mark.parametrize("doing", [hang, spin, spin_whatever_is_raised])
def test_what_a_signal_handler_raises_reaches_the_caller_wherever_it_was_raised(
    serve, manifest, alarmed, doing
):
    with pytest.raises(Limit, match="too long"):
        serve(before=alarmed(raise_limit, doing))

    assert manifest()["status"] == "failed"
    assert manifest()["error"] == "the run was ended by Limit: too long"
    assert signal.getsignal(signal.SIGALRM) is raise_limit


def test_a_handler_that_raises_an_os_error_ends_the_run_as_any_other(serve, manifest, alarmed):
    def expire(number, frame):
        raise TimeoutError("a limit of the test")

    with pytest.raises(TimeoutError, match="a limit of the test"):
        serve(before=alarmed(expire, hang))

    assert manifest()["status"] == "failed"


def test_a_handler_that_raises_nothing_costs_nothing(serve, alarmed):
    heard = asyncio.Event()

    outcome = serve(before=alarmed(lambda *_: heard.set(), heard.wait), first_byte_s=30.0)

    assert counts_of(outcome) == ("finished", STEPS, {})


def test_ctrl_c_stops_a_run_and_its_handler_is_put_back(serve, alarmed):
    before = signal.getsignal(signal.SIGINT)

    outcome = serve(before=alarmed(lambda *_: signal.raise_signal(signal.SIGINT), hang), grace_s=0.0)

    assert counts_of(outcome)[:2] == ("interrupted", 0)
    assert counts_of(outcome)[2].keys() == {"interrupted"}
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(not hasattr(signal, "SIGCONT"), reason="no process is stopped and continued there")
def test_a_run_that_was_stopped_and_continued_says_so(serve, manifest, alarmed, monkeypatch):
    """Ctrl-Z and fg: a stall by itself reads as if the machine had been too busy."""
    monkeypatch.setattr("replay.engine.selfcheck.SUSPECT_STALL_MS", 0.0)
    before = signal.getsignal(signal.SIGCONT)
    heard = asyncio.Event()

    def continued(*_):
        signal.raise_signal(signal.SIGCONT)
        heard.set()

    outcome = serve(before=alarmed(continued, heard.wait), first_byte_s=30.0)

    assert counts_of(outcome) == ("finished", STEPS, {})
    assert manifest()["generator"]["reasons"][-1].endswith(": this process was stopped and continued")
    assert signal.getsignal(signal.SIGCONT) is before


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_an_event_loop_that_cannot_turn_ends_the_run(monkeypatch):
    """It was turned again for ever, since nothing that is raised in a loop ends it."""

    class Stuck(asyncio.SelectorEventLoop):
        def run_until_complete(self, future):
            future._log_destroy_pending = False
            raise OSError(errno.ENFILE, "Too many open files in system")

    async def main(host):
        pass

    monkeypatch.setattr(event_loop, "_new_loop", Stuck)
    with owning_signals(), pytest.raises(OSError, match="in system"):
        event_loop.run_to_end(main)
