"""The pilots of the known cases, carried out side by side."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.choice.questionnaire import parse_answers
from replay.choice.types import PilotVerdict
from replay.engine.types import Knobs, RunOptions
from replay.judge.measures.slo import parse_slo
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header
from replay.trials.calendars import calendar_from
from replay.trials.pilot.faults import KillInstance
from replay.trials.pilot.judging import Told
from replay.trials.pilot.trial import run_pilot
from replay.trials.pilot.workload.phases import SIMULATED
from replay.trials.pilot.workload.shape import shape_of
from tests.trials.pilot.cases import CASES, Case, in_order

# The phases of a pilot, shorter where virtual time still costs the steps of it.
PLAN = SIMULATED._replace(burst_rounds=2, chains_s=60.0, failure_s=60.0, level_s=4.0, precision=0.1)


class Answer(NamedTuple):
    """verdict: the pilot's, as JSON. cpu_s: what it took."""

    verdict: bytes
    cpu_s: float

    @property
    def read(self) -> PilotVerdict:
        return msgspec.json.decode(self.verdict, type=PilotVerdict)


@contextmanager
def answers(cases: Sequence[Case]) -> Iterator[dict[str, Future[Answer]]]:
    """The answers of these cases by name, as they become known: as many at once as there are cores."""
    # Spawned, since whoever asks may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(cases), os.cpu_count() or 1), context) as pool:
        try:
            yield {case.name: pool.submit(_answer, CASES.index(case)) for case in cases}
        finally:
            pool.shutdown(cancel_futures=True)


def _answer(index: int) -> Answer:
    """Of the case at this index, since cases hold functions, which do not travel."""
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        verdict = _verdict(CASES[index], Path(folder))
    return Answer(msgspec.json.encode(verdict), time.process_time() - began_s)


def _verdict(case: Case, folder: Path) -> PilotVerdict:
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
