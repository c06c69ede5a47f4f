"""Secrets that recordings hold do not reach a trace."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay.http.fields import NOT_OF_A_TRACE
from replay.trace.redaction.headers import (
    is_secret_name,
    kept_headers,
    of_size_only,
    redacted_body,
    redacted_content,
    redacted_path,
)
from replay.trace.types import Request


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "cookie",
        "Set-Cookie",
        "Proxy-Authorization",
        "x-api-key",
        "api-key",
        "X-ApiKey",
        "X-Amz-Security-Token",
        "x-client-secret",
        "db_password",
        "X-Goog-Credential",
        "x-authorisation",
        "X-Auth",
        "x-jwt",
        "X-Private-Key",
        "x-psk",
        "X-Origin-Verify",
        "x-vercel-protection-bypass",
        "x-shared-access",
    ],
)
def test_headers_named_like_secrets_are_dropped_and_counted(name):
    assert kept_headers([(name, "s3cret"), ("Accept", "*/*")]) == ({"Accept": "*/*"}, 1)


@pytest.mark.parametrize("name", ["author", "authority", "Accept", "content-type", "x-request-id", "keyboard"])
def test_other_names_are_no_secrets(name):
    assert not is_secret_name(name)


def test_headers_of_the_connection_are_dropped_without_being_counted():
    headers = {"Host": "a", "Connection": "close", "Content-Length": "3", "Accept-Encoding": "gzip", "TE": "x"}
    assert kept_headers(headers) == ({}, 0)


def test_no_header_is_kept_that_a_run_would_leave_out():
    assert kept_headers([(name.title(), "x") for name in NOT_OF_A_TRACE])[0] == {}
    assert "http2-settings" in NOT_OF_A_TRACE


def test_a_repeated_header_keeps_its_first_spelling_and_all_values():
    assert kept_headers([("Accept", "a"), ("accept", "b")]) == ({"Accept": "a, b"}, 0)


def test_what_http_does_not_allow_is_dropped():
    assert kept_headers([(":authority", "a"), ("a b", "c"), ("x", "a\r\nb: c"), ("", "d")]) == ({}, 0)


def test_query_values_named_like_secrets_are_replaced_and_nothing_else_changes():
    path = "/a%20b/token/7?q=x+y&access_token=abc&Api%2DKey=1&sig=2&X-Goog-Signature=3&author=me&token&=&page=2"
    assert redacted_path(path) == (
        "/a%20b/token/7?q=x+y&access_token=redacted&Api%2DKey=redacted&sig=redacted&X-Goog-Signature=redacted"
        "&author=me&token&=&page=2"
    )
    assert redacted_path("/plain") == "/plain"


def test_parts_named_like_secrets_are_replaced_and_nothing_else_changes():
    form = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n--b--\r\n'

    assert redacted_body(form.format("token", "hush"), "multipart/form-data; boundary=b") == form.format(
        "token", "redacted"
    )
    assert redacted_body(form.format("a", "hush"), "Multipart/form-data") == form.format("a", "hush")
    assert redacted_body("token: hush", "multipart/form-data; boundary=b") == "redacted"


def test_bodies_that_are_not_utf_8_lose_their_secrets_too():
    data = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n\xff\r\n--b--\r\n'

    assert redacted_content(data % b"token", "multipart/form-data") == (data % b"token").replace(
        b"\xff", b"redacted"
    )
    assert redacted_content(data % b"a", "multipart/form-data") == data % b"a"
    assert redacted_content(b'{"token":"\xff"}', "application/json") == b'{"token":"redacted"}'


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_coded_body_is_kept_as_it_was_sent_or_not_at_all(coding):
    code = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.compress,
    }[coding]
    harmless, secret = code(b'{"a":1}'), code(b'{"token":"hush"}')

    assert redacted_content(harmless, "application/json", coding) == harmless
    assert redacted_content(secret, "application/json", coding) is None
    assert redacted_content(harmless[:-3], "application/json", coding) is None
    assert redacted_content(b"{}", "application/json", "unheard-of") is None
    assert redacted_content(b'{"token":"hush"}', "application/json", "identity") == b'{"token":"redacted"}'


def test_a_body_of_which_only_the_size_is_told_has_no_headers_of_what_it_held():
    request = Request("POST", "/", {"Content-Encoding": "gzip", "Digest": "x", "content-type": "a/b"})

    assert of_size_only(request, 3) == Request("POST", "/", {"content-type": "a/b"}, body_bytes=3)


@given(st.text())
def test_redacting_twice_changes_nothing_more(path):
    assert redacted_path(redacted_path(path)) == redacted_path(path)
