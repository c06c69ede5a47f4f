"""Requests of the `curl` format: commands of curl, as notes, scripts and browsers ("Copy as cURL") have them.

Lines may go on behind a backslash, and within quotes; comments, redirections and other commands are passed over. What
stands below a command up to the word behind its `<<`, or behind its `<<<`, is what `-d @-` sends. Before curl may stand
what runs it (`time`, `sudo`, `A=b`), and around it `$(...)`. Commands for Windows' shells are told by
how their first line goes on: behind a caret for cmd, behind a backtick for PowerShell.
Options are those of curl's manual page: method, headers, user agent, referer, cookies, user, data in all its forms,
JSON, forms of texts, query, range, -G, -I, --next; patterns in URLs are spelled out, unless `-g` says that they are
none. Data and parts of forms out of files (`-T`) are not read, and counted. What becomes of a request is said in
replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_plus

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.curl_urls import spelled_out, without_dots
from replay.reading.damage import Damage
from replay.reading.forms import FormPart, form_body, form_part
from replay.reading.shell_words import Here, here_of, quote_after, shell_commands
from replay.reading.text_lines import read_lines
from replay.reading.windows_words import cmd_words, is_cmd, is_powershell, powershell_words
from replay.reading.written_values import absolute
from replay.trace.errors import TraceError, shown_path

_NONE = Damage(is_refused=True)
_NAMES = ("curl", "curl.exe")
_BEGINS = re.compile(r"\s*(?:\$ )?(?=curl(?:\.exe)?\s)").match
# What may stand before curl in a command with words of its own, unless it asks for curl itself.
_BEFORE = frozenset(
    (
        "time", "sudo", "nohup", "exec", "command", "env", "timeout", "watch", "nice", "if", "while", "until", "then",
        "do", "else", "!", "export", "local", "docker", "podman", "kubectl", "oc",
    )
)  # fmt: skip
_ASKS = frozenset(("echo", "which", "type", "man", "install", "add", "-v", "-V", "--version", "grep", "printf"))
# How lines begin that may go on with curl: what is prose does not begin so.
_BEGINNINGS = "|".join(
    (
        *map(re.escape, sorted(_BEFORE)),
        "cd",
        "echo",
        "printf",
        "cat",
        "set",
        "mkdir",
        "sleep",
        "test",
        "for",
        "return",
    )
)
_LEADS = re.compile(
    rf"(?=\s*(?:\$ )?(?:(?:(?:{_BEGINNINGS})\s|[A-Za-z_]\w{{0,100}}=)[^\n]{{0,4000}}?(?<![\w.\-])curl(?:\.exe)?\s"
    r"|/[\w./\-]{1,200}/curl\s))\s*(?:\$ )?"
).match
_IS_SET = re.compile(r"[A-Za-z_]\w{0,100}=.*", re.DOTALL).fullmatch
_TAKEN_IN = re.compile(r"\$\((?P<command>[^()]*+(?:\([^()]*+\)[^()]*+)*+)\)|`(?P<ticked>[^`]*+)`")
_DEEPEST = 3
_TELLING_BYTES = 10_000
_SNIFFED = re.compile(rb"(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+[^\S\n]*+(?:\$ )?curl(?:\.exe)?\s").match
_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "G": "get", "I": "head", "u": "user", "A": "user-agent",
    "e": "referer", "b": "cookie", "T": "upload-file", ":": "next", "g": "globoff", "r": "range",
}  # fmt: skip
_FLAGS = ("get", "head", "next", "globoff", "path-as-is")
_DATA = ("data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json")
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer", "cookie": "Cookie"}
_TAKEN = frozenset(_SHORT.values()) | {
    *_DATA, *_FLAGS, "url", "url-query", "form-string", "oauth2-bearer", "request-target",
}  # fmt: skip
# The other options that take a value (`curl --help all`), which has no part in the request.
_PASSED = frozenset(
    (
        "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type", "ciphers", "config",
        "connect-timeout", "connect-to", "continue-at", "cookie-jar", "create-file-mode", "crlfile", "curves",
        "delegation", "dns-interface", "dns-ipv4-addr", "dns-ipv6-addr", "dns-servers", "doh-url", "dump-header",
        "ech", "egd-file", "engine", "etag-compare", "etag-save", "expect100-timeout", "ftp-account",
        "ftp-alternative-to-user", "ftp-method", "ftp-port", "ftp-ssl-ccc-mode", "happy-eyeballs-timeout-ms",
        "haproxy-clientip", "help", "hostpubmd5", "hostpubsha256", "hsts", "interface", "ip-tos", "ipfs-gateway",
        "keepalive-cnt", "keepalive-time", "key", "key-type", "knownhosts", "krb", "libcurl", "limit-rate",
        "local-port", "login-options", "mail-auth", "mail-from", "mail-rcpt", "max-filesize", "max-redirs",
        "max-time", "netrc-file", "noproxy", "output", "output-dir", "parallel-max", "parallel-max-host", "pass",
        "pinnedpubkey", "preproxy", "proto", "proto-default", "proto-redir", "proxy", "proxy-cacert", "proxy-capath",
        "proxy-cert", "proxy-cert-type", "proxy-ciphers", "proxy-crlfile", "proxy-header", "proxy-key",
        "proxy-key-type", "proxy-pass", "proxy-pinnedpubkey", "proxy-service-name", "proxy-tls13-ciphers",
        "proxy-tlsauthtype", "proxy-tlspassword", "proxy-tlsuser", "proxy-user", "proxy1.0", "pubkey", "quote",
        "random-file", "rate", "resolve", "retry", "retry-delay", "retry-max-time",
        "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5", "socks5-gssapi-service",
        "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions", "stderr", "telnet-option", "tftp-blksize",
        "time-cond", "tls-max", "tls13-ciphers", "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii",
        "trace-config", "unix-socket", "upload-flags", "variable", "vlan-priority", "write-out",
    )
)  # fmt: skip
_UNSENT = "\0"  # in place of a value: the header is left out
_MOST_LINES = 10_000
_MOST = 100  # of URLs and of headers: each URL is asked with each header
_PASSED_SHORT = "oxmwEKcUDyYzQtCPh"


class _Asked(msgspec.Struct):
    """What a command asks for. here: the text below it, which `@-` stands for."""

    here: str | None = None
    method: str = ""
    urls: list[str] = []
    headers: list[tuple[str, str]] = []
    data: list[str] = []
    form: list[FormPart] = []
    query: list[str] = []
    target: str = ""
    has_data_file: bool = False
    has_form_file: bool = False
    has_file: bool = False
    is_get: bool = False
    is_literal: bool = False
    keeps_dots: bool = False
    kind: str = "application/x-www-form-urlencoded"


def _tells(first_bytes: bytes) -> bool:
    """Whether the first line that is no comment has a command of curl."""
    if _SNIFFED(first_bytes) is not None:
        return True
    lines = (line.strip() for line in first_bytes[:_TELLING_BYTES].decode("utf-8", "replace").split("\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return _LEADS(f"{first} ") is not None and any(
        any(_of_curl(words)) for words in shell_commands(first) or ()
    )


def _read(file: Path) -> Iterator[Target]:
    for n, commands, here in _commands(file):
        place = f"{shown_path(file)}, line {n}"
        if commands is None:
            raise TraceError(f"{place}: not a command that a shell could read: a quote is not closed.")
        for words in commands:
            for given in _of_curl(words):
                for asked in _asked(given, here):
                    # What is given its address otherwise, as by xargs, is none that could be told.
                    if asked.urls or words[0] in _NAMES:
                        yield from _targets(asked, place)


def _commands(file: Path) -> Iterator[tuple[int, list[list[str]] | None, str | None]]:
    """Each command of curl, divided, with its first line's number and the text below that it is given.

    It goes on behind a backslash, and within quotes, or as Windows' shells say.
    """
    begun: list[str] = []
    first, quoted, shell = 0, "", ""
    lines = read_lines(file, _NONE)
    for n, line in lines:
        text = line.rstrip("\r\n")
        if not begun:
            prompt = _BEGINS(line) or _LEADS(line)
            if prompt is None:
                continue
            first, quoted = n, ""
            text = text[prompt.end() :]
            shell = "cmd" if is_cmd(text) else "PowerShell" if is_powershell(text) else ""
        begun.append(text)
        quoted = "" if shell else quote_after(text, quoted)
        if not _goes_on(begun, quoted, shell) or len(begun) > _MOST_LINES:
            whole = "\n".join(begun)
            here = None if shell else here_of(whole)
            yield first, _divided(whole, shell), None if here is None else _given(lines, here)
            begun = []
    if begun:
        yield first, _divided("\n".join(begun).removesuffix("\\"), shell), None


def _goes_on(begun: Sequence[str], quoted: str, shell: str) -> bool:
    """Whether the command has more lines than these. An empty line behind a caret is a line's end that it wrote."""
    last = begun[-1]
    if shell == "cmd":
        return last.endswith("^") or (not last and len(begun) > 1 and begun[-2].endswith("^"))
    return last.endswith(" `" if shell else "\\") or bool(quoted)


