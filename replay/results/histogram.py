"""Latencies as an HDR histogram: counts in buckets whose width is never more than 0.1% of their value.

The layout of the buckets and the V2 encoding are those of HdrHistogram (https://github.com/HdrHistogram/HdrHistogram,
AbstractHistogram.java and ZigZagLEB128 encoding), with 3 significant digits, so its own tools read what is
written here. Values come as arrays of ns and are counted in a unit, by default microseconds; the work is
numpy's, which for thousands of values a second is far cheaper than a call for each.
"""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from replay.results.summary_types import Quantiles

Int64s = NDArray[np.int64]

SIGNIFICANT_DIGITS = 3
HIGHEST = 7 * 24 * 3600 * 1_000_000
"""The largest value that is told apart, in units: 7 days of microseconds. Larger ones count as this one."""
LAG_UNIT_NS = 100
"""Dispatch lag is told in microseconds, so its histograms count tenths of them."""

# For 3 digits: 2048 sub-buckets, the smallest power of two that tells 2 * 10**3 values apart.
_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
_BUCKETS = HIGHEST.bit_length() - (_HALF_BITS + 1) + 1
_LENGTH = (_BUCKETS + 1) * _HALF

_NO_COUNTS: Int64s = np.zeros(0, np.int64)
# From so many values on, counting them all in one pass beats adding them up one by one.
_MANY = 2048
# Up to so many buckets are counted by their index: a second of few calls would have an array of 128 KiB made and read.
_FEW = 32

_COOKIE = 0x1C849303 | 0x10
_COMPRESSED_COOKIE = 0x1C849304 | 0x10
_HEADER = struct.Struct(">IIIIQQd")
_OUTER = struct.Struct(">II")
_DECODED_MOST_BYTES = 4 << 20
# Smaller counts, so nearly all, are one byte.
_ONE_BYTE = 64


