"""A run's lines as columns, a block at a time: the same as record by record."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.results.columns import Gathering, columns_of
from replay.results.histogram import Histogram
from replay.results.summary import rebuild
from replay.results.tables import table
from replay.results.tables.table import ABSENT, NUMBERS, table_of
from replay.results.types import StepRecord
from tests.results.plainly import PlainCounts, plain_columns
from tests.support.records import BLOCKS, MANIFEST, RECORDS


@settings(max_examples=60)
@given(BLOCKS)
def test_columns_are_those_of_a_reading_record_by_record(blocks):
    found, plain = columns_of(blocks), plain_columns(blocks)

    for name, value, expected in zip(found._fields, found, plain, strict=True):
        if isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype, name
            assert value.tolist() == expected.tolist(), name
        else:
            assert value == expected, name


@settings(max_examples=60)
@given(BLOCKS)
def test_where_lines_are_cut_into_blocks_changes_nothing(blocks):
    whole = columns_of([[record for records in blocks for record in records]])

    for value, expected in zip(columns_of(blocks), whole, strict=True):
        assert np.array_equal(value, expected) if isinstance(expected, np.ndarray) else value == expected


@settings(max_examples=50)
@given(BLOCKS)
def test_a_summary_counts_what_counting_record_by_record_does(tmp_path_factory, blocks):
    run = tmp_path_factory.mktemp("run")
    records = [record for records in blocks for record in records]
    (run / "steps.jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    plain = PlainCounts(records)

    found = rebuild(run, MANIFEST)

    counts = msgspec.structs.asdict(found.counts)
    for name, n in plain.counts.items():
        assert counts[name] == n, name
    assert counts["errors"] == plain.errors
    assert {reason: counts["unsent_reasons"][reason] for reason in plain.unsent} == plain.unsent
    assert plain.series == {
        (one.kind, one.name, outcome): n for one in found.series for outcome, n in one.counts.items() if n
    }
    for name, times in plain.times.items():
        histogram = Histogram(1 if name == "lag" else 1000)
        histogram.record_many(times)
        quantiles = found.dispatch_lag_us if name == "lag" else found.latency_ms.get(name)
        assert (0 if quantiles is None else quantiles.n) == histogram.n
        if histogram.n and name != "lag":
            assert quantiles == histogram.quantiles()


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_a_table_holds_what_the_records_hold(records):
    table = table_of(records)

    for name in NUMBERS:
        values = [getattr(record, name) for record in records]
        assert table.numbers(name).tolist() == [ABSENT if value is None else value for value in values]
    for name in ("session", "error", "instance"):
        texts = table.texts(name)
        assert [None if code < 0 else texts[code] for code in table.codes(name).tolist()] == [
            getattr(record, name) for record in records
        ]


def test_what_no_step_has_takes_no_memory():
    gathered = Gathering()
    step = StepRecord("s", "1", "tool", "search", "t", "ok", intended_ns=0, sent_ns=1, end_ns=2)
    for _ in range(3):
        gathered.add(table_of([step] * 1000))

    columns = gathered.columns()

    assert columns.n == 3000
    assert columns.tls_ns.strides == columns.status.strides == columns.recorded_ns.strides == (0,)
    with pytest.raises(ValueError, match="read-only"):
        columns.tls_ns[0] = 1


def test_every_field_of_a_line_has_a_column():
    """Else a file of columns, and what is read from it, would lack it."""
    columns = [*table.TEXTS, *table.NUMBERS, *table.MILLISECONDS, *table.FLAGS, table.COLD]

    assert sorted(columns) == sorted(StepRecord.__struct_fields__)
