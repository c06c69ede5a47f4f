"""Rows of a Parquet file are read as if they were JSON Lines."""

import gzip
import json
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError
from tests.support.recordings import FORMATS

# Those of one JSON object a line, which are exported as tables.
TABLES = ("mooncake", "langfuse", "langsmith", "litellm", "tracelab", "json-log", "cloud-run")


def rows_in(path):
    with open_recording(path) as source:
        return [json.loads(line) for line in source]


def written(path, table, **options):
    parquet.write_table(table, path, **options)
    return path


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_imported_as_its_rows_in_json_are(name, tmp_path):
    records = [json.loads(FORMATS[name].record(n, "x")) for n in range(150)]
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    lines.write_text(FORMATS[name].recording([json.dumps(record) + "\n" for record in records]))
    written(table, pa.Table.from_pylist(records), row_group_size=40)

    read = [IMPORTERS[name].read([path], ImportOptions(name="n")) for path in (lines, table)]
    as_json, as_table = ([session.steps for session in result.sessions()] for result in read)

    assert as_table == as_json
    assert sum(map(len, as_table)) >= 150
    with open_recording(table) as source:
        assert IMPORTERS[name].sniff(source.read(1 << 16))


DAY = 86_400_000_000_000


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (pa.duration("ns"), 1_234_567_891, "PT1.234567S"),
        (pa.duration("us"), 1_500, "PT0.0015S"),
        (pa.duration("s"), 90, "PT90S"),
        (pa.time64("ns"), 1_234_567_891, "00:00:01.234567"),
        (pa.time32("ms"), 1_500, "00:00:01.500000"),
        (pa.timestamp("ns"), DAY + 1_500, "1970-01-02T00:00:00.000001"),
    ],
    ids=str,
)
def test_times_and_durations_are_said_wherever_they_stand(tmp_path, kind, value, said):
    columns = {
        "list": pa.array([[value]], pa.list_(kind)),
        "pair": pa.array([[value, None]], pa.list_(kind, 2)),
        "object": pa.array([{"x": value}], pa.struct([("x", kind)])),
        "map": pa.array([[("x", value)]], pa.map_(pa.string(), kind)),
    }
    if not pa.types.is_timestamp(kind):  # a column of instants in ns keeps its digits
        columns["column"] = pa.array([value], kind)
    [row] = rows_in(written(tmp_path / "a.parquet", pa.table(columns)))

    assert row.pop("column", said) == said
    assert row == {"list": [said], "pair": [said, None], "object": {"x": said}, "map": {"x": said}}


def test_a_log_with_a_column_of_durations_has_them(tmp_path):
    columns = {
        "time": pa.array([1_714_557_600_000_000_000] * 2, pa.timestamp("ns")),
        "method": pa.array(["GET"] * 2),
        "path": pa.array(["/a"] * 2),
        "status": pa.array([200] * 2),
        "duration": pa.array([250_000_001, None], pa.duration("ns")),
    }
    table = written(tmp_path / "a.parquet", pa.table(columns))

    sessions = IMPORTERS["json-log"].read([table], ImportOptions()).sessions()

    assert sorted(str(step.took_ms) for session in sessions for step in session.steps) == ["250.0", "None"]


def test_a_folder_of_tables_is_imported_in_their_order(tmp_path):
    (tmp_path / "data").mkdir()
    for part in range(3):
        records = [json.loads(FORMATS["mooncake"].record(10 * part + n, "x")) for n in range(10)]
        written(tmp_path / "data" / f"part-{part}.parquet", pa.Table.from_pylist(records))

    result = IMPORTERS["mooncake"].read([tmp_path], ImportOptions())

    assert sum(len(session.steps) for session in result.sessions()) == 30


def test_what_columns_hold_is_what_json_would_say(tmp_path):
    at = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    columns = {
        "at": pa.array([at, None], pa.timestamp("ns", "UTC")),
        "naive": pa.array([1_767_323_045_123_456_789, 0], pa.timestamp("ns")),
        "nested": pa.array([{"at": [at], "n": None}, {"at": [], "n": 2}]),
        "tags": pa.array([[("a", "1"), ("b", None)], None], pa.map_(pa.string(), pa.string())),
        "kind": pa.array(["x", "x"]).dictionary_encode(),
        "n": pa.array([1 << 62, None]),
        "f": pa.array([float("nan"), 0.5]),
    }
    first, second = rows_in(written(tmp_path / "a.parquet", pa.table(columns)))

    assert first == {
        "at": "2026-01-02T03:04:05.123456000Z",
        "naive": "2026-01-02T03:04:05.123456789",
        "nested": {"at": ["2026-01-02T03:04:05.123456Z"]},
        "tags": {"a": "1"},
        "kind": "x",
        "n": 1 << 62,
        "f": None,
    }
    assert second == {
        "at": None,
        "naive": "1970-01-01T00:00:00.000000000",
        "nested": {"at": [], "n": 2},
        "tags": None,
        "kind": "x",
        "n": None,
        "f": 0.5,
    }


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"a": st.none() | st.text(), "b": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)}
        ),
        min_size=1,
        max_size=200,
    )
)
def test_rows_come_whole_and_in_their_order(tmp_path_factory, rows):
    schema = pa.schema([("a", pa.string()), ("b", pa.list_(pa.int64()))])
    rows = [{**row, "a": row["a"] and row["a"].encode("utf-8", "replace").decode()} for row in rows]
    path = written(tmp_path_factory.mktemp("p") / "a", pa.Table.from_pylist(rows, schema), row_group_size=17)

    assert rows_in(path) == rows


@pytest.mark.parametrize("cut", [4, 20, -9, -1])
def test_a_file_that_is_cut_says_so_in_a_sentence(tmp_path, cut):
    path = written(tmp_path / "a.parquet", pa.table({"a": ["x"] * 500}))
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(TraceError, match=r"a\.parquet: not a whole Parquet file \(.+\)\."):
        rows_in(path)


def test_few_bytes_do_not_become_many(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.trace.file.stored._SMALL_BYTES", 1 << 20)
    path = written(
        tmp_path / "a.parquet", pa.table({"a": pa.array(["y" * 10_000] * 3_000).dictionary_encode()})
    )

    with pytest.raises(TraceError, match="more than 500 times as long"):
        rows_in(path)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = written(tmp_path / "a.parquet", pa.table({"a": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(
        TraceError, match=r"a\.parquet: a Parquet file, for which the extra `parquet` is needed\."
    ):
        rows_in(path)


def test_one_that_is_compressed_as_a_whole_is_told_so(tmp_path):
    """It would have to be read from its end."""
    path = tmp_path / "a.parquet.gz"
    records = [json.loads(FORMATS["langfuse"].record(n, "x")) for n in range(9)]
    path.write_bytes(gzip.compress(written(tmp_path / "a", pa.Table.from_pylist(records)).read_bytes()))

    with pytest.raises(TraceError, match="is a Parquet file that is compressed as a whole, not langfuse"):
        IMPORTERS["langfuse"].read([path], ImportOptions())
