"""The column file beside a run's lines: the same columns as the text gives, or none at all."""

import os
import shutil

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from replay.results.columns import read_columns
from replay.results.record import ReadTally
from replay.results.rundir import RunDirError
from replay.results.tables import cache, column_file
from replay.results.tables.cache import CACHE_FILE, cached
from replay.results.tables.reading import read_tables
from replay.results.tables.table import FLAGS, MILLISECONDS, NUMBERS, TEXTS
from replay.results.types import StepRecord
from tests.support.records import BLOCKS

pytest.importorskip("pyarrow")

STEP = StepRecord("s-1", "1", "tool", "search", "t", "ok", intended_ns=0, sent_ns=1, end_ns=2, status=200)


@pytest.fixture(autouse=True, scope="module")
def _every_run_is_long():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cache, "LEAST_BYTES", 0)
        yield


def written(run, records):
    run.mkdir(exist_ok=True)
    (run / "steps.jsonl").write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return run


def same(one, other):
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=30)
@given(BLOCKS)
def test_the_cache_gives_the_columns_that_the_text_gave(tmp_path_factory, blocks):
    run = written(tmp_path_factory.mktemp("run") / "r", [record for records in blocks for record in records])
    from_text = list(read_tables(run, keeps=True))

    known = cached(run / "steps.jsonl")

    assert known is not None
    assert same(read_columns(run), read_columns(run))
    for name in (*TEXTS, *NUMBERS, *MILLISECONDS, *FLAGS):
        assert told(name, known.tables()) == told(name, from_text)


def told(name, tables):
    """All values of a column, whatever the blocks."""
    found = []
    for table in tables:
        if name in TEXTS:
            texts = table.texts(name)
            found += [None if code < 0 else texts[code] for code in table.codes(name).tolist()]
        else:
            get = table.numbers if name in NUMBERS else table.flags if name in FLAGS else table.milliseconds
            found += map(str, get(name).tolist())
    return found


def test_a_second_reading_does_not_touch_the_text(tmp_path, monkeypatch):
    run = written(tmp_path / "r", [STEP] * 3)
    read_columns(run)
    monkeypatch.setattr("replay.results.tables.reading.read_blocks", None)

    assert read_columns(run).n == 3


def test_what_all_lines_have_in_common_is_not_read_line_by_line(tmp_path, monkeypatch):
    import pyarrow.parquet as parquet

    step = msgspec.structs.replace(STEP, recorded_at_ms=1.0)
    steps = [msgspec.structs.replace(step, end_ns=2 + n, error=None if n else "timeout") for n in range(9)]
    run = written(tmp_path / "r", steps)
    expected = read_columns(run)
    read_row_group, looked_at = parquet.ParquetFile.read_row_group, set()

    def counting(file, group, columns, **options):
        looked_at.update(columns)
        return read_row_group(file, group, columns, **options)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", counting)

    assert same(read_columns(run), expected)
    assert looked_at == {"end_ns", "error"}


def test_lines_that_cannot_be_read_are_counted_from_the_cache_too(tmp_path):
    run = written(tmp_path / "r", [STEP])
    with (run / "steps.jsonl").open("ab") as file:
        file.write(b'garbage\n{"session":"s-2"')
    first, second = ReadTally(), ReadTally()

    list(read_tables(run, first, keeps=True))
    list(read_tables(run, second))

    assert (run / CACHE_FILE).exists()
    assert first.unreadable == second.unreadable == 2


def test_a_text_that_has_changed_is_read_again(tmp_path):
    run = written(tmp_path / "r", [STEP])
    read_columns(run)

    written(run, [STEP, STEP])

    assert read_columns(run).n == 2
    assert cached(run / "steps.jsonl") is not None


def test_a_text_changed_in_place_is_told_by_its_bytes(tmp_path):
    run = written(tmp_path / "r", [STEP])
    read_columns(run)
    text = run / "steps.jsonl"

    text.write_bytes(text.read_bytes().replace(b'"end_ns":2', b'"end_ns":7'))
    os.utime(text, ns=(0, 0))

    assert read_columns(run).end_ns.tolist() == [7]


