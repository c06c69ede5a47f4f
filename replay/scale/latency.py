"""Response times of all workers together while a run goes on, from the histograms that each leaves every second."""

from collections.abc import Sequence
from pathlib import Path

from replay.results.histogram import Histogram
from replay.results.hlog import parse_interval
from replay.results.types import HLOG_FILE

_TAG = b"Tag=response,"


class _Tail:
    """What was not read yet of one log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.splitlines(keepends=True)


class Latencies:
    """Of these run directories, so far."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._tails = [_Tail(path / HLOG_FILE) for path in directories]
        self.total = Histogram()

    def __repr__(self) -> str:
        return f"<Latencies {self.total!r}>"

    def look(self) -> Histogram:
        """All response times that are known by now."""
        for tail in self._tails:
            for line in tail.lines():
                if line.startswith(_TAG) and (interval := parse_interval(line)) is not None:
                    self.total.add(interval.histogram)
        return self.total
