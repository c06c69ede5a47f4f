"""The search for a ceiling has load in every level, long enough levels, and says why where it cannot."""

import itertools
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.judge.load.types import CeilingVerdict
from replay.judge.measures.slo import parse_slo
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from replay.trials.ceiling import find_ceiling
from replay.trials.evidence import read_verdict
from replay.trials.pilot.searching import Expected, leave_no_ceiling, search_in_virtual_time, search_live
from replay.trials.pilot.workload.phases import LIVE, QUICK, SIMULATED
from replay.trials.pilot.workload.steady import Steady, steady

DAY_S = 86_400.0
SLOS = [parse_slo("p95 < 4s"), parse_slo("errors < 1%")]


def ask(n: int = 0, took_ms: float = 1000.0, after: tuple[Edge, ...] = (), at_ms: float = 0.0) -> Step:
    return Step(f"s{n}", "http", "ask", after, at_ms, took_ms, Request("GET", f"/{n}"))


def written(
    folder: Path, starts_s: Iterator[float] | list[float], took_ms: float = 1000.0, depth: int = 1
) -> Path:
    path = folder / "trace.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as writer:
        for n, start_s in enumerate(starts_s):
            steps = [ask(0, took_ms)]
            for i in range(1, depth):
                steps.append(ask(i, took_ms, (Edge(f"s{i - 1}", delay_ms=10.0),), i * (took_ms + 10)))
            writer.write(Session(f"x-{n}", start_s * 1000, steps))
    return path


def office_hours() -> list[float]:
    """Five days that begin at midnight: a request every ten minutes, but every two seconds from nine to five."""
    found = []
    for day in range(5):
        for second in range(0, 86_400, 2):
            is_day = 9 * 3600 <= second < 17 * 3600
            if is_day or second % 600 == 0:
                found.append(day * DAY_S + second)
    return found


def simulated(trace: Path, target: Target, options: RunOptions, out: Any, *_: Any) -> Outcome:
    return simulate_trace(trace, target, options, out)


def machines(slots: int) -> Target:
    plane = {"kind": "vm", "concurrency": slots, "max_instances": 1, "request_timeout_s": 7200.0}
    return Target(
        url="http://127.0.0.1:9", name="vm", plane="vm", simulate={"as_recorded": True, "plane": plane}
    )


def searched(trace: Path, folder: Path, slots: int, near_rps: float, slos: Any = SLOS) -> CeilingVerdict:
    load = steady(trace, folder)
    plan = search_in_virtual_time(load, Expected(near_rps), 1000.0, SIMULATED)
    return find_ceiling(
        load.trace, machines(slots), slos, RunOptions(), plan, out=folder / "c", replay=simulated
    ).verdict


def test_requests_begin_where_there_is_load_and_no_gap_is_a_night(tmp_path: Path):
    load = steady(written(tmp_path, office_hours()), tmp_path)

    starts = [session.start_ms for session in read_sessions(load.trace)]
    assert starts[0] == 0.0
    assert {b - a for a, b in itertools.pairwise(starts[:1000])} == {2000.0}
    assert max(b - a for a, b in itertools.pairwise(starts)) <= 20_000.0
    assert load.rps == pytest.approx(0.5, rel=0.05)


def test_a_busy_trace_keeps_the_times_of_its_requests(tmp_path: Path):
    trace = written(tmp_path, [0.0, 1.0, 2.0], took_ms=100.0, depth=3)

    load = steady(trace, tmp_path)

    due = sorted(session.start_ms + one.at_ms for session in read_sessions(trace) for one in session.steps)
    sessions = list(read_sessions(load.trace))
    assert [session.start_ms for session in sessions] == pytest.approx(due)
    assert all(not session.steps[0].after for session in sessions)


def test_bursts_come_one_after_another(tmp_path: Path):
    load = steady(
        written(tmp_path, [n * 3600.0 for n in range(24) for _ in range(20)], took_ms=180.0), tmp_path
    )

    assert sorted({session.start_ms for session in read_sessions(load.trace)})[:3] == [0.0, 180.0, 360.0]


def test_whole_sessions_stay_whole(tmp_path: Path):
    load = steady(written(tmp_path, office_hours(), depth=3), tmp_path, keeps_sessions=True)

    sessions = list(read_sessions(load.trace))
    assert {len(session.steps) for session in sessions} == {3}
    assert sessions[0].start_ms == 0.0
    assert load.rps == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("starts_s", [[0.0], [5.0] * 30, [0.0, DAY_S]])
def test_any_trace_makes_a_steady_one(tmp_path: Path, starts_s: list[float]):
    load = steady(written(tmp_path, starts_s), tmp_path)

    assert load.rps > 0
    assert len(list(read_sessions(load.trace))) == len(starts_s)


