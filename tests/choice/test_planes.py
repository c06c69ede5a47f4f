"""One plane's figures from its runs."""

import numpy as np
import pytest

from replay.choice.planes import Seen, phase_figures, plane_figures, sessions_lost
from replay.choice.standing import fails_too_often, may_fail_too_often
from replay.judge.load.types import Ceiling, CeilingVerdict, Level
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.judge.queues import Made, evidence_of
from tests.support.runs import evidence, step, summary


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


def failing_whole(rng, share, sessions=60, steps=20):
    """Sessions that run beside others, of which this share fails from its first step to its last."""
    at_ms = np.sort(rng.uniform(0, 600_000, sessions * steps))
    session = rng.permutation(np.repeat(np.arange(sessions, dtype=np.int32), steps))
    failed = (rng.random(sessions) < share)[session]
    run = evidence_of(Made(at_ms, rng.lognormal(3.0, 0.2, len(at_ms)), session), ok=~failed)
    run.summary.counts.ok = int(np.count_nonzero(~failed))
    return figures(phases={"representative": run})


def test_a_plane_is_out_by_sessions_that_fail_whole_only_if_they_do_so_often(rng):
    """Held to 1%. With each step for itself 47 in 100 planes that fail one session in 100 were out."""
    often = [failing_whole(rng, 0.01) for _ in range(100)]
    far = [failing_whole(rng, 0.25) for _ in range(20)]

    assert np.mean([fails_too_often(plane) for plane in often]) <= 0.02
    assert all(fails_too_often(plane) for plane in far)
    assert {may_fail_too_often(plane) is not None for plane in often if plane.error_share > 0.03} == {True}


def test_what_failed_when_we_killed_an_instance_is_no_surprise():
    found = figures(phases={"representative": with_failures(100, 3), "failure": with_failures(10, 9)})

    assert found.errors == 12
    assert sum(found.effort.values()) == 3


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


def test_a_search_that_ran_out_of_time_between_two_loads_says_at_least_the_lower():
    found = figures(ceiling=ceiling("inconclusive", "pass", "fail"), machines=2)

    assert (found.ceiling_verdict, found.ceiling_rps, found.capacity_rps) == ("at_least", 50.0, 25.0)
    assert found.ceiling_ci_rps == (50.0, 60.0)


def test_a_search_that_could_not_decide_gives_no_ceiling():
    found = figures(ceiling=ceiling("inconclusive", "pass", "inconclusive"))

    assert (found.ceiling_rps, found.ceiling_verdict) == (None, "inconclusive")


def test_a_phase_names_its_run_and_counts_lost_sessions():
    found = phase_figures("bursts", "t", with_failures(10, 2), "bursts/t")

    assert (found.phase, found.run, found.failed, found.sessions_lost) == ("bursts", "bursts/t", 2, 2)


def test_a_session_that_failed_twice_is_lost_once():
    records = [step("s", 20.0, n, outcome="failed", error="reset", status=None) for n in range(3)]

    assert sessions_lost(Evidence(summary(), columns_of([records]), "run")) == 1


def came(rps, seconds, took_ms=100.0, **fields):
    records = [step(f"c-{n}", took_ms, n, at_ms=1000 * n / rps, **fields) for n in range(round(rps * seconds))]
    return Evidence(summary(), columns_of([records]), "run")


def test_what_a_run_carried_outweighs_a_search_that_found_less():
    # 100 requests/s were answered in time; a search that says that 60 break it has not measured the plane.
    found = figures(
        phases={"representative": came(100, 60)},
        ceiling=ceiling("found", "pass", "fail"),
        machines=4,
        bounds=[parse_slo("p95 < 1s")],
    )

    assert (found.carried_rps, found.carried_by) == (pytest.approx(100, rel=0.02), 4)
    assert (found.ceiling_verdict, found.ceiling_rps) == ("at_least", found.carried_rps)
    assert found.capacity_rps == pytest.approx(25, rel=0.02)
    assert found.ceiling_ci_rps is None
    assert "the search found 50 requests/s, but 100 were carried" in found.ceiling_reason


def test_a_search_that_found_no_less_than_was_carried_stands():
    found = figures(
        phases={"representative": came(55, 60)}, ceiling=ceiling("found", "pass", "fail"), machines=2
    )

    assert (found.ceiling_verdict, found.ceiling_rps) == ("found", 50.0)
    assert found.carried_rps == pytest.approx(55, rel=0.02)


def test_what_broke_its_bounds_or_failed_was_not_carried():
    slow = figures(phases={"representative": came(100, 60, 1500.0)}, bounds=[parse_slo("p95 < 1s")])
    failing = came(100, 60, outcome="failed", error="status_5xx", status=503)

    assert (slow.carried_rps, slow.carried_by) == (None, None)
    assert figures(phases={"representative": failing}).carried_rps is None


def test_a_burst_that_is_worked_off_later_counts_for_what_was_answered_by_then():
    # 300 requests at once, answered at 10 a second: no plane that carries 30 a second.
    records = [step(f"b-{n}", 100.0 * (n + 1), n, at_ms=0.0) for n in range(300)]
    run = Evidence(summary(), columns_of([records]), "run")

    assert figures(phases={"representative": run}).carried_rps == pytest.approx(10, rel=0.02)


def test_a_run_shorter_than_a_window_is_one():
    assert figures(phases={"representative": came(100, 5)}).carried_rps == pytest.approx(100, rel=0.05)


def test_why_there_is_no_ceiling_is_kept():
    assert (
        figures(
            ceiling=CeilingVerdict(
                schema="",
                command="ceiling",
                verdict="inconclusive",
                reasons=["too slow"],
                ceiling=None,
                levels=[],
            )
        ).ceiling_reason
        == "too slow"
    )


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


@pytest.mark.parametrize(
    ("sure", "said"),
    [
        (None, (50.0, 60.0)),  # of a verdict that does not have it
        ((1.6, 3.0), (40.0, 75.0)),
        ((None, 3.0), (50.0, 75.0)),
        ((2.0, None), (50.0, 60.0)),
    ],
)
def test_a_ceiling_lies_for_certain_where_its_search_is_sure_and_not_in_its_bracket(sure, said):
    found = ceiling("found", "pass", "fail")
    assert found.ceiling is not None
    assert found.ceiling.ci_scale == (2.0, 2.4)
    found.ceiling.sure_scale = sure

    assert figures(ceiling=found).ceiling_ci_rps == said
