"""CSV files are read by the names of their columns, and what is wrong with them is said with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.reading.csv_rows import has_columns, read_csv
from replay.reading.damage import Damage
from replay.reading.text_lines import LONGEST_LINE_BYTES
from replay.trace.errors import TraceError

REFUSED = Damage(is_refused=True)


@pytest.fixture
def csv_of(tmp_path):
    def write(data):
        path = tmp_path / "a.csv"
        path.write_bytes(data)
        return path

    return write


def test_cells_are_found_by_column_whatever_order_case_and_blanks(csv_of):
    path = csv_of(b'\xef\xbb\xbf"B", a\r\n"x, y",1.5\r\n\r\n,\r\n')
    rows = list(read_csv(path, ["a"], REFUSED))
    assert [(row.line, row.text("b"), row.number("a"), row.text("c")) for row in rows] == [
        (2, "x, y", 1.5, ""),
        (4, "", None, ""),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty; expected a line that names the columns."),
        (b"a,b\n", None),
        (b"b\n1\n", 'line 1: has no column "a". The first line names the columns.'),
        (b"a,A\n", 'line 1: names the column "a" twice.'),
        (b"a,b\n1\n", "line 2: 1 field, where the header names 2."),
        (b"a,b\n1,\xff\n", "line 2: not valid UTF-8."),
        (b'a\n"1\n', "line 2: unexpected end of data."),
        (b'a\n"1"x\n', "line 2: ',' expected after '\"'."),
        (
            b"a\n" + b"x" * LONGEST_LINE_BYTES + b"y\n",
            "line 2: longer than 1 MiB, the most that one line may take.",
        ),
        (b"a\n" + b"x" * 200_000 + b"\n", "line 2: field larger than field limit (131072)."),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_place(csv_of, data, message):
    path = csv_of(data)
    if message is None:
        assert list(read_csv(path, ["a"], REFUSED)) == []
        return
    with pytest.raises(TraceError) as caught:
        list(read_csv(path, ["a"], REFUSED))
    assert str(caught.value) in (f"{path}: {message}", f"{path}, {message}")


@pytest.mark.parametrize("cell", ["nan", "inf", "-1", "1_0", "x", "1e300", "0x1"])
def test_what_is_no_number_is_refused(csv_of, cell):
    row = next(read_csv(csv_of(f"a\n{cell}\n".encode()), ["a"], REFUSED))
    with pytest.raises(
        TraceError, match=r'line 2: the column "a" holds ".*", not a number from 0 to 1,000,000,000,000\.'
    ):
        row.number("a")


@pytest.mark.parametrize("cell", ["1.5", "101"])
def test_what_is_no_count_is_refused(csv_of, cell):
    row = next(read_csv(csv_of(f"a\n{cell}\n".encode()), ["a"], REFUSED))
    with pytest.raises(TraceError, match=r"not a whole number from 0 to 100\."):
        row.count("a", 100)


def test_a_format_is_told_by_its_columns():
    assert has_columns(b'\xef\xbb\xbf"A", b,c\r\n1,2,3', ["b", "a"])
    assert not has_columns(b"a\n", ["a", "b"])
    assert not has_columns(b"\xff\xfe\x00", ["a"])


@given(st.binary(max_size=200))
def test_whatever_the_bytes_there_are_rows_or_a_plain_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"a,b\n" + data)
    try:
        said = [str(row.number("a")) for row in read_csv(path, ["a"], REFUSED)]
    except TraceError as error:
        said = [str(error)]
    assert all(said)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_marks_may_stand_between_cells(csv_of, mark):
    text = f'a{mark}b\n"1{mark}\n2"{mark}x,y\n'.encode()
    assert has_columns(text, ("a", "b"))
    (row,) = read_csv(csv_of(text), ["a", "b"], REFUSED)
    assert (row.text("a"), row.text("b")) == (f"1{mark}\n2", "x,y")
