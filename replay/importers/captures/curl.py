"""Requests of the `curl` format: commands of curl, as notes, scripts and browsers ("Copy as cURL") have them.

Lines may go on behind a backslash, and within quotes; comments and other commands are passed over. Options are those of
curl's manual page: method, headers, user agent, referer, cookies, user, data in all its forms, JSON, -G, -I, --next.
Data out of files and forms (`-F`, `-T`) are not read, and counted. What becomes of a request is said in
replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.importers.captures.written_values import absolute
from replay.importers.reading.damage import Damage
from replay.importers.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown_path

_NONE = Damage(is_refused=True)
_BEGINS = re.compile(r"\s*(?:\$ )?curl(?:\.exe)?\s").match
_SNIFFED = re.compile(rb"(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+[^\S\n]*+(?:\$ )?curl\s").match
_PIECE = re.compile(
    r"(?P<blank>\s++)|\$'(?P<ansi>(?:[^'\\]|\\.)*+)'|'(?P<single>[^']*+)'"
    r'|"(?P<double>(?:[^"\\]|\\.)*+)"|\\(?P<escaped>.)|[^\s\'"\\$]++|[$\\](?![\'"])|\$(?=")',
    re.DOTALL,
).match
_ESCAPED = re.compile(r'\\([$`"\\\n])')
_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "G": "get", "I": "head", "u": "user", "A": "user-agent",
    "e": "referer", "b": "cookie", "T": "upload-file",
}  # fmt: skip
_FLAGS = ("get", "head")
_DATA = ("data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json")
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer", "cookie": "Cookie"}
_TAKEN = frozenset(_SHORT.values()) | {*_DATA, "url", "next", "form-string", "oauth2-bearer"}
# Other options that take a value, which is no URL.
_PASSED = frozenset(
    (
        "output", "proxy", "max-time", "connect-timeout", "retry", "retry-delay", "write-out", "cacert", "capath",
        "cert", "key", "config", "cookie-jar", "resolve", "interface", "range", "proxy-user", "max-redirs",
        "limit-rate", "dump-header", "ciphers", "connect-to", "noproxy",
    )
)  # fmt: skip
_MOST_LINES = 10_000
_MOST = 100  # of URLs and of headers: each URL is asked with each header
_PASSED_SHORT = "oxmwEKcrUDyYzQtCP"


class _Asked(msgspec.Struct):
    method: str = ""
    urls: list[str] = []
    headers: list[tuple[str, str]] = []
    data: list[str] = []
    has_file: bool = False
    is_get: bool = False
    kind: str = "application/x-www-form-urlencoded"


def _read(file: Path) -> Iterator[Target]:
    for n, command in _commands(file):
        place = f"{shown_path(file)}, line {n}"
        words = _words(command)
        if words is None:
            raise TraceError(f"{place}: not a command that a shell could read: a quote is not closed.")
        for asked in _asked(words[1:]):
            yield from _targets(asked, place)


def _commands(file: Path) -> Iterator[tuple[int, str]]:
    """Each command of curl with its first line's number. It goes on behind a backslash, and within quotes."""
    begun: list[str] = []
    first, quote = 0, ""
    for n, line in read_lines(file, _NONE):
        if not begun:
            if not _BEGINS(line):
                continue
            first, quote = n, ""
        text = line.rstrip("\r\n").removeprefix("$ ")
        begun.append(text)
        quote = _quote_after(text, quote)
        if not text.endswith("\\") and (not quote or len(begun) > _MOST_LINES):
            yield first, "\n".join(begun).replace("\\\n", " ")
            begun = []
    if begun:
        yield first, "\n".join(begun).replace("\\\n", " ").removesuffix("\\")


def _quote_after(line: str, quote: str) -> str:
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


def _words(command: str) -> list[str] | None:
    """The words of a command, as a shell divides it; None where a quote is not closed. shlex takes quadratic time."""
    words: list[str] = []
    parts: list[str] | None = None
    at = 0
    while at < len(command):
        if parts is None and command[at] == "#":
            at = command.find("\n", at)
            if at < 0:
                break
        found = _PIECE(command, at)
        if found is None:
            return None
        at = found.end()
        if found["blank"] is None:
            parts = [] if parts is None else parts
            parts.append(_said(found))
        elif parts is not None:
            words.append("".join(parts))
            parts = None
    return words if parts is None else [*words, "".join(parts)]


