"""Which commands of a file are curl's, with what a shell gives them: in notes, in scripts, as browsers copy them.

Lines may go on behind a backslash, and within quotes; comments and redirections are passed over. Before curl may stand
what runs it (`time`, `sudo`, `A=b`, `docker run curlimages/curl`, `bash -c`), and around it `$(...)` and `(...)`.
Variables that the file sets are filled in, but for those that are named like secrets. What stands below a command up to
the word behind its `<<`, behind its `<<<`, or is printed into it by `echo` or `printf`, is what `-d @-` sends; such
lines below other commands are text. Commands for Windows' shells are told by how their first line goes on: behind a
caret for cmd, behind a backtick for PowerShell.

A script is not run. Loops over what is written down are gone through (replay/reading/shell/loops.py); what other loops
repeat and conditions choose is read once, and such commands are counted. Behind an `exit` on a line of its own nothing
is read.
What may be a request and is none here is counted: lines about curl without a command that could be read, and
commands of other clients.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from replay.reading.damage import Damage
from replay.reading.departures import Passed
from replay.reading.shell.loops import unrolled
from replay.reading.shell.windows_words import cmd_words, is_cmd, is_powershell, powershell_words
from replay.reading.shell.words import UNSET, Command, Here, commands_of, filled, here_of, quote_after
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown_path
from replay.trace.redaction.names import is_secret_parameter

_NONE = Damage(is_refused=True)
_NAMES = ("curl", "curl.exe")
_BEGINS = re.compile(r"\s*(?:\$ )?(?=curl(?:\.exe)?\s)").match
_CONTAINERS = ("docker", "podman", "nerdctl", "kubectl", "oc")
_SHELLS = ("bash", "sh", "zsh", "dash", "ash")
# What may stand before curl in a command with words of its own, unless it asks for curl itself.
_BEFORE = frozenset(
    (
        *_CONTAINERS, *_SHELLS, "time", "sudo", "nohup", "exec", "command", "env", "timeout", "watch", "nice", "if",
        "while", "until", "then", "do", "else", "!", "export", "local", "eval", "ssh", "{", "(", "hyperfine",
    )
)  # fmt: skip
_ASKS = frozenset(
    (
        "echo", "which", "type", "man", "install", "add", "-v", "-V", "--version", "grep", "printf", "xargs",
        "parallel",
    )
)  # fmt: skip
# How lines begin that may go on with curl: what is prose does not begin so.
_BEGINNINGS = "|".join(
    (
        *map(re.escape, sorted(_BEFORE)), "cd", "echo", "printf", "cat", "set", "mkdir", "sleep", "test", "for",
        "return", "true", "false", r"\[\[?", "seq",
    )
)  # fmt: skip
_LEADS = re.compile(
    rf"(?=\s*(?:\$ )?(?:(?:(?:{_BEGINNINGS})\s|[A-Za-z_]\w{{0,100}}=)[^\n]{{0,4000}}?(?<![\w.\-])curl(?:\.exe)?[\s:@]"
    r"|/[\w./\-]{1,200}/curl\s|\(\s*curl\s[^\n]{0,4000}\)[;&\s]*$|(?:function )?\w{1,100}(?: ?\(\))? ?\{\s))\s*(?:\$ )?"
).match
_IS_SET = re.compile(r"[A-Za-z_]\w{0,100}=.*", re.DOTALL).fullmatch
# What changes variables, or begins or ends a loop or what a condition chooses.
_SETS = re.compile(
    r"\s*(?:\$ )?(?:(?:export|local|readonly|declare|for|while|until|if|then|else|fi|do|done|read)\b"
    r"|[A-Za-z_]\w{0,100}\+?=)"
).match
# Of these, what may hold a text of several lines. Of others an open quote is rather an apostrophe of prose.
_ASSIGNS = re.compile(
    r"\s*(?:\$ )?(?:(?:export|local|readonly|declare)\s+(?:-\w+\s+)*)?[A-Za-z_]\w{0,100}\+?="
).match
# Of a script as a whole: within functions, cases and conditions it is indented.
_ENDS = re.compile(r"exit(?:\s+\d{1,3})?\s*(?:;\s*)?(?:#.*)?$").match
_IMAGE = re.compile(r"(?:[\w.:\-]{1,100}/){0,5}curl(?:[:@][\w.:\-]{1,100})?").fullmatch
# What is done with an image and runs nothing in it.
_OF_IMAGES = frozenset(
    ("build", "pull", "push", "tag", "rmi", "image", "images", "inspect", "history", "save", "load")
)
_PLAIN_FLAGS = frozenset(
    ("-i", "-t", "-it", "-ti", "-d", "--rm", "--interactive", "--tty", "--privileged", "--detach")
)
_TAKEN_IN = re.compile(r"\$\((?P<command>[^()]*+(?:\([^()]*+\)[^()]*+)*+)\)|`(?P<ticked>[^`]*+)`")
_MENTIONS = re.compile(r"(?<![\w.\-/@])curl(?:\.exe)?\s{1,20}\S").search
_IS_COMMENT = re.compile(r"\s*(?:#|//|>|<!--|::|REM\b)").match
_OTHER_CLIENTS = re.compile(
    r"\s*(?:\$ )?(?:(?:wget|curlie|hurl)\s|(?:https?|xhs?)\s(?=.{0,300}?(?:://|\s:|[A-Z]{3,7}\s|\w\.\w|\w:\d|/)))"
).match
_UNREAD = "line(s) about curl, of which no command could be read"
_NEVER = "command(s) that the script never runs (behind `exit`, `false &&`, or `true ||`)"
_OF_OTHERS = "command(s) of wget, HTTPie or xh: written for curl they are read"
# The lines that a word takes in: "$(cat <<EOF ... EOF )".
_CAT = re.compile(r"\$\(\s{0,9}cat\s{0,9}<<-?\s{0,9}(?P<quote>['\"\\]?)(?P<word>\w{1,100})['\"]?\n")
_CLOSES = re.compile(r"\s{0,999}\)").match
_DEEPEST = 3
_TELLING_BYTES = 10_000
_MOST_LINES = 10_000
_MOST_VAIN = 20  # searches for the word that ends lines of text
_MOST_FILLED_IN = 64 << 20  # characters
_SNIFFED = re.compile(rb"(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+[^\S\n]*+(?:\$ )?curl(?:\.exe)?\s").match
_IS_SCRIPT = re.compile(r"#! ?/\S{1,100}(?:/| )(?:ba|z|da|a)?sh\b").match
_SHELLY = re.compile(
    r"(?:set -|(?:export )?[A-Za-z_]\w{0,100}=|for \w+ in |while |if \[|cat <<|function \w+|\w+\(\) ?\{|cd [/~.$\w])"
).match


class CurlCommand(NamedTuple):
    """What curl is given. place: for errors. given: on standard input, where that is known.

    is_conditional: whether it stands in a loop or behind a condition. is_alone: whether nothing runs it, or takes what
    it prints.
    """

    place: str
    words: Sequence[str]
    given: str | None
    is_conditional: bool
    is_alone: bool


class _Variables(dict[str, str]):
    """Values of variables; of those that are named like secrets none is kept.

    file: where they are set. Raises TraceError where it unfolds to far more than anybody writes.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._filled_in = 0

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, "redacted" if is_secret_parameter(name) else value)

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict."""
        value = super().get(name, default)
        self._filled_in += len(value or "")
        if self._filled_in > _MOST_FILLED_IN:
            raise TraceError(
                f"{shown_path(self._file)}: its variables stand for more than {_MOST_FILLED_IN >> 20} MiB of text."
            )
        return value


class _Lines:
    """Lines with their numbers, of which some may be put back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._back: deque[tuple[int, str]] = deque()
        self._vain = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._back.popleft() if self._back else next(self._lines)

    def pass_over(self, word: str) -> None:
        """Leave out those up to the one that is this word alone; none where there is no such line, as behind a shift
        to the left.
        """
        if self._vain >= _MOST_VAIN:
            return
        found = []
        for n, line in self:
            found.append((n, line))
            if line.strip() == word:
                return
            if len(found) > _MOST_LINES:
                break
        self._vain += 1
        self._back.extendleft(reversed(found))


