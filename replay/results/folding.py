"""Durations gathered over an interval, then folded into histograms and written as lines of latency.hlog.

While the interval lasts a duration is only appended to an array; the folding is one pass a series at its end.
A series is a kind and a name of steps; beyond a bound all further names share one series, since a trace may
name every step differently.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from replay.results.histogram import Histogram
from replay.results.hlog import HlogWriter

Append = Callable[[int], None]
Taken = list[tuple[str, "array[int]"]]

MOST_SERIES = 200
# Of more durations it is rare that two tags have the same.
_FEW = 32
OTHER = "(other)"
ONLY_LOGGED = ("itl", "makespan", "makespan_failed")
"""Tags of what no line of steps.jsonl tells."""
MEASURES = ("response", "service", "failed")


class SeriesAppends(NamedTuple):
    """Where the times of one series go: response and service of attempts that were answered, response of those that
    failed.
    """

    response: Append
    service: Append
    failed: Append


class IntervalFold:
    """Gathers durations in ns by tag. Tags: response, service, ttfb, ttft and itl of the steps that were answered,
    failed for the response times of those that failed, makespan of the whole sessions in which nothing failed and
    makespan_failed of those in which a step did; and `response:KIND:NAME`, `service:KIND:NAME` and `failed:KIND:NAME`
    for each series. total: all response times so far. logged: all that was logged of ONLY_LOGGED, as it is read back.
    """

    def __init__(self, hlog: HlogWriter) -> None:
        self._hlog = hlog
        self._by_tag: dict[str, array[int]] = {
            tag: array("q") for tag in ("ttfb", "ttft", "itl", "makespan", "makespan_failed")
        }
        # Bound methods of arrays that are emptied in place: the cheapest way to hand a value over.
        self.ttfb = self._by_tag["ttfb"].append
        self.ttft = self._by_tag["ttft"].append
        self.itl = self._by_tag["itl"].extend
        self._further_itl: Counter[int] = Counter()
        self.makespan = self._by_tag["makespan"].append
        self.makespan_failed = self._by_tag["makespan_failed"].append
        self._series: list[tuple[str, tuple[array[int], ...]]] = []
        self._index: dict[tuple[str, str], int] = {}
        self.total = Histogram()
        self.logged: dict[str, Histogram] = {}

    def __repr__(self) -> str:
        return f"<IntervalFold {len(self._series)} series>"

    def further_itl(self, counts: Mapping[int, int]) -> None:
        """Gaps between tokens of a stream that has too many to be handed over one by one: how often each came."""
        for gap_ns, times in counts.items():
            self._further_itl[gap_ns] += times

    def series(self, kind: str, name: str) -> SeriesAppends:
        """Where the times of a series go."""
        if (kind, name) not in self._index and len(self._series) >= MOST_SERIES:
            kind = name = OTHER
        index = self._index.get((kind, name))
        if index is None:
            index = self._index[kind, name] = len(self._series)
            self._series.append((f"{kind}:{name}", tuple(array("q") for _ in MEASURES)))
        return SeriesAppends(*(values.append for values in self._series[index][1]))

    def close_interval(self, start_s: float, length_s: float) -> Iterator[str]:
        """End the interval. Its lines are written by the iterator that comes back, a series at each step."""
        taken = [(tag, values[:]) for tag, values in self._by_tag.items() if values]
        whole: dict[str, array[int]] = {measure: array("q") for measure in MEASURES}
        for name, of_series in self._series:
            for measure, values in zip(MEASURES, of_series, strict=True):
                if values:
                    whole[measure].extend(values)
                    taken.append((f"{measure}:{name}", values[:]))
                    del values[:]
        for values in self._by_tag.values():
            del values[:]
        further, self._further_itl = self._further_itl, Counter()
        taken[:0] = [(measure, values) for measure, values in whole.items() if values]
        return self._write_lines(taken, further, start_s, length_s)

    def _write_lines(
        self, taken: Taken, further_itl: Mapping[int, int], start_s: float, length_s: float
    ) -> Iterator[str]:
        # A second of few steps has the same durations under most of its tags.
        folded: dict[bytes, tuple[Histogram, bytes]] = {}
        for tag, values in taken:
            durations = values.tobytes() if len(values) <= _FEW and tag != "itl" else None
            if durations is not None and durations in folded:
                histogram, encoded = folded[durations]
            else:
                histogram = Histogram()
                histogram.record_many(np.frombuffer(values, np.int64))
                if tag == "itl":
                    histogram.record_counts(further_itl)
                encoded = histogram.encode()
                if durations is not None:
                    folded[durations] = histogram, encoded
            if tag == "response":
                self.total.add(histogram)
            if tag in ONLY_LOGGED:
                self.logged.setdefault(tag, Histogram()).add(histogram.read_back())
            self._hlog.interval(tag, start_s, length_s, histogram, encoded)
            yield tag
