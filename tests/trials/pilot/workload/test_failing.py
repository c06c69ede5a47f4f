"""The failure phase has traffic when the fault comes, whatever the trace is, and says so where it had none."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from replay.choice.types import PilotPlane, Recovered
from replay.choice.words import effort_words
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from replay.trials.pilot.lives import has_struck
from replay.trials.pilot.workload import failing as module
from replay.trials.pilot.workload.failing import failing, requests_of

DAY_S = 86_400.0


def ask(n: int = 0, took_ms: float | None = 100.0, after: tuple[Edge, ...] = (), at_ms: float = 0.0) -> Step:
    return Step(f"s{n}", "http", "ask", after, at_ms, took_ms, Request("GET", "/"))


def written(folder: Path, sessions: Sequence[tuple[float, list[Step]]]) -> Path:
    path = folder / "trace.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as writer:
        for n, (start_s, steps) in enumerate(sessions):
            writer.write(Session(f"x-{n}", start_s * 1000, steps))
    return path


def alone(
    starts_s: Iterator[float] | list[float], took_ms: float | None = 100.0
) -> list[tuple[float, list[Step]]]:
    return [(start_s, [ask(took_ms=took_ms)]) for start_s in starts_s]


def nights_and_days() -> list[tuple[float, list[Step]]]:
    """Two days that begin at midnight: one request an hour by night, ten a second for an hour at noon."""
    hours = [day * DAY_S + hour * 3600.0 for day in range(2) for hour in range(24) if hour != 12]
    noons = [day * DAY_S + 43_200 + n / 10 for day in range(2) for n in range(36_000)]
    return alone(sorted(hours + noons))


def two_every_quarter_hour() -> list[tuple[float, list[Step]]]:
    return alone([n * 960.0 + i for n in range(60) for i in (0, 1)])


def long_streams() -> list[tuple[float, list[Step]]]:
    return alone([n * 60.0 for n in range(100)], took_ms=1_800_000.0)


def thinkers() -> list[tuple[float, list[Step]]]:
    """A call of half a second, twenty minutes of thought, and another."""
    later = (Edge("s0", delay_ms=1_200_000.0),)
    return [(n * 3600.0, [ask(0, 500.0), ask(1, 500.0, later, 1_200_500.0)]) for n in range(20)]


def a_single_session() -> list[tuple[float, list[Step]]]:
    return alone([5_000.0])


def without_durations() -> list[tuple[float, list[Step]]]:
    return alone([n * 600.0 for n in range(50)], took_ms=None)


@pytest.mark.parametrize("failure_s", [15.0, 120.0, 600.0])
@pytest.mark.parametrize(
    "sessions",
    [nights_and_days, two_every_quarter_hour, long_streams, thinkers, a_single_session, without_durations],
)
def test_requests_are_under_way_when_the_fault_comes(
    sessions: Callable[[], list[tuple[float, list[Step]]]], failure_s: float, tmp_path: Path
):
    found = failing(written(tmp_path, sessions()), tmp_path, failure_s, 30.0)

    assert found.under_way >= 1
    assert found.at_s <= 0.5 * failure_s
    spans = [
        (session.start_ms + begin, session.start_ms + max(end, begin + 20.0))
        for session in read_sessions(found.trace)
        for begin, end in requests_of(session, 30.0)
    ]
    assert sum(begin <= found.at_s * 1000 < end for begin, end in spans) == found.under_way


def test_the_part_is_the_busiest_at_its_own_times(tmp_path: Path):
    found = failing(written(tmp_path, nights_and_days()), tmp_path, 600.0, 30.0)

    starts = [session.start_ms for session in read_sessions(found.trace)]
    assert len(starts) == pytest.approx(6000, abs=2)
    assert {round(b - a, 3) for a, b in itertools.pairwise(starts)} == {100.0}


def test_a_short_trace_goes_on_over_and_over_with_ids_of_its_own(tmp_path: Path):
    found = failing(written(tmp_path, alone([n / 2 for n in range(20)])), tmp_path, 60.0, 30.0)

    sessions = list(read_sessions(found.trace))
    assert len(sessions) == 120
    assert len({session.id for session in sessions}) == 120
    assert sessions[-1].start_ms == pytest.approx(59_500.0)


def test_the_phase_is_bounded_in_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_REQUESTS", 500)

    long = failing(written(tmp_path, alone([n / 50 for n in range(60_000)])), tmp_path, 600.0, 30.0)
    lapped = failing(written(tmp_path, alone([n / 50 for n in range(1_000)])), tmp_path, 600.0, 30.0)

    for found in (long, lapped):
        assert found.length_s == pytest.approx(10.0, abs=0.1)
        assert found.at_s < found.length_s / 2


def test_requests_begin_when_their_parents_let_them_and_pauses_are_capped():
    steps = [
        ask(0, 100.0),
        Step("w", "wait", "human", (Edge("s0"),), 100.0, 90_000.0),
        ask(1, 50.0, (Edge("w", delay_ms=60_000.0),), 150_100.0),
        ask(2, 10.0, (Edge("s0", "start", 5.0), Edge("s1")), 150_150.0),
    ]

    found = requests_of(Session("x", 0.0, steps), 10.0)

    assert found == [(0.0, 100.0), (20_100.0, 20_150.0), (20_150.0, 20_160.0)]


@pytest.mark.parametrize(
    ("answer", "is_struck"),
    [('{"instance": "i-3"}', True), ('{"instance": null}', False), ("cannot connect", None)],
)
def test_a_plane_says_whether_there_was_an_instance_to_kill(tmp_path: Path, answer: str, is_struck: Any):
    line = '{"at_ns": 5, "what": "kill", "answer": ' + '"' + answer.replace('"', '\\"') + '"}\n'
    (tmp_path / "events.jsonl").write_text(line)

    assert has_struck(tmp_path, 5) is is_struck


def test_a_simulated_plane_shows_whether_an_instance_went(tmp_path: Path):
    (tmp_path / "instances.jsonl").write_text('{"instance": "i-1", "requested_ns": 0, "gone_ns": 7}\n')

    assert (has_struck(tmp_path, 7), has_struck(tmp_path, 8)) == (True, False)


@pytest.mark.parametrize(
    ("recovery", "says"),
    [
        (Recovered(target="t", what="it died", met="no instance"), "Nothing was running when the fault came"),
        (Recovered(target="t", what="it died", met="no request"), "Nothing was running when the fault came"),
        (
            Recovered(target="t", what="it died", met="requests", recovered_s=0.0),
            "It died: no request failed, back at",
        ),
        (
            Recovered(target="t", what="it died", met="requests", recovered_s=1.2),
            "no request failed, back after 1.2 s",
        ),
        (Recovered(target="t", what="it died", met="no request", failed=2), "It died: 2 requests failed"),
    ],
)
def test_what_a_fault_did_is_said_only_if_it_met_something(recovery: Recovered, says: str):
    (said,) = effort_words([PilotPlane(target="t", plane="vm", recovery=recovery)])

    assert says in said
