"""Taking values from responses, and filling them into later requests."""

import gzip
import re
import time
import warnings
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.types import Extract, Request, Step
from replay.trace.values.extracting import (
    MissingValue,
    extract_problem,
    extracts_problem,
    filled,
    found_in_body,
    taken,
)
from replay.trace.values.patterns import pattern_problem

BODY = b'{"id":"t-1","items":[{"n":7},{"n":null}],"a/b":{"~":true}}'


def take(body=BODY, headers=(), **extract):
    values = {}
    step = Step("a", "http", "a", extract={"v": Extract(**extract)})
    missing = taken(step, list(headers), body, values)
    return missing, values.get("v")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/id", "t-1"), ("/items/0/n", "7"), ("/items/0", '{"n":7}'), ("/a~1b/~0", "true"), ("", BODY.decode())],
)
def test_a_json_pointer_leads_to_a_value(pointer, value):
    assert take(json=pointer) == (None, value)


@pytest.mark.parametrize("pointer", ["/nope", "/items/9", "/items/x", "/items/1/n", "/id/x"])
def test_what_a_pointer_does_not_find_is_missing(pointer):
    assert take(json=pointer) == ("v", None)


def test_headers_and_patterns():
    assert take(headers=[(b"Location", b" /runs/9 ")], header="location") == (None, "/runs/9")
    assert take(header="x-nope")[0] == "v"
    assert take(b"token=abc; x", regex=r"token=(\w+)") == (None, "abc")
    assert take(b"token=abc; x", regex=r"t\w+") == (None, "token")
    assert take(b"nothing", regex=r"token=(\w+)")[0] == "v"
    assert take(b"not json", json="/id")[0] == "v"


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_compressed_response_gives_its_values_too(compress):
    headers = [(b"Content-Encoding", b"gzip")]
    assert take(compress(BODY), headers, json="/id") == (None, "t-1")
    assert take(compress(BODY)[:-9], headers, json="/id") == ("v", None)


def test_a_response_that_unfolds_to_more_than_is_searched_gives_nothing():
    assert take(gzip.compress(b'"' + b"x" * 5_000_000 + b'"'), [(b"content-encoding", b"gzip")], json="") == (
        "v",
        None,
    )


def test_a_value_is_filled_in_as_its_place_asks():
    request = Request(
        "POST",
        "/runs/{{id}}?x={{id}}",
        headers={"x-run": "r {{id}}"},
        json=msgspec.Raw(b'{"run":"{{id}}"}'),
    )

    done = filled(request, {"id": 'a/"b\r\nc'})

    assert done.path == "/runs/a%2F%22b%0D%0Ac?x=a%2F%22b%0D%0Ac"
    assert done.headers == {"x-run": 'r a/"b'}
    assert msgspec.json.decode(done.json) == {"run": 'a/"b\r\nc'}


def test_a_request_without_references_is_left_as_it_is():
    request = Request("POST", "/x", body="{ {no} }")

    assert filled(request, {"no": "1"}) is request


def test_a_reference_to_nothing_is_told():
    with pytest.raises(MissingValue, match="id"):
        filled(Request("GET", "/{{id}}"), {})


@given(st.text(max_size=50))
def test_no_value_breaks_out_of_the_request(value):
    request = Request("GET", "/a/{{v}}", headers={"h": "{{v}}"}, json=msgspec.Raw(b'["{{v}}"]'))

    done = filled(request, {"v": value})

    assert re.fullmatch(r"/a/[!-~]*", done.path)
    assert "/" not in done.path[3:]
    assert not re.search(r"[\r\n\0]", done.headers["h"])
    assert msgspec.json.decode(done.json) == [value]


