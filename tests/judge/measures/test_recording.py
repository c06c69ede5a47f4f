"""A run held to its own recording: as fast, slower, too coarse to tell; and how often that is wrong."""

import msgspec
import numpy as np
import pytest

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.recorded import compare_with_recording
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.recording import pair, resolution_ms
from replay.judge.measures.slo import parse_slo
from replay.judge.measures.slo_tokens import SloError
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def replayed(took_ms, factor=1.0, noise=0.0, per_session=1, rng=None, resolution=1.0, **fields):
    """A run in which each step took so many times as long as recorded, give or take."""
    took_ms = np.asarray(took_ms, float)
    seen = took_ms * factor
    if noise:
        seen = seen * np.exp(rng.normal(0, noise, len(seen)))
    records = [
        step(f"s-{n // per_session}", float(ms), n, recorded_ms=float(was), **fields)
        for n, (ms, was) in enumerate(zip(seen, took_ms, strict=True))
    ]
    said = summary()
    said = msgspec.structs.replace(said, trace=msgspec.structs.replace(said.trace, resolution_ms=resolution))
    return Evidence(said, columns_of([records]), "r")


def check(text, run):
    (found,) = judge_gate([parse_slo(text)], run).checks
    return found


@pytest.mark.parametrize("slo", ["p99 < recorded * 1.05", "p50 < recorded * 1.05", "mean < recorded * 1.05"])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.1, "fail"), (0.8, "pass")])
def test_a_run_is_held_to_what_its_own_steps_took(rng, slo, factor, verdict):
    took = np.exp(rng.normal(5, 0.8, 1500))

    assert check(slo, replayed(took, factor, 0.01, rng=rng)).verdict == verdict


def test_the_limit_is_the_recordings_own_figure():
    found = check("p50 < recorded * 1.2 ", replayed(np.arange(1, 1001)))

    assert (found.observed_ms, found.limit_ms, found.n) == (500.0, 600.0, 1000)


def test_at_the_limit_itself_it_is_seldom_decided(rng):
    decided = {"pass": 0, "fail": 0, "inconclusive": 0}
    for _ in range(100):
        took = np.exp(rng.normal(5, 0.8, 1000))
        decided[check("p90 < recorded * 1.05", replayed(took, 1.05, 0.02, 4, rng)).verdict] += 1

    # Two and a half percent a side, and four standard errors of that.
    most = 100 * 0.025 + 4 * (100 * 0.025 * 0.975) ** 0.5
    assert max(decided["pass"], decided["fail"]) <= most


def test_failures_are_infinitely_slow_here_too(rng):
    took = np.full(1000, 50.0)
    run = replayed(took, 0.5)
    columns = run.columns._replace(ok=np.arange(1000) % 20 > 0)
    run = msgspec.structs.replace(run, columns=columns)

    assert check("p99 < recorded * 1.05", run).verdict == "fail"
    assert check("p99(answered) < recorded * 1.05", run).verdict == "pass"


def test_steps_that_failed_by_chance_in_the_recording_are_left_out():
    quick = [step(f"s-{n}", 50.0, n, recorded_ms=50.0, recorded_status=200) for n in range(900)]
    broken = [step(f"t-{n}", 50.0, n, recorded_ms=1.0, recorded_status=503) for n in range(100)]
    run = Evidence(summary(), columns_of([quick + broken]), "r")

    found = check("p50 < recorded * 1.05", run)

    assert (found.n, found.limit_ms, found.verdict) == (900, 52.5, "pass")
    assert check("errors <= recorded", run).limit == 10.0


def counted_steps(failed, failed_in_recording):
    records = []
    for n, (bad, was_bad) in enumerate(zip(failed, failed_in_recording, strict=True)):
        said = {"outcome": "failed", "status": 503, "error": "status_5xx"} if bad else {}
        records.append(step(f"s-{n}", 5.0, n, recorded_ms=5.0, recorded_status=503 if was_bad else 200, **said))
    return Evidence(summary(), columns_of([records]), "r")


@pytest.mark.parametrize(
    "text",
    [
        "errors < recorded * 1.2",
        "errors < recorded",
        "errors <= recorded",
        "share(response < 500ms) > recorded",
        "share(response < 500ms) >= recorded",
        "share(response > 500ms) < recorded * 1.2",
    ],
)
def test_a_clean_run_does_not_fail_against_a_clean_recording(text):
    clean = counted_steps([False] * 3000, [False] * 3000)

    assert check(text, clean).verdict == "inconclusive"
    assert check("errors < recorded + 0.5%", clean).verdict == "pass"


