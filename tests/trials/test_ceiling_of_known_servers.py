"""The ceiling of servers of which it is known what they bear, by traces whose load varies, and what is said of why."""

import msgspec
import numpy as np
import pytest

from replay.engine.types import RunOptions
from replay.judge.measures.slo import parse_slo
from replay.target.routes import ExpectRule
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trials.ceiling import CeilingPlan, find_ceiling
from tests.support.known_servers import Excused, Flaky, Limited, Slots, Uneven, runs_against, write_requests

TARGET = Target(url="http://127.0.0.1:9", name="known")
# It bears 20 requests a second.
SLOTS, SERVICE_S, BEARS_RPS = 1, 0.05, 20


def evenly(rps, length_s):
    return np.arange(int(rps * length_s)) / rps


def at_random(rps, length_s):
    rng = np.random.default_rng(1)
    return np.sort(rng.uniform(0, length_s, rng.poisson(rps * length_s)))


@pytest.fixture
def searched(tmp_path, monkeypatch):
    def search(server, starts_s, slos=("p95 < 300ms",), retry=None, target=TARGET, **plan):
        return find_ceiling(
            write_requests(tmp_path / "trace.jsonl", starts_s),
            target,
            [parse_slo(slo) for slo in slos],
            RunOptions(),
            CeilingPlan(**{"shows_recovery": False, "precision": 0.1, "most_scale": 512.0, **plan}),
            out=tmp_path / "found",
            replay=runs_against(server, monkeypatch, retry),
        ).verdict

    return search


def by_the_hour(phase):
    """A day's load in twenty minutes, of which the busiest part has a request a second."""
    times = np.linspace(0, 1200, 12_001)
    came = np.cumsum(0.05 * (1 + np.sin(2 * np.pi * (times / 1200 + phase))))
    return np.interp(np.arange(1, int(came[-1])), came, times)


@pytest.mark.parametrize(
    ("starts_s", "scale"),
    [
        (by_the_hour(0.75), 20),
        (np.r_[evenly(1, 100), 100 + evenly(10, 60)], 2),
        (np.r_[evenly(10, 60), 60 + evenly(0.5, 600)], 2),
    ],
    ids=["from the night", "a quiet start", "a peak at the start"],
)
def test_a_ceiling_is_for_the_busiest_part_of_the_trace_wherever_that_is(searched, starts_s, scale):
    """Levels began where the trace does: 59/s were told of a server that bears 95, and twice the right scale."""
    found = searched(Slots(SLOTS, SERVICE_S), starts_s, first_scale=scale / 2, precision=0.15)

    assert found.verdict == "found"
    assert found.ceiling.scale == pytest.approx(scale, rel=0.15)
    low, high = found.ceiling.ci_rps
    assert 0.85 * BEARS_RPS <= low <= BEARS_RPS <= high <= 1.25 * BEARS_RPS
    mean_rps = len(starts_s) / starts_s[-1]
    assert found.ceiling.mean_scale == pytest.approx(low / mean_rps, rel=0.1)
    assert any("levels play its busiest part" in note for note in found.notes)


@pytest.mark.parametrize("starts_s", [evenly(1, 100), at_random(1.0, 300)])
def test_of_load_that_does_not_vary_nothing_is_said_of_its_parts(searched, starts_s):
    found = searched(Slots(SLOTS, SERVICE_S), starts_s, slos=(), first_scale=10.0, precision=0.2)

    assert found.ceiling.ci_rps[0] <= BEARS_RPS <= found.ceiling.ci_rps[1]
    assert found.ceiling.mean_scale is None
    assert not any("busiest" in note for note in found.notes)


def test_a_burst_within_a_level_is_told_beside_its_mean_rate(searched):
    found = searched(Slots(SLOTS, SERVICE_S), np.r_[evenly(20, 2), 2 + evenly(0.5, 300)], precision=0.3)

    assert found.ceiling.rps < BEARS_RPS / 2
    assert any(
        note.startswith("requests come unevenly within a level: ") and "--shape constant" in note
        for note in found.notes
    )


def test_where_refused_steps_are_tried_again_and_late_refusals_are_what_limits(searched):
    """It was the latency SLO, since every step ended well."""
    retry = Retry(attempts=9, unsafe=True, budget_percent=900.0, backoff_s=1.0, max_backoff_s=2.0)
    found = searched(
        Limited(Slots(2, 0.02), 20.0, 3.0),
        at_random(1.0, 300),
        retry=retry,
        first_scale=8.0,
        precision=0.2,
    )

    assert (found.verdict, found.ceiling.limited_by) == ("found", "refusals")
    assert found.ceiling.rps < 20
    assert any(
        "does not hold for steps that were refused and tried again" in reason for reason in found.reasons
    )
    assert any("retries are load, too" in reason for reason in found.reasons)
    assert all(level.tries_rps is None or level.tries_rps > level.offered_rps for level in found.levels)


