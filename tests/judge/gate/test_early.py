"""Looking after every session inflates no error."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from replay.judge.gate.ahead import Load, Plan
from replay.judge.gate.early import EarlyCheck, Wager, early_check, final_confidence
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from tests.judge import queues
from tests.judge.watching import lots, watched
from tests.support.runs import Evidence, step, summary

ALPHA = 0.0125
AFTER = "20 of 400 sessions"


def planned(steps, most=1, sort=("tool", "search")):
    """So many steps of one sort, at no load that is known."""
    return Plan(most, {sort: steps}, Load({}))


def first_decision(rng, share, theta, steps, sessions):
    wager = Wager(theta, steps, ALPHA)
    # All steps of an unlucky session are hits: as alike as steps can be.
    wager.bets(steps * (rng.random(sessions) < share), np.full(sessions, steps))
    return wager.decision


def sessions_until(decision, wager, hits, steps):
    for n in range(1, 5000):
        wager.session(hits, steps)
        if wager.decision == decision:
            return n
    raise AssertionError("never decided")


@pytest.mark.parametrize(("theta", "steps"), [(0.01, 1), (0.05, 8), (0.5, 3)])
def test_at_the_limit_itself_no_look_decides_more_often_than_stated(rng, theta, steps):
    decided = [first_decision(rng, theta, theta, steps, 400) for _ in range(300)]

    for side in ("pass", "fail"):
        assert decided.count(side) <= 300 * ALPHA + 4 * (300 * ALPHA) ** 0.5


def test_a_hopeless_target_is_told_within_a_few_sessions():
    wager = Wager(0.01, 10, ALPHA)

    assert sessions_until("fail", wager, hits=10, steps=10) <= 3


def test_a_fine_target_passes_before_the_run_is_over():
    wager = Wager(0.01, 5, ALPHA)

    assert sessions_until("pass", wager, hits=0, steps=5) < 700


def test_once_decided_it_stays_decided():
    wager = Wager(0.01, 1, ALPHA)
    for _ in range(50):
        wager.session(1, 1)
    for _ in range(5000):
        wager.session(0, 1)

    assert wager.decision == "fail"


def sessions_of(values_ms):
    return columns_of([[step(f"s-{n}", ms, n) for n, ms in enumerate(values_ms)]])


def test_an_slo_is_decided_by_its_own_steps():
    check = EarlyCheck(parse_slo("p99 < 10ms"), planned(60), 0.95)

    check.add(sessions_of([50.0] * 30), 0)

    assert check.decision == "fail"


def failing(n_failed, of):
    """So many of these steps fail, here and there."""
    failed = set(np.random.default_rng(7).permutation(of)[:n_failed].tolist())
    return columns_of(
        [
            [
                step(f"s-{n}", 1.0, n, **({"outcome": "failed", "error": "reset"} if n in failed else {}))
                for n in range(of)
            ]
        ]
    )


def test_failures_are_infinitely_slow_while_the_run_goes_on_too_unless_they_are_left_out():
    whole = EarlyCheck(parse_slo("p99 < 10ms"), planned(60), 0.95)
    answered = EarlyCheck(parse_slo("p99(answered) < 10ms"), planned(60), 0.95)

    for check in (whole, answered):
        check.add(failing(30, of=60), 0)

    assert (whole.decision, answered.decision) == ("fail", "inconclusive")


@pytest.mark.parametrize("slo", ["p99 < recorded * 1.2", "errors < recorded + 1%", "p99 < baseline * 1.2"])
def test_what_is_held_to_figures_of_the_whole_recording_or_of_other_runs_waits_for_the_end(slo):
    check = EarlyCheck(parse_slo(slo), planned(60), 0.95)

    check.add(failing(50, of=50), 0)

    assert not check.can_decide
    assert check.decision == "inconclusive"


def test_a_check_that_failed_early_names_the_classes_behind_it():
    slo = parse_slo("errors < 1%")

    check = early_check(slo, Evidence(summary(), failing(30, of=60), "run"), "fail", 0.95, AFTER)

    assert check.errors == {"reset": 30}


def test_a_maximum_fails_at_once_and_never_passes_early():
    check = EarlyCheck(parse_slo("max < 10ms"), planned(60), 0.95)

    check.add(sessions_of([1.0] * 5000), 0)
    assert check.decision == "inconclusive"
    check.add(sessions_of([11.0]), 0)
    assert check.decision == "fail"


@pytest.mark.parametrize(
    "text",
    [
        "p99 < baseline * 1.1",
        "max < baseline * 1.1",
        "min > baseline",
        "max > 60ms",
        "min < 40ms",
        "max(failed) < 40ms",
        "p99(failed) < 40ms",
        "mean < 10ms",
        "rate > 3/s",
        "p99 < 1s steady",
    ],
)
def test_what_needs_the_whole_run_waits_for_it(text):
    check = EarlyCheck(parse_slo(text), planned(60), 0.95)

    assert not check.can_decide
    check.add(sessions_of([50.0] * 30), 0)
    assert check.decision == "inconclusive"


def test_the_looks_and_the_end_share_the_error():
    assert final_confidence(0.95) == pytest.approx(0.975)


def test_the_stakes_never_ruin_the_gambler(rng):
    wager = Wager(0.02, 7, ALPHA)
    for _ in range(200):
        wager.session(int(rng.integers(0, 8)) if rng.random() < 0.02 else 0, 7)

    assert np.isfinite(wager._wealth_below).all()
    assert np.isfinite(wager._wealth_above).all()


@pytest.mark.parametrize(("load", "n"), [(0.7, 3000), (0.8, 2000), (0.9, 1500)])
@pytest.mark.parametrize(("ratio", "wrong"), [(1 / 1.5, "pass"), (1.5, "fail")])
def test_a_queue_is_not_decided_wrongly_by_what_its_neighbours_have_in_common(rng, load, n, ratio, wrong):
    limit = queues.queue_quantile(load, 0.95) * ratio
    runs = [queues.evidence_of(queues.one_worker(rng, n, load)).columns for _ in range(25)]
    decided = [watched(run, f"p95 < {limit:.6f}ms", lots(run, 100))[0] for run in runs]

    assert decided.count(wrong) <= 25 * ALPHA + 4 * (25 * ALPHA) ** 0.5


def test_a_target_whose_steps_are_independent_is_decided_long_before_the_end(rng):
    run = queues.evidence_of(queues.independent(rng, 2_000)).columns

    passed, failed = (watched(run, f"p95 < {limit}ms", lots(run, 25)) for limit in ("40", "12"))

    assert passed == ("pass", 500)
    assert failed[0] == "fail"
    assert failed[1] < 500


def test_two_sessions_decide_nothing_however_slow_they_are():
    made = queues.Made(np.arange(400) * 10.0, np.full(400, 900.0), np.repeat([0, 1], 200).astype(np.int32))
    run = queues.evidence_of(made).columns

    assert watched(run, "p95 < 100ms", lots(run, 1))[0] == "inconclusive"


N = 2_000
PLACE = np.arange(N) / N


def changing(rng, factor, kind=None, at_ms=None):
    """A run whose times are of one distribution (p95 at 23 ms) but for a factor; where told, of two kinds of steps."""
    times = 10 * np.exp(rng.normal(0, 0.5, N)) * factor
    run = queues.evidence_of(queues.Made(np.arange(N) * 20.0 if at_ms is None else at_ms, times))
    series = np.zeros(N, np.int32) if kind is None else kind.astype(np.int32)
    columns = run.columns._replace(series=series, series_names=[("tool", "search"), ("tool", "batch")])
    return msgspec.structs.replace(run, columns=columns)


def burst(is_in_burst):
    """Ten times as many steps a second while it lasts."""
    return np.cumsum(np.where(is_in_burst, 2.0, 20.0))


CHANGES = {
    "another kind of step comes late": lambda rng: changing(
        rng, np.where(PLACE >= 0.9, 10, 1), kind=PLACE >= 0.9
    ),
    "another kind of step comes first": lambda rng: changing(
        rng, np.where(PLACE < 0.03, 10, 1), kind=PLACE < 0.03
    ),
    "a burst at the end": lambda rng: changing(rng, np.where(PLACE >= 0.9, 6, 1), at_ms=burst(PLACE >= 0.9)),
    "a burst at the start": lambda rng: changing(rng, np.where(PLACE < 0.03, 6, 1), at_ms=burst(PLACE < 0.03)),
    "a slow start": lambda rng: changing(rng, np.where(PLACE < 0.03, 10, 1)),
    "a start that quickens": lambda rng: changing(rng, 1 + 9 * np.exp(-PLACE / 0.012)),
    "times that grow to the double": lambda rng: changing(rng, 1 + PLACE),
    "times that fall to the half": lambda rng: changing(rng, 2 - PLACE),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("limit_ms", [30, 40])
def test_what_is_said_early_is_what_the_whole_run_says_or_nothing(rng, change, limit_ms):
    text = f"p95 < {limit_ms}ms"
    said = Counter()

    for _ in range(6):
        run = CHANGES[change](rng)
        early, _ = watched(run.columns, text, lots(run.columns, 50))
        said[early, judge_gate([parse_slo(text)], run).verdict] += 1

    # A pass of what drifts, at a limit that the whole run cannot tell from, is neither wrong nor right.
    assert not {pair for pair in said if set(pair) == {"pass", "fail"}}
    is_drift = change.startswith("times")
    assert is_drift or not {(early, whole) for early, whole in said if early not in ("inconclusive", whole)}


def failing_where(rng, probability):
    """A run whose steps fail with this probability, each by itself."""
    made = queues.Made(np.arange(N) * 20.0, 10 * np.exp(rng.normal(0, 0.5, N)))
    return queues.evidence_of(made, ok=rng.random(N) >= probability)


OPEN = {
    "half of the first tenth fail, none later": (
        "errors < 3%",
        lambda rng: failing_where(rng, 0.5 * (PLACE < 0.1)),
    ),
    "failures come in a stretch in the middle": (
        "errors < 10%",
        lambda rng: failing_where(rng, 0.3 * ((PLACE > 0.1) & (PLACE < 0.35))),
    ),
    "failures grow to 4%": ("errors < 2%", lambda rng: failing_where(rng, 0.04 * PLACE**2)),
    "slower from 5% to 45%": (
        "p95 < 30ms",
        lambda rng: changing(rng, np.where((PLACE > 0.05) & (PLACE < 0.45), 1.6, 1)),
    ),
    "times rise and fall": ("p95 < 29ms", lambda rng: changing(rng, 1 + 0.5 * np.sin(4 * np.pi * PLACE))),
}


@pytest.mark.parametrize("change", OPEN)
def test_what_is_said_early_is_never_the_opposite_though_the_whole_run_may_leave_it_open(rng, change):
    text, made = OPEN[change]

    for _ in range(8):
        run = made(rng)
        early, _ = watched(run.columns, text, lots(run.columns, 50))
        assert {early, judge_gate([parse_slo(text)], run).verdict} != {"pass", "fail"}


@pytest.mark.parametrize(
    ("change", "said"), [("half of the first tenth fail, none later", "fail"), ("failures grow to 4%", "pass")]
)
def test_what_the_whole_run_leaves_open_is_decided_early_as_its_own_figure_is(rng, change, said):
    text, made = OPEN[change]
    slo = parse_slo(text)

    for _ in range(8):
        run = made(rng)
        assert watched(run.columns, text, lots(run.columns, 50))[0] == said
        (check,) = judge_gate([slo], run).checks
        assert check.verdict in (said, "inconclusive")
        assert (check.observed < slo.limit.value) == (said == "pass")


def test_a_change_that_no_plan_tells_is_said_not_to_be_in_a_pass(rng):
    run = changing(rng, np.ones(N))

    check = early_check(parse_slo("p95 < 40ms"), run, "pass", 0.95, AFTER)

    assert check.reason == (
        "decided during the run, after 20 of 400 sessions, by an anytime-valid test; what would have changed after "
        "that was not seen"
    )


def slowing(rng, n=400, slow_from=150):
    """A target that takes 5 ms, and 150 from some step on."""
    times = np.where(np.arange(n) < slow_from, 5.0, 150.0) + rng.random(n)
    return queues.evidence_of(queues.Made(np.arange(n) * 7.0, times))


def test_an_early_pass_is_withdrawn_where_what_was_seen_breaks_the_limit(rng):
    """A pass beside 151 ms, for a limit of 100: the target slowed down after it was decided."""
    run, slo = slowing(rng), parse_slo("p95 < 100ms")

    verdict = judge_gate(
        [slo], run, early={slo.text: early_check(slo, run, "pass", 0.95, AFTER)}, confidence=0.975
    )

    (check,) = verdict.checks
    assert check.verdict != "pass"
    assert not check.decided_early


def test_an_early_decision_that_the_end_bears_out_stands(rng):
    run, slo = slowing(rng, slow_from=400), parse_slo("p95 < 100ms")

    (check,) = judge_gate([slo], run, early={slo.text: early_check(slo, run, "pass", 0.95, AFTER)}).checks

    assert (check.verdict, check.decided_early) == ("pass", True)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": "interrupted"}, "would pass, but the run was interrupted, so the trace was not completed"),
        (
            {"unsent_reasons": {"late": 400}},
            "would pass, but 400 steps were left unsent, so the trace was not completed",
        ),
    ],
)
def test_that_one_slo_was_decided_early_excuses_no_run_that_went_on_and_was_not_whole(rng, facts, reason):
    early, late = parse_slo("p95 < 100ms"), parse_slo("p50 < 100ms")
    run = slowing(rng, slow_from=400)
    cut = msgspec.structs.replace(run, summary=summary(**facts))
    decided = {early.text: early_check(early, run, "pass", 0.95, AFTER)}

    went_on = judge_gate([early, late], cut, early=decided)
    stopped = judge_gate([early, late], cut, early=decided, is_stopped_early=True)

    assert [check.reason for check in went_on.checks] == [reason] * 2
    assert went_on.verdict == "inconclusive"
    assert stopped.verdict == "pass"


def test_many_bets_at_once_are_the_same_as_one_after_the_other(rng):
    hits = (rng.random(300) < 0.02).astype(np.int64)
    one, many = Wager(0.1, 1, ALPHA), Wager(0.1, 1, ALPHA)
    for hit in hits.tolist():
        one.session(hit, 1)
    many.bets(hits, np.ones(300, np.int64))

    assert one.decision == many.decision == "pass"
