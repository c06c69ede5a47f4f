"""Commands as a POSIX shell divides a line into them: at `;`, `&` and `|`, without their redirections.

Nothing is filled in: `$name`, `$(command)` and what else a shell would put in stand in the words as they were written.
Pure.
"""

import re

import msgspec

_PIECE = re.compile(
    r"(?P<blank>\s++)|\$'(?P<ansi>(?:[^'\\]|\\.)*+)'|'(?P<single>[^']*+)'"
    r'|"(?P<double>(?:[^"\\]|\\.)*+)"|\\(?P<escaped>.)'
    # Another command in a word: $(...) and `...`, and <(...) and >(...), whose names are those of files.
    r"|[$<>]\((?:[^()]|\([^()]*+\))*+\)|`[^`]*+`"
    r"|(?P<redirection><<[<-]?|[<>]&|>>|>\||<>|[<>]|&>>?)|(?P<end>[;&|])"
    r"|[^\s'\"\\$;&|<>`]++|[$\\](?!['\"])|\$(?=\")|`",
    re.DOTALL,
).match
_HERE_WORD = re.compile(r"\s*\\?(?P<quote>['\"]?)(?P<word>\w{1,100})(?P=quote)").match
_DESCRIPTOR = re.compile(r"\d++(?=[<>])").match
_ESCAPED = re.compile(r'\\([$`"\\\n])')
# Escapes of $'...'. Bytes, and halves of UTF-16 as Chrome writes them, stand for a character with their neighbours.
_ANSI = re.compile(
    r"(?P<bytes>(?:\\(?:x[0-9A-Fa-f]{1,2}|[0-7]{1,3}))+)|(?P<units>(?:\\u[0-9A-Fa-f]{1,4})+)"
    r"|\\U(?P<point>[0-9A-Fa-f]{1,8})|\\c(?P<control>[@-_a-z])|\\(?P<one>[abeEfnrtv\\'\"?])"
)
_BYTE = re.compile(r"\\(?:x([0-9A-Fa-f]+)|([0-7]+))")
_ONE = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


class Here(msgspec.Struct, frozen=True):
    """What a command is given beside its words. word: the one that ends the lines below that it is given.

    is_indented: whether the tabs in front of these lines are none of theirs (`<<-`). text: what it is given in place of
    such lines (`<<<`).
    """

    word: str = ""
    is_indented: bool = False
    text: str | None = None


def here_of(text: str) -> Here | None:
    """What stands behind a command's `<<`, `<<-` or `<<<`; None where none of them does."""
    at = 0
    while found := _PIECE(text, at):
        at = found.end()
        if found["redirection"] in ("<<", "<<-"):
            word = _HERE_WORD(text, at)
            return Here(word["word"], found["redirection"] == "<<-") if word else None
        if found["redirection"] == "<<<":
            words = shell_commands(text[at:])
            return Here(text=f"{words[0][0]}\n") if words and words[0] else None
    return None


def quote_after(line: str, quote: str) -> str:
    """The quote that is open at the end of a line, where this one was at its start; "" for none."""
    before, is_escaped = " ", False
    for character in line:
        if is_escaped:
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if character == quote[-1] else quote
        elif character in "'\"":
            quote = "$'" if before == "$" and character == "'" else character
        elif character == "#" and before.isspace():
            break
        before = character
    return quote


def shell_commands(text: str) -> list[list[str]] | None:
    """The words of each command; None where a quote is not closed. shlex takes quadratic time."""
    commands: list[list[str]] = [[]]
    parts: list[str] | None = None
    is_file = False  # whether the next word is what a redirection names
    at = 0
    while at < len(text):
        if parts is None and text[at] == "#":
            at = text.find("\n", at)
            if at < 0:
                break
        descriptor = _DESCRIPTOR(text, at) if parts is None else None
        found = _PIECE(text, descriptor.end() if descriptor else at)
        if found is None:
            return None
        at = found.end()
        if not (found["blank"] or found["redirection"] or found["end"]):
            parts = [] if parts is None else parts
            parts.append(_said(found))
            continue
        if parts is not None:
            if not is_file:
                commands[-1].append("".join(parts))
            parts, is_file = None, False
        if found["redirection"]:
            is_file = True
        elif found["end"]:
            commands.append([])
            is_file = False
    if parts is not None and not is_file:
        commands[-1].append("".join(parts))
    return [words for words in commands if words]


def _said(found: "re.Match[str]") -> str:
    """What a piece of a word stands for: a text in quotes of one kind, a character behind a backslash, or itself."""
    if found["ansi"] is not None:
        return _ANSI.sub(_ansi, found["ansi"])
    if found["double"] is not None:
        return _ESCAPED.sub("\\1", found["double"])
    return next(text for text in (found["single"], found["escaped"], found[0]) if text is not None)


def _ansi(found: "re.Match[str]") -> str:
    """What escapes of `$'...'` stand for, as bash's manual has them."""
    if found["bytes"]:
        values = (
            int(hexadecimal, 16) if hexadecimal else int(octal, 8)
            for hexadecimal, octal in _BYTE.findall(found["bytes"])
        )
        return bytes(value & 0xFF for value in values).decode("utf-8", "replace")
    if found["units"]:
        units = (int(unit, 16) for unit in found["units"].split("\\u")[1:])
        return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "replace")
    if found["point"]:
        point = int(found["point"], 16)
        return chr(point) if point < 0xD800 or 0xDFFF < point <= 0x10FFFF else "\ufffd"
    return chr(ord(found["control"]) & 0x1F) if found["control"] else _ONE[found["one"]]
