"""A target that goes cold after a known idle time, with a known boot time, and traps that look like it."""

import numpy as np
import pytest

from replay.judge.coldstart import judge_coldstart
from replay.results.columns import columns_of
from tests.judge.conftest import Evidence, step, summary

KEEP_ALIVE_S, BOOT_MS = 60.0, 700.0


def visited(rng, says, gaps_s, per_wave=3):
    """Waves of steps after these idle times, against a target that boots when it was idle for too long."""
    records, at_ms, cold_count = [], 0.0, 0
    for wave, gap_s in enumerate(gaps_s):
        at_ms += gap_s * 1000
        is_cold = wave == 0 or gap_s > KEEP_ALIVE_S
        boot_ms = BOOT_MS if is_cold else 0.0
        end_ms = at_ms
        for n in range(per_wave):
            # The later steps of a wave come while the target still boots, and share its boot.
            start_ms = at_ms + n * 2
            took_ms = float(rng.gamma(20, 1)) + max(0.0, boot_ms - n * 2)
            fields = {}
            if says == "header":
                fields["cold"] = is_cold
            if says == "instance":
                fields["instance"] = f"i-{cold_count + is_cold}"
            records.append(step(f"s-{wave}", took_ms, n, at_ms=start_ms, **fields))
            first_byte = records[-1].end_ns
            records[-1].first_byte_ns = first_byte
            end_ms = max(end_ms, start_ms + took_ms)
        cold_count += is_cold
        at_ms = end_ms
    expected = per_wave * sum(gap > KEEP_ALIVE_S for gap in gaps_s[1:])
    return Evidence(summary(), columns_of([records]), "run"), expected


@pytest.fixture
def gaps_s(rng):
    return [1.0, *np.exp(rng.uniform(np.log(0.5), np.log(400), 300)).tolist()]


def test_with_a_cold_header_the_count_is_exact(rng, gaps_s):
    run, expected = visited(rng, "header", gaps_s)

    verdict = judge_coldstart(run)

    assert (verdict.cold.method, verdict.cold.confidence) == ("header", "certain")
    assert verdict.cold.count == expected + 3  # the very first wave boots as well
    assert verdict.cold.added_ms == pytest.approx(BOOT_MS, rel=0.05)


@pytest.mark.parametrize("says", ["instance", None])
def test_without_it_the_count_is_within_five_percent(rng, gaps_s, says):
    run, expected = visited(rng, says, gaps_s)

    verdict = judge_coldstart(run)

    assert verdict.cold.method == ("instance" if says else "inferred")
    assert verdict.cold.confidence == "high"
    assert verdict.cold.count == pytest.approx(expected, rel=0.05)
    assert verdict.cold.added_ms == pytest.approx(BOOT_MS, rel=0.05)
    low, high = verdict.keep_alive_s
    assert low == pytest.approx(KEEP_ALIVE_S, rel=0.1)
    assert high == pytest.approx(KEEP_ALIVE_S, rel=0.1)


def test_the_curve_rises_where_the_target_goes_cold(rng, gaps_s):
    run, _ = visited(rng, None, gaps_s)

    curve = judge_coldstart(run).idle_curve

    assert all(bucket.share == 0 for bucket in curve if bucket.to_s <= KEEP_ALIVE_S)
    assert all(bucket.share == 1 for bucket in curve if bucket.idle_s >= KEEP_ALIVE_S)
    assert all(bucket.ci[0] <= bucket.share <= bucket.ci[1] for bucket in curve)
    assert sum(bucket.n for bucket in curve) == 300


def test_the_tail_says_what_of_it_is_cold(rng):
    gaps = [1.0] * 400
    gaps[200] = 100.0
    gaps[300] = 100.0
    run, _ = visited(rng, "header", gaps, per_wave=1)

    tail = judge_coldstart(run).tail

    assert tail.p99_cold_share == pytest.approx(3 / 5, abs=0.01)
    assert tail.p99_without_cold_ms < 60
    assert tail.p99_ms < 100


def test_slow_steps_that_do_not_follow_idle_times_are_not_cold(rng):
    """A queue, or a slow dependency: every tenth step is slow, whatever came before it."""
    records = []
    at_ms = 0.0
    for n in range(600):
        at_ms += float(np.exp(rng.uniform(np.log(50), np.log(100_000))))
        took_ms = 800.0 if rng.random() < 0.1 else 20.0
        records.append(step(f"s-{n}", took_ms + rng.random(), n, at_ms=at_ms))
        at_ms += took_ms

    verdict = judge_coldstart(Evidence(summary(), columns_of([records]), "run"))

    assert verdict.cold.count == 0
    assert verdict.cold.confidence == "none"
    assert "something else" in verdict.cold.why


def test_a_step_name_that_is_slow_by_nature_is_not_cold(rng):
    records = []
    for n in range(300):
        records.append(step(f"s-{n}", 20 + rng.random(), 0, at_ms=n * 3000, name="quick"))
        records.append(step(f"s-{n}", 900 + 20 * rng.random(), 1, at_ms=n * 3000 + 100, name="slow"))

    verdict = judge_coldstart(Evidence(summary(), columns_of([records]), "run"))

    assert verdict.cold.count == 0


def test_our_own_new_connection_is_not_the_targets_cold_start(rng):
    """Time to connect comes before a request is sent, and so is no part of its service time."""
    records = []
    for n in range(200):
        intended_ms, connect_ms = n * 5000.0, 300.0 if n % 4 == 0 else 0.0
        record = step(f"s-{n}", 20 + rng.random() + connect_ms, n, at_ms=intended_ms)
        record.sent_ns = int((intended_ms + connect_ms) * 1e6)
        record.first_byte_ns = record.end_ns
        records.append(record)

    assert judge_coldstart(Evidence(summary(), columns_of([records]), "run")).cold.count == 0


def test_a_run_without_steps_says_so():
    verdict = judge_coldstart(Evidence(summary(), columns_of([[]]), "run"))

    assert (verdict.cold.method, verdict.cold.count, verdict.idle_curve) == ("none", 0, [])
