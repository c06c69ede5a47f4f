"""The conductor and its workers in threads of this process, with engines and clocks that a test makes up."""

import contextlib
import os
import socket
import threading
import time
from collections import deque

import msgspec
import pytest

from replay.engine.types import RunOptions
from replay.errors import InputError
from replay.results.manifest_types import Ended
from replay.results.summary_types import Snapshot
from replay.scale import conductor as conducting
from replay.scale.conductor import Conductor, NotStarted
from replay.scale.messages import Assignment, Failed, Going, Lost, Over, Ready, Start, Stop
from replay.scale.worker import Worker
from tests.support.waiting import until

S = 1_000_000_000
VERSION = __import__("replay").__version__
READY = Ready("abc", [5], [7])


class Clock:
    """Another clock: off by so much, and faster by so many millionths."""

    def __init__(self, offset_ns, drift_ppm):
        self._zero_ns = time.monotonic_ns()
        self._offset_ns, self._rate = offset_ns, 1 + drift_ppm / 1e6

    def now_ns(self):
        since_ns = time.monotonic_ns() - self._zero_ns
        return self._zero_ns + self._offset_ns + round(since_ns * self._rate)

    def to_engine_ns(self, at_ns):
        return self._zero_ns + round((at_ns - self._zero_ns - self._offset_ns) / self._rate)


class Engine:
    """Says what it is told to say. told: what it heard."""

    def __init__(self, *says, status=0):
        self.heard_at, self._into = os.pipe()
        os.set_blocking(self.heard_at, False)
        self._waiting, self._status = deque(), status
        self._is_dying = False
        self.told = []
        self.is_open = True
        self.has_ended = threading.Event()
        for message in says:
            self.say(message)

    def say(self, message):
        self._waiting.append(message)
        os.write(self._into, b".")

    def die(self):
        self._is_dying = True
        os.write(self._into, b".")

    def tell(self, order):
        self.told.append(order)

    def heard(self):
        self.is_open = not self._is_dying
        with contextlib.suppress(BlockingIOError):
            os.read(self.heard_at, 100)
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return found

    def end(self, within_s=0):
        self.has_ended.set()
        return self._status

    def close(self):
        os.close(self.heard_at)
        os.close(self._into)


class Launched:
    """A worker in a thread, or with no engine a socket behind which nobody is."""

    def __init__(self, index, engine=None, clock=None):
        self.sock, self.theirs = socket.socketpair()
        self.was_killed = False
        self.thread = None
        if engine is not None:
            worker = Worker(self.theirs, index, clock, engine)
            self.thread = threading.Thread(target=worker.run, daemon=True)
            self.thread.start()

    def ending(self):
        return "it was killed" if self.was_killed or self.thread is None else None

    def kill(self):
        self.was_killed = True
        if self.thread is None:
            self.theirs.close()


@pytest.fixture
def conducted():
    """A conductor of workers with these engines; those that are None have nobody behind them."""
    made = []

    def begin(*engines, clocks=None, presses=lambda: 0):
        clocks = clocks or [None] * len(engines)
        launched = [Launched(n, *each) for n, each in enumerate(zip(engines, clocks, strict=True))]
        made.append(Conductor(launched, [None] * len(engines), VERSION, presses))
        return made[0]

    yield begin
    for each in made:
        each.__exit__()


def ready_and_over(n):
    return [Engine(READY) for _ in range(n)]


def prepare(conductor):
    conductor.gather()
    conductor.make_ready()


def go(conductor, engines, **asked):
    prepare(conductor)
    conductor.start()
    return conductor.conduct(
        asked.get("look", lambda _: None), asked.get("enough", lambda: None), asked.get("harm", lambda: None)
    )


