from math import inf

import msgspec
import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate, overall
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from tests.judge import queues
from tests.support.runs import Evidence, evidence, step, summary


def check(text, run, baselines=()):
    (found,) = judge_gate([parse_slo(text)], run, baselines).checks
    return found


def test_a_run_well_within_its_limit_passes(rng):
    found = check("p99 < 800ms", evidence(np.exp(rng.normal(3, 0.5, 5000))))

    assert found.verdict == "pass"
    assert found.ci_ms[1] < 800
    assert found.reason == "the whole confidence interval is within the limit"


def test_a_run_well_beyond_its_limit_fails(rng):
    assert check("p99 < 20ms", evidence(np.exp(rng.normal(3, 0.5, 5000)))).verdict == "fail"


def test_at_the_true_quantile_a_gate_rarely_decides(rng):
    truth = float(np.exp(3 + 0.5 * 2.3263478740408408))
    decided = [
        check(f"p99 < {truth:.6f}ms", evidence(np.exp(rng.normal(3, 0.5, 1000)))).verdict != "inconclusive"
        for _ in range(200)
    ]

    # 5 % of errors, both sides together; four standard errors of that.
    assert sum(decided) <= 200 * 0.05 + 4 * (200 * 0.05 * 0.95) ** 0.5


def test_200_samples_do_not_tell_a_p99_9(rng):
    found = check("p99.9 < 800ms", evidence(np.exp(rng.normal(3, 0.5, 200))))

    assert found.verdict == "inconclusive"
    assert found.n_needed == 3688
    assert found.reason == (
        "too few samples for a confidence interval; 200 steps, at least 3,688 are needed, about 3.07 min of this load "
        "(--repeat --duration 185s, or a larger --scale)"
    )


def test_no_shorter_load_is_proposed_than_can_be_asked_for():
    """Of a run of one step it said `--repeat --duration 0s`, which no command takes."""
    found = check("p50 < 1s", evidence([1.0], elapsed_s=0.002))

    assert found.reason.endswith("about 1 s of this load (--repeat --duration 1s, or a larger --scale)")


def test_a_metric_without_samples_never_passes():
    found = check("p99(llm) < 800ms", evidence([1.0] * 500))

    assert found.verdict == "inconclusive"
    assert found.reason == "no step is llm; the run has tool:search"
    assert check("p95(ttft) < 1s", evidence([1.0] * 500)).reason == "no step has a ttft time"
    assert "cold_header" in check("cold < 2%", evidence([1.0] * 500)).reason


def test_nothing_is_decided_on_a_saturated_generator(rng):
    values = np.exp(rng.normal(3, 0.5, 5000))

    for limit_ms, would in ((800, "pass"), (20, "fail")):
        found = check(f"p99 < {limit_ms}ms", evidence(values, generator="saturated"))
        assert found.verdict == "inconclusive"
        assert found.reason == f"would {would}, but the generator was saturated: CPU was at 99%"


def test_an_interrupted_run_may_fail_but_not_pass(rng):
    values = np.exp(rng.normal(3, 0.5, 5000))

    assert check("p99 < 800ms", evidence(values, status="interrupted")).verdict == "inconclusive"
    assert check("p99 < 20ms", evidence(values, status="interrupted")).verdict == "fail"
    assert check("p99 < 800ms", evidence(values, unsent_reasons={"late": 3})).verdict == "inconclusive"


def test_an_exact_zero_is_a_fact_of_the_run():
    records = [step(f"s-{n}", 5.0, n) for n in range(20)]
    broken = [*records, step("s-20", 5.0, 20, outcome="failed", error="status_5xx")]

    assert check("errors(status_5xx) == 0", Evidence(summary(), columns_of([records]), "r")).verdict == "pass"
    assert check("errors(status_5xx) == 0", Evidence(summary(), columns_of([broken]), "r")).verdict == "fail"
    assert check("errors(timeout) == 0", Evidence(summary(), columns_of([broken]), "r")).verdict == "pass"


def test_a_share_within_a_limit_is_a_share():
    run = evidence(([5.0] * 99 + [900.0]) * 10)

    found = check("share(response < 500ms) >= 90%", run)

    assert (found.observed, found.verdict) == (99.0, "pass")


