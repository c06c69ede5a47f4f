"""Values that written requests name in double braces, `{{host}}`, as Postman and HTTP files do.

Pure.
"""

import re
from collections.abc import Mapping

_NAMED = re.compile(r"\{\{\s*([\w$.\-]{1,200})(?:\s[^{}]{0,200})?\s*\}\}")
_DEEPEST = 5


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place; one that is not given is its name."""
    for _ in range(_DEEPEST):
        filled = _NAMED.sub(lambda found: values.get(found[1], found[1].lstrip("$")), text)
        if filled == text or len(filled) > 1 << 20:
            break
        text = filled
    return text


def absolute(url: str) -> str:
    """The URL with a scheme; without one, tools take http."""
    return url if "://" in url[:20] else f"http://{url}"