@pytest.mark.parametrize(
    ("name", "extract", "why"),
    [
        ("id", Extract(json="/id"), None),
        ("id", Extract(regex=r"id=(\w+)"), None),
        ("id", Extract(regex=r"\{\"id\": ?\"([^\"]+)\"[^}]*\}"), None),
        ("2id", Extract(json="/id"), "is not a valid name; use letters, digits, _ and -"),
        ("id", Extract(), "needs exactly one of json, header and regex"),
        ("id", Extract(json="/id", header="x"), "needs exactly one of json, header and regex"),
        ("id", Extract(json="id"), "has a json pointer that does not begin with /"),
        (
            "id",
            Extract(regex="("),
            "has a regex that cannot be used: missing ): (",
        ),
        ("id", Extract(regex="(a+)+$"), None),
        (
            "id",
            Extract(regex=r"(a)\1"),
            "has a regex that cannot be used: invalid escape sequence: \\1 (as of RE2: no look-around, no"
            " back-references, no possessive repetition; \\z is the end of a text)",
        ),
        (
            "id",
            Extract(regex=".{1,1000}.{1,1000}x"),
            "has a regex that takes 18,003 instructions to match, since it counts far or names large classes;"
            " at most 2,000 are allowed",
        ),
        ("id", Extract(regex="a\ud800"), "has a regex with half of a surrogate pair in it"),
        ("id", Extract(regex="x" * 400), "has a regex of 400 characters; at most 300 are allowed"),
    ],
)
def test_what_cannot_be_taken_or_could_run_for_ever_is_refused(name, extract, why):
    assert extract_problem(name, extract) == why


@pytest.mark.parametrize(
    ("extracts", "why"),
    [
        ({f"v{n}": Extract(json="/id") for n in range(100)}, None),
        ({f"v{n}": Extract(json="/id") for n in range(101)}, "101 values; at most 100 are allowed"),
        (
            {f"v{n}": Extract(regex=".{1,100}x") for n in range(3)},
            "values by regexes that take 2,712 instructions to match; at most 2,000 are allowed in a step",
        ),
    ],
)
def test_what_is_too_much_for_one_answer_is_refused(extracts, why):
    assert extracts_problem(extracts) == why


@pytest.mark.parametrize(
    "pattern",
    [
        "a?" * 40 + "b",
        "(?:a|aa)" * 20 + "b",
        "a*a*b",
        r"\w*\d",
        "(a*)*b",
        "(?:(a|aa)+)+$",
        ".*.*.*.*=",
        "(?i)(é|e)*x",
    ],
)
def test_a_pattern_never_takes_more_than_time_in_proportion_to_a_body(pattern):
    """A pattern of a trace hung the engine: neither a time limit nor a signal ended it."""
    assert extract_problem("v", Extract(regex=pattern)) is None

    began = time.process_time()
    for body in (b"a" * 64, b"a" * (1 << 14), b"ab" * (1 << 13), "é".encode() * (1 << 13)):
        take(body, regex=pattern)

    assert time.process_time() - began < 1.0  # of processor time; 16 KiB took a backtracking engine for ever


@given(pattern=st.text("ab*+?()[]{}|.^$\\dwsz0123,", max_size=40), body=st.text("ab01 \n", max_size=200))
def test_a_pattern_finds_what_the_re_module_finds_where_both_can_read_it(pattern, body):
    if pattern_problem(pattern) is not None or sum(map(pattern.count, "*+?{")) > 3:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            known = re.compile(pattern.replace("$", r"\Z"), re.ASCII)
    except re.error:
        return
    found, expected = found_in_body(pattern, body.encode()), known.search(body)
    assert (found and found[0]) == (expected and expected[0])


@pytest.mark.parametrize(
    ("headers", "body", "filled_in"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "user={{v}}&x=1", "user=a%22%26+b&x=1"),
        ({"content-type": "application/json; charset=utf-8"}, '{"user":"{{v}}"}', '{"user":"a\\"& b"}'),
        ({}, '{"user":"{{v}}"}', '{"user":"a\\"& b"}'),
        ({"content-type": "text/plain"}, '{"user":"{{v}}"}', '{"user":"a"& b"}'),
        ({}, "user {{v}}", 'user a"& b'),
    ],
)
def test_a_value_in_a_body_is_written_as_its_content_type_asks(headers, body, filled_in):
    assert filled(Request("POST", "/", headers, body=body), {"v": 'a"& b'}).body == filled_in
