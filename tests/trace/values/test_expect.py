"""What an answer has to be, and which check is named where it is not."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.file.stream import read_sessions
from replay.trace.types import Expect, JsonCheck
from replay.trace.values.expect import expect_problem, expected_statuses, reads_body, unmet
from replay.trace.values.pointer import MISSING, pointed

BODY = b'{"items":[{"id":"a1","n":3}],"total":1,"done":true,"none":null,"price":2.0,"a/b":{"~":1}}'


def failed(body=BODY, headers=None, **expected):
    return unmet(msgspec.convert(expected, Expect), headers or {}, body, len(body))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, {404}),
        ("2xx", set(range(200, 300))),
        ([200, 404], {200, 404}),
        (["3xx", 204], {204, *range(300, 400)}),
        ((), None),
    ],
)
def test_statuses_are_numbers_or_classes(status, expected):
    assert expected_statuses(msgspec.convert({"status": status}, Expect)) == expected


@pytest.mark.parametrize(
    ("expected", "check"),
    [
        ({"contains": "total"}, None),
        ({"contains": ["total", "nope"]}, "contains"),
        ({"matches": r'"id":"a\d"'}, None),
        ({"matches": r'"id":"b'}, "matches"),
        ({"max_bytes": len(BODY)}, None),
        ({"max_bytes": len(BODY) - 1}, "max_bytes"),
        ({"json": {"/items/0/id": {"equals": "a1"}}}, None),
        ({"json": {"/items/0/id": {"equals": "a2"}}}, "json /items/0/id equals"),
        ({"json": {"/items/1": {"exists": True}}}, "json /items/1 exists"),
        ({"json": {"/items/1": {"exists": False}}}, None),
        ({"json": {"/none": {"exists": True}}}, None),
        ({"json": {"/none": {"type": "null"}}}, None),
        ({"json": {"/done": {"equals": 1}}}, "json /done equals"),
        ({"json": {"/done": {"type": "boolean", "equals": True}}}, None),
        ({"json": {"/total": {"type": "integer", "min": 1, "max": 1}}}, None),
        ({"json": {"/price": {"type": "integer"}}}, None),
        ({"json": {"/total": {"type": "number", "min": 2}}}, "json /total min"),
        ({"json": {"/items": {"type": "object"}}}, "json /items type"),
        ({"json": {"/items": {"equals": [{"id": "a1", "n": 3.0}]}}}, None),
        ({"json": {"/done": {"max": 5}}}, "json /done max"),
        ({"json": {"/a~1b/~0": {"equals": 1}}}, None),
        ({"json": {"": {"type": "object"}}}, None),
        ({"json": {"": {"type": "array"}}}, "json (whole) type"),
    ],
)
def test_the_check_that_does_not_hold_is_named(expected, check):
    assert failed(**expected) == check


def test_a_body_that_is_no_json_meets_no_pointer():
    assert failed(b"<html>", json={"/a": {"exists": False}}) == "json"


def test_headers_are_found_whatever_their_case_and_a_star_is_anything():
    headers = {"content-type": "application/json; charset=utf-8"}

    assert failed(headers=headers, header={"Content-Type": "application/json*"}) is None
    assert failed(headers=headers, header={"Content-Type": "application/json"}) == "header content-type"
    assert failed(headers=headers, header={"x-missing": "*"}) == "header x-missing"


@pytest.mark.parametrize("value", ["http://[::1]:80/runs?id=7", "a[b", "?", "[!a]"])
def test_nothing_but_a_star_stands_for_anything_else_in_a_header(value):
    assert failed(headers={"location": value}, header={"location": value}) is None
    assert failed(headers={"location": "b"}, header={"location": value}) == "header location"


@given(value=st.text("ab[?", max_size=12), wanted=st.text("ab[?*", max_size=8))
def test_a_header_is_held_to_a_pattern_as_by_a_regular_expression(value, wanted):
    pattern = ".*".join(map(re.escape, wanted.split("*")))

    assert (failed(headers={"x": value}, header={"x": wanted}) is None) == bool(
        re.fullmatch(pattern, value, re.DOTALL)
    )


def test_no_header_that_is_expected_takes_long():
    """A trace is not to be trusted: of a megabyte of brackets, a glob's translation takes hours."""
    value = "a" * 65_536
    for wanted in ("[" * (1 << 20), "*a" * (1 << 16) + "b", "*" * (1 << 20) + "b"):
        assert failed(headers={"x": value}, header={"x": wanted}) == "header x"


