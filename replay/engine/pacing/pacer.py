"""Decides when: a heap of due times with what is to be called then, in order, never early.

The pacer is told the time and calls what is due. Between due times it lets the loop sleep, woken by an alarm
shortly before the next one, and then spins *through the event loop*: each turn polls the sockets, so that
responses are read and stamped while we wait, and only the last microseconds are spun in place.

What is not per step (reading ahead, writing, sweeping time limits) is a chore: a callable that does one short
slice and says whether it has more to do. Chores run where there is slack before the next due time, and once in
a while without slack, so that a saturated run still records.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from time import monotonic_ns
from typing import Any, Protocol, TypeVar

from replay.engine.pacing.alarm import Alarm, make_alarm

T = TypeVar("T")

Fire = Callable[[T, int, int], None]
"""fire(what, index, due_ns)"""

Start = tuple[int, Fire[Any], Any, int]
"""(due_ns, fire, what, index)"""

Chore = Callable[[int, int], bool]
MakeAlarm = Callable[[Any, Callable[[], None]], Alarm]

# Spun in place: about what one turn of the loop costs.
_HARD_SPIN_NS = 12_000
# Steps fired before the sockets are looked at again.
_BURST = 32
_IDLE_NS = 20_000_000
# Due so soon after the last turn, an entry is kept in a row rather than in the heap.
_SOON_NS = 2_000_000
_NEVER = 1 << 62


class Turns(Protocol):
    """What the pacer needs of an event loop."""

    def call_soon(self, callback: Callable[[], Any]) -> Any: ...


class _NotStarted:
    """The loop and the alarm of a pacer that has not started: nothing is called, and nothing rings."""

    early_ns = 0

    def call_soon(self, callback: Callable[[], Any]) -> None:
        pass

    def set(self, at_ns: int) -> None:
        pass

    def close(self) -> None:
        pass


def _no_chores(now_ns: int, slack_ns: int) -> bool:
    return False


class Pacer:
    """Calls `fire(what, index, due_ns)` for each entry at its due time, in order of due time.

    idle_ns: chores are called at least this often. hard_spin_ns: spun in place before a due time; a virtual clock,
    which stands still meanwhile, must not be spun on.
    starts: in order of due time; a queue beside the heap, because session starts come sorted from the trace, and a
    heap of a hundred thousand of them costs more to pop than to send. What is due at once comes sorted too, since
    steps end one after the other, and a run that cannot keep up has thousands of those: they are in a row likewise.
    """

    __slots__ = (
        "_alarm",
        "_alarm_ns",
        "_chores",
        "_expected_ns",
        "_hard_spin_ns",
        "_heap",
        "_idle_ns",
        "_is_stopped",
        "_is_turning",
        "_loop",
        "_now",
        "_row",
        "_sequence",
        "_turned_ns",
        "max_stall_ns",
        "starts",
    )

    def __init__(
        self,
        now: Callable[[], int] = monotonic_ns,
        idle_ns: int = _IDLE_NS,
        hard_spin_ns: int = _HARD_SPIN_NS,
    ) -> None:
        self._now = now
        self._idle_ns = idle_ns
        self._hard_spin_ns = hard_spin_ns
        self._heap: list[tuple[int, int, Fire[Any], Any, int]] = []
        self._row: deque[tuple[int, int, Fire[Any], Any, int]] = deque()
        self.starts: deque[Start] = deque()
        self._sequence = 0
        self._turned_ns = 0
        self._chores: Chore = _no_chores
        self._alarm: Alarm = _NotStarted()
        self._alarm_ns = 0
        self._expected_ns = 0
        self._loop: Turns = _NotStarted()
        self._is_turning = False
        self._is_stopped = True
        self.max_stall_ns = 0

    def __repr__(self) -> str:
        return f"<Pacer {len(self._heap) + len(self._row)} due, {'stopped' if self._is_stopped else 'running'}>"

    def __len__(self) -> int:
        return len(self._heap) + len(self._row) + len(self.starts)

    def start(self, loop: Turns, chores: Chore = _no_chores, make_alarm: MakeAlarm = make_alarm) -> None:
        """Begin to turn on this loop.

        chores(now_ns, slack_ns): runs one slice of the most urgent chore, or with no slack only what cannot wait;
        returns whether there is more to do.
        """
        self._loop = loop
        self._chores = chores
        self._alarm = make_alarm(loop, self._wake)
        self._is_stopped = False
        self._turn_soon()

    def stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._alarm.close()

    def add(self, due_ns: int, fire: Fire[T], what: T, index: int = 0) -> None:
        """Call fire(what, index, due_ns) at due_ns; at once, in the next turn, if that has passed."""
        self._sequence += 1
        entry = (due_ns, self._sequence, fire, what, index)
        row = self._row
        if due_ns < self._turned_ns + _SOON_NS and (not row or row[-1][0] <= due_ns):
            row.append(entry)
        else:
            heappush(self._heap, entry)
        if not self._is_turning and not self._is_stopped and self._next_ns() == due_ns:
            self._arm(due_ns)

    def clear(self) -> None:
        """Forget all that is due."""
        self._heap.clear()
        self._row.clear()
        self.starts.clear()

    def due_within(self, until_ns: int, most: int) -> int:
        """How many entries are due by until_ns, counted up to `most`; walks only that part of the heap."""
        heap, n, stack = self._heap, 0, [0]
        size = len(heap)
        for row in (self._row, self.starts):
            for due, *_ in row:
                if due > until_ns or n >= most:
                    break
                n += 1
        while stack and n < most:
            i = stack.pop()
            if i < size and heap[i][0] <= until_ns:
                n += 1
                stack.append(2 * i + 1)
                stack.append(2 * i + 2)
        return n

    def _next_ns(self) -> int:
        """When the next of those is due that were added."""
        heap, row = self._heap, self._row
        if row and (not heap or row[0] < heap[0]):
            return row[0][0]
        return heap[0][0] if heap else _NEVER

    def _arm(self, due_ns: int) -> None:
        at = due_ns - self._alarm.early_ns
        if 0 < self._alarm_ns <= at:
            return
        self._alarm_ns = at
        if at <= self._now():
            self._turn_soon()
        else:
            self._expected_ns = due_ns
            self._alarm.set(at)

    def _turn_soon(self) -> None:
        self._is_turning = True
        self._expected_ns = self._now()
        self._loop.call_soon(self._turn)

    def _wake(self) -> None:
        self._alarm_ns = 0
        if not self._is_turning and not self._is_stopped:
            self._turn()

    def _turn(self) -> None:
        """One turn: fire what is due, then chores or sleep. The hot loop of the run."""
        self._is_turning = True
        if self._is_stopped:
            return
        heap, row, starts, clock = self._heap, self._row, self.starts, self._now
        now = self._turned_ns = clock()
        if now - self._expected_ns > self.max_stall_ns:
            self.max_stall_ns = now - self._expected_ns
        burst = _BURST
        while burst:
            is_row = bool(row) and (not heap or row[0] < heap[0])
            due = row[0][0] if is_row else heap[0][0] if heap else _NEVER
            is_start = bool(starts) and starts[0][0] <= due
            if is_start:
                due = starts[0][0]
            if due > now:
                now = clock()
                if due - now > self._hard_spin_ns:
                    break
                while due > now:
                    now = clock()
            if is_start:
                _, fire, what, index = starts.popleft()
            elif is_row:
                _, _, fire, what, index = row.popleft()
            else:
                _, _, fire, what, index = heappop(heap)
            fire(what, index, due)
            burst -= 1
        if self._is_stopped:
            self._is_turning = False
            return
        if not burst:
            self._chores(now, 0)
            self._turn_soon()
            return
        now = clock()
        slack = due - now
        if self._chores(now, slack) or slack <= self._alarm.early_ns + self._hard_spin_ns:
            self._turn_soon()
            return
        self._is_turning = False
        # Chores have deadlines of their own, so the loop never sleeps for long.
        self._alarm_ns = 0
        due = now + self._idle_ns
        due = min(due, self._next_ns())
        if starts and starts[0][0] < due:
            due = starts[0][0]
        self._arm(due)
