"""Requests of the `curl` format: commands of curl, as notes, scripts and browsers ("Copy as cURL") have them.

Lines may go on behind a backslash, and within quotes; comments, redirections and other commands are passed over.
Options are those of curl's manual page: method, headers, user agent, referer, cookies, user, data in all its forms,
JSON, query, -G, -I, --next. Data out of files and forms (`-F`, `-T`) are not read, and counted. What becomes of a
request is said in replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from replay.importers.captures.shell_words import quote_after, shell_commands
from replay.importers.captures.targets import Target, TargetLayout
from replay.importers.captures.written_values import absolute
from replay.reading.damage import Damage
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown_path

_NONE = Damage(is_refused=True)
_NAMES = ("curl", "curl.exe")
_BEGINS = re.compile(r"\s*(?:\$ )?(?=curl(?:\.exe)?\s)").match
_SNIFFED = re.compile(rb"(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+[^\S\n]*+(?:\$ )?curl\s").match
_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "G": "get", "I": "head", "u": "user", "A": "user-agent",
    "e": "referer", "b": "cookie", "T": "upload-file", ":": "next",
}  # fmt: skip
_FLAGS = ("get", "head", "next")
_DATA = ("data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json")
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer", "cookie": "Cookie"}
_TAKEN = frozenset(_SHORT.values()) | {*_DATA, "url", "url-query", "form-string", "oauth2-bearer"}
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
        "random-file", "range", "rate", "request-target", "resolve", "retry", "retry-delay", "retry-max-time",
        "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5", "socks5-gssapi-service",
        "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions", "stderr", "telnet-option", "tftp-blksize",
        "time-cond", "tls-max", "tls13-ciphers", "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii",
        "trace-config", "unix-socket", "upload-flags", "variable", "vlan-priority", "write-out",
    )
)  # fmt: skip
_MOST_LINES = 10_000
_MOST = 100  # of URLs and of headers: each URL is asked with each header
_PASSED_SHORT = "oxmwEKcrUDyYzQtCPh"


class _Asked(msgspec.Struct):
    method: str = ""
    urls: list[str] = []
    headers: list[tuple[str, str]] = []
    data: list[str] = []
    query: list[str] = []
    has_data_file: bool = False
    has_file: bool = False
    is_get: bool = False
    kind: str = "application/x-www-form-urlencoded"


def _read(file: Path) -> Iterator[Target]:
    for n, command in _commands(file):
        place = f"{shown_path(file)}, line {n}"
        commands = shell_commands(command)
        if commands is None:
            raise TraceError(f"{place}: not a command that a shell could read: a quote is not closed.")
        for words in commands:
            if words[0] in _NAMES:
                for asked in _asked(words[1:]):
                    yield from _targets(asked, place)


def _commands(file: Path) -> Iterator[tuple[int, str]]:
    """Each command of curl with its first line's number. It goes on behind a backslash, and within quotes."""
    begun: list[str] = []
    first, quoted = 0, ""
    for n, line in read_lines(file, _NONE):
        text = line.rstrip("\r\n")
        if not begun:
            prompt = _BEGINS(line)
            if prompt is None:
                continue
            first, quoted = n, ""
            text = text[prompt.end() :]
        begun.append(text)
        quoted = quote_after(text, quoted)
        if not text.endswith("\\") and (not quoted or len(begun) > _MOST_LINES):
            yield first, "\n".join(begun).replace("\\\n", " ")
            begun = []
    if begun:
        yield first, "\n".join(begun).replace("\\\n", " ").removesuffix("\\")


def _asked(words: Sequence[str]) -> Iterator[_Asked]:
    asked = _Asked()
    given = iter(words)
    for word in given:
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
    encoded = quote(text, safe="")
    return f"{name}={encoded}" if name else encoded


def _targets(asked: _Asked, place: str) -> Iterator[Target]:
    if not asked.urls:
        raise TraceError(f"{place}: a curl command without a URL.")
    if max(len(asked.urls), len(asked.headers)) > _MOST:
        raise TraceError(f"{place}: more than {_MOST} URLs or headers in a command. Write it as several.")
    body = "" if asked.kind == "application/json" else "&"
    text = body.join(asked.data)
    is_posted = (asked.data or asked.has_data_file) and not asked.is_get
    method = asked.method or ("POST" if is_posted else "GET")
    # As curl does it: the data of -G take the place of --url-query.
    query = text if asked.data and asked.is_get else "&".join(asked.query)
    for given in asked.urls:
        url = _with_query(absolute(given), query)
        headers = list(asked.headers)
        if not (asked.data and is_posted):
            yield Target(place, method, url, headers, has_file_body=asked.has_file)
            continue
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", asked.kind))
        yield Target(place, method, url, headers, text.encode("utf-8", "replace"), asked.has_file)


def _with_query(url: str, query: str) -> str:
    url, _, _ = url.partition("#")
    if not query:
        return url
    joint = "?" if "?" not in url else "" if url.endswith("?") else "&"
    return f"{url}{joint}{query}"


CURL = TargetLayout(
    "curl",
    "commands of curl; they have no times",
    lambda first_bytes: _SNIFFED(first_bytes) is not None,
    _read,
    "no commands of curl.",
)
