"""The ceiling of a target whose requests take longer than a level of load usually lasts."""

from pathlib import Path
from typing import Any

import pytest

from replay.engine.counting import Progress
from replay.engine.run import Outcome
from replay.engine.types import RunOptions
from replay.judge.load.types import CeilingVerdict
from replay.judge.measures.slo import parse_slo
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step
from replay.trials.ceiling import CeilingPlan, Replay, find_ceiling

SLOS = [parse_slo("p95 < 90s"), parse_slo("errors < 1%")]


def in_virtual_time(trace: Path, target: Target, options: RunOptions, out: Any, *_: Any) -> Outcome:
    return simulate_trace(trace, target, options, out)


def searched(
    folder: Path, took_ms: float, slots: int, every_s: float, replay: Replay = in_virtual_time, **plan: Any
) -> CeilingVerdict:
    """Of machines that answer so many requests at once, from a request every so many seconds on."""
    trace = folder / "trace.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, "t")) as writer:
        for n in range(2000):
            step = Step("a", "llm", "ask", (), 0.0, took_ms, Request("GET", f"/{n}"))
            writer.write(Session(f"s-{n}", n * every_s * 1000, [step]))
    plane = {"kind": "vm", "concurrency": slots, "max_instances": 1, "request_timeout_s": 7200.0}
    target = Target(
        url="http://127.0.0.1:9", name="vm", plane="vm", simulate={"as_recorded": True, "plane": plane}
    )
    options = CeilingPlan(shows_recovery=False, **{"precision": 0.1, "most_scale": 32.0, **plan})
    return find_ceiling(trace, target, SLOS, RunOptions(), options, out=folder / "c", replay=replay).verdict


@pytest.mark.parametrize(
    ("took_ms", "slots", "every_s"),
    [(20_000.0, 100, 1.0), (20_000.0, 400, 0.25), (5_000.0, 40, 0.5), (200.0, 8, 0.1)],
)
def test_it_is_what_all_places_answer_however_long_a_request_takes(
    tmp_path: Path, took_ms: float, slots: int, every_s: float
):
    """Half the requests of a level of ten seconds were not answered in it, and that was told as the limit."""
    found = searched(tmp_path, took_ms, slots, every_s)

    assert found.verdict == "found"
    assert found.ceiling is not None
    assert found.ceiling.rps == pytest.approx(slots / (took_ms / 1000), rel=0.12)


def test_where_levels_end_before_a_request_does_nothing_is_concluded(tmp_path: Path):
    found = searched(tmp_path, 40_000.0, 100, 1.0)

    assert (found.verdict, found.ceiling) == ("inconclusive", None)
    assert found.reasons == [
        "a request takes 40 s, and a level lasts 60 s at most, so that levels end before they are full; with --level 40s "
        "they do not"
    ]


def test_with_the_level_that_it_names_there_is_an_answer(tmp_path: Path):
    found = searched(tmp_path, 40_000.0, 100, 1.0, level_s=40.0, most_s=7200.0)

    assert found.ceiling is not None
    assert found.ceiling.rps == pytest.approx(2.5, rel=0.12)


@pytest.mark.parametrize(("queue_s", "is_ended"), [(0.0, False), (4.0, False), (6.0, True)])
def test_requests_that_take_long_by_themselves_are_no_queue(tmp_path: Path, queue_s: float, is_ended: bool):
    """A thousand in flight ended a level, though requests of 20 s are as many from fifty a second on."""
    told = []

    def replay(trace: Path, target: Target, options: RunOptions, out: Any, _: Any, guard: Any) -> Outcome:
        outcome = simulate_trace(trace, target, options, out)
        progress = Progress()
        progress.sent = int(100 * options.knobs.arrivals * (20 + queue_s))
        guard.begin(out, progress)
        told.append(guard.is_met())
        return outcome

    searched(tmp_path, 20_000.0, 4_000, 0.01, replay, most_scale=2.0, precision=0.5, level_s=5.0)

    assert told[0] is None, "before a level has ended nobody knows how long requests take"
    assert (told[1] is not None) == is_ended


@pytest.mark.parametrize("sessions", [[], [Session("s", 0.0, [Step("a", "tool", "wait", (), 0.0, 5.0)])]])
def test_a_trace_without_requests_has_no_ceiling(tmp_path: Path, sessions: list[Session]):
    """One without sessions was called a fault of the program, and one of waits alone took levels without end."""
    trace = tmp_path / "trace.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, "t")) as writer:
        for session in sessions:
            writer.write(session)

    with pytest.raises(TraceError, match=r"trace\.jsonl: has no requests, so there is no load to look for\."):
        find_ceiling(
            trace, Target(url="http://127.0.0.1:9"), SLOS, RunOptions(), CeilingPlan(), out=tmp_path / "c"
        )
