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
# Of RFC 5322, as in headers of HTTP, and of C's ctime, whose zone is none.
_DATED = re.compile(
    r"(?:[A-Z][a-z][a-z], )?(?P<day>\d{1,2}) (?P<month>[A-Z][a-z][a-z]) (?P<year>\d{4}) (?P<clock>\d\d:\d\d:\d\d)"
    r"(?: (?:GMT|UTC|Z|(?P<zone>[+-]\d{4})))?",
    re.ASCII,
).fullmatch
_CTIME = re.compile(
    r"(?:[A-Z][a-z][a-z] )?(?P<month>[A-Z][a-z][a-z]) (?P<day>[ \d]\d) (?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?) "
    r"(?P<year>\d{4})(?P<zone>)",
    re.ASCII,
).fullmatch
# As Go's package log writes it, and Caddy by `time_format wall`.
_SLASHED = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII).fullmatch
_NUMBER = re.compile(r"[\d.]++", re.ASCII).fullmatch
_DURATION = re.compile(r"(?P<number>[\d.]{1,40}) ?(?P<unit>ns|us|[µμ]s|ms|s)?", re.ASCII).fullmatch
# As Go writes more than a minute, as .NET's TimeSpan and Python's timedelta stand, and as ISO 8601.
_IN_PARTS = tuple(
    re.compile(pattern, re.ASCII).fullmatch
    for pattern in (
        r"(?=\d{1,9}[hm])(?:(?P<hours>\d{1,9})h)?(?:(?P<minutes>\d{1,9})m)?(?:(?P<seconds>[\d.]{1,20})s)?",
        r"(?:(?P<days>\d{1,5})(?:\.| days?, ))?(?P<hours>\d{1,2}):(?P<minutes>[0-5]\d):"
        r"(?P<seconds>[0-5]\d(?:\.\d{1,9})?)",
        r"P(?:(?P<days>\d{1,5})D)?(?=T\d)T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>[\d.]{1,20})S)?",
    )
)
_PARTS_S = {"days": 86_400, "hours": 3_600, "minutes": 60}
_LONGEST_US = 10**15  # 31.7 years, as long as a trace may last


@remembered(4096)
def instant_ns(text: str) -> int | None:
    """An instant as `10/Oct/2000:13:55:36 -0700`, as ISO 8601 (also with slashes), RFC 5322 or ctime, or as a number of
    s, ms, us or ns since 1970.

    The unit of a number follows from its size: such numbers overlap only before 1973. None where it is no instant.
    """
    found = _COMMON(text) or _DATED(text) or _CTIME(text)
    if found:
        month = _MONTHS.get(found["month"])
        day = found["day"].strip().zfill(2)
        zone = found["zone"] or ""
        return None if month is None else unix_ns(f"{found['year']}-{month:02}-{day}T{found['clock']}{zone}")
    if _NUMBER(text):
        return epoch_ns(text)
    return unix_ns(text.replace("/", "-") if _SLASHED(text) else text)


@remembered(4096)
def duration_us(text: str, unit: str) -> int | None:
    """A duration like `0.123` in this unit (ns, us, ms or s), or with units of its own. None where it is none."""
    found = _DURATION(text)
    if found is None or found["unit"]:
        return told_duration_us(text)
    return _rounded_us(scaled_ns(found["number"], unit))


@remembered(4096)
def told_duration_us(text: str) -> int | None:
    """A duration with its unit: `0.123s`, `1m2.5s`, `00:01:02.5`, `PT1M2.5S`. None where it is none, or has no unit."""
    found = _DURATION(text)
    if found is not None:
        unit = (found["unit"] or "").replace("μ", "µ")
        return _rounded_us(scaled_ns(found["number"], unit)) if unit else None
    parts = next((found.groupdict() for match in _IN_PARTS if (found := match(text))), None)
    if parts is None:
        return None
    below_ns = scaled_ns(parts["seconds"] or "0", "s")
    whole_s = sum(int(parts.get(name) or 0) * part_s for name, part_s in _PARTS_S.items())
    return None if below_ns is None else _rounded_us(whole_s * 1_000_000_000 + below_ns)


def _rounded_us(ns: int | None) -> int | None:
    return None if ns is None or ns > _LONGEST_US * 1_000 else (ns + 500) // 1_000