@pytest.mark.parametrize(
    "how",
    [
        {"error": "timeout", "phase": "first_byte", "censored": True},
        {"error": "status_5xx", "status": 503},
        {"error": "connect", "phase": "connect", "status": None, "sent_ns": None, "first_byte_ns": None},
        {"error": "tool_error", "status": 200},
    ],
    ids=lambda how: how["error"],
)
def test_a_percentile_among_failures_does_not_pass_however_quick_they_were(how):
    records = [step(f"s-{n}", 50.0, n) for n in range(950)]
    # All over the run: fifty in a row would be one event.
    records += [step(f"f-{n}", 1.0, n, at_ms=190 * n, outcome="failed", **how) for n in range(50)]
    run = Evidence(summary(), columns_of([records]), "r")

    found = check("p99 < 80ms", run)

    assert (found.verdict, found.observed_ms, found.n_failed) == ("fail", inf, 50)
    assert found.reason == "it falls among the failures: 50 of 1000 failed, and a failure is infinitely slow"
    assert check("p99(answered) < 80ms", run).verdict == "pass"
    assert check("share(response < 80ms) >= 99%", run).verdict == "fail"
    assert check("share(response < 80ms, answered) >= 99%", run).verdict == "pass"


def test_steps_of_some_kind_and_of_some_time_are_judged_alone():
    records = [step(f"s-{n}", 5.0, n, name="fast", at_ms=n) for n in range(500)]
    records += [step(f"t-{n}", 500.0, n, kind="llm", name="slow", at_ms=n) for n in range(500)]
    run = Evidence(summary(), columns_of([records]), "r")

    assert check("p99(tool) < 10ms", run).verdict == "pass"
    assert check("p50(response, llm:sl*) > 400ms", run).verdict == "pass"
    assert check("p50(tool) < 10ms after 450ms", run).n == 50
    assert check("rate > 100/s", run).observed == pytest.approx(999 / 0.499, rel=0.01)


def test_a_rate_is_not_kept_by_answers_that_come_long_after_the_load():
    """One worker of 100 ms, asked 100 times a second for ten seconds, has answered it all after a hundred."""
    run = Evidence(
        summary(), columns_of([[step(f"s-{n}", 100.0 + n * 90.0, n, at_ms=n * 10) for n in range(1000)]]), "r"
    )

    found = check("rate >= 90/s", run)

    assert found.verdict == "fail"
    assert found.observed == pytest.approx(10, rel=0.01)


def test_one_baseline_lends_its_own_doubt_to_the_limit(rng):
    base = evidence(np.exp(rng.normal(3, 0.5, 3000)), name="base")
    same = evidence(np.exp(rng.normal(3, 0.5, 3000)))
    slower = evidence(np.exp(rng.normal(3, 0.5, 3000)) * 1.5)

    assert check("p99 < baseline * 1.3", same, [base]).verdict == "pass"
    assert check("p99 < baseline * 1.02", same, [base]).verdict == "inconclusive"
    assert check("p99 < baseline * 1.1", slower, [base]).verdict == "fail"
    assert check("p99 < baseline * 1.1", slower).reason == "there is no baseline to compare it with yet"


def working(run, **changes):
    trace = msgspec.structs.replace(run.summary.trace, **changes)
    return msgspec.structs.replace(run, summary=msgspec.structs.replace(run.summary, trace=trace))


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({"sha256": "another"}, "the baseline base replayed another trace"),
        (
            {"sessions": 2, "steps": 4},
            "the baseline base replayed 2 sessions, 4 steps, and this run 1 session, 1 step",
        ),
        ({"recorded_in_flight": 2.0}, "this run's load was 4 times that of the baseline base"),
    ],
    ids=["trace", "copies", "speed"],
)
def test_a_baseline_with_other_work_decides_nothing_unless_that_is_asked_for(theirs, why, rng):
    base = evidence(np.exp(rng.normal(3, 0.5, 3000)), name="base")
    same = working(evidence(np.exp(rng.normal(3, 0.5, 3000))), recorded_in_flight=8.0)
    slos = [parse_slo("p99 < baseline * 1.3"), parse_slo("p99 < 10s")]

    verdict = judge_gate(slos, same, [working(base, **theirs)])
    asked = judge_gate(slos, same, [working(base, **theirs)], any_baseline=True)

    assert [check.verdict for check in verdict.checks] == ["inconclusive", "pass"]
    assert verdict.checks[0].reason == f"would pass, but {why}; --any-baseline compares them all the same"
    assert [check.verdict for check in asked.checks] == ["pass", "pass"]
    assert f"{why}, which may explain a difference" in asked.notes