def _divided(text: str, shell: str) -> list[list[str]] | None:
    if shell:
        return [cmd_words(text) if shell == "cmd" else powershell_words(text)]
    return shell_commands(text.replace("\\\n", " "))


def _given(lines: Iterator[tuple[int, str]], here: Here) -> str:
    """What a command is given: the lines up to the one that is a word alone, or a text."""
    if here.text is not None:
        return here.text
    found: list[str] = []
    for _, line in lines:
        if line.strip() == here.word or len(found) > _MOST_LINES:
            break
        found.append(line.lstrip("\t") if here.is_indented else line)
    return "".join(found)


def _of_curl(words: Sequence[str], depth: int = 0) -> Iterator[Sequence[str]]:
    """What curl is given, behind what may stand before it, and in commands whose output a word takes."""
    at = next((n for n, word in enumerate(words) if not _IS_SET(word)), len(words))
    if at < len(words) and words[at] in _BEFORE:
        before = at
        at = next((n for n, word in enumerate(words) if _is_curl(word)), len(words))
        at = len(words) if not _ASKS.isdisjoint(words[before:at]) else at
    if at < len(words) and _is_curl(words[at]):
        yield words[at + 1 :]
    for word in words if depth < _DEEPEST else ():
        for found in _TAKEN_IN.finditer(word):
            for inner in shell_commands(found["command"] or found["ticked"] or "") or ():
                yield from _of_curl(inner, depth + 1)


