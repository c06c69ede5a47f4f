"""Times as recordings write them, as integers, and how fine a recording's times are.

Pure.
"""

import re
from datetime import date

from replay.trace.remembered import remembered

_DAY_S = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_END_S = (date(2262, 1, 1).toordinal() - _EPOCH_DAY) * _DAY_S
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

    @property
    def ms(self) -> float:
        return self._grain * self._tick_ns / 1e6
