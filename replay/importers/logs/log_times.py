"""Times and durations as web servers write them in their logs.

Pure. Everything is an integer: instants in ns since 1970, durations in us.
"""

import re

from replay.reading.timestamps import epoch_ns, scaled_ns, unix_ns
from replay.trace.remembered import remembered

_MONTHS = {
    name: n + 1
    for n, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    )
}
_COMMON = re.compile(
    r"(?P<day>\d\d)/(?P<month>[A-Z][a-z][a-z])/(?P<year>\d{4})[: ](?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
    r"(?: (?P<zone>[+-]\d{4}))?",
    re.ASCII,
).fullmatch
_NUMBER = re.compile(r"[\d.]++", re.ASCII).fullmatch
_DURATION = re.compile(r"(?P<number>[\d.]{1,40}) ?(?P<unit>ns|us|µs|ms|s)?", re.ASCII).fullmatch
_LONGEST_US = 10**15  # 31.7 years, as long as a trace may last


@remembered(4096)
def instant_ns(text: str) -> int | None:
    """An instant as `10/Oct/2000:13:55:36 -0700`, as ISO 8601, or as a number of s, ms, us or ns since 1970.

    The unit of a number follows from its size: such numbers overlap only before 1973. None where it is no instant.
    """
    found = _COMMON(text)
    if found:
        month = _MONTHS.get(found["month"])
        zone = found["zone"] or ""
        return (
            None
            if month is None
            else unix_ns(f"{found['year']}-{month:02}-{found['day']}T{found['clock']}{zone}")
        )
    return epoch_ns(text) if _NUMBER(text) else unix_ns(text)


@remembered(4096)
def duration_us(text: str, unit: str) -> int | None:
    """A duration like `0.123` in this unit (ns, us, ms or s), or like `0.123s`. None where it is none."""
    found = _DURATION(text)
    ns = None if found is None else scaled_ns(found["number"], found["unit"] or unit)
    return None if ns is None or ns > _LONGEST_US * 1_000 else (ns + 500) // 1_000
