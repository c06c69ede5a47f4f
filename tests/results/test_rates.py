"""Rates of targets that keep up, fall behind, or die, of which the true rate is known."""

import numpy as np
import pytest

from replay.results.rates import Instants, backlog_ns, rates

MS = 1_000_000


def instants(came_ms, took_ms, ok=None):
    came, took = np.asarray(came_ms, float), np.asarray(took_ms, float)
    sent = (came * MS).astype(np.int64)
    answered = np.ones(len(sent), np.bool_) if ok is None else np.asarray(ok)
    return Instants(sent, sent, sent + (took * MS).astype(np.int64), answered)


def one_worker(came_ms, service_ms):
    """How long each takes behind those before it."""
    free, took = 0.0, []
    for at in came_ms:
        free = max(at, free) + service_ms
        took.append(free - at)
    return took


@pytest.mark.parametrize("bears_rps", [1, 10, 50, 90])
def test_a_target_that_falls_behind_achieves_what_it_bears_however_long_it_goes_on(bears_rps):
    came = np.arange(1000) * 10.0

    rate = rates(instants(came, one_worker(came, 1000 / bears_rps)))

    assert rate.offered_rps == pytest.approx(100, rel=0.01)
    assert rate.achieved_rps == pytest.approx(bears_rps, rel=0.03)


@pytest.mark.parametrize("bears_rps", [101, 200, 1000])
def test_a_target_that_keeps_up_achieves_what_was_offered(bears_rps):
    came = np.arange(1000) * 10.0

    assert rates(instants(came, one_worker(came, 1000 / bears_rps))).achieved_rps == pytest.approx(100)


def test_one_straggler_makes_no_backlog():
    took = np.full(200, 5.0)
    took[-1] = 60_000

    assert rates(instants(np.arange(200) * 10.0, took)).achieved_rps == pytest.approx(100)


def test_bursts_that_are_answered_before_the_next_make_no_backlog():
    came = np.repeat([0.0, 20_000.0, 40_000.0], 200) + np.tile(np.arange(200) * 0.1, 3)

    assert rates(instants(came, one_worker(came, 20.0))).achieved_rps == pytest.approx(599 / 40.02, rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_long_requests_in_a_short_run_cost_a_target_that_keeps_up_little(seed):
    rng = np.random.default_rng(seed)
    came = np.sort(rng.uniform(0, 60_000, 300))
    took = np.where(rng.random(300) < 0.5, 50.0, rng.exponential(20_000, 300))

    assert rates(instants(came, took)).achieved_rps == pytest.approx(299 / (np.ptp(came) / 1e3), rel=0.2)


def test_a_target_that_died_shows_what_it_answered():
    came = np.arange(1000) * 10.0

    assert rates(instants(came, np.full(1000, 5.0), came < 5_000)).achieved_rps == pytest.approx(50, rel=0.01)


def test_too_few_answers_tell_of_no_backlog():
    came = np.arange(9) * 10.0
    steps = instants(came, one_worker(came, 1000.0))

    assert backlog_ns(steps.sent_ns, steps.end_ns, steps.ok, int(np.ptp(steps.sent_ns))) == 0