class _Logical(NamedTuple):
    """Lines that are one to a shell. commands: None where a quote is not closed. here: see Here, with its text."""

    n: int
    commands: list[Command] | None
    here: str | None


def tells_curl(first_bytes: bytes) -> bool:
    """Whether a file begins with a command of curl, or as a script that has one in its first lines."""
    if _SNIFFED(first_bytes) is not None:
        return True
    text = first_bytes[:_TELLING_BYTES].decode("utf-8", "replace")
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not (line.startswith("#") and not line.startswith("#!"))]
    first = next((line for line in lines if not line.startswith("#!")), "")
    is_script = bool(lines) and (_IS_SCRIPT(lines[0]) or _SHELLY(first)) is not None
    return any(map(_has_curl, lines if is_script else [first]))


def _has_curl(line: str) -> bool:
    if _BEGINS(f"{line} ") is not None:
        return True
    return _LEADS(f"{line} ") is not None and any(
        any(_of_curl(command.words)) for command in commands_of(line) or ()
    )


def commands_of_curl(file: Path) -> Iterator[CurlCommand | Passed]:
    """Those of a file, and what is left out of it. Raises TraceError."""
    values = _Variables(file)
    inside = 0  # of loops and conditions
    has_ended = False
    for found in _logical_lines(file, values):
        if isinstance(found, Passed):
            yield found
            continue
        place = f"{shown_path(file)}, line {found.n}"
        if found.commands is None:
            raise TraceError(f"{place}: not a command that a shell could read: a quote is not closed.")
        before: Command | None = None
        for command in found.commands:
            inside += command.words[0] in ("do", "then")
            inside = max(inside - (command.words[0] in ("done", "fi")), 0)
            has_ended = has_ended or (inside == 0 and len(found.commands) == 1 and command.words[0] == "exit")
            if has_ended or _is_never_run(command, before):
                if any(map(_is_curl, command.words)):
                    yield Passed(_NEVER, place)
                continue
            is_conditional = inside > 0 or _may_be_left_out(command, before) or "watch" in command.words
            printed = _printed(before) if before is not None and command.before == "|" else None
            given = found.here if printed is None else printed
            for words in _of_curl(command.words, values):
                yield CurlCommand(place, words, given, is_conditional, _is_curl(command.words[0]))
            if "xargs" in command.words and any(map(_is_curl, command.words)):
                yield Passed(_UNREAD, place)
            before = command


