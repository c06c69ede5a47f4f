"""What was not seen to its end is only known to have taken at least so long: cut sessions, and steps at a time limit."""

import msgspec
import numpy as np
import pytest

from replay.judge.comparison.metric import parse_metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.recorded import compare_with_recording
from replay.judge.comparison.sides import judge_compare
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.metrics import measured
from replay.judge.measures.recording import makespans_beside, pair
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary


def check(text, run, baselines=()):
    (found,) = judge_gate([parse_slo(text)], run, baselines).checks
    return found


def unsent(record, reason="duration"):
    return msgspec.structs.replace(
        record, outcome="unsent", error=reason, sent_ns=None, end_ns=None, status=None
    )


def sessions(n, cut=(), seconds=10.0, reason="duration", jitter=None, **second):
    """Sessions of two steps that take so long; of those in cut the second was never sent."""
    records = []
    for s in range(n):
        at_ms = s * 1000.0
        took = 0.0 if jitter is None else float(jitter[s])
        last = step(f"s{s}", 100.0 + took, 1, at_ms=at_ms + seconds * 1000 - 100, **second)
        records += [step(f"s{s}", 100.0, 0, at_ms=at_ms), unsent(last, reason) if s in cut else last]
    return Evidence(summary(), columns_of([records]), "run")


@pytest.mark.parametrize("reason", ["duration", "late", "read_only"])
@pytest.mark.parametrize("text", ["p50(makespan) < 5s", "mean(makespan) < 5s", "share(makespan < 5s) >= 50%"])
def test_what_a_session_came_to_until_it_was_cut_off_is_no_makespan(text, reason):
    found = check(text, sessions(400, cut=range(0, 400, 4), reason=reason))

    assert found.n == 300
    assert found.verdict == "fail"
    assert found.observed_ms in (10_000.0, None)


@pytest.mark.parametrize(
    "text",
    ["p50(makespan) < 20s", "mean(makespan) < 20s", "max(makespan) < 20s", "share(makespan < 20s) >= 50%"],
)
def test_nothing_passes_that_the_sessions_which_were_cut_off_might_have_broken(text):
    whole = check(text, sessions(400))
    cut = check(text, sessions(400, cut=range(0, 400, 2)))

    assert whole.verdict == "pass"
    assert cut.verdict == "inconclusive"
    assert cut.reason == "of 400 sessions 200 were cut off, and may have taken far longer"


def test_a_few_sessions_that_were_cut_off_leave_the_median_known():
    verdict = judge_gate([parse_slo("p50(makespan) < 20s")], sessions(400, cut=range(5)))

    assert verdict.verdict == "pass"
    assert "5 sessions were cut off before the end; the makespans shown are of the others" in verdict.notes


def test_all_cut_off_is_no_figure():
    found = check("p50(makespan) < 20s", sessions(30, cut=range(30)))

    assert (found.verdict, found.observed_ms) == ("inconclusive", None)
    assert found.reason == "of 30 sessions 30 were cut off, and may have taken far longer"


def test_a_session_that_failed_is_a_failure_and_not_one_that_was_cut_off():
    run = sessions(100, cut=range(100), reason="skip-rest")
    failed = msgspec.structs.replace(run, columns=run.columns._replace(ok=np.zeros(100, np.bool_)))

    assert check("p50(makespan) < 20s", failed).verdict == "fail"


def test_a_maximum_may_be_a_session_that_was_cut_off_and_breaks_its_limit_all_the_same():
    run = sessions(100, cut=range(10))

    assert check("max(makespan) < 5s", run).verdict == "fail"
    assert check("max(makespan) > 5s", run).verdict == "pass"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_baseline_with_sessions_cut_off_fails_no_run(rng, count):
    slow = sessions(400, seconds=30.0, jitter=rng.random(400))
    cut = sessions(400, cut=range(0, 400, 2), jitter=rng.random(400))

    assert check("p50(makespan) < baseline * 1.1", slow, [slow] * count).verdict == "pass"
    assert check("p50(makespan) < baseline * 1.1", slow, [cut] * count).verdict == "inconclusive"
    assert check("max(makespan) < baseline * 1.1", slow, [cut] * count).verdict == "inconclusive"


