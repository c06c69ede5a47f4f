"""One plane's figures from its runs."""

import numpy as np
import pytest

from replay.judge.ceiling import Ceiling, CeilingVerdict, Level
from replay.judge.choice.planes import Seen, carried_rps, phase_figures, plane_figures, sessions_lost
from replay.judge.figures import Evidence
from replay.judge.slo import parse_slo
from replay.results.columns import columns_of
from tests.judge.conftest import evidence, step, summary


def with_failures(ok, failed):
    records = [step(f"s-{n}", 20.0, n) for n in range(ok)]
    records += [
        step(f"f-{n}", 20.0, ok + n, outcome="failed", status=status, error="status_5xx")
        for n, status in enumerate([503, 429, 500] * failed)
    ][:failed]
    facts = summary(failed=failed)
    facts.counts.ok = ok
    return Evidence(facts, columns_of([records]), "run")


def ceiling(verdict, *levels):
    return CeilingVerdict(
        schema="",
        command="ceiling",
        verdict=verdict,
        reasons=[],
        ceiling=Ceiling(
            scale=2.0, rps=50.0, sessions_per_s=5.0, in_flight=1.0, ci_scale=(2.0, 2.4), limited_by="latency"
        ),
        levels=[
            Level(scale=1.0, offered_rps=25.0, achieved_rps=25.0, sessions_per_s=1.0, verdict=one)
            for one in levels
        ],
    )


def figures(**known):
    return plane_figures(Seen("t", "vm", **{"phases": {}, **known}), [])


def test_failures_are_named_as_an_operator_names_them_and_counted_once():
    found = figures(phases={"representative": with_failures(100, 3), "bursts": with_failures(10, 1)})

    assert found.errors == 4
    assert found.effort == {"unavailable (503)": 2, "refused (429)": 1, "status_5xx": 1}
    assert found.sessions_lost == 4


def test_the_share_of_failures_is_that_of_representative_traffic():
    found = figures(phases={"representative": with_failures(97, 3), "failure": with_failures(10, 9)})

    assert found.error_share == pytest.approx(0.03)
    assert found.steps == 100


def test_a_latency_budget_is_judged_like_a_gate(rng):
    run = evidence(rng.lognormal(3.0, 0.2, 2000))

    fast = plane_figures(Seen("t", "vm", {"representative": run}), [parse_slo("p99 < 1s")])
    slow = plane_figures(Seen("t", "vm", {"representative": run}), [parse_slo("p99 < 5ms")])

    assert (fast.budget, slow.budget) == ("pass", "fail")
    assert (fast.broken, slow.broken) == ([], ["p99 < 5ms"])


def test_a_p99_of_few_requests_has_no_upper_limit():
    few = figures(phases={"representative": evidence(np.arange(1.0, 101.0))}).p99_ci_ms
    assert few is not None
    assert few[1] is None


def test_a_ceiling_is_shared_out_over_machines_and_its_interval_is_in_requests():
    found = figures(ceiling=ceiling("found", "pass", "fail"), machines=2)

    assert (found.ceiling_rps, found.capacity_rps) == (50.0, 25.0)
    assert found.ceiling_ci_rps == (50.0, 60.0)


def test_a_search_that_ran_out_of_time_with_every_load_held_says_at_least():
    assert figures(ceiling=ceiling("inconclusive", "pass", "pass")).ceiling_verdict == "at_least"


def test_a_search_that_could_not_decide_gives_no_ceiling():
    found = figures(ceiling=ceiling("inconclusive", "pass", "inconclusive"))

    assert (found.ceiling_rps, found.ceiling_verdict) == (None, "inconclusive")


def test_a_phase_names_its_run_and_counts_lost_sessions():
    found = phase_figures("bursts", "t", with_failures(10, 2), "bursts/t")

    assert (found.phase, found.run, found.failed, found.sessions_lost) == ("bursts", "bursts/t", 2, 2)


def test_a_session_that_failed_twice_is_lost_once():
    records = [step("s", 20.0, n, outcome="failed", error="reset", status=None) for n in range(3)]

    assert sessions_lost(Evidence(summary(), columns_of([records]), "run")) == 1


def at_seconds(*seconds, failed=()):
    """A run of one step at each of these seconds; those at `failed` did."""
    records = [
        step(
            f"s-{n}",
            20.0,
            at_ms=1000.0 * at,
            **({"outcome": "failed", "status": 503, "error": "status_5xx"} if at in failed else {}),
        )
        for n, at in enumerate(seconds)
    ]
    return Evidence(summary(), columns_of([records]), "run")


def test_what_a_run_carried_is_its_fullest_window_without_more_failures_than_a_plane_may_have():
    busy_later = at_seconds(0, 1, 2, 10, 11, 12, 13, 14)

    assert carried_rps([busy_later], 10) == pytest.approx(0.5)
    assert carried_rps([at_seconds(0, 1, 2, 10, 11, 12, 13, 14, failed=(12,))], 10) == pytest.approx(0.3)
    assert carried_rps([at_seconds(0, 1), busy_later], 10) == pytest.approx(0.5)
    assert carried_rps([at_seconds(5, failed=(5,))], 10) is None
    assert carried_rps([], 10) is None


@pytest.mark.parametrize(
    ("slo", "n", "is_broken", "is_open"),
    [
        ("p99 < 1s", 200, False, True),
        ("p99 < 197ms", 200, True, True),
        ("p50 < 30ms", 40, True, False),
        ("p50 < 33ms", 40, False, False),
        ("p50 > 30ms", 40, False, False),
        ("p99(failed) < 1s", 40, True, True),
    ],
)
def test_an_slo_that_a_run_cannot_decide_says_whether_its_own_figure_is_any_comfort(slo, n, is_broken, is_open):
    values = np.concatenate([np.arange(1.0, n), [150.0]]) if n > 100 else np.linspace(20.0, 43.0, n)
    found = plane_figures(Seen("t", "vm", {"representative": evidence(values)}), [parse_slo(slo)])

    assert found.budget == "inconclusive"
    (one,) = found.undecided
    assert (one.slo, one.is_broken, one.is_open) == (slo, is_broken, is_open)
    assert one.why


def test_an_slo_that_a_run_decides_is_not_among_the_undecided(rng):
    run = evidence(rng.lognormal(3.0, 0.2, 2000))

    assert plane_figures(Seen("t", "vm", {"representative": run}), [parse_slo("p99 < 1s")]).undecided == []


def test_p95_has_an_interval_where_p99_has_none():
    found = figures(phases={"representative": evidence(np.arange(1.0, 201.0))})

    assert found.p99_ci_ms[1] is None
    assert found.p95_ci_ms[0] < 190.0 < found.p95_ci_ms[1]
