"""Loops over what is written down, as a shell goes through them: in place of each its body, as often as it is done.

A loop is unrolled where the file itself tells what it goes through: `for x in a b`, `{1..9}`, `$(seq 9)`, a list that a
variable holds, `((i = 0; i < 9; i++))`; each time through begins with the line that sets its variable. Others, and what
would grow to more than anybody sends by hand, stay as they are written. Lines are taken as they are asked for, so that
the values of variables are those that the lines above have set.
"""

import re
import shlex
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from replay.reading.shell.words import UNSET, commands_of, filled
from replay.trace.redaction.names import is_secret_parameter

_DO = re.compile(r";\s{0,99}do\b").search
_IS_DO = re.compile(r"\s{0,99}do\b").match
# Words that begin or end a loop, where a command may stand.
_KEYWORD = re.compile(
    r"(?:^|[;&|({]|\b(?:do|then|else)\b)\s{0,99}(?P<word>for|while|until|select|done)\b(?!=)"
).finditer
_GOES_ON = re.compile(r"\s{0,99}(?:;|&&)(?P<rest>.*)", re.DOTALL).match
_IS_NAME = re.compile(r"[A-Za-z_]\w{0,100}").fullmatch
_IS_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w{1,100})\}|(?P<plain>\w{1,100}))").fullmatch
_PIECES = re.compile(r"\$\([^()]{0,200}\)|`[^`]{0,200}`|\S+").findall
_SEQ = re.compile(r"(?:\$\(|`)\s{0,9}seq\s(?P<given>[^()`]*)[)`]").fullmatch
_BRACES = re.compile(r"(?P<before>[^{}]*)\{(?P<inner>[^{}]*)\}(?P<behind>[^{}]*)").fullmatch
_NUMBERS = re.compile(r"(?P<first>-?\d{1,9})\.\.(?P<last>-?\d{1,9})(?:\.\.(?P<step>-?\d{1,9}))?").fullmatch
_LETTERS = re.compile(r"(?P<first>[A-Za-z])\.\.(?P<last>[A-Za-z])").fullmatch
_COUNTS_FROM = re.compile(
    r"\s{0,9}(?P<name>[A-Za-z_]\w{0,100})\s{0,9}=\s{0,9}(?P<first>\S{1,100})\s{0,9}"
).fullmatch
_COUNTS_TO = re.compile(
    r"\s{0,9}(?P<name>\w{1,100})\s{0,9}(?P<sign><=?|>=?)\s{0,9}(?P<last>\S{1,100})\s{0,9}"
).fullmatch
_COUNTS_BY = re.compile(
    r"\s{0,9}(?:(?P<name>\w{1,100})\s{0,9}(?P<by>\+\+|--|[+\-]=\s{0,9}\d{1,9})|(?P<front>\+\+|--)(?P<named>\w{1,100}))\s{0,9}"
).fullmatch
_MOST_TIMES, _MOST_BODY_LINES = 10_000, 1_000
# Of all loops of a file: what they grow to, and the lines that are looked at for where they end.
_MOST_LINES, _MOST_CHARACTERS, _MOST_LOOKED_AT = 20_000, 16 << 20, 100_000

Line = tuple[int, str]
Values = dict[str, str]


class _Loop(NamedTuple):
    """name: of its variable. through: what that is, one after the other. body, behind: what stands in it and after."""

    name: str
    through: Sequence[str]
    body: Sequence[Line]
    behind: Sequence[Line]


def unrolled(lines: Iterator[Line], values: Values, is_wanted: Callable[[str], bool]) -> Iterator[Line]:
    """The lines of a script with their numbers. values: what its variables are by now, kept by whoever reads the lines.

    is_wanted: of a line, whether a loop is worth unrolling for it.
    """
    lines_left, characters_left, looks_left = _MOST_LINES, _MOST_CHARACTERS, _MOST_LOOKED_AT
    back: deque[Line] = deque()
    while True:
        line = back.popleft() if back else next(lines, None)
        if line is None:
            return
        head = _head(line[1]) if looks_left > 0 else None
        if head is None:
            yield line
            continue
        taken: list[Line] = []
        loop = _loop(head, line, _taking(back, lines, taken), values)
        looks_left -= len(taken) + 1
        if loop is not None and any(is_wanted(text) for _, text in loop.body):
            times = len(loop.through)
            size = times * (1 + len(loop.body))
            characters = times * sum(len(text) for _, text in loop.body)
            if size <= lines_left and characters <= characters_left:
                lines_left -= size
                characters_left -= characters
                back.extendleft(reversed([*_rounds(loop, line[0]), *loop.behind]))
                continue
        yield line
        back.extendleft(reversed(taken))


def _taking(back: deque[Line], lines: Iterator[Line], taken: list[Line]) -> Iterator[Line]:
    """The lines to come, each noted."""
    while len(taken) < _MOST_BODY_LINES:
        line = back.popleft() if back else next(lines, None)
        if line is None:
            return
        taken.append(line)
        yield line


def _rounds(loop: _Loop, n: int) -> Iterator[Line]:
    for value in loop.through:
        yield n, f"{loop.name}={shlex.quote(value)}\n"
        yield from loop.body


def _head(text: str) -> str | None:
    """A line that begins a loop of `for`, without a prompt; None of any other."""
    text = text.strip().removeprefix("$ ").lstrip()
    return text if text.startswith(("for ", "for(")) else None