@pytest.mark.parametrize(
    ("limit", "service_s", "named"), [(20.0, 0.02, "refusals"), (30.0, 0.05, "throughput")]
)
def test_of_two_limits_the_lower_one_is_named(searched, limit, service_s, named):
    found = searched(Limited(Slots(1, service_s), limit), evenly(1, 100), slos=(), first_scale=12.0)

    assert found.ceiling.limited_by == named
    assert found.ceiling.ci_rps[0] <= 1.02 * 20
    assert found.ceiling.ci_rps[1] >= 20


def test_failures_that_do_not_come_of_load_are_no_ceiling_below_the_real_one(searched):
    """One in 250 fails at any load, and short levels broke "errors < 1%" by chance: 7/s was told of 100."""
    found = searched(
        Flaky(Slots(SLOTS, SERVICE_S), 0.004), evenly(1, 100), slos=("errors < 1%",), first_scale=8.0
    )

    assert found.ceiling.limited_by == "throughput"
    assert found.ceiling.ci_rps[0] <= BEARS_RPS <= found.ceiling.ci_rps[1]


def test_where_less_load_does_not_help_that_is_said(searched):
    found = searched(Flaky(Slots(SLOTS, SERVICE_S), 0.3), evenly(10, 60))

    assert (found.verdict, found.ceiling) == ("inconclusive", None)
    assert found.reasons[0].endswith(
        "less load does not help, so it is not load that limits. See what fails, or allow it with an SLO for errors"
    )
    assert len(found.levels) <= 5


def at_random_by(seed):
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, 300, rng.poisson(300)))


@pytest.mark.parametrize(
    ("server", "slo", "seed"),
    [
        (Uneven(0.02, 0.01, 0.5, 1), "p99 < 300ms", 1),
        (Uneven(0.02, 0.01, 0.5, 7), "p99 < 300ms", 7),
        (Flaky(Slots(4, 0.02), 0.02, 6), "errors < 1%", 6),
        (Flaky(Slots(4, 0.02), 0.02, 11), "errors < 1%", 11),
    ],
)
def test_what_breaks_an_slo_at_any_load_is_no_ceiling_where_few_requests_happen_to_hold_it(
    searched, server, slo, seed
):
    """At one request a second a level has some fifty, of which now and then none is slow: in 5 of 12 searches such a
    load was told as the ceiling.
    """
    found = searched(server, at_random_by(seed), slos=(slo,), precision=0.15, most_scale=64.0)

    assert found.verdict == "inconclusive"


def test_a_page_that_is_answered_under_load_is_no_answer_that_a_ceiling_is_of(searched):
    """A server for 20/s sends a page with status 200 beyond: it was told as bearing all that was tried."""
    found = searched(Excused(BEARS_RPS), evenly(10, 60), most_scale=20.0)

    assert found.verdict == "inconclusive"
    assert "of the answers to llm:ask have 94 bytes, and 0 of 73 at 1x" in found.reasons[0]


def test_who_says_that_a_status_is_enough_has_the_ceiling_of_what_is_answered(searched):
    by_status = Target(url="http://127.0.0.1:9", name="known", answers="status")

    found = searched(Excused(BEARS_RPS), evenly(10, 60), most_scale=20.0, target=by_status)

    assert found.verdict == "at_least"


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (ExpectRule(name="ask", contains=["answer"]), "at_least"),
        (ExpectRule(name="other", contains=["answer"]), "inconclusive"),
        (ExpectRule(status=200), "inconclusive"),  # which a page that says so has, too
    ],
)
def test_answers_that_are_held_to_what_they_say_may_be_of_any_size(searched, rule, verdict):
    """The bodies of these runs are not looked at, so nothing is found to be wrong with them."""
    told = Target(url="http://127.0.0.1:9", name="known", expect=(rule,))

    assert searched(Excused(BEARS_RPS), evenly(10, 60), most_scale=20.0, target=told).verdict == verdict


def test_a_search_that_broke_off_says_by_what(tmp_path, monkeypatch):
    """The disk was full, and all that was told was that the search had ended."""
    replay = runs_against(Slots(SLOTS, SERVICE_S), monkeypatch)
    runs = []

    def filling(*args):
        outcome = replay(*args)
        runs.append(outcome)
        if len(runs) < 3:
            return outcome
        error = "could not write steps.jsonl: No space left on device"
        return outcome._replace(summary=msgspec.structs.replace(outcome.summary, status="failed", error=error))

    found = find_ceiling(
        write_requests(tmp_path / "trace.jsonl", evenly(1, 100)),
        TARGET,
        [parse_slo("p95 < 300ms")],
        RunOptions(),
        CeilingPlan(),
        out=tmp_path / "found",
        replay=filling,
    )

    assert (found.status, found.verdict.verdict) == ("failed", "inconclusive")
    assert "the run broke off: could not write steps.jsonl: No space left on device" in found.verdict.notes
