"""Ending a gate's run as soon as its verdict is certain, told by a process that watches it (see watching.py).

A session counts once all its steps are in, and once all sessions that were to start before it are: else the quick ones
would vote first. The process says so when an SLO is decided.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from replay.engine.plan import planned_sessions, read_trace
from replay.engine.types import Progress, RunOptions
from replay.engine.walker import Pace
from replay.judge.gate.early import EarlyCheck, overall_early
from replay.judge.measures.slo import Slo, parse_slo
from replay.judge.types import Decision
from replay.results.columns import columns_of
from replay.results.types import StepRecord
from replay.trace.types import Session
from replay.trials.watching import Watcher, followed, say, told
from replay.words.phrases import counted

_MODULE = "replay.trials.early"


class Watch(msgspec.Struct):
    """What the process is told to do."""

    trace: str
    directory: str
    options: RunOptions
    slos: list[str]
    confidence: float


class Decided(msgspec.Struct):
    """What it says: the decision of each SLO so far, and of all together."""

    overall: Decision
    decisions: dict[str, Decision]
    sessions: int


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
        return f"the verdict, {self.decided.overall}, was certain after {counted(self.decided.sessions, 'session')}"


class SessionWatcher:
    """The process's side, without the process: told of records, it says what is decided.

    sessions: the run's plan, (session id, steps), in order of start.
    """

    def __init__(self, sessions: Iterator[tuple[str, int]], checks: Sequence[EarlyCheck]) -> None:
        self._plan = sessions
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
        while self._next is not None and self._settled.get(self._next[0], 0) >= self._next[1]:
            whole.append(self._waiting.pop(self._next[0], []))
            self._settled.pop(self._next[0], None)
            self._next = next(self._plan, None)
        if whole:
            self.sessions += len(whole)
            columns = columns_of([list(chain.from_iterable(whole))])
            for check in self.checks:
                check.add(columns)

    def decided(self) -> Decided:
        return Decided(
            overall_early(self.checks),
            {check.slo.text: check.decision for check in self.checks},
            self.sessions,
        )


def watch(asked: Watch) -> SessionWatcher:
    """A watcher for a run; goes through the trace to see how many steps a session can bring to each SLO."""
    trace = Path(asked.trace)
    found = read_trace(trace, asked.options)
    slos = [parse_slo(text) for text in asked.slos]

    def plan() -> Iterator[Session]:
        for _, session in planned_sessions(trace, found, asked.options, Pace(asked.options.knobs)):
            yield session

    most = [1] * len(slos)
    for session in plan():
        for n, slo in enumerate(slos):
            if slo.measure != "makespan":
                most[n] = max(
                    most[n], sum(slo.selector.matches(step.kind, step.name) for step in session.steps)
                )
    checks = [EarlyCheck(slo, limit, asked.confidence) for slo, limit in zip(slos, most, strict=True)]
    return SessionWatcher(((session.id, len(session.steps)) for session in plan()), checks)


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
