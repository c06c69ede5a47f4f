"""Headers: what a value may hold (RFC 9110, section 5.5), and which are not of a request but of how it is sent."""

import re

NOT_IN_VALUE = r"[\x00-\x08\x0a-\x1f\x7f]"
"""Control characters: line ends and NUL make other headers of a value, and what is read into the others differs.

Not those of ISO 8859-1 (U+0080 to U+009F, NEL among them): on the wire they are bytes of letters in UTF-8.
"""

is_not_for_value = re.compile(NOT_IN_VALUE).search

NOT_OF_A_TRACE = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Of one connection or hop (RFC 9110, section 7.6.1), or decided by framing or the target: a run writes its own."""