def _is_curl(word: str) -> bool:
    return word.rpartition("/")[2] in _NAMES


def _asked(words: Sequence[str], here: str | None) -> Iterator[_Asked]:
    asked = _Asked(here)
    given = iter(words)
    for word in given:
        name, value = _option(word, given)
        if name == "next":
            yield asked
            asked = _Asked(here)
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
        if name not in _TAKEN or name in _FLAGS:
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
    elif name == "globoff":
        asked.is_literal = True
    elif name == "path-as-is":
        asked.keeps_dots = True
    elif name == "request-target":
        asked.target = value
    elif name == "range":
        asked.headers.append(("Range", f"bytes={value}"))
    elif name == "header":
        key, colon, text = value.partition(":")
        asked.has_file = asked.has_file or value.startswith("@")
        if not colon and value.endswith(";"):  # one that is sent empty
            asked.headers.append((value[:-1].strip(), ""))
        elif colon and key.strip():  # without a value, it is one of curl's own that is not sent
            asked.headers.append((key.strip(), text.strip() or _UNSENT))
    elif name in _HEADERS:
        asked.headers.append((_HEADERS[name], value))
    elif name in ("user", "oauth2-bearer"):
        asked.headers.append(("Authorization", value))
    elif name == "upload-file":
        asked.has_file = True
        asked.method = asked.method or "PUT"
    elif name in ("form", "form-string"):
        part = form_part(value) if name == "form" else FormPart(*value.partition("=")[::2])
        asked.has_form_file = asked.has_form_file or part is None
        asked.form += [] if part is None else [part]
    elif name == "url-query":
        query = value[1:] if value.startswith("+") else _url_encoded(value)
        asked.has_file = asked.has_file or query is None
        asked.query += [] if query is None else [query]
    else:
        _take_data(asked, name, value)


