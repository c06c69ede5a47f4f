"""Objects are found in JSON Lines, arrays and documents, and what is wrong with them is said with its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.reading.damage import Damage
from replay.reading.json_items import read_items
from replay.trace.errors import TraceError

REFUSED = Damage(is_refused=True)


@pytest.fixture
def file_of(tmp_path):
    def write(data):
        path = tmp_path / "a.json"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


OBJECTS = [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "\n".join(json.dumps(each) for each in OBJECTS) + "\n\n",
        json.dumps({"meta": 1, "data": OBJECTS}),
        json.dumps({"meta": 1, "data": OBJECTS}, indent=2),
        json.dumps({"traces": [{"data": OBJECTS[:1]}, {"data": OBJECTS[1:]}]}),
        "\n" + json.dumps({"data": OBJECTS[:1]}) + "\n" + json.dumps({"data": OBJECTS[1:]}),
    ],
)
def test_the_objects_are_the_same_however_they_are_laid_out(file_of, text):
    assert [item.text("id") for item in read_items(file_of(text), ("data", "traces"), REFUSED)] == ["a", "b"]


def test_an_object_knows_what_is_around_it(file_of):
    [item] = read_items(file_of('{"trace":{"id":"t"},"data":[{"id":"a"}]}'), ("data",), REFUSED)
    assert item.outer.inner("trace").text("id") == "t"


def test_a_field_is_read_as_what_it_should_be_or_not_at_all(file_of):
    [item] = read_items(
        file_of('{"a":null,"b":"x","c":{"d":5},"e":[{"f":true},{"f":1.5}],"g":""}'), (), REFUSED
    )
    assert (item.raw("a"), item.text("a", "b"), item.value(str, "z"), item.text("g")) == (None, "x", None, None)
    assert item.inner("c").value(int, "d") == 5
    assert item.inner("b") is None
    assert [each.plain("f") for each in item.objects("e")] == ["true", "1.5"]
    assert item.objects("b") == []
    assert (item.plain("c"), item.plain("b")) == (None, "x")


def test_half_a_surrogate_pair_is_read_as_the_replacement_character(file_of):
    [item] = read_items(file_of('{"a":"\\ud83d\\ude00 \\ud83d \\\\ud83d"}'), (), REFUSED)
    assert item.text("a") == "\U0001f600 \ufffd \\ud83d"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[1]", ": [0]: expected an object, got a whole number."),
        (b"[{]", ": not valid JSON: object keys must be strings (byte 2)."),
        (b'{"a":1}\n5\n', ", line 2: expected an object, got a whole number."),
        (b'{"a":1}\n{"b"\n', ", line 2: not valid JSON: Input data was truncated."),
        (b'{"data":[{},1]}', ", line 1, data: [1]: expected an object, got a whole number."),
        (b'{"a":\n' + b"[" * 100_000, ": nested too deeply to be read."),
        (b"x", ", line 1: not valid JSON: invalid character (byte 0)."),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(file_of, data, message):
    path = file_of(data)
    with pytest.raises(TraceError) as caught:
        list(read_items(path, ("data",), REFUSED))
    assert str(caught.value) == f"{path}{message}"


def test_a_field_of_another_type_is_refused_by_name(file_of):
    [_, item] = read_items(file_of('[{},{"startTime":5}]'), (), REFUSED)
    with pytest.raises(
        TraceError, match=r"a\.json, object 2, startTime or start_time: expected a string, got a whole number\."
    ):
        item.text("startTime", "start_time")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "id", "x"]), inner, max_size=3)
        ),
        max_leaves=15,
    )
)
def test_whatever_the_document_there_are_objects_or_a_plain_error(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    try:
        said = [item.place for item in read_items(path, ("data",), REFUSED)]
    except TraceError as error:
        said = [str(error)]
    assert all(each.startswith(str(path)) for each in said)


def test_of_many_damaged_lines_the_first_is_named_and_all_are_counted(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"a": 1}\n6\n{"cut\n[7]\n{x}\n{"a": 2}\n')
    damage = Damage()

    found = [item.plain("a") for item in read_items(file, (), damage)]

    assert found == ["1", "2"]
    assert (damage.lines, damage.damaged) == (6, 4)
    assert damage.first == f"{file}, line 2: expected an object, got a whole number."
    with pytest.raises(TraceError, match="line 2"):
        list(read_items(file, (), Damage(is_refused=True)))
