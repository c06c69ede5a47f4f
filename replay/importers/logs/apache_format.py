"""The strings of Apache's `LogFormat`, as pieces of a declared format.

Pure. Directives are those of https://httpd.apache.org/docs/2.4/mod/mod_log_config.html. A string may be given as it
stands in a configuration, with `LogFormat`, its quotes and escapes. A time that is put together of several `%{...}t`
is read as one.
"""

import re
from collections.abc import Iterator, Mapping

from replay.importers.logs.log_format import OPTION, Kind, Piece, Variable
from replay.trace.errors import TraceError, shown

_DIRECTIVE = re.compile(
    r"%(?:!?\d{3}(?:,\d{3}){0,20})?[<>]?(?:\{(?P<of>[^{}]{0,200})\})?(?P<letter>[A-Za-z%]|\^[A-Za-z]{2})",
    re.ASCII,
)
_LINE = re.compile(r"\s*LogFormat\s+\"((?:[^\"\\]|\\.)*+)\".*", re.DOTALL).fullmatch
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"t": "\t", "n": "\n"}

_LETTERS: Mapping[str, tuple[str, Kind]] = {
    "h": ("peer", "word"), "a": ("peer", "word"), "l": ("", "word"), "u": ("user", "text"), "r": ("request", "request"),
    "m": ("method", "word"), "s": ("status", "word"), "b": ("response_bytes", "word"),
    "B": ("response_bytes", "word"), "O": ("sent_bytes", "word"), "I": ("message_bytes", "word"),
    "D": ("took_us", "word"), "T": ("took_s", "word"), "v": ("host", "word"), "V": ("host", "word"), "p": ("", "word"),
    "H": ("", "word"), "k": ("", "word"), "P": ("", "word"), "X": ("", "word"), "S": ("", "word"), "A": ("", "word"),
    "f": ("", "text"), "R": ("", "text"), "L": ("", "word"), "i": ("", "text"), "o": ("", "text"), "e": ("", "text"),
    "n": ("", "text"), "C": ("", "text"), "^FB": ("", "word"), "^ti": ("", "text"), "^to": ("", "text"),
}  # fmt: skip
_HEADERS: Mapping[str, tuple[str, Kind]] = {
    "user-agent": ("user_agent", "text"),
    "x-forwarded-for": ("forwarded", "list"),
    "host": ("host", "word"),
    "x-request-id": ("request_id", "word"),
    "content-length": ("body_bytes", "word"),
}
_UNITS = {"s": "took_s", "ms": "took_ms", "us": "took_us"}
# The parts of a time by what strftime writes for them; %T and its like are several.
_PARTS = {
    "Y": ("Y", r"\d{4}"), "m": ("m", r"\d\d"), "b": ("m", "[A-Z][a-z]{2}"), "h": ("m", "[A-Z][a-z]{2}"),
    "d": ("d", r"\d\d"), "H": ("H", r"\d\d"), "M": ("M", r"\d\d"), "S": ("S", r"\d\d"), "z": ("z", r"[+-]\d\d:?\d\d"),
    "s": ("s", r"\d{9,10}"),
}  # fmt: skip
_SEVERAL = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M"}
_FRACTIONS = {"msec_frac": r"\d{3}", "usec_frac": r"\d{6}"}


def apache_pieces(text: str) -> list[Piece]:
    """The pieces of a format. Raises TraceError where a directive is none of Apache's."""
    line = _LINE(text)
    text = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), (line[1] if line else text).strip())
    pieces: list[Piece] = []
    end = 0
    while (at := text.find("%", end)) >= 0:
        found = _DIRECTIVE.match(text, at)
        if found is None:
            raise TraceError(f"{OPTION}: {shown(text[at : at + 20])} is not a directive of Apache's LogFormat.")
        pieces += [text[end:at]] if at > end else []
        pieces += _pieces(found)
        end = found.end()
    return _joined([*pieces, text[end:]])


def _pieces(found: "re.Match[str]") -> Iterator[Piece]:
    letter, of, name = found["letter"], found["of"], found[0]
    if letter == "%":
        yield "%"
    elif letter == "t":
        yield from _time(name, of)
    elif letter == "U":
        yield Variable(name, "U", "path", "text", "", "/")
    elif letter == "q":
        yield Variable(name, "q", "query", "word", "", "?")
    elif letter not in _LETTERS:
        near = next(
            (f" Did you mean %{each}?" for each in (letter.lower(), letter.upper()) if each in _LETTERS), ""
        )
        raise TraceError(f"{OPTION}: {name} is not a directive of Apache's LogFormat.{near}")
    elif letter == "T" and of is not None:
        if of not in _UNITS:
            raise TraceError(
                f"{OPTION}: {name} has no unit that Apache knows. Write %{{ms}}T, %{{us}}T or %{{s}}T."
            )
        yield Variable(name, of, _UNITS[of], "word")
    else:
        role, kind = _LETTERS[letter]
        if letter == "i" and of is not None:
            role, kind = _HEADERS.get(of.lower(), (role, kind))
        elif letter == "a" and of == "c":
            role = ""
        yield Variable(name, of or letter, role, kind)


def _time(name: str, of: str | None) -> Iterator[Piece]:
    """What a time consists of: the common format in brackets, a number, or what strftime is asked for."""
    if not of:
        yield Variable(name, "t", "time", "own", r"\[[^\]]{1,60}\]")
        return
    of = of.removeprefix("begin:").removeprefix("end:")
    if of in _FRACTIONS:
        yield Variable(name, of, "clock f", "own", _FRACTIONS[of])
    elif of in ("sec", "msec", "usec"):
        yield Variable(name, of, "msec", "word")
    else:
        yield from _strftime(name, of)


def _strftime(name: str, text: str) -> Iterator[Piece]:
    end = 0
    for found in re.finditer(r"%(.)", text):
        yield text[end : found.start()]
        part = found[1]
        if part in _SEVERAL:
            yield from _strftime(name, _SEVERAL[part])
        elif part in _PARTS:
            role, pattern = _PARTS[part]
            yield Variable(name, name, "msec" if role == "s" else f"clock {role}", "own", pattern)
        elif part == "%":
            yield "%"
        else:
            known = ", ".join(f"%{each}" for each in (*_PARTS, *_SEVERAL))
            raise TraceError(f"{OPTION}: {shown(f'%{part}')} in {name} is not read. Known are: {known}.")
        end = found.end()
    yield text[end:]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """With texts that stand side by side as one, and without empty ones."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(before := joined[-1], str):
            joined[-1] = before + piece
        elif piece:
            joined.append(piece)
    return joined