def _loop(head: str, line: Line, lines: Iterator[Line], values: Values) -> _Loop | None:
    """None where it is none that can be unrolled. lines: those below its head."""
    n = line[0]
    do = _DO(head)
    said = head[: do.start()] if do is not None else head.rstrip("; \t")
    counted = _counted(said, values) if "((" in said else _listed(said, values)
    if counted is None:
        return None
    name, through = counted
    if is_secret_parameter(name):
        return None
    if do is None:
        n, first = next(lines, (n, ""))
        found = _IS_DO(first)
        if found is None:
            return None
        rest = first[found.end() :]
    else:
        rest = head[do.end() :]
    body: list[Line] = []
    depth = 1
    while True:
        for keyword in () if rest.lstrip().startswith("#") else _KEYWORD(rest):
            depth += -1 if keyword["word"] == "done" else 1
            if not depth:
                body.append((n, rest[: keyword.start("word")].rstrip().removesuffix(";")))
                goes_on = _GOES_ON(rest, keyword.end())
                behind = [] if goes_on is None else [(n, goes_on["rest"])]
                return _Loop(name, through, [one for one in body if one[1].strip()], behind)
        body.append((n, rest))
        following = next(lines, None)
        if following is None:
            return None
        n, rest = following


def _listed(head: str, values: Values) -> tuple[str, list[str]] | None:
    """The variable and the words of `for NAME in WORDS`."""
    parts = head.split(None, 3)
    if len(parts) < 4 or parts[2] != "in" or _IS_NAME(parts[1]) is None:
        return None
    if any(quote in parts[3] for quote in "'\"\\"):
        commands = commands_of(f"in {parts[3]}", dict(values))
        if commands is None or len(commands) != 1:
            return None
        words = commands[0].words[1:]
    else:
        words = _PIECES(parts[3])
    through: list[str] = []
    for word in words:
        meant = _meant(word, values)
        if meant is None or len(through) + len(meant) > _MOST_TIMES:
            return None
        through += meant
    return parts[1], through


def _meant(word: str, values: Values) -> Sequence[str] | None:
    """What a word stands for in a list; None where only a shell could tell."""
    if (seq := _SEQ(word)) is not None:
        return _sequence([_number(each, values) for each in seq["given"].split()])
    variable = _IS_VARIABLE(word)
    if variable is not None:
        value = values.get(variable["braced"] or variable["plain"])
        return None if value is None or _is_pattern(value) else value.split()
    if (braces := _BRACES(word)) is not None and "$" not in word:
        inner = _alternatives(braces["inner"])
        return None if inner is None else [f"{braces['before']}{each}{braces['behind']}" for each in inner]
    said = filled(word, values)
    return None if UNSET in said or _is_pattern(said) else [said]


def _sequence(given: Sequence[int | None]) -> Sequence[str] | None:
    """What seq prints that is given these: LAST, FIRST LAST, or FIRST STEP LAST; None for what it would not take."""
    numbers = [each for each in given if each is not None]
    if len(numbers) < len(given) or not 1 <= len(numbers) <= 3:
        return None
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) > 2 else 1
    return _range(first, numbers[-1], step) if step else None


def _is_pattern(word: str) -> bool:
    """Whether a shell would put the names of files in its place; a URL with a query is the name of none."""
    return "://" not in word and any(mark in word for mark in "*?[{")


def _alternatives(inner: str) -> Sequence[str] | None:
    """Of braces: from one number or letter to another, or each behind a comma."""
    if (numbers := _NUMBERS(inner)) is not None:
        first, last, step = (int(numbers[name] or 1) for name in ("first", "last", "step"))
        found = _range(first, last, abs(step or 1) * (1 if first <= last else -1))
        is_padded = any(
            numbers[name].lstrip("-").startswith("0") and len(numbers[name]) > 1 for name in ("first", "last")
        )
        width = max(len(numbers["first"]), len(numbers["last"])) if is_padded else 0
        return None if found is None else [each.zfill(width) for each in found]
    if (letters := _LETTERS(inner)) is not None:
        first, last = ord(letters["first"]), ord(letters["last"])
        step = 1 if first <= last else -1
        return [chr(code) for code in range(first, last + step, step)]
    return inner.split(",") if "," in inner else None


def _range(first: int, last: int, step: int) -> Sequence[str] | None:
    """Both ends in it; None where it is too long."""
    numbers = range(first, last + (1 if step > 0 else -1), step)
    return None if len(numbers) > _MOST_TIMES else [str(number) for number in numbers]


def _counted(head: str, values: Values) -> tuple[str, Sequence[str]] | None:
    """The variable of `for ((NAME = 0; NAME < 9; NAME++))`, and what it is each time."""
    inside = head.removeprefix("for").strip()
    parts = inside[2:-2].split(";") if inside.startswith("((") and inside.endswith("))") else []
    if len(parts) != 3:
        return None
    begins, ends, goes = _COUNTS_FROM(parts[0]), _COUNTS_TO(parts[1]), _COUNTS_BY(parts[2])
    if begins is None or ends is None or goes is None:
        return None
    if {begins["name"], ends["name"], goes["name"] or goes["named"]} != {begins["name"]}:
        return None
    first, last = _number(begins["first"], values), _number(ends["last"], values)
    by = goes["by"] or goes["front"]
    step = (1 if by[0] == "+" else -1) * (1 if by in ("++", "--") else int(by[2:]))
    if first is None or last is None or not step or (step > 0) != (ends["sign"][0] == "<"):
        return None
    within = last if ends["sign"].endswith("=") else last - (1 if step > 0 else -1)
    through = _range(first, within, step)
    return None if through is None else (begins["name"], through)


def _number(text: str, values: Values) -> int | None:
    """A whole number, or a variable that is one."""
    name = text.removeprefix("$").removeprefix("{").removesuffix("}")
    said = values.get(name, text) if _IS_NAME(name) else text
    try:
        return int(said) if len(said) < 10 and said.isascii() else None
    except ValueError:
        return None
