"""A replay that was too little like its recording decides nothing about times, and everything about failures."""

import msgspec
import pytest

from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.results.summary_types import Fidelity
from tests.support.runs import step, summary

HALF = Fidelity(ratio=0.5, sessions=1.0, output_tokens=0.5)


def run(fidelity, failed=0, n=1000):
    records = [step(f"s-{i}", 10.0, i) for i in range(n - failed)]
    # All over the run: a hundred in a row would be one event.
    records += [
        step(f"f-{i}", 1.0, i, at_ms=i * 10 * n / failed, outcome="failed", error="status_5xx")
        for i in range(failed)
    ]
    said = msgspec.structs.replace(summary(failed=failed), fidelity=fidelity)
    return Evidence(said, columns_of([records]), "r")


def verdicts(evidence, *slos, **options):
    found = judge_gate([parse_slo(slo) for slo in slos], evidence, **options)
    return [check.verdict for check in found.checks]


def test_a_server_that_stops_early_is_not_fast():
    (check,) = judge_gate([parse_slo("p99 < 20ms")], run(HALF)).checks

    assert check.verdict == "inconclusive"
    assert check.reason == (
        "would pass, but the replay was unlike the recording: of the numbers of output tokens, counted and recorded, "
        "the smaller is 50% of the larger"
    )


def test_nor_is_it_slow():
    assert verdicts(run(HALF), "p99 < 5ms") == ["inconclusive"]


def test_failures_are_failures_all_the_same():
    assert verdicts(run(HALF, failed=100), "errors < 1%", "p99 < 20ms", "p50 < 20ms") == [
        "fail",
        "fail",
        "inconclusive",
    ]


def test_the_level_can_be_lowered_and_switched_off():
    assert verdicts(run(HALF), "p99 < 20ms", least_fidelity=0.5) == ["pass"]
    assert verdicts(run(HALF), "p99 < 20ms", least_fidelity=0.0) == ["pass"]


@pytest.mark.parametrize("fidelity", [None, Fidelity(), Fidelity(ratio=0.9, statuses=0.9)])
def test_what_is_like_the_recording_or_has_none_is_judged(fidelity):
    assert verdicts(run(fidelity), "p99 < 20ms") == ["pass"]


def test_a_comparison_with_such_a_replay_is_inconclusive():
    found = judge_compare(
        Side("a", [run(Fidelity(ratio=1.0))]), Side("b", [run(HALF)]), "paired", Metric("p50")
    )

    assert found.verdict == "inconclusive"
    assert "the smaller is 50% of the larger" in found.reasons[0]
