"""The opening: what is asked, and which answers are none."""

import pytest

from replay.websocket.handshake import accept_of, new_key, opening_lines, read_answer, settled
from replay.websocket.types import BrokenRule

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)


def test_the_key_of_the_standard_has_the_answer_of_the_standard():
    assert accept_of(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


def test_no_two_keys_are_the_same():
    assert len({new_key() for _ in range(100)}) == 100


def test_what_is_asked_names_subprotocols_and_compression_only_where_they_are_wanted():
    plain = opening_lines(KEY, (), compresses=False)
    assert b"protocol" not in plain
    assert b"extensions" not in plain
    asked = opening_lines(KEY, ("a", "b"), compresses=True)
    assert b"sec-websocket-protocol: a, b\r\n" in asked
    assert b"sec-websocket-extensions: permessage-deflate\r\n" in asked


def agreed(head, protocols=(), compresses=False):
    status, headers = read_answer(head)
    assert status == 101
    return settled(headers, KEY, protocols, compresses=compresses)


def test_an_answer_that_agrees_is_taken():
    assert agreed(HEAD) == (None, False)
    assert agreed(HEAD + b"\r\nSec-WebSocket-Protocol: b", ("a", "b")) == (None, False)
    assert (
        agreed(HEAD + b"\r\nSec-WebSocket-Extensions: permessage-deflate", compresses=True).compression
        is not None
    )
    assert agreed(HEAD, compresses=True) == (None, False)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (HEAD.replace(b"WebSocket\r\nConn", b"h2c\r\nConn"), "something else than a WebSocket"),
        (HEAD.replace(b"keep-alive, Upgrade", b"close"), "without Connection: Upgrade"),
        (HEAD.replace(b"s3pPLMB", b"s3pPLMC"), "none to its key"),
        (HEAD.rpartition(b"\r\n")[0], "none to its key"),
        (HEAD + b"\r\nSec-WebSocket-Protocol: x", "a subprotocol"),
        (HEAD + b"\r\nSec-WebSocket-Extensions: permessage-deflate", "an extension"),
        (b"HTTP/1.0 101 Switching Protocols", "a status line"),
        (b"ICY 200 OK", "a status line"),
        (HEAD + b"\r\nno colon", "a malformed header"),
        (HEAD + b"\r\n folded: x", "a malformed header"),
    ],
)
def test_an_answer_that_agrees_to_something_else_is_refused(head, why):
    with pytest.raises(BrokenRule, match=why):
        agreed(head)
