"""Secrets in texts that people and agents write: shell commands, settings, source, headers and URLs. Pure.

A secret shows by the name that it is given (`export API_KEY=...`, `password: ...`, `--token ...`, `?sig=...`), or by
what a program takes it for (`curl -u ada:...`). What refers to one (`$TOKEN`, `os.environ[...]`) is none. Each search
begins at the start of a word and is bounded, so that it takes time with the length of the text.
"""

import base64
import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from replay.trace.redaction.names import (
    REDACTED,
    is_count,
    is_secret_header,
    is_secret_member,
    is_secret_parameter,
)

# None of the searches below finds anything in a text without one of these.
_HINTS = (
    "pass", "pwd", "pw", "secret", "token", "key", "auth", "cred", "jwt", "bearer", "srf", "sess", "saml", "cookie",
    "assertion", "relaystate", "psk", "otp", "cvv", "cvc", "code", "state=", "ticket=", "sig", "hmac", "sid", "cfid",
    "sudo", "--stdin", "identified by", " -u", "--user", " -p", " -a ", "sas", "wordpress",
)  # fmt: skip
_NAME = r"[A-Za-z_%][\w.%\-]{0,100}+(?:\[[\w\-]{0,40}\])?+"
_QUOTED = r'\\?"(?P<double>(?:[^"\\\n]|\\(?!").)*+)\\?"' + r"|'(?P<single>(?:[^'\\\n]|\\.)*+)'"
_IN_BARE = r"[^\s\"'`&;|<>(){}\[\],\\]"
# As much of it as is looked at; what is taken out goes on to its end.
_BARE = _IN_BARE + "{1,4000}+"
# name=value, name = "value", name: "value", "name": "value", ['name'] = 'value'.
_NAMED = re.compile(rf"(?<![\w.%\-])-{{0,2}}(?P<name>{_NAME})(?P<sep>\\?[\"']?\]?[ \t]*+(?:=>|:=|=|:)[ \t]*+)")
_GIVEN = re.compile(rf"{_QUOTED}|(?P<bare>{_BARE})(?P<next>[^\n]?)").match
_REST_OF_BARE = re.compile(f"{_IN_BARE}*+").match
_REST_OF_LINE = re.compile(r"[^\r\n\"'`\\]{1,8000}+").match
_ENDS_LINE = re.compile(r"[ \t]*\r?(?:\n|\Z|[\"'])").match
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Digest|ApiKey|Negotiate|AWS4[\w\-]*)\s+", re.IGNORECASE).match
_WHOLE_LINE = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_OPTION = re.compile(
    rf"(?<!\S)(?P<name>--?[A-Za-z][\w\-]{{1,60}}+)(?P<sep>[ \t]++)(?:{_QUOTED}|(?P<bare>(?!-){_BARE}))"
)
# -u ada:secret of curl and its like, and the options that programs read a password from.
_USER = re.compile(
    r"(?<!\S)(?P<head>(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'/]{1,200}+:)(?P<value>[^\s\"'@]{1,1000}+)"
)
_PROGRAM = re.compile(
    r"\b(?P<head>(?:sshpass|mysql\w*|mariadb\w*|mongo\w*|redis-cli|docker\s+login|podman\s+login|az\s+login|unzip|7z|ldap\w+|zip)"
    r"\b[^\n|;&]{0,300}?\s-(?:p|a|w|P)[ =]?[\"']?)(?P<value>(?!-)[^\s\"']{1,1000}+)"
)
_PIPED = re.compile(
    r"\b(?P<head>(?:echo|printf)\s+(?:-n\s+)?[\"']?)(?P<value>[^\s\"'$|]{1,1000}+)(?=[\"']?\s*\|[^|\n]{0,200}?"
    r"(?:--password-stdin|--with-token|sudo\s+-S|passwd|chpasswd|--stdin))"
)
_OPENSSL = re.compile(r"(?<![\w.])(?P<head>pass:)(?P<value>[^\s\"']{1,1000}+)")
_NETRC = re.compile(r"(?<!\S)(?P<head>login\s+\S{1,200}+\s+password\s+)(?P<value>\S{1,1000}+)")
_SQL = re.compile(r"(?P<head>\b(?:identified\s+by|password)\s+')(?P<value>[^'\n]{1,1000}+)", re.IGNORECASE)
_PGPASS = re.compile(
    r"^(?P<head>[\w.\-*]{1,200}+:(?:\d{2,5}|\*):[^:\s]{1,100}+:[^:\s]{1,100}+:)(?P<value>[^:\s]{1,1000}+)$",
    re.MULTILINE,
)
_VALUES = (_USER, _PROGRAM, _PIPED, _OPENSSL, _NETRC, _SQL)
_PGPASS_COLONS = 4
_ELEMENT = re.compile(
    r"<(?P<name>[A-Za-z_][\w.\-:]{0,100}+)(?P<rest>[^<>]{0,1000}+)>(?P<value>[^<>]{1,8000}+)(?=</)"
)
_PAIR = re.compile(
    r"(?P<head>\b(?:key|name)=[\"'](?P<name>[\w.\-:]{1,100}+)[\"']\s+value=[\"'])(?P<value>[^\"'\n]{1,8000}+)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\$.*|%[\w(].*|\{\{.*|<.*|\*+|\.{3}|redacted|none|null|nil|true|false|undefined|string|str|int"
    r"|(?:self|os|process|config|settings|args|opts|options|request|req|env|ENV|this|import\.meta|secrets|vars)[.\[].*",
    re.IGNORECASE | re.DOTALL,
).fullmatch
_CODED = re.compile(r"(?<![\w+/=\-])[A-Za-z0-9+/_\-]{20,}+={0,2}(?![\w+/])")
_RUN = re.compile(r"[^\s\"'<>&;?]++")
_IS_ESCAPED = re.compile(r"%(?:3[ADad]|22|7[Bb])").search
_BEFORE_PARAMETER = ("?", "&", ";", "#")
_ANY = "0" * 40  # no word, no short number
_DEEPEST = 4
_LARGEST_CODED = 1 << 20