# What tells whether the next command runs, and else does nothing. Others are there to be done, and mostly are.
_TESTS = frozenset(
    ("[", "[[", "test", "grep", "command", "which", "type", "pgrep", "false", "!", "cmp", "diff", "nc")
)


def _may_be_left_out(command: Command, before: Command | None) -> bool:
    """Whether the command may not be run, by how the one before ends."""
    if before is None or command.before not in ("&&", "||"):
        return command.before == "||"
    is_certain = before.words[:1] == ["false" if command.before == "||" else "true"]
    return not is_certain and (command.before == "||" or before.words[0] in _TESTS)


def _is_never_run(command: Command, before: Command | None) -> bool:
    """Whether the command before is there to have this one left out."""
    if before is None or before.before in ("&&", "||"):
        return False
    return (command.before, *before.words) in (("&&", "false"), ("||", "true"), ("||", ":"))


def _printed(command: Command) -> str | None:
    """What `echo` or `printf` prints, where that is known."""
    name, *words = command.words
    if any(UNSET in word for word in words):
        return None
    if name == "echo":
        is_whole = words[:1] != ["-n"]
        text = " ".join(words if is_whole else words[1:])
        return None if text.startswith("-") or "\\" in text else text + "\n" * is_whole
    if name == "printf" and len(words) == 2 and words[0] in ("%s", "%s\\n"):
        return words[1] + "\n" * words[0].endswith("n")
    if name == "printf" and len(words) == 1 and "%" not in words[0]:
        text = words[0].replace("\\n", "\n")
        return None if "\\" in text else text
    return None


