"""Secrets taken out of a request before anything of it is written. Pure.

What is taken for a secret: headers, query parameters, form fields and JSON members with a secret's name; texts with the
shape of a well-known key or token; whatever a pattern of the user's matches; and the values of the request's own
secret headers wherever else they stand. See replay/trace/redaction/secrets.py for names and shapes.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote_plus

import msgspec

from replay.trace.redaction.bodies import redacted_parts
from replay.trace.redaction.headers import (
    REDACTED,
    is_secret_header,
    kept_headers,
    redacted_path,
)
from replay.trace.redaction.personal import without_personal
from replay.trace.redaction.secrets import (
    is_secret_member,
    redacted_value,
    without_secret_pairs,
    without_secret_shapes,
)
from replay.trace.values.patterns import Match, Pattern, PatternProblem, compiled, replaced

_IS_VISIBLE = re.compile(r"[!-~]*").fullmatch
# Shorter values are likely to be words, which stand in bodies for other reasons.
_SHORTEST_OWN = 12


class PatternError(ValueError):
    """A pattern that cannot be used; str() is the whole message."""


class Body(msgspec.Struct, frozen=True):
    """A request's body as it may be written: at most one is set. All None: it is told by its size only."""

    text: str | None = None
    json: bytes | None = None
    base64: str | None = None


NO_BODY = Body()


class Redactor:
    """Takes secrets out of texts. patterns: regular expressions of the user's. Raises PatternError.

    takes_personal: whether personal data are to be taken out, too, of the steps that are made.
    """

    def __init__(self, patterns: Sequence[str] = (), *, takes_personal: bool = False) -> None:
        self.takes_personal = takes_personal
        self._patterns: list[Pattern] = []
        for pattern in patterns:
            try:
                self._patterns.append(compiled(pattern))
            except PatternProblem as problem:
                raise PatternError(f"--redact {pattern!r} {problem}.") from problem

    def is_harmless(self, text: str) -> bool:
        """Whether nothing is found in the text that would be taken out."""
        if self.takes_personal and without_personal(text) != text:
            return False
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
        self, patterns: Sequence[Pattern], own: Sequence[str], headers: Sequence[tuple[str, str]]
    ) -> None:
        self._patterns = patterns
        self._own = own
        self._headers = headers

    def text(self, text: str) -> str:
        """The text with everything that has the shape of a secret replaced."""
        for value in self._own:
            if value in text:
                text = text.replace(value, REDACTED)
        return self._by_patterns(without_secret_shapes(text))

    def _by_patterns(self, text: str) -> str:
        for pattern in self._patterns:
            text = replaced(pattern, _replacement_by(pattern), text)
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
        if kind.startswith("multipart/") and data.lstrip()[:1] not in (b"{", b"["):
            made = redacted_parts(data.decode("latin-1"), content_type, is_secret_member, self._part)
            return NO_BODY if made is None else self._whole(made.encode("latin-1"))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return self._whole(data)
        # By its first character, since clients send JSON under any content type, forms' too.
        if text.lstrip()[:1] in ("{", "["):
            try:
                return self._json(text)
            except RecursionError:
                return NO_BODY
        if kind == "application/x-www-form-urlencoded":
            parts = re.split(r"([&=])", redacted_path(f"?{text}")[1:])
            return Body(text=self.text("".join(self._component(part) for part in parts)))
        return Body(text=self.text(without_secret_pairs(text)))

    def _part(self, content: str, content_type: str) -> str:
        """What is kept of a part of a form; a character stands for a byte."""
        kept = self.body(content.encode("latin-1"), content_type)
        if kept.base64 is not None:
            return base64.b64decode(kept.base64).decode("latin-1")
        if kept.json is not None:
            return kept.json.decode("latin-1")
        return REDACTED if kept.text is None else kept.text.encode().decode("latin-1")

    def _whole(self, data: bytes) -> Body:
        """A body in which only what has the shape of a secret is replaced."""
        try:
            return Body(text=self.text(data.decode()))
        except UnicodeDecodeError:
            cleaned = self.text(data.decode("latin-1")).encode("latin-1", "replace")
            return Body(base64=base64.b64encode(cleaned).decode())

    def _json(self, text: str) -> Body:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return Body(text=self.text(without_secret_pairs(text)))
        cleaned = redacted_value(value, self.text)
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


def _replacement_by(pattern: Pattern) -> Callable[[Match], str]:
    """What takes the place of a match: the word, or what was found with its group named secret replaced by the word."""
    group = pattern.groupindex.get("secret", 0)

    def replacement(found: Match) -> str:
        begin, end = found.span(group)
        if begin == end:
            return found[0] or ""
        text = found[0] or ""
        return text[: begin - found.start()] + REDACTED + text[end - found.start() :]

    return replacement


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
