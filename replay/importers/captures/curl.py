"""Requests of the `curl` format: commands of curl, as notes, scripts and browsers ("Copy as cURL") have them.

Which commands of a file are curl's is said in replay/reading/shell/curl_scripts.py. Options are those of curl's
manual page: method, headers, user agent, referer, cookies, user, data in all its forms, JSON, forms of texts, query,
range, -G, -I, --next; patterns in URLs are spelled out, unless `-g` says that they are none. Data and parts of forms
out of files (`-T`) are not read, and counted; so are commands whose options are in a file (`-K`), or whose URL is a
variable without a value. What becomes of a request is said in replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_plus

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.curl_urls import spelled_out, without_dots
from replay.reading.departures import Passed
from replay.reading.forms import FormPart, form_body, form_part
from replay.reading.shell.curl_scripts import CurlCommand, commands_of_curl, tells_curl
from replay.reading.shell.words import UNSET
from replay.reading.written_values import absolute
from replay.trace.errors import TraceError
from replay.trace.redaction.names import is_secret_header

_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "G": "get", "I": "head", "u": "user", "A": "user-agent",
    "e": "referer", "b": "cookie", "T": "upload-file", ":": "next", "g": "globoff", "r": "range",
    "K": "config",
}  # fmt: skip
_FLAGS = ("get", "head", "next", "globoff", "path-as-is")
_DATA = ("data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json")
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer", "cookie": "Cookie"}
_TAKEN = frozenset(_SHORT.values()) | {
    *_DATA, *_FLAGS, "url", "url-query", "form-string", "oauth2-bearer", "request-target", "retry",
}  # fmt: skip
# The other options that take a value (`curl --help all`), which has no part in the request.
_PASSED = frozenset(
    (
        "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type", "ciphers",
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
        "random-file", "rate", "resolve", "retry-delay", "retry-max-time",
        "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5", "socks5-gssapi-service",
        "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions", "stderr", "telnet-option", "tftp-blksize",
        "time-cond", "tls-max", "tls13-ciphers", "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii",
        "trace-config", "unix-socket", "upload-flags", "variable", "vlan-priority", "write-out",
    )
)  # fmt: skip
_SECRETS = ("user", "oauth2-bearer", "cookie")
_IS_UNSET = re.compile(rf"{UNSET}\$(?:\w+|.)").fullmatch
_OPTIONS_FILE = "command(s) whose options are in a file (-K), which is not read"
_VARIABLE = "command(s) whose URL is a variable that nothing in the file sets"
_UNSENT = "\0"  # in place of a value: the header is left out
_MOST = 100  # of URLs and of headers: each URL is asked with each header
_PASSED_SHORT = "oxmwEcUDyYzQtCPh"


class _Asked(msgspec.Struct):
    """What a command asks for. here: what it is given on standard input, which `@-` stands for.

    has_unset: whether a variable without a value, or what another command prints, is in what is sent.
    is_told_by_variable: whether a URL is nothing but such a variable.
    """

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
    has_options_file: bool = False
    has_unset: bool = False
    is_told_by_variable: bool = False
    is_get: bool = False
    is_repeated: bool = False
    is_literal: bool = False
    keeps_dots: bool = False
    kind: str = "application/x-www-form-urlencoded"


def _read(file: Path) -> Iterator[Target | Passed]:
    for found in commands_of_curl(file):
        if isinstance(found, Passed):
            yield found
            continue
        for asked in _asked(found.words, found.given):
            if asked.has_options_file:
                yield Passed(_OPTIONS_FILE, found.place)
            elif asked.is_told_by_variable:
                yield Passed(_VARIABLE, found.place)
            elif asked.urls or found.is_alone:
                yield from _targets(asked, found)


def _asked(words: Sequence[str], here: str | None) -> Iterator[_Asked]:
    asked = _Asked(here)
    given = iter(words)
    for word in given:
        name, value = _option(word, given)
        if name == "next":
            if asked != _Asked(here):
                yield asked
            asked = _Asked(here)
            continue
        if UNSET in value and name is not None and name not in _SECRETS:
            key = value.partition(":")[0].strip()
            asked.has_unset = asked.has_unset or name != "header" or not is_secret_header(key)
            asked.is_told_by_variable = asked.is_told_by_variable or (
                name == "url" and _IS_UNSET(value) is not None
            )
        value = value.replace(UNSET, "")
        if name == "url":
            asked.urls.append(value)
        elif name == "config":
            asked.has_options_file = True
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
    elif name == "retry":
        asked.is_repeated = value.strip("0") != ""
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


def _targets(asked: _Asked, command: CurlCommand) -> Iterator[Target]:
    place = command.place
    if not asked.urls:
        raise TraceError(f"{place}: a curl command without a URL.")
    urls = [url for given in asked.urls for url in ([given] if asked.is_literal else spelled_out(given, _MOST))]
    if max(len(urls), len(asked.headers)) > _MOST:
        raise TraceError(f"{place}: more than {_MOST} URLs or headers in a command. Write it as several.")
    text = ("" if asked.kind == "application/json" else "&").join(asked.data)
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
        body = text.encode("utf-8", "replace") if has_body else None
        yield Target(
            place,
            method,
            url,
            headers,
            body,
            has_file,
            has_unset=asked.has_unset,
            is_conditional=command.is_conditional,
            is_repeated=asked.is_repeated,
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
    tells_curl,
    _read,
    "no commands of curl.",
)
