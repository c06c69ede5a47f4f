"""Secrets taken out of a request before anything of it is written. Pure.

What is taken for a secret: headers, query parameters, form fields and JSON members with a secret's name; texts with the
shape of a well-known key or token; whatever a pattern of the user's matches; and the values of the request's own
secret headers wherever else they stand. In JSON, the numbers under a name that ends in `tokens` are counts, and what
describes a field (JSON Schema) is not the field.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from replay.trace.redaction import REDACTED, is_secret_name, kept_headers, redacted_path

_ALSO_SECRET = re.compile(
    r"pass(?:wd|phrase|code)|pwd|private[-_]?key|access[-_]?key|jwt|bearer|[cx]srf", re.IGNORECASE
).search
_NO_SECRET = re.compile(
    r"tokeni[sz]e|(?:max|min|num|total|prompt|completion|input|output)_?tokens?", re.I
).search
_IS_COUNT = re.compile(r"tokens$|count|limit", re.IGNORECASE).search
# The shapes that providers document for their keys, and two standards: JWT (RFC 7519) and bearer (RFC 6750).
# Each begins with letters that a search finds fast, and looks back from there: a word boundary in front costs 30 times
# as much. The words of the first column must stand in a text for the second to be tried at all.
_KNOWN_SHAPES = tuple(
    (words, re.compile(shape))
    for words, shape in (
        (("earer", "EARER"), r"(earer|EARER)\s+[A-Za-z0-9._~+/\-]{12,}=*"),
        (("asic ", "ASIC "), r"(asic|ASIC)\s+[A-Za-z0-9._~+/\-]{12,}=*"),
        (("eyJ",), r"eyJ(?<!\weyJ)[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"),
        (("sk-", "sk_", "rk_"), r"[sr]k(?<!\w[sr]k)[-_][A-Za-z0-9_\-]{16,}"),
        (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_(?<!\wgh._)[A-Za-z0-9]{30,}"),
        (("github_pat_",), r"github_pat_[A-Za-z0-9_]{30,}"),
        (("glpat-",), r"glpat-[A-Za-z0-9_\-]{16,}"),
        (("xox",), r"xox[abeoprs]-[A-Za-z0-9\-]{10,}"),
        (("AKIA", "ASIA"), r"A[KS]IA(?<!\wA[KS]IA)[0-9A-Z]{16}\b"),
        (("AIza",), r"AIza[A-Za-z0-9_\-]{35}"),
        (("ya29.",), r"ya29\.[A-Za-z0-9_\-]{20,}"),
        (
            ("PRIVATE KEY-----",),
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        ),
    )
)
_JSON_PAIR = re.compile(r'"((?:[^"\\]|\\.){1,100})"(\s*:\s*)"(?:[^"\\]|\\.)*"')
_PART = re.compile(
    r'(name="([^"\r\n]*)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)(.*?)(?=\r\n--|\Z)', re.IGNORECASE | re.DOTALL
)
_IS_VISIBLE = re.compile(r"[!-~]*").fullmatch
_SCHEMA_WORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "properties", "enum"})
_SCHEMA_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
# Shorter values are likely to be words, which stand in bodies for other reasons.
_SHORTEST_OWN = 12
_MOST_DEPTH = 200
# The same few names come again with every request.
_MOST_NAMES = 4096


class PatternError(ValueError):
    """A pattern that is no regular expression; str() is the whole message."""


class Body(msgspec.Struct, frozen=True):
    """A request's body as it may be written: at most one is set. All None: it is told by its size only."""

    text: str | None = None
    json: bytes | None = None
    base64: str | None = None


NO_BODY = Body()