def test_a_comparison_of_makespans_is_open_where_sessions_were_cut_off(rng):
    a, b = sessions(400, jitter=rng.random(400)), sessions(400, cut=range(9), jitter=rng.random(400) + 5000)

    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired", parse_metric("p50(makespan)"))

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["9 sessions were cut off before the end, so not all makespans are known"]


def test_makespans_are_held_to_recorded_ones_over_sessions_that_are_whole_on_both_sides():
    records = []
    for s in range(400):
        status = 503 if s % 2 else 200
        for k in range(2):
            records.append(
                step(
                    f"s{s}",
                    1000.0,
                    k,
                    at_ms=s * 3000 + k * 1000,
                    recorded_ms=1000.0,
                    recorded_at_ms=k * 1000.0,
                    recorded_status=status if k else 200,
                )
            )
    said = summary()
    said.trace.resolution_ms = 0.0
    run = Evidence(said, columns_of([records]), "run")

    found = check("p50(makespan) < recorded * 1.2", run)

    assert (found.observed_ms, found.limit_ms, found.n, found.verdict) == (2000.0, 2400.0, 200, "pass")
    assert [len(side) for side in makespans_beside(run)] == [200, 200]
    difference = compare_with_recording(run, parse_metric("p50(makespan)")).differences[0]
    assert (difference.a_ms, difference.b_ms, difference.n_a, difference.n_b) == (2000.0, 2000.0, 200, 200)


def test_nothing_recorded_shows_how_long_the_sessions_that_were_cut_off_would_have_taken(rng):
    fields = {"recorded_ms": 100.0, "recorded_at_ms": 9_900.0, "recorded_status": 200}
    records = []
    for s in range(400):
        last = step(f"s{s}", 100.0 + rng.random(), 1, at_ms=s * 1000.0 + 9_900, **fields)
        records += [
            step(f"s{s}", 100.0, 0, at_ms=s * 1000.0, recorded_ms=100.0, recorded_status=200),
            unsent(last) if s < 9 else last,
        ]
    run = Evidence(summary(), columns_of([records]), "run")

    assert check("p50(makespan) < recorded * 1.2", run).verdict == "inconclusive"
    assert check("p50(makespan) < recorded * 1.2", run).n == 391
    assert check("p50(makespan) < recorded * 0.8", run).verdict == "fail"


def streams(ttft_ms, recorded_ttft_ms, resolution=0.0, tokens=10, **fields):
    records = []
    for n, (seen, was) in enumerate(zip(ttft_ms, recorded_ttft_ms, strict=True)):
        one = step(
            f"s{n}",
            10_000.0,
            n,
            kind="llm",
            recorded_ms=10_000.0,
            recorded_ttft_ms=was,
            recorded_output_tokens=tokens,
            recorded_status=200,
            stream=True,
            streamed=True,
            tokens=tokens,
            **fields,
        )
        one.first_token_ns = None if seen is None else one.sent_ns + int(seen * 1e6)
        one.last_token_ns = one.end_ns
        records.append(one)
    said = summary()
    said.trace.resolution_ms = resolution
    return Evidence(said, columns_of([records]), "run")


def test_times_to_a_token_are_compared_over_the_steps_that_have_one_on_both_sides(rng):
    slow = np.arange(2000) % 2 == 1
    seen = np.where(slow, 500.0, 100.0) + rng.random(2000)
    recorded = [None if is_slow else 100.5 for is_slow in slow.tolist()]
    missing = [None if n % 4 == 0 else float(ms) for n, ms in enumerate(seen)]

    one = compare_with_recording(streams(seen, recorded), parse_metric("p90(ttft)")).differences[0]
    whole = streams(missing, recorded)
    unasked = Evidence(whole.summary, whole.columns._replace(stream=np.zeros(2000, np.bool_)), "run")
    other, answered_whole = (
        compare_with_recording(run, parse_metric("p90(ttft)")).differences[0] for run in (unasked, whole)
    )

    assert (one.n_a, one.n_b, one.verdict) == (1000, 1000, "no_difference")
    assert (other.n_a, other.n_b) == (500, 500)
    # What was asked for as a stream and brought no token has its end for one.
    assert (answered_whole.n_a, answered_whole.n_b, answered_whole.b_ms) == (1000, 1000, 10_000.0)


