"""The words and signs of an SLO, taken one after another; errors point at one."""

import re
from typing import NamedTuple

from replay.errors import InputError

_LONGEST = 400
_UNITS_MS = {
    "us": 0.001,
    "µs": 0.001,
    "ms": 1.0,
    "s": 1_000.0,
    "m": 60_000.0,
    "min": 60_000.0,
    "h": 3_600_000.0,
}


class SloError(InputError, ValueError):
    """An SLO that cannot be read. str() is the whole message, with a line that points at the place."""


_TOKEN = re.compile(
    r"\s*(?:(?P<quantile>[pP]\d+(?:[._]\d+)?(?![\w.]))"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)"
    # A step may be named with a star or a dash, and what a limit is multiplied by may stand beside it.
    r"|(?P<elsewhere>(?:baseline|recorded)(?=[*+-]\s*[\d.]))"
    r"|(?P<word>[A-Za-zµ_][\w*?\-]*)"
    r"|(?P<string>\"[^\"]*\")"
    r"|(?P<sign><=|>=|==|<|>|=|\(|\)|,|:|%|/|\*|\+|-)|(?P<other>\S))"
)


class Token(NamedTuple):
    kind: str
    text: str
    at: int


class Tokens:
    """Those of one SLO, and how far it has been read. Raises SloError where it is too long."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _LONGEST:
            raise SloError(f"an SLO of {len(text)} characters is too long; at most {_LONGEST} are allowed.")
        self._tokens = _split(text)
        self._next = 0

    def __repr__(self) -> str:
        return f"<Tokens of {self.text!r}, {len(self._tokens) - self._next} to come>"

    def __len__(self) -> int:
        return len(self._tokens)

    def peek(self) -> str | None:
        """Return what comes next; None: nothing does."""
        return self._tokens[self._next].text if self._next < len(self._tokens) else None

    def take(self, wanted: str | None = None) -> Token:
        """Return what comes next, and go on. Raises SloError, which says what is wanted, where nothing comes."""
        if self._next >= len(self._tokens):
            raise self.error(f"ends too early: expected {wanted or 'more'}", len(self.text))
        self._next += 1
        return self._tokens[self._next - 1]

    def expect(self, sign: str, otherwise: str) -> None:
        """Take this sign. Raises SloError with the words of `otherwise` where something else comes, or nothing."""
        if self.peek() != sign:
            raise self.error(otherwise, self.next_at())
        self.take()

    def next_at(self) -> int:
        """Return where what comes next begins; where nothing does, the end."""
        return self._tokens[self._next].at if self._next < len(self._tokens) else len(self.text)

    def rest_of_word(self, end: int) -> str:
        """Take what follows without a space, but for a comma or a closing bracket: a name may be several tokens."""
        found = ""
        while self._next < len(self._tokens) and self._tokens[self._next].at == end:
            follower = self._tokens[self._next]
            if follower.text in (",", ")"):
                break
            found += follower.text
            end = follower.at + len(follower.text)
            self._next += 1
        return found

    def last_at(self) -> int:
        """Return where the last that was taken begins."""
        return self._tokens[self._next - 1].at

    def after_last(self) -> int:
        """Return where the last that was taken ends."""
        last = self._tokens[self._next - 1]
        return last.at + len(last.text)

    def error(self, what: str, at: int) -> SloError:
        """Return the error that points at this character."""
        shown = "".join(char if char.isprintable() else "?" for char in self.text)
        return SloError(f"{what} (character {at + 1}).\n  {shown}\n  {' ' * at}^")

    def number(self) -> float:
        """Take a number."""
        token = self.take("a number")
        if token.kind != "number":
            raise self.error(f'expected a number, not "{token.text}"', token.at)
        return float(token.text)

    def milliseconds(self) -> float:
        """Take a number and its unit of time."""
        number = self.number()
        following = self._tokens[self._next] if self._next < len(self._tokens) else None
        if following is None or following.kind != "word" or following.text.lower() not in _UNITS_MS:
            hint = "" if following is None or following.kind != "word" else f' instead of "{following.text}"'
            raise self.error(
                f"a time has a unit: write us, ms, s or min{hint}",
                self.after_last() if not hint or following is None else following.at,
            )
        self.take()
        return number * _UNITS_MS[following.text.lower()]


def _split(text: str) -> list[Token]:
    tokens, at = [], 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            break
        tokens.append(Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
        at = found.end()
    return tokens