@pytest.mark.parametrize("share", [0.002, 0.03])
def test_at_the_error_rate_of_its_recording_a_run_is_rarely_decided(rng, share):
    decided = []
    for _ in range(100):
        failed, was = rng.random(500) < share, rng.random(500) < share
        decided.append(check("errors < recorded", counted_steps(failed, was)).verdict)

    for side in ("pass", "fail"):
        assert decided.count(side) <= 100 * 0.025 + 4 * (100 * 0.025) ** 0.5


def test_a_run_with_far_more_errors_than_its_recording_fails(rng):
    assert (
        check("errors < recorded * 1.2", counted_steps(rng.random(1000) < 0.1, [False] * 1000)).verdict
        == "fail"
    )


@pytest.mark.parametrize("stated", [1000.0, None])
def test_whole_second_stamps_decide_nothing_that_lies_within_a_second(rng, stated):
    took = 1000.0 * rng.integers(1, 4, 1000)

    found = check("p99 < recorded * 1.05", replayed(took, 1.0, 0.01, rng=rng, resolution=stated))

    assert found.verdict == "inconclusive"
    assert found.reason == (
        "would pass, but the recording's times are only good to 1 s, so the limit lies anywhere from "
        "2.1 s to 4.2 s"
    )


def test_whole_second_stamps_decide_what_lies_far_beyond(rng):
    took = 1000.0 * rng.integers(20, 40, 1000)

    assert check("p99 < recorded * 1.05", replayed(took, 2.0)).verdict == "fail"


def test_the_resolution_is_as_stated_and_whole_seconds_show_where_it_is_not(rng):
    assert resolution_ms(replayed(1000.0 * rng.integers(1, 4, 50), resolution=None)) == 1000.0
    assert resolution_ms(replayed(10.0 * rng.integers(1, 99, 50), resolution=None)) == 0.0
    assert resolution_ms(replayed(1000.0 * rng.integers(1, 4, 50), resolution=1.0)) == 1.0
    assert resolution_ms(replayed([1000.0] * 5, resolution=None)) == 0.0


@pytest.mark.parametrize(
    ("slo", "reason"),
    [
        (
            "p99 < recorded * 1.2",
            "the recording has no durations to compare it with: its steps would have them as took_ms",
        ),
        (
            "errors < recorded + 1%",
            "the recording has no statuses to compare it with: its steps would have them as recorded.status",
        ),
    ],
)
def test_a_trace_without_recorded_figures_decides_nothing(slo, reason):
    run = Evidence(summary(), columns_of([[step(f"s-{n}", 5.0, n) for n in range(500)]]), "r")

    assert (check(slo, run).verdict, check(slo, run).reason) == ("inconclusive", reason)


def test_makespans_are_not_held_to_recorded_ones_where_the_gaps_were_changed():
    run = replayed(np.full(500, 50.0))
    hurried = msgspec.structs.replace(
        run, summary=msgspec.structs.replace(run.summary, removed_s={"speed": 3.0})
    )

    assert check("p50(makespan) < recorded * 1.05", run).verdict == "pass"
    assert check("p50(makespan) < recorded * 1.05", hurried).verdict == "inconclusive"


def test_times_to_first_token_are_held_to_recorded_ones(rng):
    records = [
        step(
            f"s-{n}", 100.0, n, kind="llm", first_token_ns=int((n * 10 + 30) * 1e6), last_token_ns=int((n * 10 + 90) * 1e6),
            tokens=11, stream=True, recorded_ms=100.0, recorded_ttft_ms=20.0, recorded_output_tokens=11,
        )
        for n in range(500)
    ]  # fmt: skip
    run = Evidence(summary(), columns_of([records]), "r")

    assert check("p50(ttft) < recorded * 1.2", run).verdict == "fail"
    assert check("p50(tpot) < recorded * 1.2", run).limit_ms == pytest.approx(9.6)


