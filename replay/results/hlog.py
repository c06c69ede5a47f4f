"""latency.hlog: an HdrHistogram interval log (format 1.3, histograms in V2), a tagged line for each series a second.

Layout, from HistogramLogWriter.java and HistogramLogReader.java of HdrHistogram: comments with `#`, a StartTime
and a BaseTime in seconds since the epoch, then `[Tag=X,]start_s,length_s,max,base64`, the start counted from
BaseTime. No line of the format says the unit of the values, so a comment does. A tag may hold no comma, no
space and no line end; names from a trace are percent-escaped.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from replay.results.histogram import Histogram, decode

UNIT_COMMENT = "values are in microseconds; Interval_Max is in milliseconds"
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_BASE_TIME = b"#[BaseTime:"
_KEPT_IN_TAGS = "!$&'()*+-./:;=@_~"


class Interval(NamedTuple):
    """One line: the histogram of one series over one interval, its start in seconds from the run's start."""

    tag: str
    start_s: float
    length_s: float
    histogram: Histogram


class HlogWriter:
    """Writes the log through `write(bytes)`: the head once with `begin`, then the intervals."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def begin(self, started_at_s: float) -> None:
        """Write the head. started_at_s: wall time of the run's start, in seconds since the epoch."""
        stamp = datetime.fromtimestamp(started_at_s, UTC).isoformat(timespec="milliseconds")
        self._write(
            (
                "#[Histogram log format version 1.3]\n"
                f"#[{UNIT_COMMENT}]\n"
                f"#[StartTime: {started_at_s:.3f} (seconds since epoch), {stamp}]\n"
                f"#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
                f"{_LEGEND}\n"
            ).encode()
        )

    def interval(
        self, tag: str, start_s: float, length_s: float, histogram: Histogram, encoded: bytes | None = None
    ) -> None:
        """Write one line. encoded: the histogram as it encodes, where that is known."""
        encoded = histogram.encode() if encoded is None else encoded
        self._write(
            b"Tag=%s,%.3f,%.3f,%.3f,%s\n"
            % (escaped_tag(tag).encode(), start_s, length_s, histogram.max_ms, encoded)
        )


def escaped_tag(tag: str) -> str:
    """The tag as it stands in the log."""
    return quote(tag, safe=_KEPT_IN_TAGS, errors="replace")


def read_hlog(path: Path) -> Iterator[Interval]:
    """Every whole line of a log, in order; lines that cannot be read (one cut short by a crash) are left out."""
    with path.open("rb") as lines:
        for line in lines:
            if (interval := parse_interval(line)) is not None:
                yield interval


def parse_interval(line: bytes) -> Interval | None:
    """A line with its end; None where it is no interval, or cannot be read."""
    if not line.startswith(b"Tag=") or not line.endswith(b"\n"):
        return None
    try:
        tag, start_s, length_s, _, histogram = line[4:].rstrip().split(b",")
        return Interval(unquote(tag.decode()), float(start_s), float(length_s), decode(histogram))
    except ValueError:
        return None


def read_base_s(path: Path) -> float | None:
    """Wall time from which the intervals of a log count, in seconds since the epoch; None where it has no head."""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(_BASE_TIME):
                try:
                    return float(line[len(_BASE_TIME) :].split()[0])
                except (ValueError, IndexError):
                    return None
            if not line.startswith(b"#"):
                return None
    return None


def read_totals(path: Path, tags: set[str]) -> dict[str, Histogram]:
    """The sum over all intervals of each of these series, where the log has it."""
    totals: dict[str, Histogram] = {}
    wanted = tuple(b"Tag=%s," % escaped_tag(tag).encode() for tag in tags)
    with path.open("rb") as lines:
        # Most lines are of other series, and to decode a histogram is most of the work.
        for line in filter(lambda line: line.startswith(wanted), lines):
            if (interval := parse_interval(line)) is not None:
                totals.setdefault(interval.tag, Histogram()).add(interval.histogram)
    return totals
