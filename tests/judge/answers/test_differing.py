"""In what two answers differ, without what follows from another difference."""

import itertools

import pytest

from replay.judge.answers.differing import Differing, Key
from replay.judge.answers.facts import Facts

ITEM = {
    "": "object",
    "/items": "array",
    "/items/*": "object",
    "/items/*/id": "integer",
    "/items/*/price": "number",
}


def facts(paths=None, **fields):
    return Facts(**({"status": "200", "content": "json", "size_bytes": 10, "paths": paths or ITEM} | fields))


def keys(x, y):
    return {tuple(key) for key in Differing().keys(x, y)}


def without(*paths):
    return {path: types for path, types in ITEM.items() if not path.startswith(paths)}


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (facts(), set()),
        (facts(without("/items/*/price")), {("shape", "/items/*/price")}),
        (facts(ITEM | {"/items/*/price": "string"}), {("shape", "/items/*/price")}),
        (facts(ITEM | {"/more": "null"}), {("shape", "/more")}),
        (facts(finish_reasons=("stop",)), {("finish_reasons", None)}),
        (facts(tool_names=("crm",)), {("tool_names", None)}),
        (facts(size_bytes=99), set()),
    ],
)
def test_what_differs_is_named_with_its_path(other, found):
    assert keys(facts(), other) == found
    assert keys(other, facts()) == found


def test_what_lies_below_a_path_that_differs_is_not_named():
    assert keys(facts(), facts(without("/items"))) == {("shape", "/items")}
    assert keys(facts(), facts(ITEM | {"/items/*": "null|object", "/items/*/id": "absent|integer"})) == {
        ("shape", "/items/*")
    }


def test_of_an_error_its_status_is_named_and_not_its_body():
    assert keys(facts(), facts({"": "object", "/error": "string"}, status="500")) == {("status", None)}


def test_of_what_is_no_document_the_content_is_named():
    assert keys(facts(), Facts("200", "text", 7)) == {("content", None)}


def test_of_a_document_that_could_not_be_read_nothing_is_said():
    assert keys(facts(), Facts("200", "json", 7)) == set()


def test_values_are_named_where_the_types_are_the_same():
    one, other = facts(values={"/items/*/id": ("1", "b")}), facts(values={"/items/*/id": ("2", "c")})
    assert keys(one, other) == {("value", "/items/*/id")}

    as_text = facts(ITEM | {"/items/*/id": "string"}, values={"/items/*/id": ("2", "c")})
    assert keys(one, as_text) == {("shape", "/items/*/id")}


def test_another_order_is_one_difference_of_the_array_and_none_of_its_values():
    one = facts(values={"/items/*/id": ("12", "b"), "/items/*/price": ("34", "p")})
    other = facts(values={"/items/*/id": ("21", "b"), "/items/*/price": ("43", "p")})

    assert keys(one, other) == {("order", "/items")}


def test_the_outer_of_two_arrays_in_another_order_is_named():
    one = facts(
        ITEM | {"/items/*/tags/*": "string"}, values={"/items/*/id": ("1", "b"), "/items/*/tags/*": ("3", "c")}
    )
    other = one._replace(values={"/items/*/id": ("2", "b"), "/items/*/tags/*": ("4", "c")})

    assert keys(one, other) == {("order", "/items")}


def test_shapes_that_were_held_to_each_other_before_are_told_the_same():
    differing = Differing()
    x, y = facts(), facts(without("/items"))

    for one, other in itertools.product((x, y), repeat=2):
        expected = frozenset() if one is other else {Key("shape", "/items")}
        assert differing.keys(one, other) == differing.keys(one, other) == expected
