"""How much a run without a cold start says: what would have shown in it does, and what would not does not."""

import numpy as np
import pytest

from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.cold.missed import what_is_missed
from replay.judge.cold.waves import find_waves
from replay.report.words.outlines import stays_warm
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def visited(seed, spread, boot_ms=0.0, waves=300, goes_cold_s=60.0):
    """Requests after idle times from half a second to a hundred, of a target whose answers vary by this spread."""
    rng = np.random.default_rng(seed)
    records, at_ms = [], 0.0
    for wave in range(waves):
        gap_s = float(np.exp(rng.uniform(np.log(0.5), np.log(100))))
        at_ms += gap_s * 1000
        took_ms = 44 * np.exp(spread * rng.normal()) + (boot_ms if gap_s > goes_cold_s else 0.0)
        records.append(step(f"s-{wave}", took_ms, 0, at_ms=at_ms))
        at_ms += took_ms
    return Evidence(summary(), columns_of([records]), "run")


def missed_in(run):
    sent = run.columns.ok
    return what_is_missed(run.columns, sent, find_waves(run.columns, sent))


@pytest.mark.parametrize("spread", [0.05, 0.3, 0.8])
def test_what_is_told_to_show_is_found_and_a_quarter_of_it_is_not(spread):
    quiet = visited(3, spread)
    missed = missed_in(quiet)

    for seed in range(4):
        assert judge_coldstart(visited(seed, spread, 2 * missed.found_from_ms)).cold.count > 0
        assert judge_coldstart(visited(seed, spread, missed.found_from_ms / 4)).cold.count == 0
    assert 30 < missed.at_least_s < 100


def test_a_verdict_that_found_none_says_what_it_could_not_have():
    verdict = judge_coldstart(visited(3, 0.3))

    assert verdict.notes == [
        "a boot that adds less than about 40 ms would not show here, even if the target went cold after 52.5 s without "
        "a request"
    ]
    assert verdict.missed_by_times
    assert stays_warm(verdict) == "nothing shows that it goes cold within 99.9 s without a request"


def test_a_target_that_was_hardly_ever_idle_tells_nothing():
    [note] = judge_coldstart(visited(3, 0.3, waves=8)).notes

    assert note == "the target was hardly ever idle, so this run says nothing of what idle time does to it"


def test_where_cold_starts_were_found_nothing_is_said_of_missed_ones():
    verdict = judge_coldstart(visited(3, 0.3, 500.0))

    assert not verdict.missed_by_times
    assert verdict.notes == []
    assert stays_warm(verdict).startswith("it stays warm for between ")


def test_where_times_vary_without_end_no_boot_would_show(monkeypatch):
    monkeypatch.setattr("replay.judge.cold.missed._LONGEST_MS", 10.0)

    [note] = judge_coldstart(visited(3, 2.0)).notes

    assert note.startswith("no boot would show here, even if the target went cold after ")
