"""Tokens of a model call that is sent as it was recorded: what was counted then, in its step's attributes. Pure."""

from collections.abc import Mapping

from replay.trace.file.rules import MOST_TOKENS


def told_tokens(attributes: Mapping[str, str], name: str) -> int | None:
    """The count of this name (`input_tokens`, `output_tokens`); None where it is not told, or no count."""
    text = attributes.get(name, "")
    return min(int(text), MOST_TOKENS) if text.isascii() and text.isdigit() and len(text) < 10 else None
