"""Ending a gate's run as soon as its verdict is certain, told by a process that watches it.

How it watches: replay/trials/watching.py.

A session counts once all its steps are in, and once all sessions that were to start before it are: else the quick ones
would vote first. The process says so when an SLO is decided.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.counting import Progress
from replay.engine.plan import planned_sessions, read_trace
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.judge.gate.ahead import Planning
from replay.judge.gate.early import EarlyCheck, overall_early
from replay.judge.measures.slo import Slo, parse_slo
from replay.judge.types import Decision
from replay.results.columns import columns_of
from replay.results.types import StepRecord
from replay.trace.types import Session
from replay.trials.watching import Watcher, followed, say, told
from replay.words.phrases import counted

_MODULE = "replay.trials.gate.early"


class Watch(msgspec.Struct):
    """What the process is told to do."""

    trace: str
    directory: str
    options: RunOptions
    slos: list[str]
    confidence: float


class Decided(msgspec.Struct):
    """What it says: the decision of each SLO so far, and of all together. sessions: after how many, of how many."""

    overall: Decision
    decisions: dict[str, Decision]
    sessions: int
    of_sessions: int

    @property
    def after(self) -> str:
        """How much of the run that was, in words."""
        return f"{self.sessions:,} of {counted(self.of_sessions, 'session')}"


class EarlyWatch:
    """The run's side of it: a StopWhen of replay/engine/run.py. decided: what was said, once something was."""

    def __init__(self, trace: Path, slos: Sequence[Slo], options: RunOptions, confidence: float) -> None:
        self._trace, self._slos, self._options, self._confidence = trace, slos, options, confidence
        self._watcher: Watcher | None = None
        self.decided: Decided | None = None

    def __enter__(self) -> "EarlyWatch":
        return self

    def __exit__(self, *_: object) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def begin(self, directory: Path, progress: Progress) -> None:
        self._watcher = Watcher(_MODULE)
        texts = [slo.text for slo in self._slos]
        watch = Watch(str(self._trace), str(directory), self._options, texts, self._confidence)
        self._watcher.tell(msgspec.json.encode(watch))

    def is_met(self) -> str | None:
        if self._watcher is None:
            return None
        for line in self._watcher.heard():
            self.decided = msgspec.json.decode(line, type=Decided)
        if self.decided is None or self.decided.overall == "inconclusive":
            return None
        return f"the verdict, {self.decided.overall}, was reached after {self.decided.after}"


class Planned(NamedTuple):
    """One session of the run's plan: its id, its steps, and when it starts, from the run's start."""

    id: str
    steps: int
    start_ns: int


class SessionWatcher:
    """The process's side, without the process: told of records, it says what is decided.

    sessions: the run's plan, in order of start. of_sessions: how many these are.
    """

    def __init__(self, sessions: Iterator[Planned], of_sessions: int, checks: Sequence[EarlyCheck]) -> None:
        self._plan = sessions
        self._of_sessions = of_sessions
        self._next = next(sessions, None)
        self.checks = checks
        self._waiting: dict[str, list[StepRecord]] = {}
        self._settled: dict[str, int] = {}
        self.sessions = 0

    def add(self, records: Sequence[StepRecord]) -> None:
        """More lines of the audit trail."""
        for record in records:
            self._waiting.setdefault(record.session, []).append(record)
            self._settled[record.session] = self._settled.get(record.session, 0) + record.final
        whole: list[list[StepRecord]] = []
        seen_ns = 0
        while self._next is not None and self._settled.get(self._next.id, 0) >= self._next.steps:
            whole.append(self._waiting.pop(self._next.id, []))
            self._settled.pop(self._next.id, None)
            seen_ns = self._next.start_ns
            self._next = next(self._plan, None)
        if whole:
            self.sessions += len(whole)
            columns = columns_of([list(chain.from_iterable(whole))])
            for check in self.checks:
                check.add(columns, seen_ns)

    def decided(self) -> Decided:
        return Decided(
            overall_early(self.checks),
            {check.slo.text: check.decision for check in self.checks},
            self.sessions,
            self._of_sessions,
        )


def watch(asked: Watch) -> SessionWatcher:
    """A watcher for a run; goes through the trace to see what each SLO will be told, and when steps are due."""
    trace = Path(asked.trace)
    found = read_trace(trace, asked.options)
    pace = Pace(asked.options.knobs)
    planning = Planning([parse_slo(text) for text in asked.slos])

    def plan() -> Iterator[tuple[int, Session]]:
        yield from planned_sessions(trace, found, asked.options, Pace(asked.options.knobs))

    for start_ns, session in plan():
        requests = [step for step in session.steps if step.request is not None or step.llm is not None]
        planning.add(
            [(step.kind, step.name) for step in requests],
            [start_ns + pace.recorded_ns(step.at_ms) for step in requests],
        )
    checks = [EarlyCheck(slo, of_it, asked.confidence) for slo, of_it in planning.plans()]
    sessions = (Planned(session.id, len(session.steps), start_ns) for start_ns, session in plan())
    return SessionWatcher(sessions, planning.sessions, checks)


def main() -> None:
    """Watch until everything is decided; whoever started this process ends it."""
    asked = msgspec.json.decode(told(), type=Watch)
    watcher = watch(asked)
    said: dict[str, Decision] = {}
    for records in followed(Path(asked.directory)):
        if not records:
            continue
        watcher.add(records)
        decided = watcher.decided()
        if decided.decisions != said:
            said = decided.decisions
            say(msgspec.json.encode(decided))
        if decided.overall != "inconclusive":
            return


if __name__ == "__main__":
    main()
