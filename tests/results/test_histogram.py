"""The histogram against HdrHistogram's own Python port, and against plain sorting."""

import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from replay.results.histogram import (
    HIGHEST,
    Histogram,
    decode,
    highest_equivalents,
    indexes,
    lowest_equivalents,
)

units = st.integers(0, HIGHEST)
ratios = st.floats(0.0001, 1.0)


def of(values_us):
    histogram = Histogram()
    histogram.record_many([value * 1000 for value in values_us])
    return histogram


def theirs(values_us):
    histogram = HdrHistogram(1, HIGHEST, 3)
    for value in values_us:
        histogram.record_value(value)
    return histogram


@given(st.lists(units, min_size=1, max_size=50))
def test_every_value_lies_in_its_bucket_and_buckets_are_narrow(values):
    index = indexes(np.array(values, np.int64))
    low, high = lowest_equivalents(index), highest_equivalents(index)

    assert (low <= values).all()
    assert (high >= values).all()
    assert (high - low <= np.maximum(0, low / 1000)).all()


@given(st.lists(units, min_size=1, max_size=50))
def test_the_library_reads_what_is_encoded(values):
    decoded = HdrHistogram.decode(of(values).encode())
    expected = theirs(values)

    assert decoded.get_total_count() == len(values)
    assert list(decoded.counts) == list(expected.counts)


@given(st.lists(units, min_size=1, max_size=50))
def test_what_the_library_encodes_is_read(values):
    ours = decode(theirs(values).encode())

    assert ours.n == len(values)
    assert ours.encode() == of(values).encode()


@given(st.lists(units, min_size=1, max_size=60), ratios)
def test_a_quantile_is_the_value_of_its_rank_to_a_thousandth(values, ratio):
    rank = max(1, math.ceil(ratio * len(values) - 1e-9))
    exact = sorted(values)[rank - 1]

    found = of(values).value_at_ms(ratio) * 1000

    # The way through milliseconds costs the last bit of the largest values.
    assert exact * (1 - 1e-12) - 1e-6 <= found <= exact * 1.001 + 1


@given(st.lists(st.integers(-5, HIGHEST + 5), max_size=80), st.integers(0, 80))
def test_few_values_are_counted_as_many_are(values, at):
    one_by_one, together, added = Histogram(), Histogram(), Histogram()
    for value in values:
        one_by_one.record_many([value * 1000 + 499])
    together.record_many([value * 1000 + 499 for value in values])
    for part in (values[:at], values[at:]):
        histogram = Histogram()
        histogram.record_many([value * 1000 + 499 for value in part])
        added.add(histogram)

    assert one_by_one.encode() == together.encode() == added.encode()
    assert one_by_one.quantiles() == together.quantiles() == added.quantiles()
    assert one_by_one.out_of_range == together.out_of_range == added.out_of_range
    for histogram in (one_by_one, together, added):
        # After its quantiles were asked for, all of them count in an array.
        assert histogram.encode() == together.encode()
        assert histogram.read_back().quantiles() == decode(together.encode()).quantiles()


@given(st.lists(units, max_size=60), st.lists(units, max_size=60))
def test_adding_is_recording_together(some, more):
    added = of(some)
    added.add(of(more))

    assert added.quantiles() == of(some + more).quantiles()


def test_least_greatest_and_mean_are_exact():
    histogram = Histogram()
    histogram.record_many([1_234_567, 2_345_678])

    figures = histogram.quantiles()

    assert (figures.min, figures.max) == (1.234567, 2.345678)
    assert figures.mean == pytest.approx(1.7901225)


def test_values_beyond_the_range_are_counted_at_its_edge():
    histogram = Histogram()
    histogram.record_many([-5000, (HIGHEST + 10) * 1000, 7_000])

    assert (histogram.n, histogram.out_of_range) == (3, 2)
    assert histogram.quantiles().max == HIGHEST / 1000


def test_an_empty_histogram_has_a_count_and_nothing_else():
    assert Histogram().quantiles().n == 0
    assert Histogram().quantiles().p50 is None
    assert decode(Histogram().encode()).n == 0
    with pytest.raises(ValueError, match="no quantiles"):
        Histogram().value_at_ms(0.5)


def test_histograms_of_different_units_do_not_mix():
    with pytest.raises(ValueError, match="100 ns"):
        Histogram(1000).add(Histogram(100))


@pytest.mark.parametrize("text", [b"", b"nonsense", b"AAAA", Histogram().encode()[:-8], b"\xff\xfe"])
def test_what_is_no_histogram_is_refused(text):
    with pytest.raises(ValueError, match="histogram"):
        decode(text)


def test_a_histogram_of_another_range_is_refused():
    with pytest.raises(ValueError, match="range or precision"):
        decode(HdrHistogram(1, 3_600_000_000, 3).encode())


@given(st.dictionaries(st.integers(-(10**6), 10**17), st.integers(1, 50), max_size=30))
def test_counts_are_recorded_as_each_value_by_itself_is(counts):
    told, one_by_one = Histogram(), Histogram()
    told.record_counts(counts)
    one_by_one.record_many([ns for ns, times in counts.items() for _ in range(times)])

    assert told.encode() == one_by_one.encode()
    assert (told.n, told.quantiles().max) == (one_by_one.n, one_by_one.quantiles().max)


@given(st.lists(st.lists(st.integers(-2000, 2000) | st.integers(0, 10**17), max_size=5), max_size=5))
def test_in_which_portions_values_come_changes_nothing(portions):
    whole, in_portions = Histogram(), Histogram()
    whole.record_many([ns for portion in portions for ns in portion])
    for portion in portions:
        in_portions.record_many(portion)

    assert in_portions.quantiles() == whole.quantiles()
    assert in_portions.out_of_range == whole.out_of_range


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_a_histogram_is_read_back_as_its_encoding_is(values):
    histogram = Histogram()
    histogram.record_many(values)

    assert histogram.read_back().quantiles() == decode(histogram.encode()).quantiles()