def test_a_copied_run_keeps_its_cache(tmp_path):
    run = written(tmp_path / "r", [STEP])
    read_columns(run)

    shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copy)

    assert cached(tmp_path / "copy" / "steps.jsonl") is not None


@pytest.mark.parametrize("damage", ["no parquet", "cut", "another file", "empty"])
def test_what_is_no_cache_of_the_text_is_made_anew(tmp_path, damage):
    run = written(tmp_path / "r", [STEP])
    read_columns(run)
    path = run / CACHE_FILE
    if damage == "another file":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"session": [1]}), path)
    else:
        path.write_bytes({"no parquet": b"hello", "cut": path.read_bytes()[:-9], "empty": b""}[damage])

    assert read_columns(run).n == 1
    assert cached(run / "steps.jsonl") is not None


def outcome(run):
    try:
        read_columns(run)
    except RunDirError as error:
        return str(error)
    return "read"


def test_damage_within_is_told_in_a_sentence_or_changes_nothing(tmp_path):
    """Wherever a byte of the file is another: no traceback, and no verdict from a number that nobody measured."""
    run = written(tmp_path / "r", [STEP] * 50)
    expected = read_columns(run)
    whole = (run / CACHE_FILE).read_bytes()
    told = 0
    for at in range(0, len(whole), 41):
        (run / CACHE_FILE).write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        said = outcome(run)
        told += said != "read"
        assert said in (
            "read",
            f"{run / CACHE_FILE}: cannot be read. Delete it; it is made anew from steps.jsonl.",
        )
    (run / CACHE_FILE).unlink()

    assert told
    assert same(read_columns(run), expected)


def test_a_number_below_zero_is_no_measurement(tmp_path):
    import pyarrow.parquet as parquet

    run = written(tmp_path / "r", [STEP])
    read_columns(run)
    path = run / CACHE_FILE
    facts = parquet.ParquetFile(path).metadata.metadata[b"replay"]
    table = parquet.read_table(path, read_dictionary=list(TEXTS))
    forged = table.set_column(table.schema.get_field_index("end_ns"), "end_ns", [[-5]])
    with parquet.ParquetWriter(path, forged.schema) as writer:
        writer.write_table(forged)
        writer.add_key_value_metadata({b"replay": facts})

    with pytest.raises(RunDirError, match="Delete it"):
        read_columns(run)


def test_a_disk_that_takes_no_cache_costs_no_figure(tmp_path, monkeypatch):
    run = written(tmp_path / "r", [STEP] * 3)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(column_file.ColumnWriter, "_write_group", full)

    assert read_columns(run).n == 3
    assert [path.name for path in run.iterdir()] == ["steps.jsonl"]


def test_a_directory_that_may_not_be_written_to_is_read_all_the_same(tmp_path, monkeypatch):
    run = written(tmp_path / "r", [STEP] * 3)

    def refused(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(column_file, "open", refused, raising=False)

    assert read_columns(run).n == 3
    assert [path.name for path in run.iterdir()] == ["steps.jsonl"]


def test_a_reader_that_stops_leaves_no_half_of_a_cache(tmp_path):
    run = written(tmp_path / "r", [STEP] * 3)

    next(tables := read_tables(run, keeps=True))
    tables.close()

    assert [path.name for path in run.iterdir()] == ["steps.jsonl"]


def test_without_the_extra_nothing_changes(tmp_path, monkeypatch):
    run = written(tmp_path / "r", [STEP] * 3)
    monkeypatch.setattr(column_file, "_pyarrow", lambda: None)

    assert read_columns(run).n == 3
    assert not column_file.has_parquet()
    assert [path.name for path in run.iterdir()] == ["steps.jsonl"]


def test_a_short_run_gets_no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LEAST_BYTES", 1 << 20)
    run = written(tmp_path / "r", [STEP] * 3)

    read_columns(run)

    assert [path.name for path in run.iterdir()] == ["steps.jsonl"]


def test_the_cache_is_for_its_owner_alone(tmp_path):
    run = written(tmp_path / "r", [STEP])

    read_columns(run)

    assert (run / CACHE_FILE).stat().st_mode & 0o077 == 0
