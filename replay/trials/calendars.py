"""Finding a calendar: one of ours by its name, or a file of the user's own: a calendar, or a log of counts."""

import errno
from pathlib import Path

from replay.money.calendar import Calendar, CalendarError
from replay.money.calendar_file import NAMED, named_calendar, parse_calendar
from replay.money.calendar_fit import fitted_calendar, parse_counts
from replay.system.files import read_small

_LOGS = (".csv", ".jsonl", ".ndjson")
_MOST_BYTES = 256 << 20


def calendar_from(name: str) -> Calendar:
    """A calendar by its name, from its TOML file, or fitted from a log of counts (.csv, .jsonl).

    Raises CalendarError.
    """
    if name in NAMED:
        return named_calendar(name)
    path = Path(name)
    try:
        content = read_small(path, _MOST_BYTES)
    except FileNotFoundError as cause:
        raise CalendarError(f"{name}: no such calendar. Name a file, or one of {', '.join(NAMED)}.") from cause
    except (OSError, ValueError) as cause:
        if getattr(cause, "errno", None) == errno.EFBIG:
            raise CalendarError(f"{name}: is larger than 256 MiB. Sum the log up to counts by hour.") from cause
        reason = getattr(cause, "strerror", None) or str(cause)
        raise CalendarError(f"{name}: the calendar cannot be read ({reason}).") from cause
    if path.suffix.lower() in _LOGS:
        return fitted_calendar(parse_counts(content, name), path.stem, name)
    return parse_calendar(content, name, path.stem)
