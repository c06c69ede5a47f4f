"""How far another machine's clock is from ours, and how surely we know: the exchange of four stamps. Pure.

Asked at t0 on our clock, heard at t1 and answered at t2 on the other's, back at t3: if both ways took as long, the
other clock is ahead by ((t1 - t0) + (t2 - t3)) / 2, and however long they took, it is within half the round trip of
that (Mills, RFC 5905, section 8). Of many rounds the one with the least round trip says most; a one-way minimum would
always be wrong by the way's length.

A clock also runs faster or slower than ours by some millionths. So rounds are made in bursts, before a run, every ten
seconds while it goes on, and after it; the best of each burst is a point on the line of its drift.
"""

from typing import NamedTuple

_MILLION = 1_000_000
# What system clocks are slewed by at most (adjtimex, and RFC 5905, section 11.3), where nothing was measured.
_MOST_DRIFT = 500e-6


class Exchange(NamedTuple):
    """The four stamps of one round, in ns: asked and back on our clock, heard and said on the other's."""

    asked_ns: int
    heard_ns: int
    said_ns: int
    back_ns: int

    @property
    def round_trip_ns(self) -> int:
        """The time on the way, both ways."""
        return max(0, (self.back_ns - self.asked_ns) - (self.said_ns - self.heard_ns))

    @property
    def offset_ns(self) -> int:
        """How far the other clock is ahead."""
        return ((self.heard_ns - self.asked_ns) + (self.said_ns - self.back_ns)) // 2


class Fix(NamedTuple):
    """What a burst of rounds has found. at_ns: on our clock. uncertainty_ns: the offset is wrong by that at most."""

    at_ns: int
    offset_ns: int
    uncertainty_ns: int


class ClockTrack:
    """What is known of one other clock; told of exchanges, in order of time."""

    def __init__(self) -> None:
        self.fixes: list[Fix] = []
        self._best: Exchange | None = None

    def __repr__(self) -> str:
        return f"<ClockTrack {self.fixes[-1:]}>"

    def add(self, exchange: Exchange) -> None:
        """One round of the burst that goes on."""
        if self._best is None or exchange.round_trip_ns < self._best.round_trip_ns:
            self._best = exchange

    def close_burst(self) -> Fix | None:
        """The burst is over: its best round counts. None where no answer came."""
        best, self._best = self._best, None
        if best is None:
            return None
        fix = Fix(
            (best.asked_ns + best.back_ns) // 2,
            best.offset_ns,
            (best.round_trip_ns + 1) // 2,
        )
        self.fixes.append(fix)
        return fix

    def there_ns(self, here_ns: int) -> int:
        """What the other clock says when ours says here_ns, by the latest fix. Raises IndexError if there is none."""
        return here_ns + self.fixes[-1].offset_ns

    @property
    def drift_ppm(self) -> float | None:
        """How much faster the other clock runs, in millionths, between the first fix and the last; None where those
        are too close to one another to tell it from their uncertainty.
        """
        if len(self.fixes) < 2:
            return None
        first, last = self.fixes[0], self.fixes[-1]
        apart_ns = last.at_ns - first.at_ns
        unsure_ns = first.uncertainty_ns + last.uncertainty_ns
        gained_ns = last.offset_ns - first.offset_ns
        if apart_ns <= 0 or abs(gained_ns) <= unsure_ns:
            return None
        return gained_ns / apart_ns * _MILLION

    def start_uncertainty_ns(self, told: Fix, start_ns: int) -> int:
        """How far a start may have been from start_ns that was named by this fix: by the fix's own uncertainty, and by
        what the clock can have drifted until then, by all that is known now.
        """
        return told.uncertainty_ns + round(self._most_drift() * (start_ns - told.at_ns))

    def _most_drift(self) -> float:
        """The most that the other clock may gain or lose on ours, as a ratio."""
        first, last = self.fixes[0], self.fixes[-1]
        apart_ns = last.at_ns - first.at_ns
        if apart_ns <= 0:
            return _MOST_DRIFT
        gained_ns = abs(last.offset_ns - first.offset_ns)
        unsure_ns = first.uncertainty_ns + last.uncertainty_ns
        # Of two bursts that are close to one another the most that they allow for is more than any clock does.
        return min((gained_ns + unsure_ns) / apart_ns, max(_MOST_DRIFT, (gained_ns - unsure_ns) / apart_ns))
