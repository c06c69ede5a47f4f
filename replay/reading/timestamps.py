"""Times as recordings write them, as integers, and how fine a recording's times are.

Pure.
"""

import re
from datetime import date
from typing import Any

import numpy as np

from replay.trace.remembered import remembered

_DAY_S = 86_400
_UNIT_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_END_S = (date(2262, 1, 1).toordinal() - _EPOCH_DAY) * _DAY_S
_EARLIEST_NS = 10**17  # in 1973
_LIKELY_NS = (1_262_304_000_000_000_000, 4_102_444_800_000_000_000)  # 2010, 2100
_NUMBER = re.compile(r"(?P<whole>\d{1,19})(?:\.(?P<fraction>\d{1,18}))?", re.ASCII).fullmatch
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,18}))?"
    r" ?(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d)?)?",
    re.ASCII,
).fullmatch


def unix_ns(text: str) -> int | None:
    """The time that an ISO 8601 text names, in ns since 1970; None where it is none, or not in 1970 to 2261.

    Digits below 1 ns are cut off. A text without a zone is taken as UTC. The result fits an int64.
    """
    found = _ISO(text)
    if found is None:
        return None
    day = _day(found["date"])
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if day is None or hour > 23 or minute > 59 or second > 60:
        return None
    seconds = day * _DAY_S + hour * 3600 + minute * 60 + second
    if found["sign"]:
        offset_s = int(found["zone_hour"]) * 3600 + int(found["zone_minute"] or 0) * 60
        seconds += offset_s if found["sign"] == "-" else -offset_s
    fraction = (found["fraction"] or "")[:9].ljust(9, "0")
    return seconds * 1_000_000_000 + int(fraction) if 0 <= seconds < _END_S else None


def epoch_ns(text: str) -> int | None:
    """A number of s, ms, us or ns since 1970, in ns; None where it is none, or not before 2262.

    Its unit follows from its size: such numbers overlap only before 1973.
    """
    found = _NUMBER(text)
    if found is None:
        return None
    digits = len(found["whole"].lstrip("0"))
    unit = "s" if digits <= 11 else "ms" if digits <= 14 else "us" if digits <= 17 else "ns"
    at_ns = scaled_ns(text, unit)
    return at_ns if at_ns is not None and at_ns < _END_S * 1_000_000_000 else None


def other_unit(at_ns: int) -> str | None:
    """The unit in which a number that is told to be ns since 1970 lies in 2010 to 2100; None where ns may be true."""
    if at_ns >= _EARLIEST_NS:
        return None
    first_ns, end_ns = _LIKELY_NS
    return next((unit for unit in ("s", "ms", "us") if first_ns <= at_ns * _UNIT_NS[unit] < end_ns), None)


def scaled_ns(text: str, unit: str) -> int | None:
    """A number in ns, us, ms or s as ns, exactly but for what is below 1 ns; None where the text is none."""
    found = _NUMBER(text)
    if found is None:
        return None
    unit_ns = _UNIT_NS[unit]
    fraction = found["fraction"] or ""
    below_ns: int = int(fraction or 0) * unit_ns // 10 ** len(fraction)
    return int(found["whole"]) * unit_ns + below_ns


@remembered(1024)
def _day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        return None


def ms_between(earlier_ns: int, later_ns: int) -> float:
    """The time between two instants in ms, to the nearest microsecond."""
    return round((later_ns - earlier_ns) / 1e6, 3)


class Grain:
    """How fine a recording's times are: the coarsest power of ten, from 1 s down, that divides all of them.

    Times are integers of tick_ns each. A recording whose times happen to be round is taken to be coarse.
    """

    def __init__(self, tick_ns: int = 1) -> None:
        self._tick_ns = tick_ns
        self._grain = 1_000_000_000 // tick_ns

    def add(self, ticks: int) -> None:
        while self._grain > 1 and ticks % self._grain:
            self._grain //= 10

    def add_all(self, ticks: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        while self._grain > 1 and (ticks % self._grain).any():
            self._grain //= 10

    @property
    def ms(self) -> float:
        return self._grain * self._tick_ns / 1e6
