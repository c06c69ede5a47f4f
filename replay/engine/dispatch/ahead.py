"""Reads sessions ahead of their starts, so that no step waits for the trace to be read."""

from collections.abc import Callable, Iterator

from replay.engine.pacing.pacer import Pacer
from replay.engine.types import RunOptions
from replay.engine.users.casting import Casting
from replay.engine.walker import Pace, Walk
from replay.trace.types import Session

_NS = 1_000_000_000
# Sessions are read this far ahead of their start, and at most so many of them.
_AHEAD_NS = 5 * _NS
_AHEAD_MOST = 250_000
# Less than this ahead, reading cannot wait for slack.
_LEAST_NS = _NS // 4
_LEAST = 256
_SLICE = 32


class Ahead:
    """The sessions that are still to come.

    sessions: (start in ns from the run's start, session), in order of start. pacer: its starts say how many were read
    that have not begun. admit: takes each one that is read. error: why nothing more can be read, though the trace has
    not ended: the file changed under us, or a later line is bad. What was read is still replayed.
    """

    __slots__ = (
        "_admit",
        "_casting",
        "_is_recorded",
        "_origin_ns",
        "_owns_steps",
        "_pace",
        "_read_to_ns",
        "_sessions",
        "_starts",
        "error",
    )

    def __init__(
        self,
        sessions: Iterator[tuple[int, Session]],
        pacer: Pacer,
        pace: Pace,
        options: RunOptions,
        casting: Casting | None,
        admit: Callable[[Walk], None],
    ) -> None:
        self._sessions: Iterator[tuple[int, Session]] | None = sessions
        self._starts = pacer.starts
        self._pace, self._casting, self._admit = pace, casting, admit
        self._is_recorded = options.timing == "recorded"
        self._owns_steps = options.knobs.scale == 1
        self._origin_ns = self._read_to_ns = 0
        self.error: Exception | None = None

    def __repr__(self) -> str:
        return f"<Ahead {len(self._starts)} sessions read{', to the end' if self.is_over else ''}>"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read."""
        return self._sessions is None

    def begin(self, origin_ns: int) -> None:
        """Read as many sessions as a run starts with. origin_ns: the run's zero."""
        self._origin_ns = origin_ns
        while self.read(origin_ns):
            pass

    def shift(self, by_ns: int) -> None:
        """Move the run's zero, and every start that was read."""
        self._origin_ns += by_ns
        self._read_to_ns += by_ns
        starts = self._starts
        for _ in range(len(starts)):
            due_ns, fire, walk, index = starts.popleft()
            walk.start_ns += by_ns
            starts.append((due_ns + by_ns, fire, walk, index))

    def stop(self) -> None:
        """Read nothing more."""
        self._sessions = None

    def is_short(self, now: int) -> bool:
        """Whether so little is read ahead that reading cannot wait for slack."""
        if self._sessions is None:
            return False
        return len(self._starts) < _LEAST and self._read_to_ns - now < _LEAST_NS

    def read(self, now: int) -> bool:
        """Read a slice of sessions; returns whether more should be read now."""
        sessions = self._sessions
        if sessions is None or self._read_to_ns - now > _AHEAD_NS or len(self._starts) >= _AHEAD_MOST:
            return False
        origin_ns, pace, casting, admit = self._origin_ns, self._pace, self._casting, self._admit
        try:
            for _ in range(_SLICE):
                start_ns, session = next(sessions)
                start_ns += origin_ns
                walk = Walk(session, pace, start_ns, self._is_recorded, self._owns_steps)
                if casting is not None:
                    walk.values = casting.values_of(session)
                admit(walk)
                self._read_to_ns = start_ns
        except StopIteration:
            self._sessions = None
            return False
        except Exception as cause:
            self.error, self._sessions = cause, None
            return False
        return True
