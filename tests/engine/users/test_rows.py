"""The file of users that sessions take their rows from."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.types import RunOptions
from replay.engine.users import rows as room
from replay.engine.users.rows import notes_on, read_rows, rows_for
from replay.trace.errors import TraceError
from replay.trace.values.uses import Uses

ASKED = {"user": (2, "a", "s-0")}
TRACE = Path("trace.jsonl")


@pytest.fixture
def users(tmp_path):
    def write(content):
        path = tmp_path / "users.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_session_has_the_row_of_its_place_and_after_the_last_comes_the_first(users):
    path = users('user,password\nann,"p,1"\n\nbob,"q ""2"""\n')

    rows = read_rows(path, {**ASKED, "password": (2, "a", "s-0")}, TRACE)

    assert [rows.value("user", place) for place in range(5)] == ["ann", "bob", "ann", "bob", "ann"]
    assert [rows.value("password", place) for place in range(2)] == ["p,1", 'q "2"']
    assert rows.value("other", 0) is None


def test_what_may_be_said_of_it_is_everything_but_its_values(users):
    path = users("\ufeffuser,password\nann,secret\n")

    facts = read_rows(path, ASKED, TRACE).facts

    assert (facts.file, facts.rows, facts.columns) == ("users.csv", 1, ["user", "password"])
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_random_order_gives_each_row_once_and_the_same_again_by_its_seed(users):
    path = users("user\n" + "".join(f"u{n}\n" for n in range(50)))

    def drawn(seed):
        rows = read_rows(path, ASKED, TRACE, "random", seed)
        return [rows.value("user", place) for place in range(50)]

    assert drawn(1) == drawn(1)
    assert sorted(drawn(1)) == sorted(f"u{n}" for n in range(50))
    assert len({tuple(drawn(seed)) for seed in (-1, 1, 2)}) == 3


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), min_size=1, max_size=6)
)
def test_values_come_back_as_another_writer_of_csv_wrote_them(tmp_path_factory, values):
    import csv

    path = tmp_path_factory.mktemp("rows") / "users.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["user"], *([value] for value in values)])

    rows = read_rows(path, ASKED, TRACE)

    assert [rows.value("user", n) for n in range(rows.facts.rows)] == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "users.csv: is empty. Its first line names the columns."),
        ("user\n", "users.csv: has no rows below its header."),
        ("user,user\na,b\n", 'users.csv: has the column "user" twice.'),
        ("user,x\nhush\n", "users.csv, line 2: has 1 value, and the header names 2 columns."),
        (b"user\nhush\n\xff\n", "users.csv, line 3: is not UTF-8."),
        ('user\n"hush" x\n', "users.csv, line 2: is not CSV (',' expected after '\"')."),
        ('user\n"hush\n', "users.csv, line 2: is not CSV (unexpected end of data)."),
        (
            "user\n" + "h" * 16_385 + "\n",
            'users.csv, line 2: the value of column "user" has 16,385 characters; at most 16,384 are allowed.',
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_line_and_never_by_value(users, content, message):
    path = users(content)

    with pytest.raises(TraceError) as caught:
        read_rows(path, ASKED, TRACE)

    assert str(caught.value) == f"{path.parent}/{message}"
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_files_are_read_to_a_bound(users, monkeypatch):
    path = users("user\na\nb\n")
    monkeypatch.setattr(room, "MOST_ROWS", 1)
    with pytest.raises(TraceError, match="has more than 1 rows, the most that are read"):
        read_rows(path, ASKED, TRACE)
    monkeypatch.setattr(room, "MOST_FILE_BYTES", 5)
    with pytest.raises(TraceError, match="is larger than 0 MiB, the most that is read"):
        read_rows(path, ASKED, TRACE)


def test_a_column_that_is_not_there_is_named_with_the_nearest_and_with_who_asks(users):
    path = users("user,password\nann,x\n")

    with pytest.raises(TraceError) as caught:
        read_rows(path, {"usr": (2, "a", "s-0")}, TRACE)

    assert str(caught.value) == (
        f'trace.jsonl, line 2: step "a" of session "s-0" asks for {{{{row.usr}}}}, and {path} has no such column. '
        'Did you mean "user"?'
    )


def test_a_trace_that_asks_for_rows_needs_some():
    uses = Uses()
    uses.columns.update(ASKED)

    with pytest.raises(TraceError) as caught:
        rows_for(TRACE, uses, RunOptions())

    assert str(caught.value) == (
        'trace.jsonl, line 2: step "a" of session "s-0" asks for {{row.user}}, and there are no rows. Name a CSV file '
        "that has this column with --data, or send braces as they are with --no-references."
    )
    assert rows_for(TRACE, None, RunOptions()) is None


def test_a_reader_is_told_where_users_repeat_or_nobody_is_one(users):
    uses = Uses()
    uses.columns.update(ASKED)
    rows = read_rows(users("user\nann\n"), ASKED, TRACE)

    assert notes_on(rows, uses, 1) == []
    assert notes_on(rows, uses, 1_200) == [
        "users.csv has 1 row for 1,200 sessions, so that some are the same user"
    ]
    assert notes_on(rows, Uses(), 1) == ["no request takes a value from users.csv"]
