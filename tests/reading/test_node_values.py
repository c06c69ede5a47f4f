"""Objects as Node's console prints them are read as what they were."""

import pytest

from replay.reading.damage import Damage
from replay.reading.node_values import printed_object, read_printed


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("{ a: 1, 'b.c': -2.5, \"it's\": 1e+21, 7: 3n }", {"a": 1, "b.c": -2.5, "it's": 1e21, "7": 3}),
        ("{ a: 'x', b: \"it's\", c: `it's \"x\"` }", {"a": "x", "b": "it's", "c": "it's \"x\""}),
        (r"{ a: 'it\'s \n \\ \x07 \u00e9' }", {"a": "it's \n \\ \x07 é"}),
        ("{\n  a: 'one\\n' +\n    'two',\n  b: 2\n}", {"a": "one\ntwo", "b": 2}),
        (r"{ a: 'half \ud83d' }", {"a": "half \ufffd"}),
        ("{ a: true, b: false, c: null, d: undefined }", {"a": True, "b": False, "c": None, "d": None}),
        ("{ a: [ 1, [ 'x' ], {} ], b: [Object], c: [ 1, ... 3 more items ] }", {"a": [1, ["x"], {}], "b": None, "c": [1, None]}),
        ("{ a: '[Object]', b: '}, {' }", {"a": "[Object]", "b": "}, {"}),
    ],
)  # fmt: skip
def test_values_are_read_as_util_inspect_writes_them(printed, value):
    assert printed_object(printed) == value


@pytest.mark.parametrize(
    "text", ["{ a: ", "{ a }", "{ a: 'x }", "[ 1 ]", "", "{ a: @ }", "{ a: [ }", "{ a: " + "[" * 500]
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match="not an object as Node prints it"):
        printed_object(text)


def test_objects_stand_among_other_lines_and_a_damaged_one_costs_itself(tmp_path):
    path = tmp_path / "out.log"
    path.write_text("listening {\n{\n  a: 1\n}\nGET /\n{\n  a: \n}\n{\n  a: 'cut\n{\n  a: 3\n}\n{\n  a: 4")
    damage = Damage()

    assert list(read_printed(path, damage)) == [{"a": 1}, {"a": 3}]
    assert (damage.lines, damage.damaged) == (5, 3)
    assert damage.first.endswith("line 6: not an object as Node prints it.")


def test_an_object_without_end_is_counted_and_held_only_in_part(tmp_path):
    path = tmp_path / "spans.log"
    path.write_text("{\n" + "  a: 1,\n" * 100_001 + "}\n{\n  b: 2\n}\n")
    damage = Damage(is_refused=False)

    assert list(read_printed(path, damage)) == [{"b": 2}]
    assert damage.damaged == 1
    assert damage.first.endswith("line 1: an object of more than 100,000 lines.")