class Redactor:
    """Takes secrets out of texts. patterns: regular expressions of the user's. Raises PatternError."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns: list[re.Pattern[str]] = []
        for pattern in patterns:
            try:
                self._patterns.append(re.compile(pattern))
            except re.error as error:
                raise PatternError(f"--redact {pattern!r} is no regular expression: {error}.") from error

    def is_harmless(self, text: str) -> bool:
        """Whether no pattern finds anything in the text."""
        return RequestRedactor(self._patterns, (), ()).text(text) == text

    def of_request(self, headers: Iterable[tuple[str, str]]) -> "RequestRedactor":
        """A redactor for one request, which knows the values of its secret headers too."""
        pairs = list(headers)
        own = [secret for name, value in pairs if is_secret_header(name) for secret in _secrets_in(name, value)]
        own.sort(key=len, reverse=True)
        return RequestRedactor(self._patterns, own, pairs)


class RequestRedactor:
    """Takes the secrets out of one request. own: values that are secrets in this request."""

    def __init__(
        self, patterns: Sequence[re.Pattern[str]], own: Sequence[str], headers: Sequence[tuple[str, str]]
    ) -> None:
        self._patterns = patterns
        self._own = own
        self._headers = headers

    def text(self, text: str) -> str:
        """The text with everything that has the shape of a secret replaced."""
        for value in self._own:
            if value in text:
                text = text.replace(value, REDACTED)
        for words, shape in _KNOWN_SHAPES:
            for word in words:
                if word in text:
                    text = shape.sub(_without_secret, text)
                    break
        return self._by_patterns(text)

    def _by_patterns(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(_replacement, text)
        return text

    def headers(self) -> dict[str, str]:
        """The headers to be replayed, without those that hold secrets."""
        kept, _ = kept_headers((name, value) for name, value in self._headers if not is_secret_header(name))
        return {
            name: _one_line(self.text(redacted_path(value) if "?" in value else value))
            for name, value in kept.items()
        }

    def path(self, path: str) -> str:
        """A path, query included, that may be written; it begins with a slash and is visible ASCII."""
        path = _visible(redacted_path(path))
        if "%" in path or "+" in path:
            path = "".join(self._component(part) for part in re.split(r"([/?&=;])", path))
        found = self.text(path)
        found = _visible(found)
        return found if found.startswith("/") else "/" + found

    def body(self, data: bytes, content_type: str) -> Body:
        """A body that may be written. content_type: of the request, empty where it has none."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith("multipart/"):
            data = self._multipart(data.decode("latin-1")).encode("latin-1", "replace")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            cleaned = self.text(data.decode("latin-1")).encode("latin-1", "replace")
            return Body(base64=base64.b64encode(cleaned).decode())
        # By its first character, since clients send JSON under any content type, forms' too.
        if text.lstrip()[:1] in ("{", "["):
            try:
                return self._json(text)
            except RecursionError:
                return NO_BODY
        if kind == "application/x-www-form-urlencoded":
            parts = re.split(r"([&=])", redacted_path(f"?{text}")[1:])
            return Body(text=self.text("".join(self._component(part) for part in parts)))
        return Body(text=self.text(_JSON_PAIR.sub(_redacted_pair, text)))

    def _json(self, text: str) -> Body:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return Body(text=self.text(_JSON_PAIR.sub(_redacted_pair, text)))
        cleaned = _walked(value, self.text, False, 0)
        if cleaned != value:
            text = msgspec.json.encode(cleaned).decode()
        # The user's patterns may have been written for the text rather than for the values in it.
        final = self._by_patterns(text)
        if final != text and not _is_json(final):
            return Body(text=final)
        # Only a body that fits on one line stands in the trace's own line exactly as it was sent.
        if "\n" in final or "\r" in final:
            return Body(text=final)
        return Body(json=final.encode())

    def _multipart(self, text: str) -> str:
        return _PART.sub(lambda found: found[1] + (REDACTED if _is_secret(found[2]) else found[3]), text)

    def _component(self, part: str) -> str:
        """A piece of a path or form; secrets also show when it is percent-decoded."""
        if "%" not in part and "+" not in part:
            return part
        decoded = unquote_plus(part)
        return part if self.text(decoded) == decoded else REDACTED


def _secrets_in(name: str, value: str) -> list[str]:
    """The values in a secret header, without cookies' names and the words between them."""
    lower = name.lower()
    if lower in ("cookie", "set-cookie"):
        pairs = value.split(";") if lower == "cookie" else value.split(";")[:1]
        pieces = [pair.partition("=")[2].strip() for pair in pairs]
    else:
        pieces = re.split(r"[\s;,]+", value)
    return [piece for piece in pieces if len(piece) >= _SHORTEST_OWN]


@lru_cache(_MOST_NAMES)
def is_secret_header(name: str) -> bool:
    """Whether a header of this name is taken to hold a secret."""
    return is_secret_name(name) or _ALSO_SECRET(name) is not None


@lru_cache(_MOST_NAMES)
def _is_secret(name: str) -> bool:
    return (is_secret_name(name) or _ALSO_SECRET(name) is not None) and not _NO_SECRET(name)


def _walked(value: Any, clean: Callable[[str], str], is_secret: bool, depth: int) -> Any:
    """The JSON value without secrets. is_secret: whether it stands under a secret's name."""
    if depth > _MOST_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        if is_secret and _is_schema(value):
            is_secret = False
        return {
            clean(key): _walked(inner, clean, _inherits(key, inner, is_secret), depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_walked(inner, clean, is_secret, depth + 1) for inner in value]
    if isinstance(value, str):
        return (REDACTED if value else value) if is_secret else _within(value, clean, depth)
    if is_secret and isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    return value


def _inherits(key: str, inner: Any, is_secret: bool) -> bool:
    if is_secret or _is_secret(key):
        return not (isinstance(inner, int | float) and _IS_COUNT(key))
    return False


def _within(text: str, clean: Callable[[str], str], depth: int) -> str:
    """A text, which may be JSON itself, as the arguments of tool calls are."""
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return clean(_JSON_PAIR.sub(_redacted_pair, text))
        cleaned = _walked(value, clean, False, depth + 1)
        if cleaned != value:
            return msgspec.json.encode(cleaned).decode()
    return clean(text)


def _is_schema(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    if isinstance(kind, list):
        return all(isinstance(one, str) and one in _SCHEMA_TYPES for one in kind)
    return (isinstance(kind, str) and kind in _SCHEMA_TYPES) or bool(_SCHEMA_WORDS & value.keys())


def _redacted_pair(found: "re.Match[str]") -> str:
    return f'"{found[1]}"{found[2]}"{REDACTED}"' if _is_secret(found[1]) else found[0]


def _without_secret(found: "re.Match[str]") -> str:
    return f"{found[1]} {REDACTED}" if found.lastindex else REDACTED


def _replacement(found: "re.Match[str]") -> str:
    return REDACTED if found[0] else ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _visible(path: str) -> str:
    if _IS_VISIBLE(path):
        return path
    return "".join(c if "!" <= c <= "~" else _percent(c) for c in path)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