class Histogram:
    """Counts of durations.

    unit_ns: what one unit is; recorded durations are rounded to it. n: how many were recorded. out_of_range:
    how many of them were beyond the range (negative, or over HIGHEST units) and counted at its edge.
    Least, greatest and mean are exact, in ns; quantiles are those of the buckets.
    """

    __slots__ = ("_counts", "_few", "_greatest_ns", "_least_ns", "_sum_ns", "n", "out_of_range", "unit_ns")

    def __init__(self, unit_ns: int = 1000) -> None:
        self.unit_ns = unit_ns
        self.n = self.out_of_range = 0
        # By bucket: in one of the two.
        self._few: dict[int, int] = {}
        self._counts: Int64s = _NO_COUNTS
        self._sum_ns = 0
        self._least_ns = self._greatest_ns = 0

    def __repr__(self) -> str:
        return f"<Histogram of {self.n}>"

    def record_many(self, durations_ns: Sequence[int] | Int64s) -> None:
        """Count these durations."""
        ns = np.asarray(durations_ns, np.int64)
        if not len(ns):
            return
        most_ns = HIGHEST * self.unit_ns
        if len(ns) <= _FEW and not len(self._counts):
            values: list[int] = ns.tolist()
            least, greatest, sum_ns = min(values), max(values), sum(values)
            if least >= 0 and greatest <= most_ns:
                self._record_few(values)
                self._recorded(len(values), least, greatest, sum_ns)
                return
        units = (ns + self.unit_ns // 2) // self.unit_ns
        least, greatest = int(ns.min()), int(ns.max())
        if least < 0 or greatest > most_ns:
            self.out_of_range += int(np.count_nonzero((units < 0) | (units > HIGHEST)))
            units, ns = np.clip(units, 0, HIGHEST), np.clip(ns, 0, most_ns)
            least, greatest = max(0, least), min(most_ns, max(0, greatest))
        index = indexes(units)
        self._reach(int(index.max()) + 1)
        if len(index) < _MANY:
            np.add.at(self._counts, index, 1)
        else:
            self._counts += np.bincount(index, minlength=len(self._counts))
        self._recorded(len(ns), least, greatest, _exact_sum(ns))

    def _record_few(self, durations_ns: list[int]) -> None:
        few, unit_ns, half_ns = self._few, self.unit_ns, self.unit_ns // 2
        for ns in durations_ns:
            units = (ns + half_ns) // unit_ns
            bucket = max(units.bit_length() - (_HALF_BITS + 1), 0)
            index = (bucket << _HALF_BITS) + (units >> bucket)
            few[index] = few.get(index, 0) + 1
        self._spread_many()

    def _recorded(self, n: int, least_ns: int, greatest_ns: int, sum_ns: int) -> None:
        """So many more were counted, between these two, and this long together."""
        self._least_ns = min(self._least_ns, least_ns) if self.n else least_ns
        self._greatest_ns = max(self._greatest_ns, greatest_ns)
        self._sum_ns += sum_ns
        self.n += n

    def record_counts(self, durations_ns: Mapping[int, int]) -> None:
        """Count durations, each so many times."""
        if not durations_ns:
            return
        ns = np.fromiter(durations_ns, np.int64, len(durations_ns))
        times = np.fromiter(durations_ns.values(), np.int64, len(durations_ns))
        once = Histogram(self.unit_ns)
        once.record_many(ns)
        once._spread()
        once._counts[:] = 0
        units = np.clip((ns + self.unit_ns // 2) // self.unit_ns, 0, HIGHEST)
        np.add.at(once._counts, indexes(units), times)
        once.n = int(times.sum())
        most_ns = HIGHEST * self.unit_ns
        once._sum_ns = sum(min(max(0, value), most_ns) * n for value, n in durations_ns.items())
        self.add(once)

    def add(self, other: "Histogram") -> None:
        """Add another histogram of the same unit; raises ValueError if it has another."""
        if other.unit_ns != self.unit_ns:
            raise ValueError(f"a histogram in {other.unit_ns} ns cannot be added to one in {self.unit_ns} ns")
        if not other.n:
            return
        if not len(other._counts):
            self._add_few(other._few)
        else:
            self._reach(len(other._counts))
            self._counts[: len(other._counts)] += other._counts
        self._recorded(other.n, other._least_ns, other._greatest_ns, other._sum_ns)
        self.out_of_range += other.out_of_range

    def _add_few(self, added: Mapping[int, int]) -> None:
        if len(self._counts):
            self._reach(max(added) + 1)
            for index, count in added.items():
                self._counts[index] += count
            return
        few = self._few
        for index, count in added.items():
            few[index] = few.get(index, 0) + count
        self._spread_many()

    def read_back(self) -> "Histogram":
        """As `decode` gives it of what `encode` writes: with the sum and the extremes that its buckets tell."""
        found = Histogram(self.unit_ns)
        filled, counted = self._filled()
        if filled:
            found._count_buckets(filled, counted)
        return found

    def _filled(self) -> tuple[list[int], list[int]]:
        """The buckets that are not empty, ascending, and what is in each."""
        if not len(self._counts):
            filled = sorted(self._few)
            return filled, [self._few[index] for index in filled]
        at = np.flatnonzero(self._counts)
        return at.tolist(), self._counts[at].tolist()

    def _count_buckets(self, filled: list[int], counted: list[int]) -> None:
        """Count so many values in each of these buckets, in ascending order; of an empty histogram."""
        if len(filled) <= _FEW:
            self._few = dict(zip(filled, counted, strict=True))
            edges = [_edges(index) for index in filled]
            self.n = sum(counted)
            twice = sum(n * (low + high) for n, (low, high) in zip(counted, edges, strict=True))
            least, greatest = edges[0][0], edges[-1][1]
        else:
            self._reach(filled[-1] + 1)
            self._counts[filled] = counted
            index, times = np.array(filled, np.int64), np.array(counted, np.int64)
            lows, highs = lowest_equivalents(index), highest_equivalents(index)
            self.n = int(times.sum())
            twice = int((times * (lows + highs)).sum())
            least, greatest = int(lows[0]), int(highs[-1])
        self._least_ns = least * self.unit_ns
        self._greatest_ns = greatest * self.unit_ns
        self._sum_ns = twice * self.unit_ns // 2

    def _spread_many(self) -> None:
        if len(self._few) > _FEW:
            self._spread()

    def _spread(self) -> None:
        """Count in an array from now on."""
        self._reach(1)

    def _reach(self, length: int) -> None:
        """Have counts for so many buckets: only as many as the largest value needs, for most histograms are small."""
        few, self._few = self._few, {}
        length = max(length, 1 + max(few, default=0))
        if length > len(self._counts):
            grown = np.zeros(min(_LENGTH, max(_HALF, 1 << (length - 1).bit_length())), np.int64)
            grown[: len(self._counts)] = self._counts
            self._counts = grown
        for index, count in few.items():
            self._counts[index] = count

    @property
    def max_ms(self) -> float:
        return self._greatest_ns / 1e6

    def value_at_ms(self, ratio: float) -> float:
        """The smallest value that at least this ratio of the recorded ones do not exceed, in ms, to 0.1%."""
        return self.values_at_ms((ratio,))[0]

    def values_at_ms(self, ratios: Sequence[float]) -> list[float]:
        """As value_at_ms, for several ratios at once. HdrHistogram's rule: the top of the bucket reached."""
        if not self.n:
            raise ValueError("an empty histogram has no quantiles")
        self._spread()
        reached = np.cumsum(self._counts)
        wanted = [max(1, int(np.ceil(ratio * self.n - 1e-9))) for ratio in ratios]
        tops = highest_equivalents(np.searchsorted(reached, wanted).astype(np.int64))
        least, greatest = self._least_ns, self._greatest_ns
        return [min(max(int(top) * self.unit_ns, least), greatest) / 1e6 for top in tops]

    def quantiles(self) -> Quantiles:
        """The usual figures, in ms; only n where nothing was recorded."""
        if not self.n:
            return Quantiles(n=0)
        p50, p90, p95, p99, p99_9 = (round(ms, 6) for ms in self.values_at_ms((0.5, 0.9, 0.95, 0.99, 0.999)))
        return Quantiles(
            n=self.n,
            mean=round(self._sum_ns / self.n / 1e6, 6),
            min=round(self._least_ns / 1e6, 6),
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            p99_9=p99_9,
            max=round(self._greatest_ns / 1e6, 6),
        )

    def encode(self) -> bytes:
        """HdrHistogram's V2 compressed form in base64, as in its logs."""
        body = bytearray()
        at = 0
        for index, count in zip(*self._filled(), strict=True):
            if index > at:
                _put_zigzag(body, at - index)
            if count < _ONE_BYTE:
                body.append(count << 1)
            else:
                _put_zigzag(body, count)
            at = index + 1
        header = _HEADER.pack(_COOKIE, len(body), 0, SIGNIFICANT_DIGITS, 1, HIGHEST, 1.0)
        packed = zlib.compress(header + body, 1)
        return base64.b64encode(_OUTER.pack(_COMPRESSED_COOKIE, len(packed)) + packed)


def decode(text: bytes, unit_ns: int = 1000) -> Histogram:
    """Read what `encode` wrote. The exact sum and extremes are not in it: the buckets' middles and edges serve.

    Raises ValueError for anything else, a histogram of another range or precision included.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        cookie, length = _OUTER.unpack_from(raw)
        inflate = zlib.decompressobj()
        data = inflate.decompress(raw[_OUTER.size :], _DECODED_MOST_BYTES)
        if len(raw) != _OUTER.size + length or not inflate.eof:
            raise ValueError("cut short")
        inner, size, _, digits, lowest, highest, _ = _HEADER.unpack_from(data)
    except (ValueError, struct.error, zlib.error) as cause:
        raise ValueError(f"no histogram: {cause}") from cause
    if cookie & ~0xF0 != 0x1C849304 or inner & ~0xF0 != 0x1C849303:
        raise ValueError("no histogram of version 2")
    if (digits, lowest, highest) != (SIGNIFICANT_DIGITS, 1, HIGHEST):
        raise ValueError("a histogram of another range or precision")
    histogram = Histogram(unit_ns)
    index: list[int] = []
    counts: list[int] = []
    at = 0
    for value in _zigzags(data[_HEADER.size : _HEADER.size + size]):
        if value < 0:
            at -= value
            continue
        if at >= _LENGTH:
            raise ValueError("a histogram that is longer than its range")
        if value:
            index.append(at)
            counts.append(value)
        at += 1
    if index:
        histogram._count_buckets(index, counts)
    return histogram


def _exact_sum(ns: Int64s) -> int:
    """As an integer, which is the same in whatever order and portions the values come; many long ones pass 63 bits."""
    return (int((ns >> 20).sum()) << 20) + int((ns & 0xFFFFF).sum())


def indexes(units: Int64s) -> Int64s:
    """The bucket of each value, in 0..HIGHEST."""
    exponent = np.frexp(units.astype(np.float64))[1].astype(np.int64)
    bucket = np.maximum(exponent - (_HALF_BITS + 1), 0)
    found: Int64s = (bucket << _HALF_BITS) + (units >> bucket)
    return found


def lowest_equivalents(index: Int64s) -> Int64s:
    """The smallest value of each bucket."""
    bucket = np.maximum((index >> _HALF_BITS) - 1, 0)
    found: Int64s = (index - (bucket << _HALF_BITS)) << bucket
    return found


def highest_equivalents(index: Int64s) -> Int64s:
    """The largest value of each bucket."""
    bucket = np.maximum((index >> _HALF_BITS) - 1, 0)
    found: Int64s = lowest_equivalents(index) + (np.int64(1) << bucket) - 1
    return found


def _edges(index: int) -> tuple[int, int]:
    """Both of these of one bucket."""
    bucket = max((index >> _HALF_BITS) - 1, 0)
    low = (index - (bucket << _HALF_BITS)) << bucket
    return low, low + (1 << bucket) - 1


def _put_zigzag(out: bytearray, value: int) -> None:
    word = (value << 1) ^ (value >> 63)
    # At most 9 bytes: the ninth holds 8 bits.
    for _ in range(8):
        if word < 0x80:
            out.append(word)
            return
        out.append(word & 0x7F | 0x80)
        word >>= 7
    out.append(word & 0xFF)


def _zigzags(data: bytes) -> list[int]:
    found = []
    at, end = 0, len(data)
    while at < end:
        word = shift = 0
        for n in range(9):
            if at >= end:
                raise ValueError("a histogram that is cut short")
            byte = data[at]
            at += 1
            if n == 8:
                word |= byte << shift
                break
            word |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        found.append((word >> 1) ^ -(word & 1))
    return found
