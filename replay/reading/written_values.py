"""Values that written requests name in double braces, `{{host}}`, as Postman and HTTP files do.

Pure.
"""

import re
from collections.abc import Mapping

from replay.trace.redaction.names import REDACTED, is_secret_parameter

_NAMED = re.compile(r"\{\{\s*([\w$.\-]{1,200})(?:\s[^{}]{0,200})?\s*\}\}")
_DEEPEST = 5


def kept_value(name: str, value: str, is_secret: bool = False) -> str:
    """What a name stands for, or what stands for a secret: wherever it is filled in, nothing there need tell it.

    is_secret: whether it is called one, beside its name.
    """
    return REDACTED if value and (is_secret or is_secret_parameter(name)) else value


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
