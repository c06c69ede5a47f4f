"""Times and durations as web servers write them in their logs.

Pure. Everything is an integer: instants in ns since 1970, durations in us.
"""

import re

from replay.importers.reading.timestamps import unix_ns
from replay.trace.remembered import remembered

_MONTHS = {
    name: n + 1
    for n, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    )
}
_COMMON = re.compile(
    r"(?P<day>\d\d)/(?P<month>[A-Z][a-z][a-z])/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
    r"(?: (?P<zone>[+-]\d{4}))?",
    re.ASCII,
).fullmatch
_NUMBER = re.compile(r"(?P<whole>\d{1,19})(?:\.(?P<fraction>\d{1,18}))?", re.ASCII).fullmatch
_DURATION = re.compile(r"(?P<number>[\d.]{1,40}) ?(?P<unit>ns|us|µs|ms|s)?", re.ASCII).fullmatch
_END_NS = 9_214_646_400_000_000_000  # 2262-01-01, where unix_ns ends too
_LONGEST_US = 10**15  # 31.7 years, as long as a trace may last
_UNIT_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


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
    number = _NUMBER(text)
    if number:
        digits = len(number["whole"].lstrip("0"))
        unit = "s" if digits <= 11 else "ms" if digits <= 14 else "us" if digits <= 17 else "ns"
        at_ns = _scaled(text, _UNIT_NS[unit])
        return at_ns if at_ns is not None and at_ns < _END_NS else None
    return unix_ns(text)


@remembered(4096)
def duration_us(text: str, unit: str) -> int | None:
    """A duration like `0.123` in this unit (ns, us, ms or s), or like `0.123s`. None where it is none."""
    found = _DURATION(text)
    ns = None if found is None else _scaled(found["number"], _UNIT_NS[found["unit"] or unit])
    return None if ns is None or ns > _LONGEST_US * 1_000 else (ns + 500) // 1_000


def _scaled(text: str, unit_ns: int) -> int | None:
    """The number times unit_ns, exactly but for what is below 1 ns."""
    found = _NUMBER(text)
    if found is None:
        return None
    fraction = found["fraction"] or ""
    below_ns: int = int(fraction or 0) * unit_ns // 10 ** len(fraction)
    return int(found["whole"]) * unit_ns + below_ns
