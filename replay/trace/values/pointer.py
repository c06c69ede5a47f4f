"""JSON pointers (RFC 6901): from a document to what one leads to. Pure."""

from typing import Any

MISSING: Any = object()
"""What a pointer leads to where there is nothing."""


def pointed(document: Any, pointer: str) -> Any:
    """What the pointer leads to, or MISSING. The empty pointer is the whole document."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and _is_index(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document


def _is_index(key: str) -> bool:
    """Whether a part is an array's index: ASCII digits without leading zeros, and few enough to be one."""
    return key.isascii() and key.isdigit() and len(key) < 12 and (key == "0" or key[0] != "0")