def _take_data(asked: _Asked, name: str, value: str) -> None:
    data: str | None = value
    if name == "data-urlencode":
        data = _url_encoded(value)
    elif value == "@-" and asked.here is not None and name != "data-raw":
        data = asked.here if name in ("data-binary", "json") else asked.here.replace("\r", "").replace("\n", "")
    elif value.startswith("@") and name != "data-raw":
        data = None
    if data is None:
        asked.has_file = asked.has_data_file = True
    else:
        asked.data.append(data)
        asked.kind = "application/json" if name == "json" else asked.kind


def _url_encoded(value: str) -> str | None:
    """The text of `content`, `=content` or `name=content`; None for `@file` and `name@file`."""
    name, equals, text = value.partition("=")
    if not equals:
        if "@" in value:
            return None
        name, text = "", value
    encoded = quote_plus(text, safe="~")
    return f"{name}={encoded}" if name else encoded


def _targets(asked: _Asked, place: str) -> Iterator[Target]:
    if not asked.urls:
        raise TraceError(f"{place}: a curl command without a URL.")
    urls = [url for given in asked.urls for url in ([given] if asked.is_literal else spelled_out(given, _MOST))]
    if max(len(urls), len(asked.headers)) > _MOST:
        raise TraceError(f"{place}: more than {_MOST} URLs or headers in a command. Write it as several.")
    body = "" if asked.kind == "application/json" else "&"
    text = body.join(asked.data)
    is_posted = (asked.data or asked.has_data_file) and not asked.is_get
    is_form = bool(asked.form or asked.has_form_file)
    method = asked.method or ("POST" if is_posted or is_form else "GET")
    # As curl does it: the data of -G take the place of --url-query.
    query = text if asked.data and asked.is_get else "&".join(asked.query)
    kind = asked.kind
    if is_form and not asked.has_form_file:
        text, kind = form_body(asked.form)
    has_file = asked.has_file or asked.has_form_file
    has_body = bool(asked.data and is_posted) or (is_form and not asked.has_form_file)
    defaults = [("Content-Type", kind)] if has_body else []
    defaults += [("Accept", kind)] if has_body and kind == "application/json" else []
    for given in urls:
        url = _with_query(absolute(given), query)
        url = url if asked.keeps_dots else without_dots(url)
        if asked.target.startswith("/"):
            url = "/".join(url.split("/")[:3]) + asked.target
        headers = _sent(asked.headers, defaults)
        yield Target(
            place, method, url, headers, text.encode("utf-8", "replace") if has_body else None, has_file
        )


def _sent(given: Sequence[tuple[str, str]], defaults: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are sent: those that were given, and of curl's own those that none stands for."""
    named = {name.lower() for name, _ in given}
    own = [header for header in defaults if header[0].lower() not in named]
    return [*(header for header in given if header[1] != _UNSENT), *own]


def _with_query(url: str, query: str) -> str:
    url, _, _ = url.partition("#")
    if not query:
        return url
    joint = "?" if "?" not in url else "" if url.endswith("?") else "&"
    return f"{url}{joint}{query}"


CURL = TargetLayout(
    "curl",
    "commands of curl; they have no times",
    _tells,
    _read,
    "no commands of curl.",
)