def _logical_lines(file: Path, values: dict[str, str]) -> Iterator[_Logical | Passed]:
    """What may hold commands of curl, or change what is known, with its first line's number; and what is left out.

    A command goes on behind a backslash, and within quotes, or as Windows' shells say.
    """
    begun: list[str] = []
    first, quoted, shell, is_of_curl = 0, "", "", False
    lines = _Lines(unrolled(read_lines(file, _NONE), values, _may_ask))
    for n, line in lines:
        text = line.rstrip("\r\n")
        if begun and not is_of_curl and _BEGINS(line) is not None:
            begun = []  # a quote that was never closed
        if not begun:
            prompt = _BEGINS(line) or _LEADS(line)
            is_of_curl = prompt is not None
            if prompt is None and _SETS(line) is None and _ENDS(line) is None:
                what = _left_out(line)
                if what:
                    yield Passed(what, f"{shown_path(file)}, line {n}")
                elif "<<" in line and (here := here_of(text)) is not None and here.text is None:
                    lines.pass_over(here.word)
                continue
            first, quoted = n, ""
            text = text[prompt.end() :] if prompt is not None else text.strip().removeprefix("$ ")
            shell = "cmd" if is_cmd(text) else "PowerShell" if is_powershell(text) else ""
        begun.append(text)
        quoted = "" if shell else quote_after(text, quoted)
        if quoted and not is_of_curl and _ASSIGNS(begun[0]) is None:
            begun = []
            continue
        if not _goes_on(begun, quoted, shell) or len(begun) > _MOST_LINES:
            whole = "\n".join(begun)
            here = None if shell else here_of(whole, values)
            commands = _divided(whole, shell, values)
            given = None if here is None else _given(lines, here, values)
            if is_of_curl or commands is not None:
                yield _Logical(first, commands, given)
            begun = []
    if begun and is_of_curl:
        yield _Logical(first, _divided("\n".join(begun).removesuffix("\\"), shell, values), None)


def _may_ask(line: str) -> bool:
    """Whether what stands in a loop may be a request of curl's."""
    return "curl" in line


def _left_out(line: str) -> str:
    """What a line is that may ask for something, and is not read."""
    if _OTHER_CLIENTS(line):
        return _OF_OTHERS
    is_said = _MENTIONS(line) and not _IS_COMMENT(line) and _ASKS.isdisjoint(line.split())
    return _UNREAD if is_said else ""


def _goes_on(begun: Sequence[str], quoted: str, shell: str) -> bool:
    """Whether the command has more lines than these. An empty line behind a caret is a line's end that it wrote."""
    last = begun[-1]
    if shell == "cmd":
        return last.endswith("^") or (not last and len(begun) > 1 and begun[-2].endswith("^"))
    return last.endswith(" `" if shell else "\\") or bool(quoted)


def _divided(text: str, shell: str, values: dict[str, str]) -> list[Command] | None:
    if shell:
        return [Command(cmd_words(text) if shell == "cmd" else powershell_words(text))]

    return commands_of(_without_lines_taken_in(text.replace("\\\n", " "), values), values)


