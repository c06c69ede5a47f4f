"""What requests call, told of many at once: the half of their steps' texts that follows from method and target. Pure.

Most targets differ in ids and values of parameters only. What names and redacts a step is asked once for all that are
alike without these, where a pattern shows that the values hold no secret but by their names; every other target is
asked about by itself.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from replay.importers.requests.columns import Known
from replay.importers.requests.log_fields import LONGEST_PATH, is_method, replayable, request_line
from replay.importers.requests.step_texts import WITH_BODY, head_of, request_text, texts_of
from replay.trace.edges.names import COMMON_ID
from replay.trace.redaction.names import REDACTED, is_secret_parameter
from replay.trace.redaction.requests import PLAIN_PATH, PLAIN_WORD

Called = tuple[str, str, bool, bool]
"""Both texts of a step, whether its path had secrets, and whether it has a body."""

_MOST_KNOWN = 1 << 13
_LONGEST_KNOWN = 1 << 10
# Both are plain where they are taken out, so that what is left tells whether all is.
_IDS = re.compile(rf"/{COMMON_ID}(?![^/?\n])")
_VALUES = re.compile(rf"=(?![&\n]){PLAIN_WORD}(?![^&\n])", re.ASCII)
_VERSIONS = re.compile(r" HTTP/(?:1\.[01]|2(?:\.0)?|3(?:\.0)?)(?=\n)")
# What stands where an id or a value was. No path that is alike another in it has one of its own.
_MARK = "\x01"
_IS_PLAIN = re.compile(PLAIN_PATH, re.ASCII).fullmatch
_ANY = "0" * 40  # no word, no short number


class _Alike(NamedTuple):
    """What requests have in common that differ in ids and values: both texts, the second up to the target.

    begin: where in a request the target begins. secrets: the parameters that have values which are secrets.
    """

    head: str
    request: str
    begin: int
    has_body: bool
    secrets: frozenset[str]

    def called(self, request: str) -> Called:
        """What one of them calls."""
        if not self.secrets:
            return self.head, f'{self.request}{request[self.begin :]}"', False, self.has_body
        target = request[self.begin :]
        path, _, query = target.partition("?")
        cleaned = f"{path}?{'&'.join(map(self._cleaned, query.split('&')))}"
        return self.head, f'{self.request}{cleaned}"', cleaned != target, self.has_body

    def _cleaned(self, pair: str) -> str:
        name, _, value = pair.partition("=")
        return f"{name}={REDACTED}" if value and name in self.secrets else pair


class CalledRequests:
    """Tells what requests call. It remembers what came before, and forgets what has not come again for long.

    A request is a method and a target with a blank between them; a blank alone for none. are_lines: whether requests
    are lines of HTTP as servers log them, with its version behind the target.
    """

    def __init__(self, *, are_lines: bool = False) -> None:
        self._are_lines = are_lines
        self._known: dict[str, Called] = {}
        self._before: dict[str, Called] = {}
        self._alike = Known(_called_alike)
        self._others = Known(_called_by_line if are_lines else _called)

    def of(self, requests: Sequence[str]) -> list[Called | None]:
        """What each of them calls; None for one that is odd."""
        found = list(map(self._known.get, requests))
        if None not in found:
            return found
        missing = dict.fromkeys(
            [request for request, told in zip(requests, found, strict=True) if told is None]
        )
        told: dict[str, Called | None] = {
            request: self._before[request] for request in missing if request in self._before
        }
        fresh = [request for request in missing if request not in told]
        if fresh:
            told.update(zip(fresh, self._told(fresh), strict=True))
        self._remember(told.items())
        return [told[request] if each is None else each for request, each in zip(requests, found, strict=True)]

    def _remember(self, told: Iterable[tuple[str, Called | None]]) -> None:
        if len(self._known) > _MOST_KNOWN:
            self._before, self._known = self._known, {}
        self._known.update(
            (request, called)
            for request, called in told
            if called is not None and len(request) <= _LONGEST_KNOWN
        )

    def _told(self, requests: Sequence[str]) -> list[Called | None]:
        text = "\n".join([*requests, ""])
        if text.count("\n") != len(requests) or _MARK in text or max(map(len, requests)) > LONGEST_PATH:
            return self._others.of(requests)
        if self._are_lines:
            text = _VERSIONS.sub("", text)
        alike = _VALUES.sub(f"={_MARK}", _IDS.sub(f"/{_MARK}", text)).split("\n")
        return [
            like.called(bare) if like else self._others[request]
            for like, bare, request in zip(
                map(self._alike.__getitem__, alike), text.split("\n"), requests, strict=False
            )
        ]


def _called_alike(alike: str) -> _Alike | None:
    """What requests call that are alike: None where their values may be secrets, or nothing can be said of all."""
    method, _, target = alike.partition(" ")
    path, _, query = target.partition("?")
    if not is_method(method) or not target.startswith("/") or not _IS_PLAIN(target.replace(_MARK, "0")):
        return None
    names = [name for name, _, value in (pair.partition("=") for pair in query.split("&")) if value]
    if any(is_secret_parameter(name, _ANY) and not is_secret_parameter(name) for name in names):
        return None
    return _Alike(
        head=head_of(method, path.replace(_MARK, "*")),
        request=request_text(method, "").removesuffix('"'),
        begin=len(method) + 1,
        has_body=method in WITH_BODY,
        secrets=frozenset(name for name in names if is_secret_parameter(name)),
    )


def _called(request: str) -> Called | None:
    method, _, target = request.partition(" ")
    path = replayable(target) if target.startswith("/") and is_method(method) else None
    if path is None:
        return None
    texts = texts_of(method, path)
    return texts.head, texts.request, texts.has_secrets, method in WITH_BODY


def _called_by_line(line: str) -> Called | None:
    """What is called by a request line as it stands in a log."""
    return _called(" ".join(request_line(line) or ("", "")))