def test_a_worker_with_a_clock_two_minutes_off_that_drifts_starts_with_the_others(conducted):
    engines = ready_and_over(3)
    conductor = conducted(*engines, clocks=[None, Clock(120 * S, 300.0), Clock(-77 * S, -300.0)])
    conductor.gather()
    conductor.make_ready()

    start_ns = conductor.start()
    until(lambda: all(engine.told for engine in engines))
    for engine in engines:
        engine.say(Over())
    workers = conductor.conduct(lambda _: None, lambda: None, lambda: None).workers

    starts = [order.at_ns for engine in engines for order in engine.told if isinstance(order, Start)]
    assert len(starts) == 3
    for at_ns, worker in zip(starts, workers, strict=True):
        # How small that is, depends on how busy this machine is; test_clocks.py bounds it.
        assert abs(at_ns - start_ns) <= worker.uncertainty_ms * 1e6
    assert [round(worker.offset_ms / 1000) for worker in workers] == [0, 120, -77]


def test_all_are_heard_to_the_end_and_their_progress_is_seen(conducted):
    engines = ready_and_over(2)
    seen = []

    def look(snapshots):
        seen.append([each and each.sent for each in snapshots])
        if seen[-1] == [3, 4]:
            for engine in engines:
                engine.say(Over())

    for n, engine in enumerate(engines):
        engine.say(Going(Snapshot("t", "x", 1.0, 9, 3, 3 + n, 0, 0, 1, 2, 1, 1.0, 1.0)))
    found = go(conducted(*engines), engines, look=look)

    assert [each.lost for each in found.workers] == [None, None]
    assert (found.enough, found.harm, found.was_interrupted) == (None, None, False)
    assert [each.sessions for each in found.workers] == [5, 5]


def test_one_that_is_missing_at_the_start_is_named(conducted, monkeypatch):
    def patience():
        if all(conductor.members[n].has_greeted for n in (0, 2)):
            monkeypatch.setattr(conducting, "HELLO_NS", 0)
        return 0

    conductor = conducted(Engine(READY), None, Engine(READY), None, presses=patience)

    with pytest.raises(NotStarted, match=r"^worker 1, worker 3 of 4 did not come within 0 seconds"):
        conductor.gather()


def test_one_that_dies_before_the_start_is_named(conducted):
    dying = Engine()
    conductor = conducted(Engine(READY), dying)
    dying.die()

    with pytest.raises(NotStarted, match=r"^worker 1 on .* was lost before the start.*exit code 0\.$"):
        prepare(conductor)


def test_what_the_user_got_wrong_is_told_as_one_process_tells_it(conducted):
    conductor = conducted(Engine(READY), Engine(Failed(2, "trace.jsonl, line 3: is no session.")))

    with pytest.raises(InputError, match=r"^trace\.jsonl, line 3: is no session\.$"):
        prepare(conductor)


def test_what_could_not_be_carried_out_is_told_with_who_could_not(conducted):
    conductor = conducted(Engine(READY), Engine(Failed(4, "http://x: nothing answers there.")))

    with pytest.raises(
        NotStarted, match=r"^worker 1 on .* could not begin: http://x: nothing answers there\.$"
    ):
        prepare(conductor)


def test_another_trace_on_one_of_them_is_told(conducted):
    conductor = conducted(Engine(READY), Engine(msgspec.structs.replace(READY, sha256="other")))

    with pytest.raises(NotStarted, match="do not all have the same trace"):
        prepare(conductor)


def test_an_engine_that_dies_is_lost_and_the_others_go_on(conducted):
    engines = [Engine(READY), Engine(READY, status=-9)]

    def look(_):
        if not engines[1].has_ended.is_set():
            engines[1].die()
        elif engines[0].is_open:
            engines[0].say(Over())

    found = go(conducted(*engines), engines, look=look)

    assert [each.lost for each in found.workers] == [None, "its process was killed by SIGKILL"]


def test_a_worker_of_which_nothing_is_heard_is_lost(conducted, monkeypatch):
    monkeypatch.setattr(conducting, "SILENT_AT_FIRST_NS", -1)
    engines = ready_and_over(1)
    conductor = conducted(*engines)

    with pytest.raises(NotStarted, match="nothing was heard of it"):
        prepare(conductor)


def test_a_worker_that_falls_silent_under_way_is_lost(conducted, monkeypatch):
    monkeypatch.setattr(conducting, "SILENT_NS", -1)
    engines = ready_and_over(1)

    found = go(conducted(*engines), engines)

    assert found.workers[0].lost.startswith("nothing was heard of it for ")


