"""A run that is ended by a rule: in time, with its files finished and its counts whole."""

import json
from operator import itemgetter

import pytest

from replay.engine.counting import Progress
from replay.engine.types import RunOptions
from replay.judge.gate.abort import parse_abort
from replay.judge.measures.slo import parse_slo
from replay.target.target import Target
from replay.trials.aborting import AbortWatch, replay_one
from replay.trials.compare import compare_targets
from replay.trials.endings import concluded
from replay.trials.evidence import read_verdict
from replay.trials.gate.trial import gate_run, gate_trace

RULE = parse_abort("errors > 20% over 1s")
OPTIONS = RunOptions(grace_s=0.5)


@pytest.fixture
def failing(write_trace):
    """Two minutes of requests that all fail."""
    get = write_trace.get
    return write_trace(*[(n * 20.0, [get("a", "/?do=503", name="call")]) for n in range(6_000)])


@pytest.fixture
def target(truth):
    return Target(url=truth.url, name="truth")


def test_a_run_is_ended_by_its_rule_and_everything_is_counted(failing, target, tmp_path):
    outcome = replay_one(failing, target, OPTIONS, tmp_path / "run", aborts=[RULE])

    summary = outcome.summary
    assert summary.status == "interrupted"
    assert summary.ended.by == "aborted"
    assert summary.ended.why.startswith("errors > 20% over 1s: errors 100% of ")
    counts = summary.counts
    assert counts.ok + counts.failed + counts.unsent == counts.steps == 6_000
    assert counts.unsent_reasons == {"aborted": counts.unsent}
    assert counts.unsent > 0
    assert outcome.ended_early is None
    assert concluded(summary.status, ended=summary.ended) == "fail"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ended"]["by"] == "aborted"
    assert f"ended by --abort: {summary.ended.why}" in summary.notes


def test_a_gate_whose_run_was_ended_so_fails_and_does_so_when_it_is_judged_again(failing, target, tmp_path):
    slos = [parse_slo("rate > 0/s")]

    outcome = gate_trace(failing, target, slos, OPTIONS, out=tmp_path / "run", aborts=[RULE])

    assert outcome.ended.by == "aborted"
    for verdict in (outcome.verdict, gate_run(tmp_path / "run", slos), read_verdict(tmp_path / "run")):
        assert verdict.verdict == "fail"
        assert verdict.reasons == [f"not ended by --abort: {outcome.ended.why}"]


def test_a_comparison_says_nothing_if_the_rule_held_for_any_of_its_targets(failing, target, tmp_path):
    other = Target(url=target.url, name="other")

    outcome = compare_targets(failing, [target, other], OPTIONS, out=tmp_path / "out", aborts=[RULE])

    assert outcome.verdict.verdict == "inconclusive"
    assert concluded(outcome.status, "inconclusive", ended=outcome.ended) == "fail"


def test_a_run_for_which_no_rule_holds_goes_on_to_its_end(write_trace, target, tmp_path):
    trace = write_trace(*[(n * 100.0, [write_trace.get("a")]) for n in range(20)])

    summary = replay_one(trace, target, OPTIONS, tmp_path / "run", aborts=[RULE]).summary

    assert (summary.status, summary.ended, summary.counts.ok) == ("finished", None, 20)


def test_a_pause_of_the_trace_is_no_rate_of_its_target(write_trace, target, tmp_path):
    starts_ms = [*range(0, 1_000, 50), *range(4_500, 5_500, 50)]
    trace = write_trace(*[(start_ms, [write_trace.get("a")]) for start_ms in starts_ms])

    rules = [parse_abort("rate < 2/s over 1s")]
    summary = replay_one(trace, target, RunOptions(), tmp_path / "run", aborts=rules).summary

    assert (summary.status, summary.ended, summary.counts.ok) == ("finished", None, 40)


def test_a_pause_of_its_own_steps_is_no_rate_of_them_whatever_others_go_on(write_trace, target, tmp_path):
    """Tools are called all the time, and several are always in flight."""
    get = write_trace.get
    starts_ms = [*range(0, 1_000, 50), *range(4_500, 5_500, 50)]
    calls = [(at_ms, [get("a", kind="http")]) for at_ms in starts_ms]
    tools = [(at_ms, [get("a", "/?ms=1000")]) for at_ms in range(0, 5_500, 200)]
    trace = write_trace(*sorted([*calls, *tools], key=itemgetter(0)))

    rules = [parse_abort("errors > 50% over 1s"), parse_abort("rate(http) < 2/s over 1s")]
    summary = replay_one(trace, target, RunOptions(), tmp_path / "run", aborts=rules).summary

    assert (summary.status, summary.ended, summary.counts.failed) == ("finished", None, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_its_own_steps_that_hang_are_told_whatever_others_are_answered(write_trace, target, tmp_path, workers):
    get = write_trace.get
    calls = [(n * 500.0, [get("a", "/?ms=60000", kind="http")]) for n in range(600)]
    tools = [(n * 100.0, [get("a")]) for n in range(3_000)]
    trace = write_trace(*sorted([*calls, *tools], key=itemgetter(0)))

    rules = [parse_abort("rate(http) < 1/s over 1s")]
    options = RunOptions(grace_s=0.5, workers=workers)
    summary = replay_one(trace, target, options, tmp_path / "run", aborts=rules).summary

    assert summary.ended.why.startswith("rate(http) < 1/s over 1s: rate http 0/s of ")


def test_a_target_that_hangs_is_told_by_its_rate(write_trace, target, tmp_path):
    trace = write_trace(*[(n * 500.0, [write_trace.get("a", "/?ms=60000")]) for n in range(600)])

    rules = [parse_abort("rate < 1/s over 1s")]
    summary = replay_one(trace, target, OPTIONS, tmp_path / "run", aborts=rules).summary

    assert summary.ended.why.startswith("rate < 1/s over 1s: rate 0/s of ")
    assert summary.counts.unsent > 0


def test_a_run_is_not_left_unwatched(monkeypatch, tmp_path):
    monkeypatch.setattr("replay.trials.aborting._MODULE", "replay.trials.no_such_module")

    progress = Progress()
    progress.start_ns = 1
    with AbortWatch([RULE]) as watch:
        watch.begin(tmp_path, progress)
        while (why := watch.is_met()) is None:
            pass

    assert why == "the process that watched for it ended by itself, so nothing would have ended the run"