def test_no_name_of_a_check_holds_a_value_of_the_body():
    for expected in ({"contains": "s3cret"}, {"matches": "s3cret"}, {"json": {"/id": {"equals": "s3cret"}}}):
        assert "s3cret" not in (failed(b'{"id":"other"}', **expected) or "")


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({}, "expects nothing; say status, grpc_status, header, contains, matches, json or max_bytes"),
        (
            {"status": "2x"},
            "expects the status '2x'; write a number such as 404, or a class such as \"2xx\"",
        ),
        (
            {"status": 99},
            'expects the status 99; write a number such as 404, or a class such as "2xx"',
        ),
        (
            {"json": {"items": {"exists": True}}},
            "expects something at the JSON pointer 'items', which does not begin with /",
        ),
        (
            {"json": {"/items": {}}},
            "expects nothing at the JSON pointer '/items'; say exists, equals, type, min or max",
        ),
        (
            {"matches": "a{1001}"},
            "has in `matches` a regex that cannot be used: invalid repetition size: {1001}",
        ),
        ({"contains": [""]}, "expects an empty text in contains, which every body holds"),
        ({"max_bytes": -1}, "expects max_bytes below 0"),
    ],
)
def test_an_expectation_that_cannot_be_used_says_why(expected, problem):
    assert expect_problem(msgspec.convert(expected, Expect)) == problem


def test_only_what_looks_at_bodies_asks_for_them():
    assert not reads_body(Expect(status=200, header={"a": "b"}, max_bytes=3))
    assert reads_body(Expect(contains="a"))
    assert reads_body(Expect(json={"/a": JsonCheck(exists=True)}))


def test_a_step_carries_its_expectation_and_a_bad_one_names_its_place(write_trace):
    good = write_trace((0.0, [write_trace.get("a", expect={"status": 404, "json": {"/x": {"equals": None}}})]))
    bad = write_trace((0.0, [write_trace.get("a", expect={"status": "ok"})]), file="bad.jsonl")
    unknown = write_trace((0.0, [write_trace.get("a", expect={"statsu": 200})]), file="unknown.jsonl")

    (session,) = read_sessions(good)
    assert session.steps[0].expect.json["/x"].equals is None
    with pytest.raises(Exception, match='line 2: step "a" of session "s-0" expects the status \'ok\''):
        list(read_sessions(bad))
    with pytest.raises(Exception, match="statsu"):
        list(read_sessions(unknown))


@given(
    st.text(max_size=20),
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    ),
)
def test_a_pointer_never_raises(pointer, document):
    pointed(document, pointer)


@pytest.mark.parametrize("key", ["²", "٣", "01", "-1", "1" * 5000, "+1"])
def test_what_only_looks_like_an_index_leads_nowhere(key):
    assert pointed([1, 2, 3, 4], f"/{key}") is MISSING


@pytest.mark.parametrize("depth", [10, 400, 600, 900])
def test_a_value_nested_as_deep_as_json_goes_ends_no_run(depth):
    """Comparing it takes two calls a level, so that a trace could end a run by what it expects."""
    nested = b"[" * depth + b"1" + b"]" * depth
    expected = msgspec.json.decode(b'{"json":{"":{"equals":' + nested + b"}}}", type=Expect)

    assert unmet(expected, {}, nested, len(nested)) in (None, "json (whole) equals")
    assert unmet(expected, {}, b"[1]", 3) == "json (whole) equals"
