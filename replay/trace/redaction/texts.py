"""Secrets in texts that people and agents write: shell commands, settings, source, headers and URLs. Pure.

A secret shows by the name that it is given (`export API_KEY=...`, `password: ...`, `--token ...`, `?sig=...`), by what
a program takes it for (commands.py), or by the layout of the text (layouts.py). What refers to one (`$TOKEN`,
`os.environ[...]`) is none. Each search begins at the start of a word and is bounded, so that it takes time with the
length of the text.
"""

import base64
import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from replay.http.codings import uncoded_so_far
from replay.trace.redaction.commands import without_given_secrets
from replay.trace.redaction.layouts import without_laid_out_secrets
from replay.trace.redaction.names import (
    REDACTED,
    is_count,
    is_secret_header,
    is_secret_member,
    is_secret_parameter,
    is_secret_value,
    is_told_by_form,
    is_told_by_value,
)
from replay.trace.redaction.programs import is_name_of_code, without_placed_secrets
from replay.trace.redaction.references import is_reference, is_word

# None of the searches below finds anything in a text without one of these.
_HINTS = (
    "pass", "pwd", "pw", "secret", "token", "key", "auth", "cred", "jwt", "bearer", "srf", "sess", "saml", "cookie",
    "assertion", "relaystate", "psk", "otp", "cvv", "cvc", "code", "state=", "ticket=", "sig", "hmac", "sid", "cfid",
    "sudo", "stdin", "assword", "securestring", "identified by", "response=", " -u", "--user", " -p", " -a ", " -w",
    " -k ", " -t ", " -b", " -c ", "sas", "login", "net use", "sqlplus", "impdp", "expdp", "config:set", "wordpress",
    "dsn", "mnemonic",
    "de passe", "mdp", "senha", "contrase", "kennwort", "密码", "口令", "パスワード", "비밀번호", "парол", "wachtwoord",
)  # fmt: skip
_NAME = r"[A-Za-z_%][\w.%\-]{0,100}+(?:\[[\w\-]{0,40}\])?+"
_QUOTED = r'\\?"(?P<double>(?:[^"\\\n]|\\(?!").)*+)\\?"' + r"|'(?P<single>(?:[^'\\\n]|\\.)*+)'"
_IN_BARE = r"[^\s\"'`&;|<>(){}\[\],\\]"
# As much of it as is looked at; what is taken out goes on to its end.
_BARE = _IN_BARE + "{1,4000}+"
# name=value, name = "value", name: "value", "name": "value", ['name'] = 'value'.
_NAMED = re.compile(
    rf"(?<![\w.%\-])-{{0,2}}(?P<name>{_NAME})(?P<sep>\\?[\"']?\]?[ \t]*+(?:=>|:=|[=!]={{1,2}}|\?\?=?|=|:)[ \t]*+)"
)
_QUOTED_HERE = rf"[rbfuRBFU]{{0,2}}(?:{_QUOTED})"
_GIVEN = re.compile(
    r"(?P<prefix>(?:[rbfuRBFU]{1,2}(?=[\"']))?+)(?:"
    r'"{3}(?P<long>(?:[^"]|"(?!""))++)"{3}' + r"|'{3}(?P<lengthy>(?:[^']|'(?!''))++)'{3}"
    rf"|{_QUOTED}|`(?P<tick>[^`\n]*+)`|(?P<bare>{_BARE})(?P<next>[^\n]?))"
).match
# apiKey: string = "...", PASSWORD: Final = '...'
_TYPED = re.compile(rf"[A-Za-z_&*][\w.\[\]&<>|,? :]{{0,60}}?=[ \t]*+{_QUOTED_HERE}").match
# String::from("..."), SecretStr("...")
_WRAPPED = re.compile(rf"\(\s*+{_QUOTED_HERE}\s*+\)").match
_WRAPS = re.compile(
    r"(?:.*[.:])?(?!Get|Load|Read|Find|Lookup|Ask|Prompt|Env)(?:[A-Z]\w*|from|new|of|bytes|b64decode|encode)"
).fullmatch
# process.env.TOKEN || "...", os.environ.get("TOKEN") or '...'
_FALLBACK = re.compile(rf"[^\n]{{0,200}}?(?:\|\||\?\?|\bor\b)[ \t]*+{_QUOTED_HERE}").match
# A block of YAML (8.1): its lines stand deeper.
_BLOCK = re.compile(
    r"[|>][+\-\d]{0,2}[ \t]*+\n(?P<indent>[ \t]++)(?P<block>[^\n]++(?:\n(?P=indent)[^\n]*+|\n[ \t]*+(?=\n))*+)"
).match
_ITEMS = re.compile(r"[ \t]*+\n(?P<block>(?:[ \t]*+-[ \t]++[^\n]++(?:\n|\Z)){1,1000}+)").match
# An anchor or a tag of YAML's (6.9) before a value.
_TAG = re.compile(r"(?:[&!][\w!./:\-]{0,60}+[ \t]++){1,3}(?=\S)").match
# setenv("API_KEY", "..."), define('DB_PASSWORD', '...'), setattr(settings, "TOKEN", "...")
_CALL = re.compile(
    rf"(?<=\w)\(\s*+(?:[\w.]{{1,100}}+\s*+,\s*+)?\\?[\"'](?P<name>{_NAME})\\?[\"']\s*+,\s*+{_QUOTED_HERE}"
)
_RESPONSE = re.compile(r"(?P<head>\bresponse=\\?\")(?P<value>[^\"\\\n]{1,1000}+)")
_REST_OF_BARE = re.compile(f"{_IN_BARE}*+").match
_REST_OF_LINE = re.compile(r"[^\r\n\"'`\\]{1,8000}+").match
_ENDS_LINE = re.compile(r"[ \t]*\r?(?:\n|\Z)|[\"']").match
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Digest|ApiKey|Negotiate|AWS4[\w\-]*)\s+", re.IGNORECASE).match
_WHOLE_LINE = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_OPTION = re.compile(
    rf"(?<!\S)(?P<name>--?[A-Za-z][\w\-]{{1,60}}+)(?P<sep>[ \t]++)(?:{_QUOTED}|(?P<bare>(?!-){_BARE}))"
)
_PGPASS = re.compile(
    r"^(?P<head>[\w.\-*]{1,200}+:(?:\d{2,5}|\*):[^:\s]{1,100}+:[^:\s]{1,100}+:)(?P<value>[^:\s]{1,1000}+)$",
    re.MULTILINE,
)
_PGPASS_COLONS = 4
_CODED = re.compile(r"(?<![\w+/\-])[A-Za-z0-9+/_\-]{20,}+={0,2}(?![\w+/])")
_RUN = re.compile(r"[^\s\"'<>&;?]++")
_IS_ESCAPED = re.compile(r"%(?:3[ADad]|22|7[Bb])").search
_BEFORE_PARAMETER = ("?", "&", ";", "#")
_SHORTEST_COMPARED = 8
_DEEPEST = 4
_LARGEST_CODED = 1 << 20
_MOST_UNFOLDED = 32
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"(\xb5/\xfd": "zstd",
    b"x\x01": "deflate",
    b"x\x9c": "deflate",
    b"x\xda": "deflate",
}
"""The codings that tell themselves, by the bytes that they begin with; zlib's is that of `deflate`."""


