"""Definitions of tools that stand for those of a recording: as many, and of the same size together. Pure.

Each is a valid function with parameters as JSON Schema (https://json-schema.org), whose descriptions are words. None is
without a parameter, which Gemini refuses, and no description is longer than the 1,024 characters that OpenAI takes.
"""

from collections.abc import Callable
from typing import NamedTuple

from replay.dialects.carried import DEFINITION_TOKENS
from replay.dialects.types import Carrying

_MOST_DESCRIPTION_BYTES = 1_000


class Definitions(NamedTuple):
    """text: all of them, separated by commas. tokens: what they are estimated to take of a prompt."""

    text: bytes
    tokens: int


def definitions(
    carrying: Carrying, count: int, size_bytes: int, text: Callable[[int, int], bytes]
) -> Definitions:
    """So many definitions, of so many bytes as a JSON array; longer where each would be less than the least there is.

    More than the API takes become fewer, of the same size together. text(number, length): so many bytes of words.
    """
    count = min(count, carrying.most_tools or count)
    # Two brackets, and a comma between each and the next.
    whole, left = divmod(max(0, size_bytes - 1 - count), count)
    made = b",".join(_definition(carrying, n, whole + (n < left), text) for n in range(count))
    return Definitions(made, made.count(b" ") + DEFINITION_TOKENS * count)


def _definition(carrying: Carrying, number: int, size_bytes: int, text: Callable[[int, int], bytes]) -> bytes:
    name = b"tool_%d" % (number + 1)
    spare = size_bytes - len(carrying.tool(name, b"", _schema([b""])))
    described = min(max(1, spare - 1), _MOST_DESCRIPTION_BYTES)
    lengths = _lengths(max(1, spare - described))
    words = text(number, described + sum(lengths))
    parameters, at = [], described
    for length in lengths:
        parameters.append(words[at : at + length])
        at += length
    return carrying.tool(name, words[:described], _schema(parameters))


def _lengths(spare: int) -> list[int]:
    """Of the descriptions of parameters that take so many bytes, the frames of all but the first included."""
    lengths = [min(spare, _MOST_DESCRIPTION_BYTES)]
    left = spare - lengths[0]
    while left:
        frame = len(_parameter(len(lengths), b"")) + 1
        if left <= frame:
            # Too little for one more: the last of them takes it.
            lengths[-1] += left
            break
        lengths.append(min(left - frame, _MOST_DESCRIPTION_BYTES))
        left -= frame + lengths[-1]
    return lengths


def _schema(descriptions: list[bytes]) -> bytes:
    parameters = b",".join(_parameter(n, text) for n, text in enumerate(descriptions))
    return b'{"type":"object","properties":{%b}}' % parameters


def _parameter(number: int, description: bytes) -> bytes:
    return b'"part_%d":{"type":"string","description":"%b"}' % (number + 1, description)
