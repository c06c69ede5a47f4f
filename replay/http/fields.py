"""Headers: what a value may hold (RFC 9110, section 5.5), and which are not of a request but of how it is sent."""

import re

NOT_IN_VALUE = r"[\x00-\x08\x0a-\x1f\x7f]"
"""Control characters: line ends and NUL make other headers of a value, and what is read into the others differs.

Not those of ISO 8859-1 (U+0080 to U+009F, NEL among them): on the wire they are bytes of letters in UTF-8.
"""

is_not_for_value = re.compile(NOT_IN_VALUE).search

OF_THE_CONNECTION = frozenset(("connection", "http2-settings", "keep-alive", "proxy-connection", "upgrade"))
"""Of one connection (RFC 9110, section 7.6.1; RFC 7540, section 3.2.1), and never passed on."""

NOT_OF_A_TRACE = OF_THE_CONNECTION | {
    "content-length",
    "expect",
    "host",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
}
"""Of one connection or hop, or decided by framing or the target: a run writes its own."""


def as_sent(text: str) -> bytes:
    """A head, or a part of one, as it goes out: a character a byte where that can be, else in UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
