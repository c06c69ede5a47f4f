"""The run's loop in virtual time, against a target that is a list of answers."""

from itertools import pairwise

import pytest

from replay.engine.dispatch import chores
from replay.engine.retries import Retries
from replay.engine.types import RunOptions
from replay.target.sending import Retry
from replay.trace.types import Edge, Session
from tests.support.fake_target import Answer, FakeTarget, VirtualRun, step, wait
from tests.support.world import MS, US, S, World

RETRY = Retry(attempts=2, statuses=(503,), backoff_s=1e-6)


@pytest.fixture
def world():
    return World()


def by_id(records):
    return {one.step: one for one in records}


def test_a_session_is_sent_as_its_edges_say(world, tmp_path):
    target = FakeTarget(world, a=Answer(10), b=Answer(30), c=Answer(5))
    steps = [
        step("a"),
        step("b", Edge("a", delay_ms=5.0)),
        step("c", Edge("a", anchor="start", delay_ms=2.0)),
        step("d", "b", "c"),
    ]

    records = VirtualRun(world, target, tmp_path, [(100.0, steps)]).run()

    assert target.sent_ms() == [(100, "a"), (102, "c"), (115, "b"), (145, "d")]
    assert all(one.outcome == "ok" for one in records)
    assert all(0 <= one.sent_ns - one.intended_ns < 30 * US for one in records)


def test_an_edge_from_a_first_byte_does_not_wait_for_the_end(world, tmp_path):
    target = FakeTarget(world, a=Answer(50, first_ms=10))

    VirtualRun(world, target, tmp_path, [(0.0, [step("a"), step("b", Edge("a", anchor="first_byte"))])]).run()

    assert target.sent_ms() == [(0, "a"), (10, "b")]


def test_a_step_without_a_request_takes_its_time_and_sends_nothing(world, tmp_path):
    target = FakeTarget(world)
    steps = [step("a"), wait("w", "a", took_ms=40.0), step("b", "w")]

    run = VirtualRun(world, target, tmp_path, [(0.0, steps)])
    records = run.run()

    assert target.sent_ms() == [(0, "a"), (50, "b")]
    waited = by_id(records)["w"]
    assert (waited.outcome, waited.sent_ns, waited.end_ns - waited.intended_ns) == ("ok", None, 40 * MS)
    assert (run.loop.progress.sent, run.loop.progress.waits) == (2, 1)


def test_no_more_are_in_flight_than_may_be_and_the_others_follow_in_order(world, tmp_path):
    target = FakeTarget(world)
    sessions = [(float(n), [step(f"s{n}")]) for n in range(9)]

    run = VirtualRun(world, target, tmp_path, sessions, RunOptions(max_in_flight=2))
    records = run.run()

    assert target.most_in_flight == 2
    assert [name for _, name in target.sent] == [f"s{n}" for n in range(9)]
    assert run.loop.held_steps == 7
    # What was held back is late, and is charged for it.
    assert by_id(records)["s8"].sent_ns - by_id(records)["s8"].intended_ns > 30 * MS


def test_a_step_found_late_is_left_unsent_where_the_run_skips(world, tmp_path):
    target = FakeTarget(world)
    sessions = [(0.0, [step("a")]), (100.0, [step("b"), step("c", "b")]), (400.0, [step("d")])]
    run = VirtualRun(world, target, tmp_path, sessions, RunOptions(late="skip", late_limit_s=0.05))
    run.begin()
    world.stall(run.loop.start_ns + 95 * MS, 200 * MS)

    records = by_id(run.go_on())

    assert (records["b"].outcome, records["b"].error) == ("unsent", "late")
    # It follows b as if that had taken no time, so it is late as well.
    assert (records["c"].outcome, records["c"].error) == ("unsent", "late")
    assert [name for _, name in target.sent] == ["a", "d"]
    assert run.loop.progress.unsent == 2


