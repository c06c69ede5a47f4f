r"""Commands as Windows' shells divide a line into words: cmd, by carets, and PowerShell, by backticks. Pure.

cmd takes `^` before a character off, and before the end of a line with it; in quotes it stands for itself. What comes
out is divided as Microsoft's C library divides it: `\"` is a quote, and so is `""` within quotes. That is how browsers
on Windows copy a request ("Copy as cURL (cmd)"). PowerShell's quotes are told by backticks and by doubling them; a
`\"` that is left stands for a quote, as its releases before 7.3 had to be told. A command ends at an operator behind a
blank.
"""

import re

_OPERATOR = re.compile(r"[&|<>;]|\d?>")
_ARGUMENT = re.compile(r'(?P<slashes>\\*)(?P<quote>"*)|(?P<other>[^\\"])', re.DOTALL)
_POWERSHELL = re.compile(
    r"(?P<blank>(?:\s|`\r?\n)++)|'(?P<single>(?:[^']|'')*+)'|\"(?P<double>(?:[^\"`]|\"\"|`.)*+)\"|`(?P<escaped>.)|[^\s'\"`]++|['\"`]",
    re.DOTALL,
)  # fmt: skip
_TICKED = re.compile(r'`(.)|""', re.DOTALL)
_TICKS = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def is_cmd(line: str) -> bool:
    """Whether a command's first line is cmd's: a caret stands before its end, or before its first quote."""
    before, quote, _ = line.partition('"')
    return line.endswith("^") or (bool(quote) and before.endswith("^") and "'" not in before)


def is_powershell(line: str) -> bool:
    """Whether a command's first line goes on behind a backtick."""
    return line.endswith(" `") and line.count("`") % 2 == 1


def cmd_words(text: str) -> list[str]:
    """The words of the first command in these lines, which end in LF."""
    return _arguments(_without_carets(text))


def _without_carets(text: str) -> str:
    out: list[str] = []
    is_quoted = False
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == '"':
            is_quoted = not is_quoted
        elif not is_quoted and character == "^":
            if text[at : at + 1] == "\n":  # the line goes on, and what its next begins with stands for itself
                at += 1
            character = text[at : at + 1]
            at += 1
        elif character == "\n" or (not is_quoted and out and out[-1].isspace() and _OPERATOR.match(character)):
            break
        out.append(character)
    return "".join(out)


def _arguments(text: str) -> list[str]:
    """As the C runtime of Microsoft divides a command line ("Parsing C++ command-line arguments")."""
    words: list[str] = []
    word: list[str] | None = None
    is_quoted = False
    for found in _ARGUMENT.finditer(text):
        other = found["other"]
        if other is not None and other.isspace() and not is_quoted:
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None and found[0] else word
        if word is None:
            continue
        if other is not None:
            word.append(other)
            continue
        quotes = len(found["quote"])
        slashes = len(found["slashes"])
        word.append("\\" * (slashes // 2 if quotes else slashes))
        if quotes and slashes % 2:
            word.append('"')
            quotes -= 1
        while quotes:
            if is_quoted and quotes > 1:
                word.append('"')
                quotes -= 2
            else:
                is_quoted = not is_quoted
                quotes -= 1
    if word is not None:
        words.append("".join(word))
    return words


def powershell_words(text: str) -> list[str]:
    """The words of the first command in these lines."""
    words: list[str] = []
    word: list[str] | None = None
    for found in _POWERSHELL.finditer(text):
        if found["blank"] is not None:
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        if word is None and _OPERATOR.match(found[0]):
            break
        word = [] if word is None else word
        word.append(_said(found).replace('\\"', '"'))
    if word is not None:
        words.append("".join(word))
    return words


def _said(found: "re.Match[str]") -> str:
    if found["single"] is not None:
        return found["single"].replace("''", "'")
    if found["double"] is not None:
        return _TICKED.sub(lambda each: _TICKS.get(each[1], each[1]) if each[1] else '"', found["double"])
    return found["escaped"] if found["escaped"] is not None else found[0]
