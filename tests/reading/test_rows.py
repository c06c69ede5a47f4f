"""Rows of JSON Lines: what is damaged is counted and costs itself only, however much of it there is."""

import msgspec
import pytest

from replay.reading.damage import Damage
from replay.reading.rows import as_json, read_rows


class Row(msgspec.Struct):
    n: int
    text: str = ""


def test_of_many_rows_that_lack_a_field_the_first_is_named_and_all_are_counted(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n":1}\n' + '{"text":"a"}\n{"n":"x"}\n{"n":2\n' * 50 + '{"n":"3"}\n')
    damage = Damage()

    rows = [(line, row.n) for line, row in read_rows(path, Row, damage)]

    assert rows == [(1, 1), (152, 3)]
    assert (damage.lines, damage.damaged) == (152, 150)
    assert damage.first == f"{path}, line 2: object missing required field n."


def test_half_of_a_pair_is_repaired_whatever_was_damaged_before(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text":"a"}\n' * 3 + '{"n":1,"text":"cut \\ud83d"}\n' + '{"n":"\\ud83d"}\n')
    damage = Damage()

    assert [row for _, row in read_rows(path, Row, damage)] == [Row(1, "cut \ufffd")]
    assert (damage.lines, damage.damaged) == (5, 4)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b'{"a":NaN,"b":[-Infinity,Infinity]}', b'{"a":null,"b":[null,null]}'),
        (b'{"a":"NaN, \\"Infinity","NaN":1}', b'{"a":"NaN, \\"Infinity","NaN":1}'),
        (b'{"a":"\\ud800"}', b'{"a":"\\ufffd"}'),
    ],
)
def test_what_programs_write_beyond_json_is_read_as_json(written, read):
    assert as_json(written) == read
