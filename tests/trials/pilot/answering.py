"""The pilots of the known cases, carried out side by side."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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


class Known(NamedTuple):
    """An answer that is, or will be, among those of one pilot. place: its place there."""

    pilot: Future[list[Answer]]
    place: int

    def result(self) -> Answer:
        return self.pilot.result()[self.place]


@contextmanager
def answers(cases: Sequence[Case]) -> Iterator[dict[str, Known]]:
    """The answers of these cases by name, as they become known: as many pilots at once as there are cores."""
    pilots: dict[Any, list[Case]] = {}
    for case in cases:
        pilots.setdefault((case.sessions, case.offered, case.slos), []).append(case)
    # Spawned, since whoever asks may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(pilots), os.cpu_count() or 1), context) as pool:
        try:
            known = {}
            for alike in pilots.values():
                pilot = pool.submit(_answers, [CASES.index(case) for case in alike])
                known |= {case.name: Known(pilot, place) for place, case in enumerate(alike)}
            yield known
        finally:
            pool.shutdown(cancel_futures=True)


def _answers(indices: Sequence[int]) -> list[Answer]:
    """Of the cases at these indices, since cases hold functions, which do not travel: of one trace on the same planes, so
    that the pilot of the first is judged again for the others, as it would be for a user who answers anew.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.jsonl"
        with TraceWriter(trace, Header(FORMAT, VERSION, CASES[indices[0]].name)) as writer:
            for session in in_order(CASES[indices[0]].sessions)():
                writer.write(session)
        for index in indices:
            began_s = time.process_time()
            verdict = _verdict(CASES[index], trace, Path(folder) / "out")
            found.append(Answer(msgspec.json.encode(verdict), time.process_time() - began_s))
    return found


def _verdict(case: Case, trace: Path, out: Path) -> PilotVerdict:
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
        out=out,
        on_stage=lambda _: None,
    )
    assert outcome.verdict is not None
    return outcome.verdict
