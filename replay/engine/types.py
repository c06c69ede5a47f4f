"""How a run is to be carried out: the knobs of timing, the limits, and what to do when things go wrong."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.words.numbers import money

Timing = Literal["causal", "recorded"]
OnError = Literal["continue", "skip-rest"]
Late = Literal["catch-up", "skip"]
Answers = Literal["none", "shape", "values"]
RowOrder = Literal["sequential", "random"]
# Ranges are tested where options come from outside, as text or from a program.
Factor = Annotated[float, Meta(ge=1e-6, le=1e6)]
FactorOrZero = Annotated[float, Meta(ge=0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
MOST_WORKERS = 100
Count = Annotated[int, Meta(ge=1)]
Place = Annotated[int, Meta(ge=0)]


class Knobs(msgspec.Struct, frozen=True):
    """What changes the trace's own times. The order is idle_cap, then think and arrivals, then speed.

    speed: everything runs this many times as fast. arrivals: sessions arrive this many times as fast.
    think: edge delays are multiplied by this. idle_cap_s: no edge delay, wait or first offset is longer.
    scale: each session is replayed this many times, the copies' starts spread by a seeded jitter.
    """

    speed: Factor = 1.0
    arrivals: Factor = 1.0
    think: FactorOrZero = 1.0
    idle_cap_s: Seconds | None = None
    scale: Annotated[int, Meta(ge=1, le=100_000)] = 1
    seed: int = 1


class Phase(msgspec.Struct, frozen=True):
    """A part of a run in which sessions arrive this many times as fast as they otherwise would."""

    length_s: float
    arrivals: float


FaultKind = Literal["kill", "drain", "deploy"]


_PROGRAM = re.compile(r"(?:/?(?:[\w.-]+/)*)(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,39})").fullmatch


class At(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is done to the target so long after the run's start: a command for the shell, or a fault of a plane of our
    own, which its control address (the target's `observe`) is asked for.
    """

    at_s: float
    command: str | None = None
    fault: FaultKind | None = None

    @property
    def what(self) -> str:
        """In a few words, as it may be written and shown: of a command its program alone, for what follows that, or
        stands before it, may hold a secret.
        """
        if self.command is None:
            return f"fault: {self.fault}"
        words = (word for word in self.command.split() if "=" not in word)
        program = _PROGRAM(next(words, ""))
        return f"{program['name']} …" if program is not None else "a command"


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """What model calls may cost, in the currency of the target's price table. currency: as it was written, or empty."""

    amount: float
    currency: str = ""

    def words(self, amount: float) -> str:
        """An amount in this currency."""
        return money(amount, self.currency)


class RunOptions(msgspec.Struct, frozen=True):
    """One run. late_limit_s: with late = "skip", a step found later than this is counted as unsent.

    duration_s: nothing is sent later than this into the run. sessions: only the first so many. warmup_s: steps intended
    before this are marked. grace_s: how long an interrupted run waits for responses. repeat: the trace begins again
    when it ends, until duration_s. begins_with: with repeat, which session is the first one, counted from 0, and begins
    at once; those before it come with the next lap. phases: how the load changes over the run; the last one lasts to
    the end. at: what is done to the target meanwhile. answers: what is recorded of answers, in answers.jsonl: nothing;
    what they look like; or digests of their values too. references: whether {{copy}} and the like are filled in
    (replay/trace/values/reserved.py). data: a CSV file, of which each session has a row, in data_order. to_origin: the
    target may be where the trace was recorded; else such a run is refused. read_only: requests that may change
    something become waits of their recorded length. budget: what the model calls of one replay may cost, of all its
    targets together. workers: so many processes do a share of the sessions each. listen: where these come to from other
    machines, host:port; cluster: the address of a Dask scheduler, whose workers they are; None for both: they are
    processes of this one.
    """

    timing: Timing = "causal"
    knobs: Knobs = Knobs()
    duration_s: Seconds | None = None
    sessions: Count | None = None
    max_in_flight: Count | None = None
    on_error: OnError = "continue"
    late: Late = "catch-up"
    late_limit_s: Seconds = 0.1
    warmup_s: Seconds = 0.0
    grace_s: Seconds = 5.0
    repeat: bool = False
    begins_with: Place | None = None
    phases: tuple[Phase, ...] = ()
    at: tuple[At, ...] = ()
    answers: Answers = "none"
    references: bool = True
    data: str | None = None
    data_order: RowOrder = "sequential"
    to_origin: bool = False
    read_only: bool = False
    budget: Budget | None = None
    workers: Annotated[int, Meta(ge=1, le=MOST_WORKERS)] = 1
    listen: str | None = None
    cluster: str | None = None

    @property
    def is_away(self) -> bool:
        """Whether its workers may be on other machines."""
        return self.listen is not None or self.cluster is not None

    @property
    def is_dealt(self) -> bool:
        """Whether workers do it, rather than this process alone."""
        return self.workers > 1 or self.is_away
