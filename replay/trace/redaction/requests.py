"""Takes secrets out of requests, their responses and the texts in them, before anything is written. Pure.

One redactor for recordings of every kind, live ones and imported ones. Taken out are: headers with a secret's name;
query parameters, form fields and members of JSON with one, at any depth; texts with the shape of a well-known key or
token, or in which something is given a secret's name; what is one of these in base64 or percent-encoding; whatever a
pattern of the user's matches; and the values of the request's own secret headers wherever else they stand. See
replay/trace/redaction/names.py for names, secrets.py for shapes and JSON, texts.py for texts.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote_plus

import msgspec

from replay.http.codings import uncoded
from replay.trace.redaction.bodies import redacted_parts, without_secret_members, without_secrets_of_broken_json
from replay.trace.redaction.headers import kept_headers, redacted_path
from replay.trace.redaction.links import may_have_link
from replay.trace.redaction.names import REDACTED, is_secret_header, is_secret_member, is_secret_parameter
from replay.trace.redaction.personal import PersonalData
from replay.trace.redaction.secrets import redacted_value, without_secret_pairs, without_secrets
from replay.trace.redaction.texts import COMPRESSED
from replay.trace.remembered import remembered
from replay.trace.types import Request
from replay.trace.values.patterns import Match, Pattern, PatternProblem, compiled, replaced

_IS_VISIBLE = re.compile(r"[!-~]*").fullmatch
# Shorter values are likely to be words, which stand in bodies for other reasons.
_SHORTEST_OWN = 12
_FORM = "application/x-www-form-urlencoded"
# Short words of letters and digits hold no secret that is told by its shape, nor do ids in hexadecimal digits.
PLAIN_WORD = r"(?:[0-9a-fA-F\-]{19,64}+(?![\w.~\-])|[\w.~\-]{0,18}+)"
"""The pattern, of ASCII, of a segment of a path, or a value in its query, that holds no secret by its shape."""

_PLAIN_PAIR = rf"[A-Za-z_][\w.\-]{{0,40}}+={PLAIN_WORD}"
PLAIN_PATH = rf"(?:/{PLAIN_WORD})*+(?:\?{_PLAIN_PAIR}(?:&{_PLAIN_PAIR})*+)?+"
"""The pattern, of ASCII, of a path that holds no secret but under a secret's name in its query."""

