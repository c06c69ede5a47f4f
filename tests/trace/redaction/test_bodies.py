"""Secrets that recorded bodies hold do not reach a trace, and nothing else of them changes."""

import gzip
import json
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.redaction.bodies import of_size_only
from replay.trace.redaction.requests import NO_BODY, Redactor
from replay.trace.types import Request


def redacted_body(text, content_type):
    return Redactor().of_request(()).body(text.encode(), content_type).content.decode()


def redacted_content(data, content_type, coding=""):
    """None where it is told by its size only."""
    kept = Redactor().of_request(()).body(data, content_type, coding)
    return None if kept == NO_BODY else kept.content


def test_parts_named_like_secrets_are_replaced_and_nothing_else_changes():
    form = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n--b--\r\n'

    assert redacted_body(form.format("token", "hush"), "multipart/form-data; boundary=b") == form.format(
        "token", "redacted"
    )
    assert redacted_body(form.format("a", "hush"), "Multipart/form-data") == form.format("a", "hush")
    assert redacted_content(b"token: hush", "multipart/form-data; boundary=b") is None


def test_bodies_that_are_not_utf_8_lose_their_secrets_too():
    data = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n\xff\r\n--b--\r\n'

    assert redacted_content(data % b"token", "multipart/form-data") == (data % b"token").replace(
        b"\xff", b"redacted"
    )
    assert redacted_content(data % b"a", "multipart/form-data") == data % b"a"
    assert redacted_content(b'{"token":"\xff"}', "application/json") == b'{"token":"redacted"}'


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_coded_body_is_kept_as_it_was_sent_or_decoded_without_its_secrets(coding):
    code = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.compress,
    }[coding]
    harmless, secret = code(b'{"a":1}'), code(b'{"token":"hush"}')

    assert redacted_content(harmless, "application/json", coding) == harmless
    assert redacted_content(secret, "application/json", coding) == b'{"token":"redacted"}'
    assert redacted_content(harmless[:-3], "application/json", coding) is None
    assert redacted_content(b"{}", "application/json", "unheard-of") is None
    assert redacted_content(b'{"token":"hush"}', "application/json", "identity") == b'{"token":"redacted"}'


def test_a_decoded_body_has_no_headers_of_its_coding():
    headers = [("content-encoding", "gzip"), ("content-type", "application/json")]
    request = Request("POST", "/", dict(headers))

    Redactor().of_request(headers).put_body(
        request, gzip.compress(b'{"token":"x"}'), "application/json", "gzip"
    )

    assert request.headers == {"content-type": "application/json"}
    assert bytes(request.json) == b'{"token":"redacted"}'


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_body_is_looked_into_also_where_no_header_says_that_it_is_one(compress):
    assert redacted_content(compress(b"password=hush"), "") == b"password=redacted"


def test_a_body_of_which_only_the_size_is_told_has_no_headers_of_what_it_held():
    request = Request("POST", "/", {"Content-Encoding": "gzip", "Digest": "x", "content-type": "a/b"})

    assert of_size_only(request, 3) == Request("POST", "/", {"content-type": "a/b"}, body_bytes=3)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{ "a" : 1, "Authorization":"x" }', '{"a":1,"Authorization":"redacted"}'),
        ('{"token": ["x", {"y": "z"}], "n": 1}', '{"token":["redacted",{"y":"redacted"}],"n":1}'),
        ('{"auth": {"user": "ada", "pin": 5}}', '{"auth":{"user":"redacted","pin":0}}'),
        ('{"password":""}', '{"password":""}'),
        ('{"password":"x","password":""}', '{"password":"redacted","password":""}'),
        ('{"password":12} {"token":"y', '{"password":0} {"token":"redacted"'),
        ('{"auth":{"a":["b","c', '{"auth":{"a":["redacted","redacted"'),
        ('{"auth":{"a":"b"},"q":"c"},}', '{"auth":{"a":"redacted"},"q":"c"},}'),
        ('{"password":12}\n{"token":"y"}', '{"password":0}\n{"token":"redacted"}'),
        ('{"max_tokens": 100, "input_tokens":[1, 2],"token_count":7}', None),
        ('{"tools":[{"parameters":{"properties":{"token":{"type":"string"}}}}]}', None),
        ('{"text": "my \\"token\\": is said"}', None),
    ],
)
def test_members_named_like_secrets_are_replaced_whatever_they_hold_and_counts_are_not(body, kept):
    assert redacted_body(body, "application/json") == (body if kept is None else kept)


@given(
    st.recursive(
        st.text(max_size=5) | st.integers() | st.booleans() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "token", "pwd"]), inner)
        ),
        max_leaves=10,
    )
)
def test_redacting_json_twice_changes_nothing_more(value):
    once = redacted_body(json.dumps(value), "application/json")
    assert redacted_body(once, "application/json") == once
    json.loads(once)