def test_what_was_answered_is_compared_with_the_same_steps_of_the_recording():
    records = [
        step(f"s{n}", 10.0 if n % 2 else 1000.0, n, recorded_ms=10.0 if n % 2 else 1000.0, recorded_status=200)
        for n in range(400)
    ]
    for record in records[::2]:
        record.outcome, record.status, record.error = "failed", 503, "status_5xx"
    run = Evidence(summary(), columns_of([records]), "run")

    difference = compare_with_recording(run, parse_metric("mean")).differences[0]

    assert (difference.a_ms, difference.b_ms, difference.n_a, difference.n_b) == (10.0, 10.0, 200, 200)


@pytest.mark.parametrize(
    ("measure", "plain", "shorter", "longer"), [("ttft", 2000, 1000, 3000), ("tpot", 889, 778, 1000)]
)
def test_every_recorded_time_is_as_coarse_as_the_recordings_clock(measure, plain, shorter, longer):
    run = streams([2000.0] * 50, [2000.0] * 50, resolution=1000.0)

    def recorded(shift_ms):
        columns = pair(run, shift_ms)[0].columns
        return round(float(measured(columns, measure, np.ones(columns.n, np.bool_)).sample.values.mean()))

    assert [recorded(shift) for shift in (0.0, -1000.0, 1000.0)] == [plain, shorter, longer]


def test_a_time_to_first_token_within_the_recordings_resolution_decides_nothing(rng):
    found = check(
        "p50(ttft) < recorded * 1.1", streams(2500 + rng.random(1000), [2000.0] * 1000, resolution=1000.0)
    )

    assert found.verdict == "inconclusive"
    assert found.reason.startswith("would fail, but the recording's times are only good to 1 s")


def timeouts(n, of, limit_ms=30_000.0):
    records = [
        step(
            f"s{k}",
            limit_ms if k < n else 100.0,
            k,
            outcome="failed",
            error="timeout" if k < n else "reset",
            censored=k < n,
        )
        for k in range(of)
    ]
    return Evidence(summary(), columns_of([records]), "run")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("max(failed) < 31s", "inconclusive"),
        ("max(failed) < 29s", "fail"),
        ("max(failed) > 29s", "pass"),
        ("max(failed) > 31s", "inconclusive"),
        ("min(failed) < 31s", "inconclusive"),
        ("min(failed) > 29s", "pass"),
        ("share(response < 31s, failed) >= 99%", "inconclusive"),
        ("share(response < 31s, failed) >= 0.1%", "inconclusive"),
        ("share(response > 31s, failed) == 0%", "inconclusive"),
        ("share(response > 29s, failed) >= 99%", "pass"),
        ("p99(failed) < 31s", "inconclusive"),
        ("p99(failed) < 29s", "fail"),
        ("mean(failed) < 31s", "inconclusive"),
    ],
)
def test_a_time_limit_is_no_time_that_a_step_took(text, verdict):
    found = check(text, timeouts(2000, of=2000))

    assert found.verdict == verdict
    if verdict == "inconclusive":
        assert found.reason == "steps that ended at a time limit took at least 30 s, and may have taken more"


def test_time_limits_that_the_figure_does_not_depend_on_change_nothing():
    few = timeouts(20, of=2000)

    assert check("p50(failed) < 1s", few).verdict == "pass"
    assert check("min(failed) < 1s", few).verdict == "pass"
    assert check("share(response < 1s, failed) >= 90%", few).verdict == "pass"