def test_a_plane_behind_office_hours_has_a_ceiling(tmp_path: Path):
    found = searched(written(tmp_path, office_hours()), tmp_path, slots=8, near_rps=4.0)

    assert found.verdict == "found"
    assert found.ceiling is not None
    assert found.ceiling.rps == pytest.approx(8.0, rel=0.1)
    scales = [level.scale for level in found.levels]
    assert len(scales) == len(set(scales))


def test_streams_of_half_an_hour_have_a_ceiling(tmp_path: Path):
    trace = written(tmp_path, [n * 60.0 for n in range(400)], took_ms=1_800_000.0)

    found = searched(trace, tmp_path, slots=100, near_rps=0.02, slos=[parse_slo("p95 < 1h")])

    assert found.verdict == "found"
    assert found.ceiling is not None
    assert found.ceiling.rps == pytest.approx(100 / 1800, rel=0.1)


def test_a_level_in_virtual_time_costs_no_more_than_its_requests_are_good_for(tmp_path: Path):
    trace = written(tmp_path, [n / 200 for n in range(20_000)], took_ms=50.0)

    found = searched(trace, tmp_path, slots=100, near_rps=1500.0)

    assert all(level.offered_rps * 3 > 100 for level in found.levels)
    runs = [read for read in (tmp_path / "c").iterdir() if read.is_dir()]
    assert all(len((run / "steps.jsonl").read_bytes().splitlines()) < 7_000 for run in runs)


def test_a_live_search_whose_levels_would_end_before_their_requests_says_so(tmp_path: Path):
    load = Steady(tmp_path / "steady.jsonl", 1.0, 1800.0)

    why = search_live(load, Expected(), 72, LIVE)

    assert isinstance(why, str)
    assert "a request may take 30 min" in why
    leave_no_ceiling(tmp_path / "none", machines(1), load, SLOS, why)
    verdict = read_verdict(tmp_path / "none")
    assert isinstance(verdict, CeilingVerdict)
    assert (verdict.verdict, verdict.reasons, verdict.ceiling) == ("inconclusive", [why], None)


@pytest.mark.parametrize("plan", [QUICK, LIVE])
def test_a_live_search_begins_with_as_much_as_its_longest_level_needs(tmp_path: Path, plan: Any):
    search = search_live(Steady(tmp_path, 0.01, 2.0), Expected(), 368, plan)

    assert not isinstance(search, str)
    assert search.first_scale * 0.01 * 6 * plan.level_s >= 367


@pytest.mark.parametrize("plan", [QUICK, LIVE, SIMULATED])
def test_a_search_in_virtual_time_is_as_precise_as_its_pilot_and_ends_when_it_is_done(
    tmp_path: Path, plan: Any
):
    search = search_in_virtual_time(Steady(tmp_path, 1.0, 2.0), Expected(), 1000.0, plan)

    assert (search.precision, search.level_s, search.most_s) == (plan.precision, plan.level_s, inf)


@pytest.mark.parametrize(
    ("near_rps", "first_rps"), [(20.0, 20.0), (99.0, 99.0), (100.0, 200.0), (300.0, 200.0)]
)
def test_a_search_in_virtual_time_begins_with_the_last_level_where_that_would_be_the_next(
    tmp_path: Path, near_rps: float, first_rps: float
):
    search = search_in_virtual_time(Steady(tmp_path, 2.0, 1.0), Expected(near_rps), 200.0, SIMULATED)

    assert (2.0 * search.first_scale, 2.0 * search.most_scale) == (first_rps, 200.0)


def test_levels_are_as_long_as_the_target_takes_and_not_as_the_recording_does(tmp_path: Path):
    load = Steady(tmp_path, 1.0, 1800.0)

    search = search_live(load, Expected(near_rps=20.0, usual_s=0.2), 72, LIVE)

    assert not isinstance(search, str)
    assert (search.fill_s, search.first_scale) == (0.2, 20.0)


def test_a_level_of_long_requests_at_a_high_load_is_bounded_in_requests(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr("replay.trials.pilot.searching._MOST_REQUESTS", 400)
    trace = written(tmp_path, [n / 4 for n in range(2_000)], took_ms=60_000.0)

    found = searched(trace, tmp_path, slots=600, near_rps=10.0, slos=[parse_slo("p95 < 2m")])

    assert found.levels
    runs = [read for read in (tmp_path / "c").iterdir() if read.is_dir()]
    assert all(len((run / "steps.jsonl").read_bytes().splitlines()) <= 402 for run in runs)