def _said(found: "re.Match[str]") -> str:
    """What a piece of a word stands for: a text in quotes of one kind, a character behind a backslash, or itself."""
    if found["ansi"] is not None:
        return found["ansi"].encode("utf-8", "replace").decode("unicode_escape", "replace")
    if found["double"] is not None:
        return _ESCAPED.sub("\\1", found["double"])
    return next(text for text in (found["single"], found["escaped"], found[0]) if text is not None)


def _asked(words: Sequence[str]) -> Iterator[_Asked]:
    asked = _Asked()
    given = iter(words)
    for word in given:
        if word in ("|", ">", "&&", ";", "2>&1", "||"):
            break
        name, value = _option(word, given)
        if name == "next":
            yield asked
            asked = _Asked()
        elif name == "url":
            asked.urls.append(value)
        elif name is not None:
            _take(asked, name, value)
    yield asked


def _option(word: str, given: Iterator[str]) -> tuple[str | None, str]:
    """The long name of an option and its value; `url` for an address, None for what has no part in the request."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in _PASSED:
            return None, "" if equals else next(given, "")
        if name not in _TAKEN or name in ("next", *_FLAGS):
            return (name if name in _TAKEN else None), ""
        return name, value if equals else next(given, "")
    if not word.startswith("-") or word == "-":
        return "url", word
    flag = ""
    for n, letter in enumerate(word[1:], 2):
        name = _SHORT.get(letter, "")
        if name in _FLAGS:
            flag = name
        elif name:
            return name, word[n:] or next(given, "")
        elif letter in _PASSED_SHORT:
            return (flag or None), "" if word[n:] else next(given, "")
    return (flag or None), ""


def _take(asked: _Asked, name: str, value: str) -> None:
    if name == "request":
        asked.method = value
    elif name == "head":
        asked.method = asked.method or "HEAD"
    elif name == "get":
        asked.is_get = True
    elif name == "header":
        key, colon, text = value.partition(":")
        asked.has_file = asked.has_file or value.startswith("@")
        asked.headers += [(key.strip(), text.strip())] if colon and key.strip() else []
    elif name in _HEADERS:
        asked.headers.append((_HEADERS[name], value))
    elif name in ("user", "oauth2-bearer"):
        asked.headers.append(("Authorization", value))
    elif name in ("form", "form-string", "upload-file"):
        asked.has_file = True
        asked.method = asked.method or ("PUT" if name == "upload-file" else "POST")
    elif value.startswith("@") and name != "data-raw":
        asked.has_file = True
        asked.method = asked.method or "POST"
    else:
        key, equals, text = value.partition("=")
        asked.data.append(f"{key}={quote(text, safe='')}" if name == "data-urlencode" and equals else value)
        asked.kind = "application/json" if name == "json" else asked.kind


def _targets(asked: _Asked, place: str) -> Iterator[Target]:
    if not asked.urls:
        raise TraceError(f"{place}: a curl command without a URL.")
    if max(len(asked.urls), len(asked.headers)) > _MOST:
        raise TraceError(f"{place}: more than {_MOST} URLs or headers in a command. Write it as several.")
    body = "" if asked.kind == "application/json" else "&"
    text = body.join(asked.data)
    for url in asked.urls:
        headers = list(asked.headers)
        if asked.data and asked.is_get:
            yield Target(
                place, asked.method or "GET", f"{absolute(url)}{'&' if '?' in url else '?'}{text}", headers
            )
            continue
        if asked.data and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", asked.kind))
        method = asked.method or ("POST" if asked.data else "GET")
        content = text.encode("utf-8", "replace") if asked.data else None
        yield Target(place, method, absolute(url), headers, content, asked.has_file)


CURL = TargetLayout(
    "curl",
    "commands of curl; they have no times",
    lambda first_bytes: _SNIFFED(first_bytes) is not None,
    _read,
    "no commands of curl.",
)