@pytest.mark.parametrize(
    ("asked", "order"),
    [({"enough": lambda: "seen"}, Stop("enough", "seen")), ({"harm": lambda: "bad"}, Stop("harm", "bad"))],
)
def test_workers_only_hear_when_to_stop(conducted, asked, order):
    engines = ready_and_over(2)

    def look(_):
        for engine in engines:
            if order in engine.told:
                engine.say(Over())

    found = go(conducted(*engines), engines, look=look, **asked)

    assert [engine.told.count(order) for engine in engines] == [1, 1]
    assert found.enough == ("seen" if "enough" in asked else None)
    assert found.harm == (Ended("aborted", "bad") if "harm" in asked else None)


def test_a_budget_that_one_has_spent_ends_all(conducted):
    engines = ready_and_over(2)
    spent = Ended("budget", "all of it is spent")
    engines[0].say(Over(spent))

    def look(_):
        if Stop("harm", spent.why) in engines[1].told:
            engines[1].say(Over())

    assert go(conducted(*engines), engines, look=look).harm == spent


def test_ctrl_c_reaches_all_once_for_a_grace_time_and_once_more_for_none(conducted):
    engines = ready_and_over(2)
    pressed = []

    def look(_):
        pressed.append(1)
        if all(engine.told.count(Stop("interrupt")) == 2 for engine in engines):
            for engine in engines:
                engine.say(Over())

    found = go(conducted(*engines, presses=lambda: min(2, len(pressed))), engines, look=look)

    assert found.was_interrupted
    assert [engine.told.count(Stop("interrupt")) for engine in engines] == [2, 2]


def test_ctrl_c_before_the_start_leaves_nothing(conducted):
    with pytest.raises(KeyboardInterrupt):
        prepare(conducted(Engine(READY), Engine(), presses=lambda: 1))


def test_workers_end_their_engines_when_the_conductor_goes(conducted):
    engines = ready_and_over(2)
    conductor = conducted(*engines)
    conductor.gather()

    for member in conductor.members:
        member.line.close()

    assert all(engine.has_ended.wait(30) for engine in engines)


def test_a_worker_ends_its_engine_when_the_conductor_falls_silent(conducted, monkeypatch):
    monkeypatch.setattr("replay.scale.worker.SILENT_NS", -1)
    (engine,) = engines = ready_and_over(1)

    # It may go before it has been heard of.
    with contextlib.suppress(NotStarted):
        conducted(*engines).gather()

    assert engine.has_ended.wait(30)


def two_runs(conductor, engines, silence=lambda: None):
    found = [go(conductor, engines, look=lambda _: [engine.say(Over()) for engine in engines])]
    silence()
    conductor.assign([], lambda place, core: assignment(place))
    for engine in engines:
        engine.say(READY)
    conductor.make_ready()
    conductor.start()
    return [
        *found,
        conductor.conduct(lambda _: [engine.say(Over()) for engine in engines], *[lambda: None] * 2),
    ]


def assignment(place):
    return Assignment(place, 2, "trace.jsonl", RunOptions(), [])


def test_workers_are_told_of_the_next_run_and_when_it_begins(conducted):
    engines = ready_and_over(2)

    found = two_runs(conducted(*engines), engines)

    assert [[each.lost for each in run.workers] for run in found] == [[None, None]] * 2
    for place, engine in enumerate(engines):
        assert [type(order) for order in engine.told] == [Start, Assignment, Start]
        assert engine.told[1] == assignment(place)
        assert not engine.has_ended.is_set()


def test_an_engine_that_dies_between_two_runs_is_told_of_before_the_second(conducted):
    engines = ready_and_over(2)

    with pytest.raises(NotStarted, match=r"^worker 1 on .* was lost before the start.*exit code 0\.$"):
        two_runs(
            conducted(*engines), engines, lambda: (engines[1].die(), until(lambda: not engines[1].is_open))
        )


def test_what_is_lost_says_why_in_its_own_words(conducted):
    engines = ready_and_over(1)
    engines[0].say(Lost("it was told to say so"))

    with pytest.raises(NotStarted, match="it was told to say so"):
        go(conducted(*engines), engines)
