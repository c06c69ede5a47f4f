"""Where the load of a trace is densest, and whether it varies beyond chance."""

import numpy as np
import pytest

from replay.judge.load.arrivals import Arrivals


def arrivals(*parts, requests=1):
    """Sessions that come evenly: (how many a second, for how long), one part after the other."""
    starts, at_s = [], 0.0
    for rps, length_s in parts:
        starts.append(at_s + np.arange(int(rps * length_s)) / rps)
        at_s += length_s
    starts_s = np.concatenate(starts)
    return Arrivals(starts_s, np.full(len(starts_s), float(requests)), at_s - starts_s[-1])


def test_the_densest_part_is_found_wherever_it_is():
    found = arrivals((1, 100), (10, 50), (1, 100))

    assert found.varies
    assert found.densest(20.0) in range(100, 401)
    assert found.requests_in(found.densest(20.0), 0.0, 20.0) == 200
    assert found.requests_in(0, 0.0, 20.0) == 20


def test_what_is_longer_than_the_trace_begins_where_that_does():
    found = arrivals((1, 100), (10, 50))

    assert found.densest(150.0) == found.densest(1000.0) == 0
    assert found.requests_in(0, 0.0, 300.0) == 1200
    assert found.mean_rps == pytest.approx(600 / 150)


def test_a_part_goes_on_into_the_next_lap():
    found = arrivals((10, 20), (1, 200), (10, 30))

    first = found.densest(50.0)
    assert first == 400
    assert found.requests_in(first, 0.0, 50.0) == 500
    assert found.requests_in(first, 30.0, 50.0) == 200


def test_heavy_sessions_make_a_part_dense_too():
    starts_s = np.arange(1000.0)
    requests = np.where((starts_s >= 500) & (starts_s < 600), 9.0, 1.0)

    assert Arrivals(starts_s, requests, 1.0).densest(100.0) == 500


@pytest.mark.parametrize("n", [1, 2, 3, 30, 300, 3000])
def test_sessions_that_come_at_random_or_evenly_do_not_vary(n):
    rng = np.random.default_rng(n)
    runs = [
        Arrivals(np.sort(rng.uniform(0, 3600, n)), rng.geometric(0.1, n).astype(float), 3600 / n)
        for _ in range(20)
    ]

    assert not any(run.varies for run in runs)
    assert not Arrivals(np.arange(float(n)), np.ones(n), 1.0).varies
