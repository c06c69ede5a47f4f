"""The pilot's answers held to those of an experienced engineer, each from a trace that is simulated here."""

from pathlib import Path

import pytest

from replay.engine.types import Knobs, RunOptions
from replay.judge.choice.questionnaire import parse_answers
from replay.judge.choice.types import PilotVerdict
from replay.judge.slo import parse_slo
from replay.trace.file import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header
from replay.trials.calendars import calendar_from
from replay.trials.pilot.faults import KillInstance
from replay.trials.pilot.judging import Told
from replay.trials.pilot.phases import SIMULATED
from replay.trials.pilot.trial import run_pilot
from replay.trials.pilot.workload import shape_of
from tests.trials.pilot.cases import CASES, Case, in_order

# The phases of a pilot, shorter where virtual time still costs the steps of it.
PLAN = SIMULATED._replace(burst_rounds=2, chains_s=60.0, failure_s=60.0, level_s=4.0, precision=0.3)


def answered(case: Case, folder: Path) -> PilotVerdict:
    """The verdict of the case's own pilot."""
    trace = folder / "trace.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, case.name)) as writer:
        for session in in_order(case.sessions)():
            writer.write(session)
    shape = shape_of(trace)
    outcome = run_pilot(
        trace,
        case.targets(shape.workload),
        [parse_slo(text) for text in case.slos],
        shape,
        PLAN,
        RunOptions(knobs=Knobs(seed=1)),
        KillInstance("simulated"),
        told=Told(
            calendar=calendar_from(case.month) if case.month else None,
            answers=parse_answers(case.answers.encode(), "answers.toml") if case.answers else None,
        ),
        out=folder / "out",
        on_stage=lambda _: None,
    )
    assert outcome.verdict is not None
    return outcome.verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_what_an_engineer_would_give(case: Case, tmp_path: Path):
    verdict = answered(case, tmp_path)

    said = " ".join([verdict.answer, *verdict.reasons, *verdict.doubts])
    assert verdict.verdict in case.right, said
    assert case.on is None or case.on in verdict.answer
    assert all(words in said for words in case.says), said
    assert not any(words in said for words in case.never), said
