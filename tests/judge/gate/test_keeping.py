"""Only what later runs may well be held to is kept for them."""

import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.gate.keeping import why_unfit
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from tests.support.runs import Evidence, evidence, step, summary

AGAINST = "p90 < baseline * 1.5"
FAILED = "3% of its steps failed, and no SLO without a baseline says how many of all may"
VALUES = np.exp(np.random.default_rng(7).normal(3, 0.5, 3_000))


def why(slos, run, baselines=(), **known):
    bounds = [parse_slo(slo) for slo in slos]
    verdict = judge_gate(bounds, run, baselines)
    return why_unfit(verdict, bounds, run, 0.9, **{"is_stopped_early": False, **known})


def failing(share):
    failed = {"outcome": "failed", "status": 503, "error": "status_5xx"}
    n = round(1_000 * share)
    records = [
        step(f"s-{i}", 20.0, i, **(failed if i * n // 1_000 < (i + 1) * n // 1_000 else {}))
        for i in range(1_000)
    ]
    of_all = summary(failed=n, errors={"status_5xx": n})
    of_all.counts.ok = 1_000 - n
    return Evidence(of_all, columns_of([records]), "run")


@pytest.mark.parametrize("slos", [["p90 < 10s"], [AGAINST], [AGAINST, "errors < 1%"]])
def test_the_first_run_is_kept_if_it_passes_what_needs_no_baseline(slos):
    assert why(slos, evidence(VALUES)) is None


@pytest.mark.parametrize(
    ("slos", "run"),
    [
        ([AGAINST, "p90 < 1ms"], evidence(VALUES)),
        # Nobody can tell.
        ([AGAINST, "p99.99 < 1s"], evidence(VALUES)),
        (["p90(llm) < baseline * 1.5"], evidence(VALUES)),
        # What lies among failures is no figure, and would leave every later run without a limit.
        ([AGAINST, "errors < 90%"], failing(0.5)),
    ],
)
def test_a_first_run_that_fails_or_has_nothing_to_compare_is_not_kept(slos, run):
    assert why(slos, run) == "it did not pass what needs no baseline, or lacks a figure to compare others with"


def test_a_first_run_with_failures_is_kept_only_if_an_slo_allows_them():
    assert why([AGAINST], failing(0.01)) is None
    assert why([AGAINST], failing(0.03)) == FAILED
    assert why([AGAINST, "errors < baseline * 1.1"], failing(0.03)) == FAILED
    assert why([AGAINST, "errors(llm) < 10%"], failing(0.03)) is not None
    assert why([AGAINST, "errors < 10%"], failing(0.03)) is None


@pytest.mark.parametrize(
    ("factor", "reason"), [(1.0, None), (2.0, "it did not pass"), (1.5, "it did not pass")]
)
def test_a_later_run_is_kept_if_it_passes(factor, reason):
    assert why([AGAINST], evidence(VALUES * factor), [evidence(VALUES, name="base")]) == reason


def test_a_run_in_doubt_is_not_kept_though_it_passes():
    assert why([AGAINST], evidence(VALUES, generator="suspect")) == "the generator was suspect: CPU was at 99%"
    assert why(["p90 < 10s"], evidence(VALUES, status="interrupted")).endswith("so the trace was not completed")


def test_a_run_that_was_ended_early_is_not_kept():
    found = why(["p90 < 10s"], evidence(VALUES, status="interrupted"), is_stopped_early=True)

    assert found == "--early ended it, and later runs are whole"
