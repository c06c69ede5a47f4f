"""A target's side of a run in virtual time: what is sent to it, and answers that take the time that a test says."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from replay.engine.attempt import Attempt
from replay.engine.loop import RunLoop
from replay.engine.outcome import Outcomes
from replay.engine.records.recorder import Recorder
from replay.engine.records.writer import FileWriter
from replay.engine.requests.render import Rendered
from replay.engine.requests.router import WAIT
from replay.engine.types import RunOptions
from replay.engine.walker import Pace
from replay.results.record import read_steps
from replay.results.types import STEPS_FILE, StepRecord
from replay.target.target import Target
from replay.trace.types import Edge, Request, Session, Step
from tests.support.world import MS, S, World


class Answer(NamedTuple):
    """When the first byte comes and when the last, after the request was sent. error: instead of an answer."""

    took_ms: float = 10.0
    status: int = 200
    first_ms: float | None = None
    error: str | None = None


def step(step_id: str, *after: str | Edge, at_ms: float = 0.0, **fields: Any) -> Step:
    """A step that waits for the ends of these, or by these edges."""
    edges = [Edge(one) if isinstance(one, str) else one for one in after]
    return Step(step_id, "http", step_id, request=Request("GET", "/"), after=edges, at_ms=at_ms, **fields)


def wait(step_id: str, *after: str, took_ms: float) -> Step:
    """A step that sends nothing."""
    return Step(step_id, "http", step_id, after=[Edge(one) for one in after], took_ms=took_ms)


class FakeTarget:
    """answers: of each step, by its id, one for each attempt; the last one stands for those that follow it.

    sent: (ns from the run's start, step id) of each request. most_in_flight: at one time. prepared: how many
    connections were asked for, each time.
    """

    keeps_by_session = False
    gathering = ()
    mcp = None
    logins = ()
    websockets = ()
    conversation = None
    redirects = None

    def __init__(self, world: World, **answers: Answer | Sequence[Answer]) -> None:
        self._world = world
        self._answers = {name: [one] if isinstance(one, Answer) else list(one) for name, one in answers.items()}
        self.renderers = [self]
        self.wires = [self]
        self.origin_ns = 0
        self.sent: list[tuple[int, str]] = []
        self.in_flight = self.most_in_flight = 0
        self.prepared: list[int] = []
        self.swept_ns: list[int] = []

    def decide(self, step: Step) -> int:
        return WAIT if step.is_wait else 0

    def withholds(self, step: Step) -> bool:
        return False

    def render(self, step: Step, session_id: str, number: int = 1) -> Rendered:
        return Rendered("GET", f"GET /{session_id}/{step.id} HTTP/1.1\r\n\r\n".encode(), b"", False, True)

    def is_current(self, rendered: Rendered) -> bool:
        return True

    def sweep(self, now: int) -> None:
        self.swept_ns.append(now)

    def prepare(self, connections: int) -> None:
        self.prepared.append(connections)

    def refused(self, place: int, sent_ns: int) -> None:
        pass

    def end_session(self, walk: Any) -> None:
        pass

    def send(self, attempt: Attempt) -> None:
        attempt.sent_ns = now = self._world.now_ns
        self.sent.append((now - self.origin_ns, attempt.step.id))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        answers = self._answers.get(attempt.step.id, [Answer()])
        answer = answers[min(attempt.number, len(answers)) - 1]
        if answer.first_ms is not None:
            self._world.at(now + round(answer.first_ms * MS), self._first, attempt, answer)
        self._world.at(now + round(answer.took_ms * MS), self._end, attempt, answer)

    def _first(self, attempt: Attempt, answer: Answer) -> None:
        attempt.first_byte_ns, attempt.status = self._world.now_ns, answer.status
        if attempt.on_first_byte is not None:
            attempt.on_first_byte(attempt)

    def _end(self, attempt: Attempt, answer: Answer) -> None:
        if answer.error is None:
            if not attempt.first_byte_ns:
                self._first(attempt, answer)
        else:
            attempt.error, attempt.phase = answer.error, "first_byte"
        attempt.end_ns = self._world.now_ns
        if attempt.captured_headers is not None:
            attempt.captured_headers.append((b"x-answer", b"%d" % answer.status))
        self.in_flight -= 1
        attempt.on_done(attempt)

    def sent_ms(self) -> list[tuple[int, str]]:
        """What was sent, to the millisecond."""
        return [(round(at_ns / MS), step_id) for at_ns, step_id in self.sent]


class VirtualRun:
    """One run of sessions, each (start in ms, its steps), against a fake target."""

    def __init__(
        self,
        world: World,
        target: FakeTarget,
        directory: Path,
        sessions: Iterator[tuple[int, Session]] | Sequence[tuple[float, Sequence[Step]]],
        options: RunOptions | None = None,
        **arguments: Any,
    ) -> None:
        self._world, self._target, self._directory = world, target, directory
        options = options or RunOptions()
        self.writer = FileWriter()
        self.recorder = Recorder(directory, "t", self.writer, options.warmup_s)
        if isinstance(sessions, Sequence):
            sessions = (
                (round(start_ms * MS), Session(f"s-{n}", start_ms, list(steps)))
                for n, (start_ms, steps) in enumerate(sessions)
            )
        self.loop = RunLoop(
            sessions,
            target,
            self.recorder,
            options,
            Pace(options.knobs),
            Outcomes(Target(url="http://t", name="t")),
            world.clock,
            **arguments,
        )

    def begin(self) -> None:
        self.loop.begin(self._world, self._world.make_alarm)
        self._target.origin_ns = self.loop.start_ns

    def at(self, at_ms: float, callback: Callable[..., Any], *what: Any) -> None:
        """Call back so long after the run's start."""
        self._world.at(self.loop.start_ns + round(at_ms * MS), callback, *what)

    def go_on(self, seconds: float = 60.0) -> list[StepRecord]:
        """Turn until the run is over, at most for so long; returns what was recorded."""
        self._world.run_until(self._world.now_ns + round(seconds * S), lambda: self.loop.is_over)
        self.loop.finish()
        self.recorder.finish(self._world.now_ns)
        return list(read_steps(self._directory / STEPS_FILE))

    def run(self) -> list[StepRecord]:
        self.begin()
        return self.go_on()
