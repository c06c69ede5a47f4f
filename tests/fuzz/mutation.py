"""Inputs made of other inputs: bytes changed, tokens swapped for hostile ones, pieces repeated, two seeds spliced.

Text in any of our formats (JSON, TOML, CSV, logs, HTTP) is numbers, quoted strings, words and marks. So one mutation
works for all: it swaps a token for another of the same input, of another seed, or for one that has broken a parser
somewhere. Pure: the same random numbers give the same inputs.
"""

import random
import re
from collections.abc import Callable, Sequence

LARGEST_BYTES = 256 * 1024

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[A-Za-z_][A-Za-z0-9_-]*|\s+|[^\s]')
_HOSTILE = (
    b"", b"0", b"-0", b"-1", b"1e999", b"-1e308", b"1e-400", b"NaN", b"nan", b"inf", b"-Infinity", b"9" * 400,
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1099511627776", b"1180591620717411303424",
    b"0.1e1", b"1_000", b"0x10", b"2147483648", b"4294967296", b"-9223372036854775809", b"00", b"1.", b".5",
    b"null", b"true", b"false", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b'"\\u202e"', b'"/a/\xc2\xb2"',
    b'"\xf0\x9f\x90\xb5"', b'"\x1b[2J"', b'"[/]"', b'"{{a}}"', b'"::error::x"', b'"' + b"a" * 5000 + b'"',
    b"[" * 200, b"[" * 20000, b'{"a":' * 200, b"{a=" * 200, b"]" * 30, b"[[1]]", b'{"":{}}', b'[{"id":"a"}]',
    b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xb2", b"\xd9\xa1", b"\r", b"\n", b"\r\n", b"\n\n",
    b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"%", b"%00", b"%zz", b"\\", b"'", b'"', b"`", b"#", b",", b";", b":", b"=", b"=" * 300,
    b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999999Z", b"0001-01-01T00:00:00+23:59", b"2026-02-30T25:61:61Z",
    b'"2026-01-01T00:00:00"', b'"1e400"', b"1h", b"1e9s", b"99999999999999999999ms", b"-5%", b"nan%",
)  # fmt: skip


class Mutator:
    """Makes inputs from seeds. words: pieces of the format that are worth putting in anywhere."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], seed: int) -> None:
        self._seeds = [seed[:LARGEST_BYTES] for seed in seeds] or [b""]
        self._words = (*_HOSTILE, *words)
        self._random = random.Random(seed)

    def next(self) -> bytes:
        """One input, from one of the seeds."""
        return self.mutated(self._random.choice(self._seeds))

    def mutated(self, data: bytes) -> bytes:
        """The same input changed in one to eight places."""
        for _ in range(1 << self._random.randrange(4)):
            data = self._random.choice(_WAYS)(self, data)[:LARGEST_BYTES]
        return data

    def seeded(self, seed: int) -> "Mutator":
        """The same mutator with random numbers of its own."""
        self._random.seed(seed)
        return self

    def _bytes(self, data: bytes) -> bytes:
        found = bytearray(data)
        for _ in range(self._random.randint(1, 4)):
            if found:
                found[self._random.randrange(len(found))] = self._random.randrange(256)
        return bytes(found)

    def _cut(self, data: bytes) -> bytes:
        begin, end = self._span(data)
        return data[:begin] + data[end:]

    def _end(self, data: bytes) -> bytes:
        return data[: self._random.randrange(len(data) + 1)]

    def _token(self, data: bytes) -> bytes:
        found = self._a_token(data)
        if found is None:
            return self._put(data)
        begin, end = found
        return data[:begin] + self._piece(data) + data[end:]

    def _put(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data) + 1)
        return data[:at] + self._piece(data) + data[at:]

    def _repeated(self, data: bytes) -> bytes:
        """A piece many times over: what takes the square of the length shows here."""
        begin, end = self._span(data, 200)
        times = self._random.choice((2, 2, 3, 10, 100, 1000, 10_000))
        piece = data[begin:end]
        times = min(times, LARGEST_BYTES // max(1, len(piece)))
        return data[:begin] + piece * times + data[end:]

    def _line(self, data: bytes) -> bytes:
        """Lines left out, doubled, or in another order."""
        lines = data.splitlines(keepends=True)
        if len(lines) < 2:
            return self._token(data)
        a, b = self._random.randrange(len(lines)), self._random.randrange(len(lines))
        match self._random.randrange(3):
            case 0:
                lines[a], lines[b] = lines[b], lines[a]
            case 1:
                lines.insert(a, lines[b])
            case _:
                del lines[a]
        return b"".join(lines)

    def _spliced(self, data: bytes) -> bytes:
        other = self._random.choice(self._seeds)
        begin, end = self._span(other, 4000)
        at, until = self._span(data)
        return data[:at] + other[begin:end] + data[until:]

    def _piece(self, data: bytes) -> bytes:
        if self._random.random() < 0.7:
            return self._random.choice(self._words)
        source = data if self._random.random() < 0.5 else self._random.choice(self._seeds)
        found = self._a_token(source)
        return source[slice(*found)] if found else b"x"

    def _a_token(self, data: bytes) -> tuple[int, int] | None:
        """Some token of these bytes, but for white space; found near a random place, whatever the length."""
        at = self._random.randrange(len(data) + 1)
        for found in _TOKEN.finditer(data, at, at + 10_000):
            if not found[0].isspace():
                return found.span()
        return None

    def _span(self, data: bytes, longest: int = 2000) -> tuple[int, int]:
        begin = self._random.randrange(len(data) + 1)
        return begin, min(
            len(data), begin + self._random.randint(1, 1 << self._random.randrange(1, longest.bit_length()))
        )


_WAYS: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    Mutator._token,
    Mutator._token,
    Mutator._token,
    Mutator._token,
    Mutator._bytes,
    Mutator._put,
    Mutator._cut,
    Mutator._end,
    Mutator._line,
    Mutator._line,
    Mutator._spliced,
    Mutator._repeated,
)
