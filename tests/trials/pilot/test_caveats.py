"""What a pilot does not show of a trace is said: failures that were recorded, and its end, where it is too long."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.choice.types import PilotVerdict
from replay.trace.types import Recorded, Session
from replay.trials.pilot.caveats import are_many, recorded_failures
from replay.trials.pilot.workload import phases
from tests.support.simulated_pilots import call, piloted, verdict_of, written


def test_recorded_failures_of_emulated_planes_count_for_none():
    said = recorded_failures({503: 12, 404: 3}, 300, are_emulated=True)

    assert said == (
        "15 requests of 300 (5%) were recorded as failed (3 x 404, 12 x 503); the emulated planes answered them like "
        "all others, so they count for no plane and against none"
    )


def test_of_other_targets_a_status_that_comes_by_chance_is_not_expected_again():
    said = recorded_failures({503: 12, 404: 3}, 300, are_emulated=False)

    assert said is not None
    assert "of 3 the same status was taken for right" in said
    assert "of 12 a status that comes by chance was not, and success was expected" in said


def test_a_trace_without_failures_has_none():
    assert recorded_failures({}, 300, are_emulated=True) is None


@pytest.mark.parametrize(("count", "many"), [(3, False), (4, True)])
def test_more_than_one_in_a_hundred_are_many(count: int, many: bool):
    assert are_many({500: count}, 300) is many


def failing() -> Iterator[Session]:
    for n in range(200):
        status = 503 if n % 25 == 0 else 200
        yield Session(f"f-{n}", n * 3000.0, [call(0, "http", "ask", 100.0, recorded=Recorded(status=status))])


@pytest.fixture(scope="module")
def of_failing(tmp_path_factory: pytest.TempPathFactory) -> PilotVerdict:
    """The pilot of that trace, carried out once."""
    folder = tmp_path_factory.mktemp("failing")
    return verdict_of(piloted(written(folder, failing), folder / "out"))


def test_a_pilot_says_what_it_made_of_recorded_failures(of_failing: PilotVerdict):
    verdict = of_failing

    assert any("8 requests of 200 (4%) were recorded as failed (8 x 503)" in note for note in verdict.notes)
    assert any("4% of the requests were recorded as failed" in doubt for doubt in verdict.doubts)


def test_a_pilot_of_a_part_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(phases, "MOST_EXCERPT_STEPS", 150)

    verdict = verdict_of(piloted(written(tmp_path, failing), tmp_path / "out"))

    assert any("150 of 200 requests were (25% left out)" in doubt for doubt in verdict.doubts)


def test_the_same_seed_gives_the_same_verdict(tmp_path: Path, of_failing: PilotVerdict):
    again = verdict_of(piloted(written(tmp_path, failing), tmp_path / "out"))

    assert as_made(again) == as_made(of_failing)


def as_made(verdict: Any) -> Any:
    """All of it but for when it was made."""
    return msgspec.structs.replace(verdict, made_at="", check_again="")
