"""Probes that several workers send: each is a run of its own, of a trace that is made for it, by workers that are kept.

A burst is dealt to all of them, and comes from as many addresses as they have; what goes out alone is the first
worker's. The run after an idle time begins at the instant at which that is over.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from replay.engine.run import Job, Outcome
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.results.types import STEPS_FILE, StepRecord
from replay.scale.crew import Crew
from replay.scale.replaying import replay_dealt
from replay.target.target import Target
from replay.trace.types import Step
from replay.trials.coldstart.experiment import Answer, Ask, ProbeFailed
from replay.trials.shapes import write_probes
from replay.words.endings import ending

_NS = 1_000_000_000
# Workers are told what to do this long before they are to do it; on another continent that takes its time.
_AHEAD_NS = 3 * _NS


def ask_workers(
    target: Target,
    step: Step,
    asks: Generator[Ask, Sequence[Answer], None],
    directory: Path,
    on_wait: Callable[[float, str], None],
    options: RunOptions,
) -> None:
    """Have workers send what is asked for, until nothing more is; each run is a directory in `directory`.

    options: how many workers, and where. Raises what the experiment raises, what replay_dealt raises, and ProbeFailed
    where a worker was lost.
    """
    with Crew(options) as crew, tempfile.TemporaryDirectory() as folder:
        ask, due_ns, number = next(asks), 0, 0
        while True:
            number += 1
            if ask.idle_s:
                on_wait(ask.idle_s, ask.why)
                time.sleep(max(0, due_ns - _AHEAD_NS - time.monotonic_ns()) / _NS)
            trace = write_probes(Path(folder), step, ask.requests, is_at_once=ask.is_at_once)
            job = Job(target, directory / f"{number:02d}-{ask.requests}")
            (outcome,) = replay_dealt(trace, [job], options, crew=crew, not_before_ns=due_ns)
            answers = _answers(outcome, crew.began_ns)
            try:
                ask = asks.send(answers)
            except StopIteration:
                return
            due_ns = max(answer.end_ns for answer in answers) + round(ask.idle_s * _NS)


def _answers(outcome: Outcome, began_ns: int) -> list[Answer]:
    status = outcome.summary.status
    if status == "interrupted":
        raise KeyboardInterrupt
    if status != "finished":
        why = "" if outcome.summary.error is None else f" ({outcome.summary.error})"
        raise ProbeFailed(f"{outcome.directory}: {ending(status)}{why}, so the experiment is over.")
    steps = [record for record in read_steps(outcome.directory / STEPS_FILE) if record.final]
    return [_answer(record, began_ns) for record in sorted(steps, key=_sent_ns)]


def _sent_ns(record: StepRecord) -> int:
    return record.sent_ns or 0


def _answer(record: StepRecord, began_ns: int) -> Answer:
    if record.sent_ns is None:
        return Answer(0, 0, 0, record.error)
    return Answer(
        began_ns + record.sent_ns,
        began_ns + (record.end_ns or record.sent_ns),
        record.status or 0,
        record.error,
        record.cold,
        record.instance,
    )
