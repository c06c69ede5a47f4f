"""Commands as a POSIX shell divides a line into them: at `;`, `&` and `|`, without their redirections.

What a shell would put in (`$name`, `$(command)`) stands in the words as it was written, but where the values of
variables are given: then these are filled in, and what has none is marked.
Pure.
"""

import re

import msgspec

UNSET = "\1"
"""Stands in front of what a shell would put in, where its value is not known."""

_PIECE = re.compile(
    r"(?P<blank>\s++)|\$'(?P<ansi>(?:[^'\\]|\\.)*+)'|'(?P<single>[^']*+)'"
    r'|"(?P<double>(?:[^"\\]|\\.)*+)"|\\(?P<escaped>.)|(?P<variable>\$(?:\{[^{}\s\'"]*+\}|\w++|[@*#?!-]))'
    # Another command in a word: $(...) and `...`, and <(...) and >(...), whose names are those of files.
    r"|(?P<taken>\$\((?:[^()]|\([^()]*+\))*+\)|`[^`]*+`)|[<>]\((?:[^()]|\([^()]*+\))*+\)"
    r"|(?P<redirection><<[<-]?|[<>]&|>>|>\||<>|[<>]|&>>?)|(?P<end>[;&|])"
    r"|[^\s'\"\\$;&|<>`]++|[$\\](?!['\"])|\$(?=\")|`",
    re.DOTALL,
).match
_HERE_WORD = re.compile(r"\s*\\?(?P<quote>['\"]?)(?P<word>\w{1,100})(?P=quote)").match
_DESCRIPTOR = re.compile(r"\d++(?=[<>])").match
# What stands in double quotes for something else: an escaped character, a variable, a command.
_IN_QUOTES = re.compile(
    r"""\\(?P<escaped>[$`"\\\n])|(?P<variable>\$(?:\{[^{}\s]*+\}|\w++|[@*#?!-]))"""
    r"|(?P<taken>\$\((?:[^()]|\([^()]*+\))*+\)|`[^`]*+`)"
)
_NAMED = re.compile(
    r"\$\{?[#!]?(?P<name>\w++|.)(?:(?P<test>:?[-=?])(?P<other>[^{}]*+)|[^{}]*+)\}?", re.DOTALL
).fullmatch
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_]\w*+)(?P<more>\+?)=(?P<value>.*)", re.DOTALL).fullmatch
_SETTING = ("export", "local", "readonly", "declare")
_MOST_VALUES, _LONGEST_VALUE = 1_000, 10_000
# Escapes of $'...'. Bytes, and halves of UTF-16 as Chrome writes them, stand for a character with their neighbours.
_ANSI = re.compile(
    r"(?P<bytes>(?:\\(?:x[0-9A-Fa-f]{1,2}|[0-7]{1,3}))+)|(?P<units>(?:\\u[0-9A-Fa-f]{1,4})+)"
    r"|\\U(?P<point>[0-9A-Fa-f]{1,8})|\\c(?P<control>[@-_a-z])|\\(?P<one>[abeEfnrtv\\'\"?])"
)
_BYTE = re.compile(r"\\(?:x([0-9A-Fa-f]+)|([0-7]+))")
_ONE = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


class Here(msgspec.Struct, frozen=True):
    """What a command is given beside its words. word: the one that ends the lines below that it is given.

    is_indented: whether the tabs in front of these lines are none of theirs (`<<-`). is_literal: whether nothing is
    filled in in them. text: what it is given in place of such lines (`<<<`).
    """

    word: str = ""
    is_indented: bool = False
    is_literal: bool = False
    text: str | None = None


class Command(msgspec.Struct):
    """words: without redirections. before: what stands between it and the command in front, as `|` or `&&`."""

    words: list[str]
    before: str = ""


def here_of(text: str, values: dict[str, str] | None = None) -> Here | None:
    """What stands behind a command's `<<`, `<<-` or `<<<`; None where none of them does. values: of variables."""
    at = 0
    while found := _PIECE(text, at):
        at = found.end()
        if found["redirection"] in ("<<", "<<-"):
            word = _HERE_WORD(text, at)
            is_literal = word is not None and (bool(word["quote"]) or "\\" in word[0])
            return Here(word["word"], found["redirection"] == "<<-", is_literal) if word else None
        if found["redirection"] == "<<<":
            commands = commands_of(text[at:], values)
            return Here(text=f"{commands[0].words[0]}\n") if commands else None
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
    commands = commands_of(text)
    return None if commands is None else [command.words for command in commands]


def commands_of(text: str, values: dict[str, str] | None = None) -> list[Command] | None:
    """The commands; None where a quote is not closed.

    values: those of variables, which are filled in, and which commands that only set variables change; what has none
    stays as it is written, behind UNSET. None where nothing is to be filled in.
    """
    commands = [Command([])]
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
            parts.append(_said(found, values))
            continue
        if parts is not None:
            if not is_file:
                commands[-1].words.append("".join(parts))
            parts, is_file = None, False
        if found["redirection"]:
            is_file = True
        elif found["end"]:
            if commands[-1].words:
                _set(commands[-1].words, values)
                commands.append(Command([]))
            commands[-1].before += found["end"]
            is_file = False
    if parts is not None and not is_file:
        commands[-1].words.append("".join(parts))
    _set(commands[-1].words, values)
    return [command for command in commands if command.words]


def filled(text: str, values: dict[str, str] | None) -> str:
    """A text as a shell fills it in within double quotes, and in the lines below a command."""

    def said(found: "re.Match[str]") -> str:
        if found["escaped"] is not None:
            return str(found["escaped"])
        return found[0] if values is None else _put_in(found, values)

    return _IN_QUOTES.sub(said, text)


def _put_in(found: "re.Match[str]", values: dict[str, str]) -> str:
    """What a variable stands for, or the output of a command, which is not known."""
    if found["variable"] is None:
        return f"{UNSET}{found[0]}"
    named = _NAMED(found["variable"])
    if named is None:
        return f"{UNSET}{found[0]}"
    value = values.get(named["name"])
    if value is not None and (found[0] in (f"${named['name']}", f"${{{named['name']}}}") or named["test"]):
        return value
    return str(named["other"]) if named["test"] in (":-", "-", ":=", "=") else f"{UNSET}${named['name']}"


def _set(words: list[str], values: dict[str, str] | None) -> None:
    """Keep what a command sets that does nothing else, and forget what one reads or counts through."""
    if values is None or not words:
        return
    if words[0] in ("for", "select") or "read" in words:
        for name in words[1:] if "read" in words else words[1:2]:
            values.pop(name, None)
        return
    given = [_ASSIGNED(word) for word in (words[1:] if words[0] in _SETTING else words)]
    is_list = bool(given) and given[0] is not None and given[0]["value"].startswith("(")
    for each in given if is_list or all(given) else ():
        if each is None:
            continue
        value = each["value"]
        is_known = not (is_list or each["more"] or UNSET in value or "$(" in value or "`" in value)
        if is_known and len(value) <= _LONGEST_VALUE and len(values) < _MOST_VALUES:
            values[each["name"]] = value
        else:
            values.pop(each["name"], None)


def _said(found: "re.Match[str]", values: dict[str, str] | None) -> str:
    """What a piece of a word stands for: a text in quotes of one kind, a character behind a backslash, or itself."""
    if found["ansi"] is not None:
        return _ANSI.sub(_ansi, found["ansi"])
    if found["double"] is not None:
        return filled(found["double"], values)
    if values is not None and (found["variable"] is not None or found["taken"] is not None):
        return _put_in(found, values)
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
