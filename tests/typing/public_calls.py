"""How a program that is checked by mypy uses the public names; mypy reads this file with the package, nothing runs it."""

from pathlib import Path
from typing import assert_type

import numpy as np

import replay
from replay.engine.run import Outcome
from replay.judge.tail.explain import ExplainVerdict
from replay.judge.types import Decision
from replay.money.month import RunCost
from replay.results.histogram import Histogram
from replay.results.manifest_types import Manifest
from replay.results.summary_types import Summary
from replay.results.types import StepRecord
from replay.trace.profile.shape import TraceProfile
from replay.trace.synthesis.writing import Made
from replay.trace.types import Header, Session
from replay.trials.ceiling import CeilingOutcome
from replay.trials.coldstart.probing import ProbeOutcome
from replay.trials.compare import CompareOutcome
from replay.trials.gate.trial import GateOutcome
from replay.trials.pilot.trial import PilotOutcome

TRACE, TARGET = Path("trace.jsonl"), replay.Target(url="http://127.0.0.1:8080", name="mine")


def runs() -> None:
    outcome = replay.run(TRACE, TARGET, speed=4, duration_s=60, budget="5USD", out="runs/x")
    assert_type(outcome, Outcome)
    assert_type(outcome.summary, Summary)
    assert_type(replay.simulate("trace.jsonl", "plane.toml", scale=10), Outcome)
    replay.run(TRACE, TARGET, sped=4)  # type: ignore[call-arg]
    replay.run(TRACE, TARGET, speed="fast")  # type: ignore[arg-type]
    replay.run(TRACE)  # type: ignore[call-arg]


async def awaited() -> None:
    assert_type(await replay.arun(TRACE, TARGET, timing="recorded"), Outcome)


def verdicts() -> None:
    gated = replay.gate(TRACE, "http://127.0.0.1:8080", slos=["p99 < 800ms"])
    assert_type(gated, GateOutcome)
    assert_type(gated.verdict.verdict, Decision)
    assert_type(replay.gate(run="runs/x", slos=["p99 < 800ms"]), GateOutcome)
    assert_type(replay.compare(TRACE, [TARGET, "other.toml"], metric="p50"), CompareOutcome)
    assert_type(replay.compare(runs=["runs/x", Path("runs/y")]), CompareOutcome)
    assert_type(replay.ceiling(TRACE, TARGET, slos=["p99 < 800ms"], level_s=5), CeilingOutcome)
    assert_type(replay.coldstart(TARGET, most_s=20), ProbeOutcome)
    assert_type(replay.coldstart(run="runs/x"), ProbeOutcome)
    assert_type(replay.explain("runs/x"), ExplainVerdict)
    assert_type(replay.cost("runs/x", prices=["cloud-run-us-central1"]), RunCost)
    assert_type(replay.pilot(TRACE, how="quick"), PilotOutcome)
    replay.gate(TRACE, TARGET, run="runs/x", slos=[])  # type: ignore[call-overload]
    replay.compare(TRACE)  # type: ignore[call-overload]


def read() -> None:
    run = replay.open_run("runs/x")
    assert_type(run.manifest, Manifest)
    assert_type(run.summary, Summary)
    assert_type(next(run.steps()), StepRecord)
    assert_type(run.histograms(), dict[str, Histogram])
    assert_type(run.columns.sessions, list[str])
    ok = run.columns.ok
    assert ok.dtype == np.bool_
    trace = replay.open_trace(TRACE)
    assert_type(trace.header, Header)
    assert_type(next(trace.sessions()), Session)
    assert_type(trace.profile, TraceProfile)
    assert_type(replay.synth("made.jsonl", preset="bursty", sessions=20), Made)
    try:
        replay.open_trace("nothing.jsonl")
    except replay.InputError as error:
        assert_type(error.exit_code, int)
