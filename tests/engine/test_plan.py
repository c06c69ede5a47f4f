"""Which sessions are replayed, and when they start."""

import json
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.engine.plan import bent, planned_counts, planned_end_s, planned_sessions, read_trace, scheduled
from replay.engine.progress import time_left_s
from replay.engine.types import Knobs, Phase, RunOptions
from replay.engine.walker import Pace
from replay.trace.copies import jitter_ratio
from replay.trace.file.stream import scan
from replay.trace.types import Session, Step
from tests.support.opened import count_openings

starts = st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(sorted)


def sessions(starts_ms):
    return [
        Session(id=f"s-{n}", start_ms=start, steps=[Step(id="a", kind="tool", name="x")])
        for n, start in enumerate(starts_ms)
    ]


def plan(starts_ms, mean_gap_ms=100.0, **options):
    knobs = Knobs(**{k: options.pop(k) for k in list(options) if k in Knobs.__struct_fields__})
    made = RunOptions(knobs=knobs, **options)
    return [(at, s.id) for at, s in scheduled(sessions(starts_ms), made, Pace(knobs), mean_gap_ms)]


@given(starts, st.integers(1, 4), st.integers(1, 3))
def test_copies_come_in_order_each_once_and_within_a_mean_gap_of_their_original(starts_ms, scale, seed):
    planned = plan(starts_ms, scale=scale, seed=seed)
    at = {session: start_ns for start_ns, session in planned}

    assert [start_ns for start_ns, _ in planned] == sorted(start_ns for start_ns, _ in planned)
    assert len(planned) == len(at) == scale * len(starts_ms)
    for session, start_ns in at.items():
        assert 0 <= start_ns - at[session.partition("~")[0]] < 100_000_001


@given(starts)
def test_the_same_seed_gives_the_same_plan(starts_ms):
    assert plan(starts_ms, scale=3, seed=5) == plan(starts_ms, scale=3, seed=5)
    assert jitter_ratio(1, "s", 1) != jitter_ratio(2, "s", 1)


def test_limits_take_the_first_sessions_and_those_that_start_in_time():
    assert [session for _, session in plan([0, 10, 20, 30], sessions=2)] == ["s-0", "s-1"]
    assert [session for _, session in plan([0, 10, 20, 30], duration_s=0.02)] == ["s-0", "s-1"]
    assert [session for _, session in plan([0, 10, 20, 30], duration_s=0.02, speed=10.0)] == [
        "s-0", "s-1", "s-2", "s-3",
    ]  # fmt: skip


def test_arrivals_and_speed_bring_sessions_closer():
    assert plan([0, 1000], arrivals=2.0) == [(0, "s-0"), (500_000_000, "s-1")]
    assert plan([0, 1000], arrivals=2.0, speed=5.0) == [(0, "s-0"), (100_000_000, "s-1")]


