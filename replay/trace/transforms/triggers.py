"""Event-driven agents, what if: triggers that come close together start one session instead of several.

Sessions belong together by a session attribute, or, for those without it, by their first step's kind and name. Of a
burst the last session is kept, as it is, and starts when the burst fires:

- debounce: once no trigger came for window_ms, so window_ms after the last one, however long the burst goes on.
- batch: at its count-th trigger, or window_ms after its first.

Every trigger of a burst waits from its own start until it fires: that is the added delay.
"""

from array import array
from collections.abc import Iterator

import msgspec
import numpy as np

from replay.trace.transforms.types import Tally
from replay.trace.types import Session


class _Burst(msgspec.Struct):
    starts_ms: list[float]
    last: Session
    fires_ms: float


class Merge(msgspec.Struct, frozen=True):
    """Debounce (count None) or batch by window_ms; by: the session attribute that tells whose triggers they are.

    Memory holds the bursts that have not fired, and 8 bytes for each session, for the delays' quantiles.
    """

    window_ms: float
    count: int | None = None
    by: str = "agent"

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        bursts: dict[str, _Burst] = {}
        delays_ms = array("d")
        for session in sessions:
            yield from _fired(bursts, session.start_ms, delays_ms)
            key = self._key(session)
            burst = bursts.get(key)
            if burst is None:
                bursts[key] = burst = _Burst([], session, session.start_ms + self.window_ms)
            else:
                tally["sessions merged into a later one"] += 1
            burst.starts_ms.append(session.start_ms)
            burst.last = session
            if self.count is None:
                burst.fires_ms = session.start_ms + self.window_ms
            elif len(burst.starts_ms) >= self.count:
                burst.fires_ms = session.start_ms
        yield from _fired(bursts, float("inf"), delays_ms)
        if delays_ms:
            for percent in (50, 90, 99):
                tally[f"ms of added delay at p{percent}"] = round(float(np.percentile(delays_ms, percent)))

    def _key(self, session: Session) -> str:
        value = session.attributes.get(self.by)
        if value is not None:
            return "attribute " + value
        first = session.steps[0] if session.steps else None
        return f"step {first.kind} {first.name}" if first else "no step"


def _fired(bursts: dict[str, _Burst], now_ms: float, delays_ms: "array[float]") -> Iterator[Session]:
    """The kept sessions of bursts due by now, in order of their starts; the bursts are taken away."""
    due = sorted((burst.fires_ms, key) for key, burst in bursts.items() if burst.fires_ms <= now_ms)
    for fires_ms, key in due:
        burst = bursts.pop(key)
        delays_ms.extend(fires_ms - start_ms for start_ms in burst.starts_ms)
        burst.last.start_ms = fires_ms
        yield burst.last
