"""Words around numbers: one of a thing is not several."""

from replay.words.numbers import number


def counted(n: float, thing: str, several: str = "") -> str:
    """`1 request`, `3 requests`, `0.25 instances`. several: what more than one is called, where an s is not enough."""
    shown = f"{n:,}" if isinstance(n, int) else number(n)
    return f"{shown} {thing}" if shown == "1" else f"{shown} {several or f'{thing}s'}"


# What a plural that follows its noun becomes after one thing.
_OF_ONE = {"are": "is", "were": "was", "have": "has", "begin": "begins", "start": "starts", "occur": "occurs"} | {
    "belong": "belongs", "overlap": "overlaps", "repeat": "repeats", "follow": "follows", "lack": "lacks",
    "hold": "holds", "tell": "tells", "open": "opens", "speak": "speaks",
}  # fmt: skip
_WORDS_BETWEEN = 5


def agreed(sentence: str) -> str:
    """`1 line(s) that have no time` is `1 line that has no time`, and `2 line(s)` are `2 lines`: what goes through here
    has numbers and nouns that agree.
    """
    said, *rest = sentence.split("(s)")
    for after in rest:
        n = _number_before(said)
        if n is None:
            said += f"(s){after}"
        else:
            said += _with_one_verb(after) if n == "1" else f"s{after}"
    return said


def _number_before(said: str) -> str | None:
    """The number that the noun at its end is counted by."""
    words = said[-200:].split()
    for word in reversed(words[-1 - _WORDS_BETWEEN : -1]):
        if word.replace(",", "").isdigit():
            return word
        if word[-1] in ".,:;)":
            return None
    return None


def _with_one_verb(after: str) -> str:
    """What follows a noun, its verb as it is of one thing."""
    blank, *words = after.split(" ", 4)
    at = next((n for n, word in enumerate(words) if word not in ("that", "only", "all")), 0)
    if not blank and len(words) > at:
        words[at] = _OF_ONE.get(words[at], words[at])
    return " ".join([blank, *words])


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