def test_a_step_held_back_until_it_is_late_is_skipped_and_the_next_one_sent(world, tmp_path):
    target = FakeTarget(world, a=Answer(100))
    sessions = [(0.0, [step("a")]), (1.0, [step("b")]), (99.0, [step("c")])]
    options = RunOptions(max_in_flight=1, late="skip", late_limit_s=0.05)

    records = by_id(VirtualRun(world, target, tmp_path, sessions, options).run())

    assert records["b"].error == "late"
    assert [name for _, name in target.sent] == ["a", "c"]


def test_what_is_late_after_a_stall_is_sent_one_right_after_the_other(world, tmp_path):
    target = FakeTarget(world)
    run = VirtualRun(world, target, tmp_path, [(100.0 + n, [step(f"s{n}")]) for n in range(20)])
    run.begin()
    world.stall(run.loop.start_ns + 99 * MS, 300 * MS)

    records = run.go_on()

    assert [name for _, name in target.sent] == [f"s{n}" for n in range(20)]
    assert all(later - earlier < US for (earlier, _), (later, _) in pairwise(target.sent))
    assert all(one.sent_ns - one.intended_ns > 250 * MS for one in records)


def test_what_is_late_is_gathered_by_wires_that_can_and_what_is_on_time_is_not(world, tmp_path):
    class Gathering(FakeTarget):
        is_corked = False

        def cork(self):
            self.is_corked = True

        def uncork(self):
            self.is_corked = False

        def send(self, attempt):
            gathered[attempt.step.id] = self.is_corked
            super().send(attempt)

    gathered: dict[str, bool] = {}
    target = Gathering(world)
    target.gathering = [target]
    run = VirtualRun(world, target, tmp_path, [(100.0 * (n + 1), [step(f"s{n}")]) for n in range(4)])
    run.begin()
    world.stall(run.loop.start_ns + 150 * MS, 200 * MS)
    run.go_on()

    assert gathered == {"s0": False, "s1": True, "s2": True, "s3": False}


@pytest.mark.parametrize(("on_error", "sent"), [("continue", ["a", "b", "c"]), ("skip-rest", ["a"])])
def test_what_follows_a_failed_step_is_sent_or_not_as_the_run_says(world, tmp_path, on_error, sent):
    target = FakeTarget(world, a=Answer(status=500))
    steps = [step("a"), step("b", "a"), step("c", "b")]

    run = VirtualRun(world, target, tmp_path, [(0.0, steps)], RunOptions(on_error=on_error))
    records = by_id(run.run())

    assert [name for _, name in target.sent] == sent
    assert records["a"].error == "status_5xx"
    assert {one.error for one in records.values() if one.outcome == "unsent"} <= {"skip-rest"}
    assert run.loop.progress.unsent == 3 - len(sent)
    assert run.loop.progress.sessions_done == 1


def test_nothing_is_sent_that_is_due_at_the_end_of_the_duration_or_later(world, tmp_path):
    target = FakeTarget(world)
    sessions = [(0.0, [step("a"), step("b", Edge("a", delay_ms=80.0)), step("c", Edge("a", delay_ms=100.0))])]

    records = by_id(VirtualRun(world, target, tmp_path, sessions, RunOptions(duration_s=0.1)).run())

    assert [name for _, name in target.sent] == ["a", "b"]
    assert (records["c"].outcome, records["c"].error) == ("unsent", "duration")


def test_a_stopped_run_sends_nothing_more_and_waits_for_what_is_in_flight(world, tmp_path):
    target = FakeTarget(world, a=Answer(300))
    sessions = [(0.0, [step("a"), step("b", "a")]), (200.0, [step("c")])]
    run = VirtualRun(world, target, tmp_path, sessions)
    run.begin()
    run.at(100, run.loop.stop)

    records = run.go_on()

    assert [(one.step, one.outcome) for one in records] == [("a", "ok")]
    assert run.loop.is_stopping
    assert round((run.loop.finished_ns - run.loop.start_ns) / MS) == 300


def test_an_aborted_run_ends_at_once_whatever_is_in_flight(world, tmp_path):
    target = FakeTarget(world, a=Answer(300))
    run = VirtualRun(world, target, tmp_path, [(0.0, [step("a")])])
    run.begin()
    run.at(100, run.loop.abort)

    assert run.go_on() == []
    assert round((run.loop.finished_ns - run.loop.start_ns) / MS) == 100
    assert run.loop.progress.in_flight == 1


