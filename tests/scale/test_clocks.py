"""What is known of another machine's clock, with two clocks and a network that are numbers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.scale.clocks import ClockTrack, Exchange

S = 1_000_000_000
MS = 1_000_000


class OtherClock:
    """A clock that is off by so much, and runs faster by so many millionths."""

    def __init__(self, offset_ns, drift_ppm):
        self._offset_ns, self._drift_ppm = offset_ns, drift_ppm

    def at(self, here_ns):
        return here_ns + self._offset_ns + round(here_ns * self._drift_ppm / 1e6)


def burst(track, clock, now_ns, rounds, there_ns, back_ns):
    """Rounds over a network whose ways take as long as drawn; returns when they are over."""
    for _ in range(rounds):
        heard_ns = now_ns + there_ns()
        said_ns = heard_ns + 20_000
        ended_ns = said_ns + back_ns()
        track.add(Exchange(now_ns, clock.at(heard_ns), clock.at(said_ns), ended_ns))
        now_ns = ended_ns
    track.close_burst()
    return now_ns


@given(
    offset_s=st.floats(-120, 120),
    drift_ppm=st.floats(-500, 500),
    seed=st.integers(0, 1000),
    slow_way_ms=st.floats(0.05, 3),
)
def test_a_clock_two_minutes_off_that_drifts_starts_within_what_is_stated(
    offset_s, drift_ppm, seed, slow_way_ms
):
    """Both ways have the same floor and queues of their own, one of which is usually longer."""
    chance = random.Random(seed)
    clock, track = OtherClock(round(offset_s * S), drift_ppm), ClockTrack()

    def way(mean_ms):
        return lambda: 100_000 + round(chance.expovariate(1 / mean_ms) * MS)

    now_ns = burst(track, clock, 5 * S, 64, way(0.3), way(slow_way_ms))
    told, start_ns = track.fixes[-1], now_ns + 300 * MS
    named_ns = track.there_ns(start_ns)
    for second in range(10, 60, 10):
        burst(track, clock, 5 * S + second * S, 16, way(0.3), way(slow_way_ms))

    began_ns = next_instant(clock, named_ns, start_ns)
    skew_ns = abs(began_ns - start_ns)
    assert skew_ns < 2 * MS
    assert skew_ns <= track.start_uncertainty_ns(told, start_ns)


def next_instant(clock, there_ns, near_ns):
    """When the other clock shows this, on ours."""
    here_ns = near_ns
    for _ in range(5):
        here_ns -= clock.at(here_ns) - there_ns
    return here_ns


def test_ways_that_take_different_times_are_within_half_the_round_trip():
    track = ClockTrack()

    track.add(Exchange(asked_ns=0, heard_ns=1_000 + 900, said_ns=1_000 + 950, back_ns=1_050))
    fix = track.close_burst()

    assert fix.uncertainty_ns == 500
    assert abs(fix.offset_ns - 1_000) <= fix.uncertainty_ns


def test_the_round_with_the_least_round_trip_counts():
    track = ClockTrack()

    for late_ns in (5_000_000, 100, 9_000_000):
        track.add(Exchange(0, 50 + late_ns, 50 + late_ns, 100 + late_ns))
    fix = track.close_burst()

    assert (fix.offset_ns, fix.uncertainty_ns) == (50, 100)


@pytest.mark.parametrize("drift_ppm", [-80.0, 40.0, 300.0])
def test_drift_is_told_once_it_is_more_than_what_is_uncertain(drift_ppm):
    clock, track = OtherClock(7 * S, drift_ppm), ClockTrack()

    burst(track, clock, 0, 4, lambda: 50_000, lambda: 50_000)
    assert track.drift_ppm is None
    burst(track, clock, 20 * S, 4, lambda: 50_000, lambda: 50_000)

    assert track.drift_ppm == pytest.approx(drift_ppm, abs=6)


def test_a_burst_without_an_answer_says_nothing():
    track = ClockTrack()

    assert track.close_burst() is None
    assert track.fixes == []