OPTIONS = {
    "timing": "causal",
    "knobs": {"speed": 1.0, "think": 1.0, "idle_cap_s": None},
    "read_only": False,
    "at": [],
}


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({"knobs": {**OPTIONS["knobs"], "speed": 2.0}}, "--speed 1.0, and the baseline base 2.0"),
        ({"knobs": {**OPTIONS["knobs"], "think": 0.0}}, "--think 1.0, and the baseline base 0.0"),
        ({"knobs": {**OPTIONS["knobs"], "idle_cap_s": 5.0}}, "--idle-cap none, and the baseline base 5.0"),
        ({"timing": "recorded"}, "--timing causal, and the baseline base recorded"),
        ({"read_only": True}, "--read-only none, and the baseline base some"),
        ({"at": [{"at_s": 3.0, "fault": "kill"}]}, "--at or --fault none, and the baseline base some"),
        # Whether its steps were tried again, or dealt to workers, is no load; nor is what an older version did not say.
        ({"workers": 4, "on_error": "skip-rest"}, None),
        ({"max_in_flight": 7}, None),
    ],
)
def test_a_baseline_of_another_load_decides_nothing_where_only_its_options_tell(theirs, why, rng):
    values = np.exp(rng.normal(3, 0.5, 3000))
    base = msgspec.structs.replace(evidence(values, name="base"), options={**OPTIONS, **theirs})
    run = msgspec.structs.replace(evidence(values), options=OPTIONS)

    found = check("p99 < baseline * 1.3", run, [base])

    assert found.verdict == ("pass" if why is None else "inconclusive")
    if why is not None:
        expected = f"would pass, but this run had {why}; --any-baseline compares them all the same"
        assert found.reason == expected


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({"generator": "suspect"}, "the generator was suspect: CPU was at 99%"),
        ({"generator": "saturated"}, "the generator was saturated: CPU was at 99%"),
        ({"status": "interrupted"}, "the run was interrupted, so the trace was not completed"),
        (
            {"status": "failed", "error": "could not write steps.jsonl: no space"},
            "the run broke off (could not write steps.jsonl: no space), so the trace was not completed",
        ),
        ({"status": "incomplete"}, "the run was incomplete, so the trace was not completed"),
        ({"unsent_reasons": {"late": 5}}, "5 steps were left unsent, so the trace was not completed"),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_baseline_whose_own_figures_are_in_doubt_gives_no_limit(theirs, why, factor, rng):
    values = np.exp(rng.normal(3, 0.5, 3000))
    slos = [parse_slo("p99 < baseline * 1.3"), parse_slo("p99 < 10s")]

    verdict = judge_gate(slos, evidence(values * factor), [evidence(values, name="base", **theirs)])

    would = "pass" if factor == 1.0 else "fail"
    assert [one.verdict for one in verdict.checks] == ["inconclusive", "pass"]
    assert verdict.checks[0].reason == f"would {would}, but of the baseline base: {why}"


def test_a_baseline_that_was_ended_once_enough_was_seen_did_a_part_of_the_work(rng):
    values = np.exp(rng.normal(3, 0.5, 3000))
    base = msgspec.structs.replace(evidence(values, status="interrupted", name="base"), is_early=True)
    slos = [parse_slo("p99 < baseline * 1.3")]

    verdict = judge_gate(slos, evidence(values), [base])

    assert verdict.verdict == "inconclusive"
    assert "the baseline base was ended by --early" in verdict.checks[0].reason
    assert judge_gate(slos, evidence(values), [base], any_baseline=True).verdict == "pass"


