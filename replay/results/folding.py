"""Durations gathered over an interval, then folded into histograms and written as lines of latency.hlog.

While the interval lasts a duration is only appended to an array; the folding is one pass a series at its end.
A series is a kind and a name of steps; beyond a bound all further names share one series, since a trace may
name every step differently.
"""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from replay.results.histogram import Histogram
from replay.results.hlog import HlogWriter

MOST_SERIES = 200
OTHER = "(other)"


class IntervalFold:
    """Gathers durations in ns by tag. Tags: response, service, ttfb, ttft, itl, makespan over all steps, and
    `response:KIND:NAME` and `service:KIND:NAME` for each series.
    """

    def __init__(self, hlog: HlogWriter) -> None:
        self._hlog = hlog
        self._by_tag: dict[str, array[int]] = {
            tag: array("q") for tag in ("response", "service", "ttfb", "ttft", "itl", "makespan")
        }
        self._series: list[tuple[array[int], array[int]]] = []
        self._index: dict[tuple[str, str], int] = {}
        self.total = Histogram()

    def __repr__(self) -> str:
        return f"<IntervalFold {len(self._series)} series, {len(self._by_tag['response'])} values waiting>"

    def series(self, kind: str, name: str) -> int:
        """The number of a series, to be given to `add`."""
        if len(self._series) >= MOST_SERIES:
            kind, name = OTHER, OTHER
        index = self._index.get((kind, name))
        if index is None:
            response, service = array("q"), array("q")
            self._by_tag[f"response:{kind}:{name}"] = response
            self._by_tag[f"service:{kind}:{name}"] = service
            index = self._index[kind, name] = len(self._series)
            self._series.append((response, service))
        return index

    def add(self, series: int, response_ns: int, service_ns: int | None) -> None:
        """One step's times."""
        response, service = self._series[series]
        response.append(response_ns)
        self._by_tag["response"].append(response_ns)
        if service_ns is not None:
            service.append(service_ns)
            self._by_tag["service"].append(service_ns)

    def add_value(self, tag: str, value_ns: int) -> None:
        self._by_tag[tag].append(value_ns)

    def add_values(self, tag: str, values_ns: Sequence[int]) -> None:
        self._by_tag[tag].extend(values_ns)

    def close_interval(self, start_s: float, length_s: float) -> Iterator[str]:
        """End the interval. Its lines are written by the iterator that comes back, a series at each step."""
        taken = [(tag, values[:]) for tag, values in self._by_tag.items() if values]
        for values in self._by_tag.values():
            del values[:]
        return self._write_lines(taken, start_s, length_s)

    def _write_lines(
        self, taken: "list[tuple[str, array[int]]]", start_s: float, length_s: float
    ) -> Iterator[str]:
        for tag, values in taken:
            histogram = Histogram()
            histogram.record_many(np.frombuffer(values, np.int64))
            if tag == "response":
                self.total.add(histogram)
            self._hlog.interval(tag, start_s, length_s, histogram)
            yield tag
