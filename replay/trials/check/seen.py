"""What a check has to go by: what it asked of a target, and what came back."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from replay.engine.requests.read_only import may_change_something
from replay.engine.types import RunOptions
from replay.results.summary_types import Summary
from replay.results.types import StepRecord
from replay.target.target import Target
from replay.trace.types import Header, Step
from replay.trials.check.reaching import Reached
from replay.trials.check.sampling import Sample


class Answer(NamedTuple):
    """An answer's head. headers: by names in small letters; at_unix_s: when it was seen, by our clock."""

    session: str
    step: str
    status: int
    headers: dict[str, list[str]]
    at_unix_s: float


class Changes(NamedTuple):
    """Of the whole trace: requests, and those that may change something, by method; model calls apart.

    methods: of HTTP, of calls to MCP servers, which begin with MCP, and messages on WebSockets.
    """

    requests: int
    methods: Counter[str]
    model_calls: int


class Seen(NamedTuple):
    """All that a check has to go by. records: the last attempt of every step that was tried. summary: None where
    nothing was sent, since the target could not be reached. refusal: why no run could begin, though it could be.
    short_of: what this machine has too little of for the whole trace.
    handshakes: logins, and those with MCP servers, that failed; a step that waited for one has its error, and no
    answer.
    """

    target: Target
    options: RunOptions
    header: Header
    sample: Sample
    changes: Changes
    reached: Sequence[Reached]
    records: Sequence[StepRecord] = ()
    answers: Sequence[Answer] = ()
    summary: Summary | None = None
    refusal: str | None = None
    handshakes: Sequence[StepRecord] = ()
    short_of: str | None = None

    @property
    def answered(self) -> list[StepRecord]:
        """Steps that were answered, whatever that was."""
        return [record for record in self.records if record.status is not None]

    def step_of(self, record: "StepRecord | Answer") -> Step | None:
        for session in self.sample.sessions:
            if session.id == record.session:
                return next((step for step in session.steps if step.id == record.step), None)
        return None


def changes_of(steps: Sequence[Step], so_far: Changes) -> Changes:
    """The same with these steps."""
    requests, model_calls = so_far.requests, so_far.model_calls
    for step in steps:
        if step.is_wait:
            continue
        requests += 1
        if not may_change_something(step):
            continue
        if step.mcp is not None:
            method = f"MCP {step.mcp.method}"
        elif step.ws is not None:
            method = "messages on WebSockets"
        elif step.kind == "llm" or step.request is None:
            model_calls += 1
            continue
        else:
            method = step.request.method
        if method in so_far.methods or len(so_far.methods) < 100:
            so_far.methods[method] += 1
    return Changes(requests, so_far.methods, model_calls)
