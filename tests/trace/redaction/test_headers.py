"""Secrets that recordings hold do not reach a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.fields import NOT_OF_A_TRACE
from replay.trace.redaction.headers import kept_headers, redacted_path
from replay.trace.redaction.names import is_secret_name


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
        "Cookie2",
        "X-Hub-Signature-256",
        "Stripe-Signature",
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


@given(st.text())
def test_redacting_twice_changes_nothing_more(path):
    assert redacted_path(redacted_path(path)) == redacted_path(path)


def test_tokens_among_the_subprotocols_of_a_websocket_are_replaced():
    kept, _ = kept_headers(
        [("Sec-WebSocket-Protocol", "chat, bearer, hush7, base64url.bearer.authorization.k8s.io.aHVzaA")]
    )

    assert kept == {"Sec-WebSocket-Protocol": "chat, redacted, redacted, redacted"}