@pytest.mark.parametrize(("end", "n"), [("abort", 5), ("halt", 0)])
def test_a_halt_leaves_unsent_what_was_late_already(world, tmp_path, end, n):
    target = FakeTarget(world)
    sessions = [(100.0, [step(f"s{n}")]) for n in range(5)]
    run = VirtualRun(world, target, tmp_path, sessions)
    run.begin()
    world.stall(run.loop.start_ns + 99 * MS, 300 * MS)
    last = run.loop._pacer.starts.pop()
    run.loop._pacer.starts.append(
        (last[0], lambda *what: (last[1](*what), getattr(run.loop, end)()), *last[2:])
    )

    run.go_on()

    assert len(target.sent) == n


@pytest.mark.parametrize(
    ("fault", "is_ours"), [(ValueError("no"), True), (OSError("a socket died"), False), (None, True)]
)
def test_a_fault_of_our_own_ends_the_run_and_is_kept(world, tmp_path, fault, is_ours):
    target = FakeTarget(world, a=Answer(300))
    run = VirtualRun(world, target, tmp_path, [(0.0, [step("a")])])
    run.begin()
    run.at(100, run.loop.on_fault, {"message": "it went wrong", **({"exception": fault} if fault else {})})

    run.go_on()

    assert (run.loop.fault is not None) == is_ours
    assert (run.loop.fault is fault) == (is_ours and fault is not None)
    assert round((run.loop.finished_ns - run.loop.start_ns) / MS) == (100 if is_ours else 300)


def test_a_failed_attempt_is_made_again_and_the_step_charged_from_when_it_was_due(world, tmp_path):
    target = FakeTarget(world, a=[Answer(20, status=503), Answer(10)])
    seen = []
    run = VirtualRun(
        world,
        target,
        tmp_path,
        [(0.0, [step("a"), step("b", "a")])],
        retries=Retries(RETRY, 1),
        witness=lambda attempt: seen.append((attempt.step.id, attempt.number, list(attempt.captured_headers))),
    )

    first, second, b = run.run()

    assert target.sent_ms() == [(0, "a"), (20, "a"), (30, "b")]
    assert (first.attempt, first.final, first.error) == (1, False, "status_5xx")
    assert (second.attempt, second.final, second.outcome, second.intended_ns) == (2, True, "ok", 0)
    assert b.outcome == "ok"
    assert (run.loop.progress.retried, run.loop.progress.failed) == (1, 0)
    # A witness sees the headers of every attempt: those of the second were not kept.
    assert seen == [("a", 1, [(b"x-answer", b"503")]), ("a", 2, [(b"x-answer", b"200")]), ("b", 1, [(b"x-answer", b"200")])]  # fmt: skip


def test_the_first_byte_of_an_attempt_that_is_made_again_releases_nothing(world, tmp_path):
    target = FakeTarget(world, a=[Answer(20, status=503, first_ms=5), Answer(20, first_ms=5)])
    steps = [step("a"), step("b", Edge("a", anchor="first_byte"))]

    VirtualRun(world, target, tmp_path, [(0.0, steps)], retries=Retries(RETRY, 1)).run()

    assert target.sent_ms() == [(0, "a"), (20, "a"), (25, "b")]


def test_no_attempt_is_made_again_once_the_run_stops_or_its_duration_is_over(world, tmp_path):
    for n, (options, stops) in enumerate([(RunOptions(), True), (RunOptions(duration_s=0.01), False)]):
        target = FakeTarget(world, a=Answer(20, status=503))
        folder = tmp_path / str(n)
        folder.mkdir()
        run = VirtualRun(world, target, folder, [(0.0, [step("a")])], options, retries=Retries(RETRY, 1))
        run.begin()
        if stops:
            run.at(10, run.loop.stop)

        (record,) = run.go_on()

        assert (record.attempt, record.final, record.error) == (1, True, "status_5xx")


def many(read, n=3_000, gap_ms=10):
    for i in range(n):
        read.append(i)
        yield i * gap_ms * MS, Session(f"s-{i}", 0.0, [step("a")])


