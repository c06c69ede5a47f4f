"""When things happen: faster or slower, and later."""

from collections.abc import Iterator

import msgspec

from replay.trace.transforms.types import Tally
from replay.trace.types import Session


class Speed(msgspec.Struct, frozen=True):
    """All recorded times divided by the factor: starts, delays, durations, first bytes.

    Unlike `--speed` of a run, this also shortens what calls took in the recording, so the trace stays consistent.
    """

    factor: float

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        factor = self.factor
        for session in sessions:
            session.start_ms /= factor
            for step in session.steps:
                step.at_ms /= factor
                if step.took_ms is not None:
                    step.took_ms /= factor
                if step.recorded is not None and step.recorded.ttft_ms is not None:
                    step.recorded.ttft_ms /= factor
                if step.after:
                    step.after = tuple(
                        msgspec.structs.replace(edge, delay_ms=edge.delay_ms / factor) for edge in step.after
                    )
            tally["sessions re-timed"] += 1
            yield session


class Shift(msgspec.Struct, frozen=True):
    """Every session later by by_ms."""

    by_ms: float

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            session.start_ms += self.by_ms
            tally["sessions moved"] += 1
            yield session