def _without_lines_taken_in(text: str, values: dict[str, str]) -> str:
    """The text, with variables in place of what `cat` prints of lines that stand in it."""
    parts: list[str] = []
    at = 0
    while begins := _CAT.search(text, at):
        # The line break in front of the word may be that of the head.
        ends = text.find(f"\n{begins['word']}\n", begins.end() - 1)
        closes = _CLOSES(text, ends + len(begins["word"]) + 2) if ends >= 0 else None
        if closes is None:
            break
        name = f"_lines_{len(values)}"
        inner = text[begins.end() : ends + 1]
        values[name] = inner.rstrip("\n") if begins["quote"] else filled(inner.rstrip("\n"), values)
        parts += [text[at : begins.start()], f"${{{name}}}"]
        at = closes.end()
    return "".join((*parts, text[at:]))


def _given(lines: Iterator[tuple[int, str]], here: Here, values: dict[str, str]) -> str:
    """What a command is given: the lines up to the one that is a word alone, or a text."""
    if here.text is not None:
        return here.text
    found: list[str] = []
    for _, line in lines:
        if line.strip() == here.word or len(found) > _MOST_LINES:
            break
        found.append(line.lstrip("\t") if here.is_indented else line)
    text = "".join(found)
    return text if here.is_literal else filled(text, values)


def _of_curl(
    words: Sequence[str], values: dict[str, str] | None = None, depth: int = 0
) -> Iterator[Sequence[str]]:
    """What curl is given, behind what may stand before it, and in commands whose output a word takes."""
    every = words
    at = next((n for n, word in enumerate(words) if not _IS_SET(word)), len(words))
    words = _out_of_group(words[at:])
    runner = words[0] if words else ""
    if runner in _SHELLS:
        inner = [*words, "", ""][words.index("-c") + 1] if "-c" in words else ""
        for command in commands_of(inner, values) or () if depth < _DEEPEST else ():
            yield from _of_curl(command.words, values, depth + 1)
    elif runner in _CONTAINERS:
        yield from _contained(words)
    elif runner in _BEFORE or _is_curl(runner):
        at = next((n for n, word in enumerate(words) if _is_curl(word)), len(words))
        if at < len(words) and _ASKS.isdisjoint(words[:at]):
            yield words[at + 1 :]
    for word in every if depth < _DEEPEST else ():
        for found in _TAKEN_IN.finditer(word):
            for command in commands_of(found["command"] or found["ticked"] or "", values) or ():
                yield from _of_curl(command.words, values, depth + 1)


def _out_of_group(words: Sequence[str]) -> Sequence[str]:
    """The words without the bracket of a group, or the head of a function, that stands before or behind them."""
    found = [word for word in words if word != "{"]
    if len(found) < len(words) and found and found[0].endswith("()"):
        found = found[1:]
    if found and found[0].startswith("("):
        found = [found[0].lstrip("("), *found[1:]]
        found = [word for word in [*found[:-1], found[-1].removesuffix(")")] if word]
    return found


def _contained(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """What curl is given in a container: behind `--`, by its name, or as what an image of that name runs."""
    if words[1:2] and words[1] in _OF_IMAGES:
        return
    has_image = any(_IMAGE(word.removeprefix("--image=")) for word in words[2:])
    if "--" in words:
        inner = words[list(words).index("--") + 1 :]
        if inner and _is_curl(inner[0]):
            yield inner[1:]
        elif inner and has_image and inner[0].startswith(("-", "http")):
            yield inner
        elif inner:
            yield from _of_curl(inner, depth=_DEEPEST - 1)
        return
    for n, word in enumerate(words[2:], 2):
        is_value = words[n - 1].startswith("-") and "=" not in words[n - 1] and words[n - 1] not in _PLAIN_FLAGS
        if not is_value and word in _SHELLS:
            yield from _of_curl(words[n:], depth=_DEEPEST - 1)
            return
        if not is_value and _IMAGE(word):
            rest = words[n + 1 :]
            yield rest[1:] if rest and _is_curl(rest[0]) else rest
            return


def _is_curl(word: str) -> bool:
    return word.rpartition("/")[2] in _NAMES
