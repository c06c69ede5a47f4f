"""Words around numbers: one of a thing is not several."""

import re

from replay.words.numbers import number


def counted(n: float, thing: str, several: str = "") -> str:
    """`1 request`, `3 requests`, `0.25 instances`. several: what more than one is called, where an s is not enough."""
    shown = f"{n:,}" if isinstance(n, int) else number(n)
    return f"{shown} {thing}" if shown == "1" else f"{shown} {several or f'{thing}s'}"


_COUNTED = re.compile(r"\b(\d[\d,]*)((?:\s+[^\s().,:;]+){0,4}?\s+)([^\s().,:;]+)\(s\)( that)?(?: (\w+))?")
# What a plural that follows its noun becomes after one thing.
_OF_ONE = {"are": "is", "were": "was", "have": "has", "begin": "begins", "start": "starts", "occur": "occurs"} | {
    "belong": "belongs", "overlap": "overlaps", "repeat": "repeats", "follow": "follows", "lack": "lacks",
}  # fmt: skip


def agreed(sentence: str) -> str:
    """`1 line(s) that have no time` is `1 line that has no time`, and `2 line(s)` are `2 lines`: what goes through here
    has numbers and nouns that agree.
    """

    def said(found: re.Match[str]) -> str:
        n, between, noun, that, verb = found.groups()
        is_one = n == "1"
        verb = None if verb is None else _OF_ONE.get(verb, verb) if is_one else verb
        return f"{n}{between}{noun}{'' if is_one else 's'}{that or ''}" + ("" if verb is None else f" {verb}")

    return _COUNTED.sub(said, sentence)


def tallied(n: int, what: str) -> str:
    """`3 steps removed`, `1 step removed`. what: as of several, its first plural being that of what is counted."""
    words = what.split(" ")
    if n == 1:
        at = next((i for i, word in enumerate(words) if word.endswith("s")), 0)
        words[at] = f"{words[at][:-3]}y" if words[at].endswith("ies") else words[at].removesuffix("s")
    return f"{n:,} {' '.join(words)}"


def were(n: int, thing: str) -> str:
    """`1 session was`, `3 sessions were`."""
    return f"{counted(n, thing)} {'was' if n == 1 else 'were'}"
