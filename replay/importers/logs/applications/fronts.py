"""What stands in front of the line of an application: the time that it, or who collected it, wrote there.

Pure. Most servers of applications write no time by themselves; docker (with `-t`, or in JSON), `kubectl logs
--timestamps`, a container runtime or a format of the application's own do.
"""

import re

import msgspec

from replay.importers.logs.log_times import instant_ns

LONGEST_FRONT = 300

_COLOUR = re.compile(r"\x1b\[[\d;]{0,20}m")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?", re.ASCII).search


class _Docker(msgspec.Struct):
    log: str
    time: str


def unpacked(line: str) -> str:
    """The line without colours; the time and the line that are in docker's JSON."""
    if line.startswith('{"log"'):
        try:
            found = msgspec.json.decode(line, type=_Docker)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return line
        line = f"{found.time} {found.log.rstrip()}"
    return _COLOUR.sub("", line) if "\x1b" in line else line


def stamp_ns(front: str) -> int | None:
    """The first instant in ISO's notation that stands in front of a line; in UTC where it has no zone."""
    time = _TIME(front[:LONGEST_FRONT])
    return None if time is None else instant_ns(time[0])


def without_time(server: str) -> str:
    """What is wrong with a line that has no time, and what to do about it."""
    return (
        f"has no time: {server} writes none by itself. Collect its log with times (docker logs -t, kubectl logs "
        "--timestamps), or give its loggers a format that has one."
    )