def test_sessions_are_read_seconds_ahead_of_their_start_and_not_more(world, tmp_path):
    read = []
    run = VirtualRun(world, FakeTarget(world), tmp_path, many(read))
    run.begin()
    ahead_at_start = len(read)
    run.at(10_000, lambda: read.append(None))

    records = run.go_on()

    assert 500 <= ahead_at_start <= 540
    assert 1_450 <= read.index(None) <= 1_540
    assert len(records) == 3_000
    assert max(one.sent_ns - one.intended_ns for one in records) < MS


def test_a_trace_that_cannot_be_read_on_is_replayed_as_far_as_it_was(world, tmp_path):
    def broken():
        yield from many([], n=10)
        raise ValueError("line 11 is bad")

    run = VirtualRun(world, FakeTarget(world), tmp_path, broken())

    assert len(run.run()) == 10
    assert str(run.loop.read_error) == "line 11 is bad"


def test_a_run_of_no_sessions_is_over_when_it_begins(world, tmp_path):
    run = VirtualRun(world, FakeTarget(world), tmp_path, [])
    run.begin()

    assert run.loop.is_over
    assert run.go_on() == []


def test_connections_are_opened_for_what_is_due_soon_and_in_flight(world, tmp_path):
    target = FakeTarget(world, s0=Answer(500))
    sessions = [(0.0, [step("s0")]), *((100.0 + n, [step(f"s{n + 1}")]) for n in range(40))]
    run = VirtualRun(world, target, tmp_path, sessions)
    run.begin()

    assert target.prepared == [1]
    run.go_on()

    # The slow one and ten others in flight, and what is due in the next 25 ms.
    assert 34 <= max(target.prepared) <= 37


def test_time_limits_are_swept_every_hundredth_of_a_second(world, tmp_path):
    target = FakeTarget(world, a=Answer(1_000))

    VirtualRun(world, target, tmp_path, [(0.0, [step("a")])]).run()

    gaps = [later - earlier for earlier, later in pairwise(target.swept_ns)]
    assert min(gaps) >= 10 * MS
    assert max(gaps) <= 21 * MS


def test_each_second_is_an_interval_and_one_of_a_stall_is_as_long_as_that(world, tmp_path, monkeypatch):
    run = VirtualRun(world, FakeTarget(world, a=Answer(6_000)), tmp_path, [(0.0, [step("a")])])
    closed = []
    close = run.recorder.close_second
    monkeypatch.setattr(run.recorder, "close_second", lambda now: (closed.append(now), close(now)))
    run.begin()
    world.stall(run.loop.start_ns + 2_500 * MS, 2 * S)

    run.go_on()

    at_s = [(now - run.loop.start_ns) / S for now in closed]
    assert [round(s, 1) for s in at_s[:4]] == [1.0, 2.0, 4.5, 5.0]


def test_a_run_whose_record_cannot_be_written_stops(world, tmp_path):
    target = FakeTarget(world)
    run = VirtualRun(world, target, tmp_path, [(200.0 * n, [step("a")]) for n in range(20)])
    run.begin()
    run.at(500, setattr, run.writer, "failure", "the disk is full")

    run.go_on()

    assert run.loop.is_stopping
    assert len(target.sent) in (5, 6)


@pytest.mark.parametrize(("gap_ms", "is_collected"), [(1_000, True), (20, False)])
def test_garbage_is_collected_where_nothing_is_due_for_long_and_only_there(
    world, tmp_path, monkeypatch, gap_ms, is_collected
):
    collected = []
    monkeypatch.setattr(chores.gc, "collect", lambda generation: collected.append(generation))
    monkeypatch.setattr(chores.gc, "isenabled", lambda: False)
    n = 6_000 // gap_ms
    run = VirtualRun(world, FakeTarget(world), tmp_path, [(gap_ms * i, [step("a")]) for i in range(n)])
    run.begin()
    # Before its first step and after its last a run has time.
    run.at(0, collected.clear)
    by_then = []
    run.at(gap_ms * (n - 1) - 10, lambda: by_then.append(len(collected)))

    run.go_on()

    assert by_then == [1 if is_collected else 0]