def test_a_baseline_with_the_same_work_is_one_however_its_span_was_rounded(rng):
    base = working(evidence(np.exp(rng.normal(3, 0.5, 3000)), name="base"), recorded_in_flight=8.001)
    same = working(evidence(np.exp(rng.normal(3, 0.5, 3000))), recorded_in_flight=8.0)

    assert check("p99 < baseline * 1.3", same, [base]).verdict == "pass"


def test_several_baselines_tell_how_much_runs_differ(rng):
    def made(factor):
        return evidence(np.exp(rng.normal(3, 0.3, 3000)) * factor)

    steady = [made(factor) for factor in (1.0, 1.01, 0.99, 1.0)]
    noisy = [made(factor) for factor in (0.7, 1.0, 1.4, 0.9)]

    assert check("p99 < baseline * 1.2", made(1.0), steady).verdict == "pass"
    assert check("p99 < baseline * 1.2", made(1.0), noisy).verdict == "inconclusive"
    assert check("p99 < baseline * 1.2", made(2.0), steady).verdict == "fail"


@pytest.mark.parametrize("baselines", [3, 10])
@pytest.mark.parametrize(("failed", "text"), [(0, "errors < baseline * 1.1"), (1, "errors < baseline + 0.1%")])
def test_clean_baselines_do_not_fail_a_run_that_is_as_clean(baselines, failed, text):
    def made(bad):
        return queues.evidence_of(
            queues.Made(np.arange(500) * 10.0, np.full(500, 10.0)), ok=np.arange(500) >= bad
        )

    assert check(text, made(failed), [made(0) for _ in range(baselines)]).verdict == "inconclusive"


@pytest.mark.parametrize("share", [0.001, 0.02])
def test_at_the_error_rate_of_its_baselines_a_run_is_rarely_decided(rng, share):
    at_ms = np.arange(500) * 10.0

    def made():
        return queues.evidence_of(queues.Made(at_ms, np.full(500, 10.0)), ok=rng.random(500) >= share)

    decided = [check("errors < baseline", made(), [made() for _ in range(3)]).verdict for _ in range(200)]

    for side in ("pass", "fail"):
        assert decided.count(side) <= 200 * 0.025 + 4 * (200 * 0.025) ** 0.5


def test_a_gate_has_an_example_of_what_failed_whatever_its_slos_are():
    run = evidence([1.0] * 50, failed=7)
    run.summary.counts.error_examples = {"protocol": "the answer is TLS"}

    for slo in ("p50 < 1s", "errors < 1%"):
        assert "protocol, for example: the answer is TLS" in judge_gate([parse_slo(slo)], run).notes


def test_a_gate_says_that_redirects_were_not_followed():
    run = evidence([1.0] * 50)
    run.summary.counts.redirected = 50

    (note,) = judge_gate([parse_slo("errors < 1%")], run).notes

    assert note.startswith("50 steps got a redirect (3xx), which was not followed, and count as ok")


def test_a_run_with_failures_and_no_bound_on_them_is_told():
    verdict = judge_gate([parse_slo("p50 < 1s")], evidence([1.0] * 50, failed=7))

    assert verdict.notes == ["7 steps failed (87.5%), and no SLO bounds errors; add for example: errors < 0.1%"]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["fail", "inconclusive"], "fail"),
        ([], "inconclusive"),
    ],
)
def test_all_slos_together(decisions, expected):
    assert overall(decisions) == expected


def test_a_verdict_can_be_written_whatever_the_sample_is_like(rng):
    for per_session in (1, 5, 500):
        run = evidence(np.exp(rng.normal(3, 0.5, (200, 1)) + rng.normal(0, 0.1, (200, 10))), per_session)
        slos = [parse_slo(text) for text in ("p99 < 1s", "errors < 1%", "mean < 1s", "max < 1s", "rate > 1/s")]
        slos += [parse_slo(text) for text in ("share(response < 30ms) > 50%", "p50(makespan) < 1s")]

        verdict = judge_gate(slos, run, [run])

        assert msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict)) == verdict