def without_named_secrets(text: str) -> str:
    """The text with what is given a secret's name replaced."""
    if text.count(":") >= _PGPASS_COLONS:
        text = _PGPASS.sub(_value, text)
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text
    if ":" in text or "=" in text:
        text = _without_assigned(text)
    if "-" in text:
        text = _OPTION.sub(_option, text)
    for pattern in _VALUES:
        text = pattern.sub(_value, text)
    if "</" in text:
        text = _ELEMENT.sub(_element, text)
    return _PAIR.sub(_pair, text) if "value=" in lower else text


def without_coded_secrets(text: str, clean: Callable[[str, int], str], depth: int) -> str:
    """The text without what holds a secret once it is decoded from base64 or percent-encoding.

    clean: what is left of a text, given how many such codings it stood in.
    """
    if depth >= _DEEPEST:
        return text

    def coded(found: "re.Match[str]") -> str:
        plain = _from_base64(found[0])
        return REDACTED if plain is not None and clean(plain, depth + 1) != plain else found[0]

    def escaped(found: "re.Match[str]") -> str:
        plain = unquote_plus(found[0]) if _IS_ESCAPED(found[0]) else found[0]
        return REDACTED if plain != found[0] and clean(plain, depth + 1) != plain else found[0]

    text = _CODED.sub(coded, text)
    return _RUN.sub(escaped, text) if "%" in text else text


def _from_base64(text: str) -> str | None:
    """What base64, of either alphabet, holds where that is a text."""
    if len(text) > _LARGEST_CODED or len(text.rstrip("=")) % 4 == 1:
        return None
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        if not base64.b64decode(plain[:16]).isascii() and len(plain) > 64:
            return None
        found = base64.b64decode(plain + "=" * (-len(plain) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    return found if found.isprintable() or "\n" in found or "\t" in found else None


def _without_assigned(text: str) -> str:
    """The text without the values that names with a separator behind them are given."""
    pieces: list[str] = []
    end = 0
    for found in _NAMED.finditer(text):
        span = _secret_value(found) if found.start() >= end else None
        if span is not None:
            pieces += (text[end : span[0]], REDACTED)
            end = span[1]
    return "".join([*pieces, text[end:]]) if pieces else text


def _secret_value(found: "re.Match[str]") -> tuple[int, int] | None:
    """Where the secret is that follows a name and its separator; None where none does."""
    text, name, sep = found.string, found["name"], found["sep"].strip("\\\"' \t]")
    header = _secret_of_header(found) if sep == ":" else None
    if header is not None:
        return header
    is_parameter = sep == "=" and text[found.start() - 1 : found.start()] in _BEFORE_PARAMETER
    if not is_secret_member(name) and not (is_parameter and is_secret_parameter(unquote_plus(name), _ANY)):
        return None
    given = _GIVEN(text, found.end())
    if given is None:
        return None
    group = given.lastgroup if given["bare"] is None else "bare"
    value = given[group or 0]
    if not value or _REFERENCE(value):
        return None
    if not is_secret_member(name) and not is_secret_parameter(unquote_plus(name), unquote_plus(value)):
        return None
    if given["bare"] is not None:
        # Without quotes, a value stands right behind a =, or ends its line; what is called or indexed is source.
        is_source = given["next"] != "" and given["next"] in "([{"
        is_count_of = is_count(name) and value.isdigit()
        if is_source or is_count_of or (found["sep"] != "=" and not _ENDS_LINE(text, given.end("bare"))):
            return None
        return given.start("bare"), _end_of(text, given.end("bare"))
    return given.span(group or 0)


def _end_of(text: str, at: int) -> int:
    rest = _REST_OF_BARE(text, at)
    return at if rest is None else rest.end()


def _secret_of_header(found: "re.Match[str]") -> tuple[int, int] | None:
    """Where the value is of a header whose whole line is a secret, but for the scheme in front."""
    name = found["name"].lower()
    if name not in _WHOLE_LINE and not ("-" in name and is_secret_header(name)):
        return None
    rest = _REST_OF_LINE(found.string, found.end())
    if rest is None:
        return None
    scheme = _SCHEME(rest[0])
    begin = rest.start() + (scheme.end() if scheme is not None else 0)
    value = found.string[begin : rest.end()].strip()
    return None if not value or _REFERENCE(value) else (begin, rest.end())


def _option(found: "re.Match[str]") -> str:
    value = found["bare"] or found["double"] or found["single"]
    if not value or not is_secret_member(found["name"].lstrip("-")) or _REFERENCE(value):
        return found[0]
    return f"{found['name']}{found['sep']}{REDACTED}"


def _value(found: "re.Match[str]") -> str:
    return found[0] if _REFERENCE(found["value"]) else f"{found['head']}{REDACTED}"


def _element(found: "re.Match[str]") -> str:
    name = found["name"].rpartition(":")[2]
    if not is_secret_member(name) or not found["value"].strip():
        return found[0]
    return f"<{found['name']}{found['rest']}>{REDACTED}"


def _pair(found: "re.Match[str]") -> str:
    return f"{found['head']}{REDACTED}" if is_secret_header(found["name"]) else found[0]
