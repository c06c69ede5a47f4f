"""Watching a run while it goes on, from a process of its own, so that judging makes no step late.

The process reads steps.jsonl as it grows. A session counts once all its steps are in, and once all sessions that
were to start before it are: else the quick ones would vote first. It writes a line when an SLO is decided; the run
looks for that line and ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.engine.loop import Progress
from replay.engine.plan import planned_sessions
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.judge.early import EarlyCheck, overall_early
from replay.judge.slo import Slo, parse_slo
from replay.judge.types import Decision
from replay.results.columns import columns_of
from replay.results.types import STEPS_FILE, StepRecord
from replay.trace.file import scan
from replay.trace.types import Session

_LOOK_EVERY_S = 0.1
_READ_BYTES = 1 << 20


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
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self.decided: Decided | None = None

    def __enter__(self) -> "EarlyWatch":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def begin(self, directory: Path, progress: Progress) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "replay.trials.early"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        watch = Watch(
            str(self._trace), str(directory), self._options, [slo.text for slo in self._slos], self._confidence
        )
        self._process.stdin.write(msgspec.json.encode(watch))
        self._process.stdin.close()
        self._process.stdin = None

    def is_met(self) -> str | None:
        if self._process is None or self._process.stdout is None:
            return None
        with contextlib.suppress(BlockingIOError):
            self._heard += os.read(self._process.stdout.fileno(), 1 << 16)
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self.decided = msgspec.json.decode(line, type=Decided)
        if self.decided is None or self.decided.overall == "inconclusive":
            return None
        return f"the verdict, {self.decided.overall}, was certain after {self.decided.sessions} sessions"


class Watcher:
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
            columns = columns_of(whole)
            for check in self.checks:
                check.add(columns)

    def decided(self) -> Decided:
        return Decided(
            overall_early(self.checks),
            {check.slo.text: check.decision for check in self.checks},
            self.sessions,
        )


def watch(told: Watch) -> Watcher:
    """A watcher for a run; reads the trace once to see how many steps a session can bring to each SLO."""
    trace = Path(told.trace)
    found = scan(trace, references=told.options.references)
    slos = [parse_slo(text) for text in told.slos]

    def plan() -> Iterator[Session]:
        for _, session in planned_sessions(trace, found, told.options, Pace(told.options.knobs)):
            yield session

    most = [1] * len(slos)
    for session in plan():
        for n, slo in enumerate(slos):
            if slo.measure != "makespan":
                most[n] = max(
                    most[n], sum(slo.selector.matches(step.kind, step.name) for step in session.steps)
                )
    checks = [EarlyCheck(slo, limit, told.confidence) for slo, limit in zip(slos, most, strict=True)]
    return Watcher(((session.id, len(session.steps)) for session in plan()), checks)


def main() -> None:
    """Watch until everything is decided; whoever started this process ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Watch)
    watcher = watch(told)
    decoder = msgspec.json.Decoder(StepRecord)
    said: dict[str, Decision] = {}
    rest = b""
    with (Path(told.directory) / STEPS_FILE).open("rb") as file:
        while True:
            read = file.read(_READ_BYTES)
            lines, _, rest = (rest + read).rpartition(b"\n")
            if lines:
                watcher.add(decoder.decode_lines(lines))
                decided = watcher.decided()
                if decided.decisions != said:
                    said = decided.decisions
                    sys.stdout.buffer.write(msgspec.json.encode(decided) + b"\n")
                    sys.stdout.buffer.flush()
                if decided.overall != "inconclusive":
                    return
            if len(read) < _READ_BYTES:
                if os.getppid() == 1:
                    return
                time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    main()
