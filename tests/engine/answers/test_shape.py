"""The shape of a JSON document: which paths, which types, and never more than is bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.answers.shape import LONGEST_NAME, MOST_DEPTH, MOST_PATHS, TYPES, reading, shape_of

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def paths(document):
    return dict(shape_of(document).paths)


def values_of(document):
    found = {}
    for _ in reading(document, lambda values: found.__setitem__(values.pointer, list(values.scalars))):
        pass
    return found


def test_every_path_has_its_types():
    assert paths({"a": 1, "b": [{"c": "x"}, {"c": None}], "d": {}, "e": 1.5, "f": True}) == {
        "": "object",
        "/a": "integer",
        "/b": "array",
        "/b/*": "object",
        "/b/*/c": "null|string",
        "/d": "object",
        "/e": "number",
        "/f": "boolean",
    }


def test_a_member_that_only_some_elements_have_is_absent_in_others():
    assert paths([{"price": 1}, {}])["/*/price"] == "absent|integer"
    assert paths([{"price": 1}, {"price": 2}])["/*/price"] == "integer"


def test_names_that_have_a_meaning_in_pointers_are_escaped():
    assert set(paths({"a/b": 1, "m~n": 2, "*": 3, "": 4})) == {"", "/a~1b", "/m~0n", "/~2", "/"}


@pytest.mark.parametrize(
    "key",
    [
        "3f2b8a52-7f7e-4f0b-9b0a-0c8d1c2f4e11",
        "9f86d081884c7d659a2feaa0c55ad015",
        "1024",
        "2024-05-01T10:00:00Z",
        "usr_01HZX3K9PA4T2V6W8Y0Z1B3C5D",
    ],
)
def test_a_map_of_ids_has_the_paths_of_one_of_its_members(key):
    assert paths({"users": {key: {"name": "a"}, "12": {"name": "b"}}}) == {
        "": "object",
        "/users": "object",
        "/users/*": "object",
        "/users/*/name": "string",
    }


@pytest.mark.parametrize(
    "key", ["name", "created_at", "total_tokens", "v2", "finish_reason", "Content-Type", "sha256"]
)
def test_a_field_is_not_taken_for_an_id(key):
    assert f"/{key}" in paths({key: 1})


def test_an_object_with_more_members_than_a_record_has_is_a_map():
    assert paths({f"word-{n}x": n for n in range(500)}) == {"": "object", "/*": "integer"}


def test_a_document_with_more_paths_than_are_kept_says_so():
    wide = shape_of({f"a{n}": {f"b{m}": 1 for m in range(100)} for n in range(100)})

    assert wide.is_partial
    assert len(wide.paths) == MOST_PATHS


def test_what_lies_too_deep_is_not_read_and_takes_no_recursion():
    document = value = []
    for _ in range(100_000):
        value.append([])
        value = value[0]

    assert len(shape_of(document).paths) == MOST_DEPTH + 1


def test_a_name_without_end_is_cut_and_half_a_surrogate_pair_can_be_written():
    (_, (pointer, _)) = shape_of({"x" * 1_000_000: 1}).paths
    assert len(pointer) == LONGEST_NAME + 2

    json.dumps(shape_of({"\ud800": 1}).paths).encode()


def test_a_name_that_is_a_key_or_a_token_is_not_written():
    assert "sk-abcdefghijklmnopqrstuvwxyz" not in str(paths({"sk-abcdefghijklmnop_qrstuvwxyz": 1}))


def test_values_keep_the_order_of_the_document_also_below_elements():
    assert values_of({"items": [{"id": n, "tags": ["a", "b"]} for n in range(3)]}) == {
        "/items/*/id": [0, 1, 2],
        "/items/*/tags/*": ["a", "b"] * 3,
    }


def test_the_values_of_a_map_do_not_depend_on_the_order_of_its_members():
    assert values_of({"11": "x", "12": "y"}) == values_of({"12": "y", "11": "x"})


def test_a_long_document_is_read_in_slices():
    slices = sum(1 for _ in reading(list(range(10_000))))

    assert slices >= 10


@given(documents)
def test_a_shape_does_not_depend_on_the_order_of_members(document):
    def turned(value):
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(inner) for inner in value] if isinstance(value, list) else value

    assert shape_of(turned(document)) == shape_of(document)


@given(documents)
def test_every_path_is_one_of_its_parents_and_has_known_types(document):
    found = paths(document)

    for pointer, types in found.items():
        assert set(types.split("|")) <= set(TYPES)
        if pointer:
            parent = pointer.rpartition("/")[0]
            assert {"object", "array"} & set(found[parent].split("|"))


@given(documents)
def test_reading_values_changes_nothing_of_the_shape(document):
    found = []

    def read():
        found.append((yield from reading(document, lambda _: None)))

    for _ in read():
        pass

    assert found == [shape_of(document)]
