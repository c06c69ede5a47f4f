"""The traces that a pilot cuts from the user's own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from replay.trials.pilot.workload import phases
from replay.trials.pilot.workload.phases import (
    LIVE,
    QUICK,
    SIMULATED,
    bursts,
    chains,
    excerpt,
    idle_wake,
    pick,
    whole,
)
from replay.trials.pilot.workload.shape import shape_of


def step(n: int, took_ms: float = 100.0, after: tuple[Edge, ...] = (), at_ms: float = 0.0) -> Step:
    return Step(f"s{n}", "http", "ask", after, at_ms, took_ms, Request("GET", f"/{n}"))


def written(tmp_path: Path, starts_s: Iterator[float] | list[float], depth: int = 1) -> Path:
    path = tmp_path / "trace.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as writer:
        for n, start_s in enumerate(starts_s):
            steps = [step(0)]
            for i in range(1, depth + n % 3):
                steps.append(step(i, 100.0, (Edge(f"s{i - 1}", delay_ms=10.0),), i * 110.0))
            writer.write(Session(f"x-{n}", start_s * 1000, steps))
    return path


def starts_of(path: Path) -> list[float]:
    return [session.start_ms / 1000 for session in read_sessions(path)]


def test_the_part_of_a_busy_trace_keeps_its_times(tmp_path):
    # Quiet for ten minutes, busy for ten, and so on: the part must show both as often as the whole does.
    starts = [t / 2 for t in range(7200) if (t // 1200) % 2]
    trace = written(tmp_path, starts)

    found = excerpt(trace, tmp_path, shape_of(trace), LIVE)

    assert found.cut_s == 0.0
    gaps = {round(b - a, 3) for a, b in zip(starts_of(found.trace), starts_of(found.trace)[1:], strict=False)}
    assert gaps == {0.5}
    assert found.requests >= 100


@pytest.mark.parametrize("plan", [QUICK, LIVE])
def test_a_sparse_trace_is_shown_with_its_pauses_cut_short(tmp_path, plan):
    trace = written(tmp_path, [hour * 3600.0 + n / 100 for hour in range(24) for n in range(20)])

    found = excerpt(trace, tmp_path, shape_of(trace), plan)

    starts = starts_of(found.trace)
    assert found.requests >= 100
    assert found.cut_s > 3600
    assert max(b - a for a, b in itertools.pairwise(starts)) <= plan.pause_s + 1.0
    assert starts[-1] <= plan.representative_s


def test_in_virtual_time_the_whole_trace_is_the_part(tmp_path):
    trace = written(tmp_path, [hour * 3600.0 for hour in range(48)])

    assert starts_of(excerpt(trace, tmp_path, shape_of(trace), SIMULATED).trace) == starts_of(trace)


def test_requests_beyond_the_most_that_are_replayed_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "MOST_EXCERPT_STEPS", 30)
    trace = written(tmp_path, [t * 60.0 for t in range(40)])

    shown, all_of_it = excerpt(trace, tmp_path, shape_of(trace), SIMULATED), whole(trace, tmp_path)

    assert shown.requests == all_of_it.requests == 30
    assert shown.left_out == all_of_it.left_out == shape_of(trace).workload.steps - 30
    assert shown.length_s < 40 * 60


def test_a_part_that_ends_by_itself_leaves_nothing_out(tmp_path):
    trace = written(tmp_path, [t * 1.0 for t in range(3600)])

    assert excerpt(trace, tmp_path, shape_of(trace), QUICK).left_out == 0


def test_bursts_are_as_large_as_the_fullest_second_and_come_again(tmp_path):
    trace = written(tmp_path, sorted([t * 1.0 for t in range(60)] + [30.0 + n / 20 for n in range(9)]))

    path = bursts(pick(trace, 1), tmp_path, QUICK)

    starts = starts_of(path)
    assert sorted(set(starts)) == [0.0, QUICK.burst_gap_s, 2 * QUICK.burst_gap_s]
    assert starts.count(0.0) == 10


def test_bursts_of_long_sessions_are_bounded_in_requests(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.trials.pilot.workload.phases._MOST_BURST_STEPS", 300)
    trace = written(tmp_path, [30.0 + n / 100 for n in range(90)], depth=9)

    sessions = list(read_sessions(bursts(pick(trace, 1), tmp_path, QUICK)))

    assert 250 <= sum(len(session.steps) for session in sessions) <= 320
    assert len({session.start_ms for session in sessions}) == QUICK.burst_rounds


def test_idle_times_grow_and_are_exact(tmp_path):
    trace = written(tmp_path, [t * 1.0 for t in range(60)], depth=4)

    sessions = list(read_sessions(idle_wake(pick(trace, 1), tmp_path, QUICK)))

    starts = [session.start_ms / 1000 for session in sessions]
    assert [b - a for a, b in itertools.pairwise(starts)] == pytest.approx(QUICK.idle_gaps_s)
    assert all(len(session.steps) == 1 for session in sessions)


def test_the_longest_chains_are_those_of_the_trace(tmp_path):
    trace = written(tmp_path, [t * 1.0 for t in range(60)], depth=5)

    sessions = list(read_sessions(chains(pick(trace, 1), tmp_path, QUICK)))

    assert {len(session.steps) for session in sessions} == {7}


@pytest.mark.parametrize("waits", [0, 3, 700])
def test_sessions_of_very_many_steps_are_in_the_phases_by_their_beginning(tmp_path, waits):
    """They were left out: a pilot of no others ended in a division by zero, one of others was of these alone."""
    trace = tmp_path / "trace.jsonl"
    local = [msgspec.structs.replace(step(n, at_ms=10.0 * n), kind="tool", request=None) for n in range(waits)]
    calls = [
        step(n, 100.0, (Edge(f"s{n - 1}", delay_ms=10.0),) if n else (), 10.0 * waits + 110.0 * (n - waits))
        for n in range(waits, waits + 2000)
    ]
    with TraceWriter(trace, Header(FORMAT, VERSION, "t")) as writer:
        writer.write(Session("x", 0.0, [*local, *calls]))
        writer.write(Session("y", 1000.0, [step(0)]))

    picked = pick(trace, 1)

    assert [len(session.steps) for session in picked.longest] == [500, 1]
    for path in (
        bursts(picked, tmp_path, QUICK),
        idle_wake(picked, tmp_path, QUICK),
        chains(picked, tmp_path, QUICK),
    ):
        assert any(not step.is_wait for session in read_sessions(path) for step in session.steps)
    assert picked.longest[0].steps[0].at_ms == 0.0


def test_a_trace_that_only_waits_has_nothing_to_pilot(tmp_path):
    """It ended in a division by zero, in the second phase."""
    trace = tmp_path / "waits.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, "waits")) as writer:
        writer.write(Session("s", 0.0, [Step("a", "tool", "think", took_ms=10.0)]))

    with pytest.raises(TraceError, match="has no requests, so there is nothing to pilot"):
        shape_of(trace)
