"""What a request asks for: kind and name by path, token limit and streaming by a body that passes by."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.layouts.openai_chat import OPENAI_CHAT
from replay.planes.modelled.asking import BodyScan, kind_and_name
from replay.planes.modelled.types import Asked


def scanned(*chunks: bytes) -> Asked:
    scan = BodyScan(OPENAI_CHAT.limits)
    for chunk in chunks:
        scan.feed(chunk)
    return scan.asked()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/v1/chat/completions", ("llm", "chat")),
        (b"/staging/v1/chat/completions", ("llm", "chat")),
        (b"/tools/search", ("tool", "search")),
        (b"/tools/run%20tests", ("tool", "run tests")),
        (b"/mcp", ("mcp", "mcp")),
        (b"/mcp/sessions/1", ("mcp", "mcp")),
        (b"/mcpx", ("http", "/mcpx")),
        (b"/tickets/7", ("http", "/tickets/7")),
        (b"/", ("http", "/")),
        (b"/\xff%ff", ("http", "/\xff\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_the_path_tells_kind_and_name(path, expected):
    assert kind_and_name(path) == expected


def test_a_body_says_its_token_limit_and_whether_it_streams():
    assert scanned(b'{"max_tokens": 12, "stream":true}') == Asked(12, stream=True)
    assert scanned(b'{"stream" : false,"max_completion_tokens":9}') == Asked(9)
    assert scanned(b'{"max_completion_tokens":9,"max_tokens":12}') == Asked(9)
    assert scanned(b'{"stream_options":{"include_usage":true}}') == Asked(tells_usage=True)
    assert scanned(b"not json") == Asked()


@pytest.mark.parametrize("odd", [b"null", b"-1", b"1.5", b"true", b'"12"', b"99999999999999"])
def test_a_token_limit_that_is_no_count_is_as_good_as_none(odd):
    assert scanned(b'{"max_tokens":%s}' % odd).max_tokens is None


def test_it_makes_no_difference_where_a_body_is_cut():
    body = json.dumps({"messages": ["x" * 200], "max_tokens": 345, "stream": True, "n": 1}).encode()
    for cut in range(len(body) + 1):
        assert scanned(body[:cut], body[cut:]) == Asked(345, stream=True)
    assert scanned(*(body[n : n + 1] for n in range(len(body)))) == Asked(345, stream=True)


@given(st.text(), st.integers(0, 999_999_999), st.booleans(), st.integers(1, 50))
def test_no_prompt_is_taken_for_a_field(text, limit, stream, size):
    prompt = text + '{"max_tokens": 1, "stream": true}' + text
    body = json.dumps({"prompt": prompt, "max_tokens": limit, "stream": stream}, ensure_ascii=False).encode()

    assert scanned(*(body[n : n + size] for n in range(0, len(body), size))) == Asked(limit, stream=stream)


def test_a_body_of_any_size_is_not_kept():
    scan = BodyScan(OPENAI_CHAT.limits)
    for _ in range(64):
        scan.feed(b"x" * 65_536)

    # So much of an image tells its size.
    assert len(scan._tail) < 100 + 400