def without_named_secrets(text: str) -> str:
    """The text with what is given a secret's name replaced."""
    if text.count(":") >= _PGPASS_COLONS:
        text = _PGPASS.sub(_value, text)
    lower = text.lower()
    if " " in text:
        text = without_placed_secrets(text, lower)
    for hint in _HINTS:  # any() of a generator takes twice as long, most of what a path takes
        if hint in lower:
            break
    else:
        return text
    if ":" in text or "=" in text or "??" in text:
        text = _without_assigned(text)
    if "-" in text:
        text = _OPTION.sub(_option, text)
    if "(" in text and "," in text:
        text = _CALL.sub(_call, text)
    if "response=" in text and "igest" in text:
        text = _RESPONSE.sub(_value, text)
    return without_laid_out_secrets(without_given_secrets(text))


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
    """What base64, of either alphabet, holds where that is a text, compressed or not."""
    if len(text) > _LARGEST_CODED or len(text.rstrip("=")) % 4 == 1:
        return None
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        begin = base64.b64decode(plain[:16])
        coding = next((coding for magic, coding in COMPRESSED.items() if begin.startswith(magic)), None)
        if coding is None and not begin.isascii() and len(plain) > 64:
            return None
        held = base64.b64decode(plain + "=" * (-len(plain) % 4))
        if coding is not None:
            held = uncoded_so_far(held, coding, _MOST_UNFOLDED * len(held)) or b""
        found = held.decode()
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
    is_member = is_secret_member(name) or is_told_by_form(name)
    if not is_member and not (is_parameter and _may_be_secret(unquote_plus(name))):
        return None
    span = _given_value(text, found.end(), name, found["sep"], sep)
    if span is None:
        return None
    value = text[slice(*span)]
    if not is_secret_value(name, value) and not (
        is_parameter and is_secret_parameter(unquote_plus(name), unquote_plus(value))
    ):
        return None
    return span


