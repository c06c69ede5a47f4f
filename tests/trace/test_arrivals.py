"""When sessions start: named processes, seeded."""

from itertools import islice, pairwise
from statistics import fmean

import pytest

from replay.trace.arrivals import ArrivalsError, parse_arrivals


def starts(spec, n, seed=1):
    return list(islice(parse_arrivals(spec).starts_ms(seed), n))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("uniform:2/s", [0, 500, 1_000]),
        ("uniform:6/min", [0, 10_000, 20_000]),
        ("every:10s", [0, 10_000, 20_000]),
        ("every:1.5min", [0, 90_000, 180_000]),
        ("at-once", [0, 0, 0]),
    ],
)
def test_even_arrivals(spec, expected):
    assert starts(spec, 3) == expected


def test_poisson_arrivals_are_the_same_for_the_same_seed_on_every_machine():
    assert starts("poisson:6/min", 4) == [0.0, 1442.911, 20244.473, 34674.163]
    assert starts("poisson:6/min", 4, seed=2) != starts("poisson:6/min", 4)


def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential():
    times = starts("poisson:1/s", 20_001)
    gaps = [after - before for before, after in pairwise(times)]
    mean = fmean(gaps)
    assert mean == pytest.approx(1_000, rel=0.03)
    assert fmean((gap - mean) ** 2 for gap in gaps) ** 0.5 == pytest.approx(mean, rel=0.03)
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "often",
            'arrivals "often" are not known. Write poisson:6/min, uniform:2/s, every:10s or at-once.',
        ),
        (
            "poisson",
            'arrivals "poisson" are not known. Write poisson:6/min, uniform:2/s, every:10s or at-once.',
        ),
        ("poisson:6", 'arrivals "poisson:6": write the rate as poisson:6/min (per s, min or h).'),
        ("poisson:0/s", 'arrivals "poisson:0/s": write the rate as poisson:6/min (per s, min or h).'),
        ("poisson:-1/s", 'arrivals "poisson:-1/s": write the rate as poisson:6/min (per s, min or h).'),
        ("every:10", 'arrivals "every:10": write the time as every:10s (ms, s, min or h).'),
        ("every:9999999h", 'arrivals "every:9999999h": more than 100 days between two sessions.'),
    ],
)
def test_what_cannot_be_understood_is_refused_with_an_example(spec, message):
    with pytest.raises(ArrivalsError) as caught:
        parse_arrivals(spec)
    assert str(caught.value) == message