def test_a_repeated_trace_goes_on_until_the_duration_is_over(write_trace):
    trace = write_trace((100.0, [write_trace.get("a")]), (300.0, [write_trace.get("a")]))
    options = RunOptions(repeat=True, duration_s=1.0)

    planned = list(planned_sessions(trace, scan(trace), options, Pace(options.knobs)))

    assert [(start // 1_000_000, session.id) for start, session in planned] == [
        (100, "s-0"),
        (300, "s-1"),
        (500, "s-0@2"),
        (700, "s-1@2"),
        (900, "s-0@3"),
    ]
    assert planned_counts(trace, scan(trace), options).steps == 5


@pytest.mark.parametrize(
    ("begins_with", "expected"),
    [
        (0, [(0, "s-0"), (400, "s-1"), (1200, "s-2"), (1800, "s-0@2")]),
        (1, [(0, "s-1"), (800, "s-2"), (1400, "s-0@2"), (1800, "s-1@2")]),
        (2, [(0, "s-2"), (600, "s-0@2"), (1000, "s-1@2"), (1800, "s-2@2")]),
    ],
)
def test_a_trace_that_is_repeated_may_begin_in_its_middle(write_trace, begins_with, expected):
    """That session starts at once, and laps are as far apart as ever."""
    trace = write_trace(*((start_ms, [write_trace.get("a")]) for start_ms in (100.0, 500.0, 1300.0)))
    options = RunOptions(repeat=True, duration_s=2.0, begins_with=begins_with)

    planned = planned_sessions(trace, scan(trace), options, Pace(options.knobs))

    assert [(start_ns / 1e6, session.id) for start_ns, session in planned] == expected


@pytest.mark.parametrize("most_kept_bytes", [1 << 20, 400], ids=["short enough to be kept", "long"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=9).map(sorted),
    st.none() | st.integers(1, 10),
    st.none() | st.floats(0.1, 4.0),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([(), (Phase(0.5, 3.0), Phase(1.0, 0.5))]),
)
def test_what_was_kept_of_a_trace_gives_the_plan_that_the_file_gives(
    write_trace, monkeypatch, most_kept_bytes, starts_ms, most, duration_s, scale, repeat, phases
):
    trace = write_trace(*((float(start_ms), [write_trace.get("a")]) for start_ms in starts_ms))
    monkeypatch.setattr("replay.trace.file.stream.MOST_KEPT_BYTES", most_kept_bytes)
    options = RunOptions(
        sessions=most, duration_s=duration_s, knobs=Knobs(scale=scale), repeat=repeat and duration_s is not None,
        phases=phases,
    )  # fmt: skip

    def plan(found):
        sessions = planned_sessions(trace, found, options, Pace(options.knobs))
        return [(start_ns, session.id) for start_ns, session in sessions]

    assert plan(read_trace(trace, options)) == plan(scan(trace))
    assert planned_counts(trace, read_trace(trace, options), options) == planned_counts(
        trace, scan(trace), options
    )


def test_a_trace_is_read_once_to_plan_a_run_with_limits_and_to_replay_it(write_trace, monkeypatch):
    trace = write_trace(*((float(n), [write_trace.get("a")]) for n in range(50)))
    monkeypatch.setattr(
        "replay.trace.file.stream.MOST_KEPT_BYTES", 2000
    )  # the beginning is shorter, the whole is not
    options = RunOptions(sessions=5, duration_s=0.003)
    opened = count_openings(monkeypatch)

    found = read_trace(trace, options)
    counts = planned_counts(trace, found, options)
    planned = list(planned_sessions(trace, found, options, Pace(options.knobs)))

    assert counts.sessions == len(planned) == 3
    assert opened == {trace.name: 1}


@pytest.mark.parametrize(
    ("options", "ends_s"),
    [
        ({}, 12.0),
        ({"knobs": Knobs(speed=4.0)}, 3.0),
        ({"knobs": Knobs(arrivals=2.0)}, 7.0),
        ({"duration_s": 4.0}, 6.0),
        ({"duration_s": 40.0}, 12.0),
        ({"duration_s": 40.0, "repeat": True}, 42.0),
        ({"phases": (Phase(2.0, 3.0), Phase(1.0, 1.0))}, 8.0),
        ({"sessions": 1}, None),
    ],
)
def test_a_run_ends_as_long_after_its_last_start_as_the_recording_did(write_trace, options, ends_s):
    last = {**write_trace.get("a"), "took_ms": 2_000.0}
    trace = write_trace((0.0, [write_trace.get("a")]), (10_000.0, [last]))

    assert planned_end_s(scan(trace), RunOptions(**options)) == ends_s


@given(st.floats(0, 1e4), st.integers(0, 500), st.floats(0.1, 1e4) | st.none())
def test_time_left_is_that_of_the_recording_while_it_lasts_and_never_below_zero(elapsed_s, settled, ends_s):
    left_s = time_left_s(elapsed_s, settled, 500, ends_s)

    if ends_s is not None and elapsed_s < ends_s:
        assert left_s == ends_s - elapsed_s
    else:
        assert (left_s is None) == (settled < 10 or elapsed_s < 2)
    assert left_s is None or left_s >= 0


def test_phases_hurry_and_slow_arrivals():
    phases = (Phase(2.0, 3.0), Phase(1.0, 0.5))

    assert [bent(s * 1_000_000_000, phases) / 1e9 for s in (0, 3, 6, 7)] == [0, 1, 2, 4]


def test_copies_are_numbered_through_all_laps_and_placed_in_order_of_start(write_trace):
    trace = write_trace(*((n * 10.0, [write_trace.get("a", "/{{copy}}")]) for n in range(2)))
    options = RunOptions(knobs=Knobs(scale=3), repeat=True)

    planned = planned_sessions(trace, scan(trace), options, Pace(options.knobs))
    sessions = [session for _, session in islice(planned, 18)]

    assert {session.id: session.copy for session in sessions if session.id.startswith("s-0")} == {
        "s-0": 0, "s-0~2": 1, "s-0~3": 2, "s-0@2": 3, "s-0@2~2": 4, "s-0@2~3": 5, "s-0@3": 6, "s-0@3~2": 7, "s-0@3~3": 8,
    }  # fmt: skip
    assert [session.place for session in sessions] == list(range(18))


def test_a_trace_without_references_is_not_numbered(write_trace):
    trace = write_trace((0.0, [write_trace.get("a", "/")]))
    options = RunOptions()

    ((_, session),) = planned_sessions(trace, scan(trace), options, Pace(options.knobs))

    assert type(session) is Session


def test_no_two_sessions_of_a_run_are_called_the_same_whatever_the_trace_calls_its_own(tmp_path):
    ids = ["s", "s~2", "s@2", "s~~3", "s@2~2", "7"]
    trace = tmp_path / "trace.jsonl"
    step = {"id": "a", "kind": "http", "name": "a", "request": {"method": "GET", "path": "/"}}
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
    lines += [{"id": session_id, "start_ms": n, "steps": [step]} for n, session_id in enumerate(ids)]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = RunOptions(knobs=Knobs(scale=3), repeat=True)

    planned = planned_sessions(trace, scan(trace), options, Pace(options.knobs))
    called = [session.id for _, session in islice(planned, 3 * 3 * len(ids))]

    assert len(set(called)) == len(called)
    assert {"s~~~2", "s@@2", "s@@2~~~2"} <= set(called)