def test_no_rate_is_held_to_a_recorded_one_where_tokens_were_thought_and_not_shown():
    records = [
        step(
            f"s-{n}", 100.0, n, kind="llm", first_token_ns=int((n * 10 + 30) * 1e6), last_token_ns=int((n * 10 + 90) * 1e6),
            tokens=11, output_tokens=111, hidden_tokens=100, stream=True, recorded_ms=100.0, recorded_ttft_ms=20.0,
            recorded_output_tokens=111,
        )
        for n in range(500)
    ]  # fmt: skip
    run = Evidence(summary(), columns_of([records]), "r")

    assert check("p50(tpot) < recorded * 1.2", run).verdict == "inconclusive"
    assert check("p50(ttft) < recorded * 1.2", run).verdict == "fail"


@pytest.mark.parametrize(
    ("slo", "message"),
    [
        ("rate >= recorded * 0.9", "a recording has no rate to compare it with"),
        ("p99(lag) < recorded", "a recording has no lag to compare it with"),
        ("max < recorded", "a recording has no max to compare it with"),
        ("p99(failed) < recorded", "a recording does not tell failures apart"),
        ("errors(timeout) < recorded", "a recording does not tell failures apart"),
    ],
)
def test_what_a_recording_does_not_have_is_refused(slo, message):
    with pytest.raises(SloError, match=message):
        parse_slo(slo)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "no_difference"), (1.2, "a_faster"), (0.8, "b_faster")])
def test_a_run_is_compared_with_its_recording_as_with_another_target(rng, factor, verdict):
    found = compare_with_recording(replayed(np.exp(rng.normal(5, 0.5, 1500)), factor, 0.01, 2, rng))

    assert found.verdict == verdict
    assert [target.name for target in found.targets] == ["recorded", "x"]


def test_a_comparison_with_a_coarse_recording_is_open(rng):
    found = compare_with_recording(
        replayed(1000.0 * rng.integers(1, 4, 800), 1.3, 0.01, rng=rng, resolution=None)
    )

    assert found.verdict == "inconclusive"
    assert "only good to 1 s" in found.reasons[0]


def test_a_comparison_without_a_recording_is_open():
    run = Evidence(summary(), columns_of([[step("s", 5.0)]]), "r")

    assert pair(run) is None
    assert compare_with_recording(run, Metric("p50")).reasons == [
        "the trace has no recorded durations to compare the run with"
    ]


def copied(rng, factor=1.0005, copies=3, steps=8, sessions=40):
    """A run of copies that start together, as --scale makes them, in which each step took this much of its time."""
    took = 300 * np.exp(rng.normal(0, 0.7, (sessions, steps)))
    records, n = [], 0
    for session in range(sessions):
        for place in range(steps):
            for copy in range(copies):
                ms = float(took[session, place])
                said = {"at_ms": session * 900.0 + place * 100, "recorded_ms": ms}
                records.append(step(f"s-{session}#{copy}", ms * factor + rng.exponential(0.2), n, **said))
                n += 1
    said = summary()
    said = msgspec.structs.replace(said, trace=msgspec.structs.replace(said.trace, resolution_ms=0.0))
    return Evidence(said, columns_of([records]), "r")


def test_copies_of_a_trace_are_no_queue(rng):
    """Copies start together and take the same times, so that each step seemed to depend on those before it, and the
    difference was told to lie within [-25.5, +25.1] s.
    """
    verdict = compare_with_recording(copied(rng))

    slowest_ms = 300 * np.exp(0.7 * 3.5)
    for found in verdict.differences:
        assert found.ci_ms is None or max(map(abs, found.ci_ms)) < slowest_ms / 2, found
    assert compare_with_recording(copied(rng), Metric("p50")).verdict == "no_difference"
    assert check("p99 < recorded * 1.5", copied(rng)).verdict == "pass"
    assert check("p50 < recorded * 1.05", copied(rng, factor=1.2)).verdict == "fail"


def test_a_difference_that_is_not_clear_says_how_many_more_steps_it_takes(rng):
    verdict = compare_with_recording(copied(rng, factor=1.02, sessions=20), Metric("p99"))

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == [
        "neither a difference nor its absence can be shown: too few steps lie beyond this percentile: replay at 2 times "
        "the --scale"
    ]
    wide = compare_with_recording(
        replayed(300 * np.exp(rng.normal(0, 0.7, 600)), 1.04, 0.3, 4, rng), Metric("p50")
    )
    assert wide.verdict == "inconclusive"
    assert wide.reasons[0].startswith("neither a difference nor its absence can be shown: about ")
    assert "times as many steps would settle it, with a larger --scale" in wide.reasons[0]