def _may_be_secret(parameter: str) -> bool:
    return is_told_by_value(parameter) or is_secret_parameter(parameter)


def _given_value(text: str, at: int, name: str, written: str, sep: str) -> tuple[int, int] | None:
    """Where the text is that stands behind a name and its separator, unless it refers to another.

    sep: the separator without what it is written with.
    """
    if sep == ":":
        block = _BLOCK(text, at) or _items(text, at, name)
        if block is not None:
            return block.span("block")
        tag = _TAG(text, at)
        at = at if tag is None else tag.end()
    given = _GIVEN(text, at)
    if given is None:
        return None
    if given["bare"] is None:
        span = given.span(given.lastgroup or 0)
        value = text[slice(*span)]
        if not value or is_reference(value) or _is_put_together(given, value):
            return None
        # What prose marks as code is mostly the name of some; a password may look like one.
        is_marked = given["tick"] is not None and value[:1].isupper() and "pass" not in name.lower()
        if is_marked and is_name_of_code(value):
            return None
        # What is compared is mostly a word for a kind.
        is_compared = sep not in ("=", ":", ":=", "=>") and not _is_likely(value)
        return None if is_compared or text.startswith(".", given.end()) else span
    if sep[:1] in ("=", "!") and sep[1:2] == "=":
        return None
    value = given["bare"]
    # Without quotes, a value stands right behind a =, or ends its line; what is called or indexed is source.
    is_source = given["next"] != "" and given["next"] in "([{"
    if sep == ":" and given["next"] != "" and given["next"] in ",}" and _is_flow(value):
        return given.span("bare")
    if is_source or is_reference(value) or (written != "=" and not _ENDS_LINE(text, given.end("bare"))):
        return _value_in_source(text, at, given, sep)
    if is_count(name) and value.isdigit():
        return None
    return given.start("bare"), _end_of(text, given.end("bare"))


def _items(text: str, at: int, name: str) -> "re.Match[str] | None":
    """The items of a list of YAML's below a name, unless they are words."""
    found = _ITEMS(text, at)
    if found is None or is_reference(found["block"].strip()):
        return None
    items = [line.strip().removeprefix("-").strip(" \"'\t") for line in found["block"].splitlines()]
    is_plain = all(item and not re.search(r"\s|:\Z", item) for item in items)
    return found if is_plain and not all(is_word(item) or item.isdigit() for item in items) else None


def _is_flow(value: str) -> bool:
    """Whether a text without quotes between braces is rather a value of YAML's than a name in source."""
    return len(value) >= _SHORTEST_COMPARED and sum(map(str.isdigit, value)) > 1 and not is_reference(value)


def _is_put_together(given: "re.Match[str]", value: str) -> bool:
    """Whether values of names are filled into a text, as `${name}` and Python's `f"{name}"` do."""
    return (given["tick"] is not None and "${" in value) or ("{" in value and "f" in given["prefix"].lower())


def _is_likely(value: str) -> bool:
    return len(value) >= _SHORTEST_COMPARED and any(map(str.isdigit, value))


def _value_in_source(text: str, at: int, given: "re.Match[str]", sep: str) -> tuple[int, int] | None:
    """Where a text is that source gives in another way: behind a type, in a call around it, if all else fails."""
    found = _TYPED(text, at) if sep == ":" else None
    if found is None and given["next"] == "(" and _WRAPS(given["bare"]):
        found = _WRAPPED(text, given.end("bare"))
    found = found or _FALLBACK(text, at)
    if found is None:
        return None
    span = found.span("double" if found["single"] is None else "single")
    value = text[slice(*span)]
    return None if not value or is_word(value) or is_reference(value) else span


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
    return None if not value or is_reference(value) else (begin, rest.end())


def _option(found: "re.Match[str]") -> str:
    value = found["bare"] or found["double"] or found["single"]
    if not value or not is_secret_value(found["name"].lstrip("-"), value) or is_reference(value):
        return found[0]
    return f"{found['name']}{found['sep']}{REDACTED}"


def _value(found: "re.Match[str]") -> str:
    return found[0] if is_reference(found["value"]) else f"{found['head']}{REDACTED}"


def _call(found: "re.Match[str]") -> str:
    """What a call takes behind a name, but for words, which are names themselves."""
    group = "double" if found["single"] is None else "single"
    value = found[group]
    is_secret = is_secret_value(found["name"], value) or (
        "-" in found["name"] and is_secret_header(found["name"])
    )
    if not value or not is_secret or is_word(value) or is_reference(value):
        return found[0]
    begin, end = (at - found.start() for at in found.span(group))
    return found[0][:begin] + REDACTED + found[0][end:]
