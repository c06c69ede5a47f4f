"""Whether what an importer made can be true: times, rates and tokens that no recording has. Pure.

Doubts are counted as sessions pass, each with its first example. Where nearly all model calls are answered faster than
any model writes, their unit is surely wrong, and the trace is refused.
"""

from collections.abc import Iterator, Sequence

import msgspec

from replay.assembly.types import SessionLines
from replay.trace.errors import TraceError, shown
from replay.trace.types import Session, Step
from replay.words.numbers import milliseconds

_decode = msgspec.json.Decoder(Session).decode
_LONG_MS = 24 * 3_600_000.0
_FASTEST_TOKENS_A_MS = 20.0
_IMPOSSIBLE_TOKENS_A_MS = 1_000.0
_ENOUGH_CALLS = 20
_ENOUGH_SESSIONS = 20
_MOST_A_MS = 10.0
_MOST_OF_MODELS_A_MS = 0.5
_EARLIEST_NS = 946_684_800_000_000_000  # 2000-01-01
_DAY_NS = 86_400_000_000_000
_MUCH = 10  # a tenth of the lines


def is_much(unreadable: int, lines: int) -> bool:
    """Whether so many lines could not be read that what was recorded may rather be another thing."""
    return unreadable > 0 and unreadable * _MUCH >= lines


class Doubts:
    """Sees sessions as they pass. first_unix_ns: when the recording began; None where that is not known.

    unreadable, lines: how many lines could not be read, of how many. like: the format that those look like, if any.
    """

    def __init__(
        self,
        first_unix_ns: object,
        now_ns: int,
        *,
        unreadable: int = 0,
        lines: int = 0,
        like: str | None = None,
    ) -> None:
        self._unreadable, self._lines, self._like = unreadable, lines, like
        self._first_unix_ns = first_unix_ns if isinstance(first_unix_ns, int) and first_unix_ns > 0 else None
        self._now_ns = now_ns
        self._counts: dict[str, list[int | str]] = {}
        self._sessions = self._calls = self._impossible = self._steps = self._models = 0
        self._starts: set[float] = set()
        self._last_ms = 0.0

    def seen(self, session: Session) -> Session:
        """The session itself. Raises TraceError where a unit is surely wrong."""
        self._see_sessions((session.start_ms,), len(session.steps))
        for step in session.steps:
            self._models += step.llm is not None
            self._see(session.id, step)
        if self._calls >= _ENOUGH_CALLS and self._impossible * 10 > self._calls * 9:
            text = f"{self._impossible} of {self._calls} model calls were shorter than any model needs for their tokens"
            raise TraceError(
                f"{text}: their durations are not in the unit that the format says. Nothing was written."
            )
        return session

    def seen_lines(self, lines: SessionLines) -> SessionLines:
        """The lines themselves, of sessions of requests."""
        self._see_sessions(lines.starts_ms, lines.steps)
        for line in lines.long:
            session = _decode(line)
            for step in session.steps:
                self._see(session.id, step)
        return lines

    def _see_sessions(self, starts_ms: Sequence[float], steps: int) -> None:
        self._sessions += len(starts_ms)
        self._last_ms = max(self._last_ms, max(starts_ms))
        if len(self._starts) < 2:
            self._starts.update(starts_ms)
        self._steps += steps

    def _see(self, session: str, step: Step) -> None:
        took_ms = step.took_ms
        place = f"step {shown(step.id)} of session {shown(session)}"
        if took_ms is not None and took_ms > _LONG_MS:
            self._doubt("step(s) that took longer than a day", f"{place}, {milliseconds(took_ms)}")
        llm = step.llm
        if llm is None:
            return
        if took_ms and llm.output_tokens > _FASTEST_TOKENS_A_MS * took_ms and llm.output_tokens > 100:
            what = f"{place}, {llm.output_tokens} in {milliseconds(took_ms)}"
            self._doubt("model call(s) that wrote more than 20 tokens a ms", what)
        if took_ms is not None:
            self._calls += 1
            self._impossible += (
                llm.output_tokens > _IMPOSSIBLE_TOKENS_A_MS * max(took_ms, 0.001) and took_ms > 0
            )
        block = llm.prefix_block_tokens
        if block and llm.prefix and (len(llm.prefix) - 1) * block >= llm.input_tokens > 0:
            what = f"{place}, {len(llm.prefix)} of {block} for {llm.input_tokens} tokens"
            self._doubt("prompt(s) with more prefix blocks than they fill", what)

    def _most_a_ms(self) -> float:
        """More sessions than any service has; of model calls alone, a hundred a second are as many."""
        return _MOST_OF_MODELS_A_MS if self._models == self._steps else _MOST_A_MS

    def _doubt(self, what: str, example: str) -> None:
        found = self._counts.setdefault(what, [0, example])
        found[0] = int(found[0]) + 1

    def told(self) -> Iterator[tuple[int, str]]:
        """Each with how often, once all sessions have passed."""
        if is_much(self._unreadable, self._lines):
            like = f"; those at its beginning look like {self._like}, import them apart" if self._like else ""
            what = f"line(s) of {self._lines:,} that could not be read: what they tell is missing{like}"
            yield self._unreadable, what
        for what, (n, example) in self._counts.items():
            yield int(n), f"{what}, as {example}"
        if self._sessions >= _ENOUGH_SESSIONS and len(self._starts) == 1:
            yield self._sessions, "session(s) that all start at one instant"
        elif self._sessions >= _ENOUGH_SESSIONS and self._sessions > self._most_a_ms() * max(
            self._last_ms, 1.0
        ):
            yield (
                self._sessions,
                f"session(s) within {milliseconds(self._last_ms)}, as if seconds were read as ms",
            )
        if self._first_unix_ns is not None and self._first_unix_ns < _EARLIEST_NS:
            yield 1, "recording that began before the year 2000"
        elif self._first_unix_ns is not None and self._first_unix_ns > self._now_ns + _DAY_NS:
            yield 1, "recording that began in the future"
