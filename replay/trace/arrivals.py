"""When sessions start, for recordings that do not say: a named process, with a seed, gives the start times.

Pure. The same specification and seed give the same times on every machine and in every version.
"""

import random
import re
from collections.abc import Iterator
from math import log
from typing import Literal

import msgspec

from replay.trace.errors import shown

_RATE = re.compile(r"(?P<count>\d+(?:\.\d+)?)/(?P<unit>s|min|h)").fullmatch
_TIME = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>ms|s|min|m|h)").fullmatch
_UNIT_MS = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}
_EXAMPLES = "poisson:6/min, uniform:2/s, every:10s or at-once"
_LONGEST_GAP_MS = 1e10  # 116 days

DEFAULT_ARRIVALS = "poisson:6/min"
"""Of several sessions."""

Process = Literal["poisson", "uniform", "at-once"]


class ArrivalsError(ValueError):
    """An arrival specification that cannot be understood; str() is the whole message."""


class Arrivals(msgspec.Struct, frozen=True):
    """How sessions arrive. poisson: independent exponential gaps; uniform: equal gaps; at-once: no gaps.

    gap_ms: the mean gap between two sessions.
    """

    process: Process
    gap_ms: float

    def starts_ms(self, seed: int) -> Iterator[float]:
        """Start times without end, in ms to the nearest microsecond; the first is 0."""
        if self.process == "poisson":
            # Of this module only random() is promised to stay the same across versions.
            draw = random.Random(seed).random
            now_ms = 0.0
            while True:
                yield round(now_ms, 3)
                now_ms -= log(1.0 - draw()) * self.gap_ms
        n = 0
        while True:
            yield round(n * self.gap_ms, 3)
            n += 1


def parse_arrivals(text: str) -> Arrivals:
    """The arrivals that text describes: `poisson:6/min`, `uniform:2/s`, `every:10s` or `at-once`.

    Raises ArrivalsError.
    """
    if text == "at-once":
        return Arrivals("at-once", 0.0)
    process, colon, amount = text.partition(":")
    if process in ("poisson", "uniform") and colon:
        rate = _RATE(amount)
        if rate is None or not float(rate["count"]):
            raise ArrivalsError(f"arrivals {shown(text)}: write the rate as {process}:6/min (per s, min or h).")
        gap_ms = _UNIT_MS[rate["unit"]] / float(rate["count"])
        return Arrivals("poisson" if process == "poisson" else "uniform", _bounded(gap_ms, text))
    if process == "every" and colon:
        time = _TIME(amount)
        if time is None:
            raise ArrivalsError(f"arrivals {shown(text)}: write the time as every:10s (ms, s, min or h).")
        return Arrivals("uniform", _bounded(float(time["count"]) * _UNIT_MS[time["unit"]], text))
    raise ArrivalsError(f"arrivals {shown(text)} are not known. Write {_EXAMPLES}.")


def _bounded(gap_ms: float, text: str) -> float:
    if gap_ms > _LONGEST_GAP_MS:
        raise ArrivalsError(f"arrivals {shown(text)}: more than 100 days between two sessions.")
    return gap_ms
