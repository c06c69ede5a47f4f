"""How each session logs in before its first step. A target file names where secrets come from; it holds none."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Meta

from replay.target.checking import check_header
from replay.trace.redaction.names import is_secret_header, is_secret_member
from replay.trace.redaction.shapes import without_secret_shapes
from replay.trace.redaction.shown_urls import REDACTED
from replay.trace.values.reserved import BadReference, reserved

Filled = Callable[[str], str | None]
"""What a reference stands for, by what is between its braces; None: it stays as it is."""

_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")
_OF_ENV = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)").fullmatch
_KNOWN = "{{env.NAME}}, {{row.NAME}}, {{copy}}, {{session}}, {{uuid}} and {{now}}"


class Sent(NamedTuple):
    """What a login sends, its references filled in. A repr that shows none of it."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any
    form: dict[str, str] | None

    def __repr__(self) -> str:
        return f"<Sent by {self.method}>"


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request that each session sends before its first step, and what of the answer its steps carry.

    In path, headers, json and form, {{env.NAME}} stands for an environment variable, and {{row.NAME}}, {{copy}},
    {{session}}, {{uuid}} and {{now}} for what they are in a trace."""

    path: Annotated[str, Meta(description="Where a session logs in, below the URL.")]
    method: Annotated[Literal["POST", "PUT", "GET"], Meta(description="The method of that request.")] = "POST"
    headers: Annotated[
        dict[str, str], Meta(description="Headers of that request, besides those that every request has.")
    ] = {}
    json: Annotated[dict[str, Any] | None, Meta(description="Its body, as JSON.")] = None
    form: Annotated[dict[str, str] | None, Meta(description="Its body instead, as the fields of a form.")] = (
        None
    )
    token: Annotated[
        str | None, Meta(description="A JSON pointer (RFC 6901) to the token in the answer's body.")
    ] = None
    token_header: Annotated[
        str | None, Meta(description="The header of the answer that has the token, instead.")
    ] = None
    token_cookie: Annotated[
        str | None,
        Meta(
            description="The cookie of the answer that has it, instead; the session's steps carry that cookie."
        ),
    ] = None
    header: Annotated[str, Meta(description="The header in which the session's steps carry the token.")] = (
        "authorization"
    )
    scheme: Annotated[
        str | None,
        Meta(
            description=(
                "The word before the token in that header; absent: Bearer in Authorization, and none in another."
            )
        ),
    ] = None
    expires_in: Annotated[
        str | None,
        Meta(
            description=(
                "A JSON pointer to how long the token lasts, in s; the session logs in again shortly before that is "
                "over. In any case it does so once a step is answered with 401."
            )
        ),
    ] = None

    def __post_init__(self) -> None:
        path = self.path
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("path must begin with / and hold no spaces")
        if self.json is not None and self.form is not None:
            raise ValueError("json and form are both the body; choose one of them")
        if self.method == "GET" and (self.json is not None or self.form is not None):
            raise ValueError("a GET has no body; leave json and form out")
        for name, value in self.headers.items():
            check_header(name, _REFERENCE.sub("", value))
        self._check_token()
        for where, name, text in self._texts():
            _check_text(where, name, text)

    def _check_token(self) -> None:
        ways = [name for name in ("token", "token_header", "token_cookie") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"{ways[0]} and {ways[1]} both say where the token is; choose one of them")
        for name in ("token", "expires_in"):
            pointer = getattr(self, name)
            if pointer is not None and not pointer.startswith("/"):
                raise ValueError(f'{name} must be a JSON pointer, which begins with /, such as "/{pointer}"')
        if self.token_header is not None:
            check_header(self.token_header, "")
        if self.token_cookie is not None:
            # What may be in its name is what may be in a header's (RFC 6265, section 4.1.1).
            check_header(self.token_cookie, "")
            if self.header != "authorization" or self.scheme is not None:
                raise ValueError(
                    "what is in token_cookie goes with steps as that cookie; leave header and scheme out"
                )
        check_header(self.header, "")
        if self.scheme is not None and (not self.scheme.isascii() or not self.scheme.isprintable()):
            raise ValueError("scheme must be a word such as Bearer")

    @property
    def carrier(self) -> str | None:
        """The header that the session's steps carry the token in, in small letters; None where cookies do."""
        if self.token_cookie is not None:
            return "cookie"
        return None if self.token is None and self.token_header is None else self.header.lower()

    @property
    def before_token(self) -> str:
        """What stands before the token in that header."""
        if self.token_cookie is not None:
            return f"{self.token_cookie}="
        scheme = self.scheme
        if scheme is None:
            scheme = "Bearer" if self.header.lower() == "authorization" else ""
        return f"{scheme} " if scheme else ""

    @property
    def shown(self) -> str:
        """The request as it may be told to people."""
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that have to be set."""
        found = (_OF_ENV(reference) for reference in self._references())
        return tuple(dict.fromkeys(match[1] for match in found if match is not None))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a file of users that it takes values from."""
        found = (reserved(reference) for reference in self._references())
        return tuple(dict.fromkeys(each.name for each in found if each is not None and each.kind == "row"))

    @property
    def differs(self) -> bool:
        """Whether it takes anything that is not the same for every session."""
        return any(_OF_ENV(reference) is None for reference in self._references())

    def filled(self, value_of: Filled) -> Sent:
        """What it sends, with its references filled in: in a path percent-encoded, in headers cut to one line."""
        return Sent(
            self.method,
            path=_filled(self.path, lambda text: _or_none(value_of(text), _encoded)),
            headers={
                name: _filled(value, lambda text: _or_none(value_of(text), _in_one_line))
                for name, value in self.headers.items()
            },
            json=None if self.json is None else _mapped(self.json, lambda text: _filled(text, value_of)),
            form=None if self.form is None else {k: _filled(text, value_of) for k, text in self.form.items()},
        )

    def redacted(self) -> dict[str, Any]:
        """As it may be written to a file: of what it sends the names, and the references."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        path, mark, _ = self.path.partition("?")
        shown["path"] = path + (mark and f"?{REDACTED}")
        for part in ("headers", "json", "form"):
            if part in shown:
                shown[part] = _mapped(shown[part], _masked)
        return shown

    def _references(self) -> Iterator[str]:
        for _, _, text in self._texts():
            yield from _REFERENCE.findall(text)

    def _texts(self) -> Iterator[tuple[str, str, str]]:
        """Each text that is sent: where it stands, the name that it has, and it itself."""
        yield "path", "", self.path
        for part in ("headers", "json", "form"):
            for place, name, value in _leaves(getattr(self, part)):
                if isinstance(value, str):
                    yield f"{part}.{place}", name, value


def _check_text(where: str, name: str, text: str) -> None:
    """Raises ValueError, with a reason, where a text holds a secret, or refers to what nobody gives."""
    references = _REFERENCE.findall(text)
    is_secret = is_secret_header(name) if where.startswith("headers.") else is_secret_member(name)
    if not references and text and (is_secret or without_secret_shapes(text) != text):
        raise ValueError(f"{where} must not be in the file; write {{{{env.NAME}}}} for an environment variable")
    for reference in references:
        try:
            if _OF_ENV(reference) is None and reserved(reference) is None:
                raise ValueError(f"{where} has {{{{{reference}}}}}, which is none of {_KNOWN}")
        except BadReference as why:
            raise ValueError(f"{where} has {{{{{reference}}}}}, which {why}") from None


def env_name(reference: str) -> str | None:
    """The environment variable that a reference names; None where it names another thing."""
    found = _OF_ENV(reference)
    return None if found is None else found[1]


def _filled(text: str, value_of: Filled) -> str:
    def value(found: re.Match[str]) -> str:
        known = value_of(found[1])
        return found[0] if known is None else known

    return _REFERENCE.sub(value, text)


def _masked(text: str) -> str:
    return text if _REFERENCE.fullmatch(text) else REDACTED


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The same value with every text in it changed, but for names."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    return value


def _leaves(value: Any, place: str = "", name: str = "") -> Iterator[tuple[str, str, Any]]:
    """What is in a value of JSON, each with its place, dots between, and the name that it stands under."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{place}.{key}" if place else key, key)
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _leaves(each, f"{place}.{n}", name)
    elif value is not None:
        yield place, name, value


def _or_none(value: str | None, written: Callable[[str], str]) -> str | None:
    return None if value is None else written(value)


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _in_one_line(value: str) -> str:
    return re.split(r"[\x00-\x1f\x7f]", value, maxsplit=1)[0]