_IS_PLAIN = re.compile(PLAIN_PATH, re.ASCII).fullmatch
_MOST_PATHS = 1 << 14
_IS_FORM = re.compile(r"[\w.%+\-\[\]]{1,200}=[^&=\s<>{}\"]*(?:&[\w.%+\-\[\]]{1,200}=[^&=\s<>{}\"]*)*").fullmatch
_IS_PARTS = re.compile(rb"\s*--[^\r\n]{1,200}\r?\n[Cc]ontent-[A-Za-z\-]+:").match
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# zip (and so documents of office programs), 7z, xz, bzip2: they cannot be looked into.
_PACKED = (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\xfd7zXZ\0", b"BZh")
_MOST_UNCODED_BYTES = 16 << 20
_OF_THE_CODING = ("content-encoding", "content-md5", "digest", "content-digest", "repr-digest")


class PatternError(ValueError):
    """A pattern that cannot be used; str() is the whole message."""


class Body(msgspec.Struct, frozen=True):
    """A request's body as it may be written: at most one is set. All None: it is told by its size only.

    is_uncoded: whether it is no longer in the content coding that it was sent in.
    """

    text: str | None = None
    json: bytes | None = None
    base64: str | None = None
    is_uncoded: bool = False

    @property
    def content(self) -> bytes:
        """The body itself."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return self.json if self.json is not None else (self.text or "").encode("utf-8", "surrogatepass")


NO_BODY = Body()


class Redactor:
    """Takes secrets out of texts. patterns: regular expressions of the user's. Raises PatternError.

    personal: finds personal data, where they are to be taken out, too, of the steps that are made.
    """

    def __init__(self, patterns: Sequence[str] = (), *, personal: PersonalData | None = None) -> None:
        self.personal = personal
        self._patterns: list[Pattern] = []
        for pattern in patterns:
            try:
                self._patterns.append(compiled(pattern))
            except PatternProblem as problem:
                raise PatternError(f"--redact {pattern!r} {problem}.") from problem

    def is_harmless(self, text: str) -> bool:
        """Whether nothing is found in the text that would be taken out."""
        if self.personal is not None and self.personal.without(text) != text:
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
        """The text with everything replaced that is a secret by its shape or by the name that it is given."""
        for value in self._own:
            if value in text:
                text = text.replace(value, REDACTED)
        return self._by_patterns(without_secrets(text))

    def _by_patterns(self, text: str) -> str:
        for pattern in self._patterns:
            text = replaced(pattern, _replacement_by(pattern), text)
        return text

    def headers(self) -> dict[str, str]:
        """The headers to be replayed, without those that hold secrets."""
        return self.headers_and_dropped()[0]

    def headers_and_dropped(self) -> tuple[dict[str, str], int]:
        """The same, and how many were dropped because they hold secrets."""
        kept, dropped = kept_headers(self._headers)
        return {name: self.header(value) for name, value in kept.items()}, dropped

    def header(self, value: str) -> str:
        """A header's value, which may be or hold a URL, as Referer and Location do."""
        found = self.text(redacted_path(value) if "=" in value else value)
        if "%" in found:
            found = "".join(self._component(part) for part in re.split(r"([/?&=;#])", found))
        return _one_line(found)

    def path(self, path: str) -> str:
        """A path, query included, that may be written; it begins with a slash and is visible ASCII."""
        path = _visible(redacted_path(path))
        if "%" in path or "+" in path:
            path = "".join(self._component(part) for part in re.split(r"([/?&=;])", path))
        found = self.text(path)
        found = _visible(found)
        return found if found.startswith("/") else "/" + found

    def put_body(self, request: Request, data: bytes, content_type: str, content_encoding: str = "") -> Body:
        """Give the request this body, as far as it may be written, or else its size; returns what was kept."""
        kept = self.body(data, content_type, content_encoding)
        if kept == NO_BODY:
            _without_coding(request)
            request.body_bytes = len(data)
            return kept
        if kept.is_uncoded:
            _without_coding(request)
        request.body, request.body_base64 = kept.text, kept.base64
        if kept.json is not None:
            request.json = msgspec.Raw(kept.json)
        return kept

    def body(self, data: bytes, content_type: str, content_encoding: str = "") -> Body:
        """A body that may be written. content_type, content_encoding: of the request, empty where it has none.

        A coded body in which there is a secret is decoded; one that cannot be looked into is not kept.
        """
        coding = content_encoding.strip() or next(
            (coding for magic, coding in COMPRESSED.items() if data.startswith(magic)), ""
        )
        plain = uncoded(data, coding, _MOST_UNCODED_BYTES)
        if plain is None:
            return NO_BODY
        if plain is data:
            return self._plain(data, content_type)
        made = self._plain(plain, content_type)
        if made == NO_BODY or made.content == plain:
            return NO_BODY if made == NO_BODY else Body(base64=base64.b64encode(data).decode())
        return Body(made.text, made.json, made.base64, is_uncoded=True)

    def _plain(self, data: bytes, content_type: str) -> Body:
        if data.startswith(_PACKED):
            return NO_BODY
        kind = content_type.partition(";")[0].strip().lower()
        is_parts = kind.startswith("multipart/") and data.lstrip()[:1] not in (b"{", b"[")
        if is_parts or _IS_PARTS(data):
            stated = content_type if is_parts else "multipart/form-data"
            made = redacted_parts(data.decode("latin-1"), stated, is_secret_member, self._part)
            return NO_BODY if made is None else self._whole(made.encode("latin-1"))
        if data.startswith(_UTF_16):
            return self._utf_16(data, content_type)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return self._other(data, kind)
        # By its first character, since clients send JSON under any content type, forms' too.
        if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
            try:
                return self._json(text)
            except RecursionError:
                return NO_BODY
        if kind == _FORM or ("=" in text and _IS_FORM(text)):
            return Body(text=self._form(text))
        return Body(text=self.text(without_secret_pairs(text)))

    def _form(self, text: str) -> str:
        parts = re.split(r"([&=])", redacted_path(f"?{text}")[1:])
        return self.text("".join(self._component(part) for part in parts))

    def _other(self, data: bytes, kind: str) -> Body:
        """A body that is not UTF-8; a character stands for a byte."""
        text = data.decode("latin-1")
        if kind == _FORM:
            cleaned = self._form(text)
        elif "json" in kind or data.lstrip()[:1] in (b"{", b"["):
            cleaned = without_secrets_of_broken_json(text)
        else:
            return self._whole(data)
        return self._whole(cleaned.encode("latin-1", "replace"))

    def _utf_16(self, data: bytes, content_type: str) -> Body:
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            return NO_BODY
        plain = text.encode()
        kept = self._plain(plain, content_type)
        if kept == NO_BODY:
            return kept
        found = kept.content
        coded = data if found == plain else found.decode("utf-8", "replace").encode("utf-16")
        return Body(base64=base64.b64encode(coded).decode())

    def _part(self, content: str, content_type: str) -> str:
        """What is kept of a part of a form; a character stands for a byte."""
        kept = self.body(content.encode("latin-1"), content_type)
        return REDACTED if kept == NO_BODY or kept.is_uncoded else kept.content.decode("latin-1")

    def _whole(self, data: bytes) -> Body:
        """A body in which only texts are looked for."""
        try:
            return Body(text=self.text(data.decode()))
        except UnicodeDecodeError:
            cleaned = self.text(data.decode("latin-1")).encode("latin-1", "replace")
            return Body(base64=base64.b64encode(cleaned).decode())

    def _json(self, text: str) -> Body:
        try:
            value = msgspec.json.decode(text.removeprefix("\ufeff"))
        except (msgspec.DecodeError, UnicodeError):
            return Body(text=self._json_lines(text))
        cleaned = redacted_value(value, self.text)
        if cleaned != value:
            text = msgspec.json.encode(cleaned).decode()
        # A document may hold a member twice, of which only the last was seen.
        text = without_secret_members(text)
        # The user's patterns may have been written for the text rather than for the values in it.
        final = self._by_patterns(text)
        # Only a body that fits on one line stands in the trace's own line exactly as it was sent.
        if (
            "\n" in final
            or "\r" in final
            or final.startswith("\ufeff")
            or (final != text and not _is_json(final))
        ):
            return Body(text=final)
        return Body(json=final.encode())

    def _json_lines(self, text: str) -> str:
        """JSON, a document a line, or what is left of some."""
        lines = text.split("\n")
        if len(lines) > 1:
            lines = [self._json_line(line) for line in lines]
        return self.text(without_secrets_of_broken_json("\n".join(lines)))

    def _json_line(self, line: str) -> str:
        """What is left of a line that is no JSON is looked through with all the others."""
        line = without_secret_members(line)
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError):
            return line
        cleaned = redacted_value(value, self.text)
        return line if cleaned == value else msgspec.json.encode(cleaned).decode()

    def _component(self, part: str) -> str:
        """A piece of a path or form; secrets also show when it is percent-decoded."""
        if "%" not in part and "+" not in part:
            return part
        if not self._patterns and not self._own:
            return _usual_component(part)
        decoded = unquote_plus(part)
        return part if self.text(without_secret_pairs(decoded)) == decoded else REDACTED


def cleaned_path(path: str) -> str:
    """A path, query included, of a request of which no more is known."""
    if not _IS_PLAIN(path) or may_have_link(path):
        return _NO_REQUEST.path(path)
    before, mark, query = path.partition("?")
    return before + mark + "&".join(map(_clean_pair, query.split("&"))) if mark else path


clean_path = remembered(_MOST_PATHS)(cleaned_path)


@remembered(_MOST_PATHS)
def _clean_pair(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={REDACTED}" if value and is_secret_parameter(name, value) else pair


@remembered(_MOST_PATHS)
def _usual_component(part: str) -> str:
    """The same piece, where nothing is known of the request and its user."""
    decoded = unquote_plus(part)
    return part if without_secrets(without_secret_pairs(decoded)) == decoded else REDACTED


_NO_REQUEST = RequestRedactor((), (), ())


def _without_coding(request: Request) -> None:
    request.headers = {
        name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CODING
    }


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
