"""What requests call, told of many at once: the half of their steps' texts that follows from method and target. Pure.

Most targets differ in ids and values of parameters only. What names and redacts a step is asked once for all that are
alike without these, where a pattern shows that the values hold no secret but by their names; every other target is
asked about by itself.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from replay.assembly.requests.columns import Known
from replay.assembly.requests.log_fields import LONGEST_PATH, is_method, replayable
from replay.assembly.requests.step_texts import WITH_BODY, head_of, json_text, request_text
from replay.trace.edges.names import COMMON_ID
from replay.trace.redaction.links import may_have_link
from replay.trace.redaction.names import REDACTED, is_secret_parameter, is_told_by_value
from replay.trace.redaction.requests import PLAIN_PATH, PLAIN_WORD, cleaned_path

Kind = tuple[str, str, bool]
"""What requests have in common: both texts of a step, the second up to the path, and whether there is a body."""

_Told = tuple[Kind, str, bool]
"""A kind, a path, and whether the target had secrets."""

_NOTHING: _Told = (("", "", False), "", False)
_MOST_OTHERS = 1 << 14
# All are plain where they are taken out, so that what is left tells whether all is. A number with a suffix is one word.
_SUFFIXED = r"[0-9]{1,9}+(?=\.[A-Za-z][A-Za-z0-9]{0,7}(?![^/?\n]))"
_IDS = re.compile(rf"/(?:{COMMON_ID}(?![^/?\n])|{_SUFFIXED})")
_VALUES = re.compile(rf"=(?![&\n]){PLAIN_WORD}(?![^&\n])", re.ASCII)
# What stands where an id or a value was. No path that is alike another in it has one of its own.
_MARK = "\x01"
# As long as those of Discord's webhooks, which tell that the segment behind them is a secret.
_ID = "0" * 18
_IS_PLAIN = re.compile(PLAIN_PATH, re.ASCII).fullmatch


class Called(NamedTuple):
    """A column each. paths: without secrets, as JSON has them between quotes. had_secrets: whether a target had some.

    is_odd: whether a request calls nothing that can be replayed; the others say nothing of it.
    """

    kinds: Sequence[Kind]
    paths: Sequence[str]
    had_secrets: Sequence[bool]
    is_odd: Sequence[bool]

    def between(self, begin: int, end: int) -> "Called":
        """Some of them."""
        these = slice(begin, end)
        return Called(self.kinds[these], self.paths[these], self.had_secrets[these], self.is_odd[these])

    def has_body(self) -> list[bool]:
        """Whether a request has a body."""
        return [has_body for _, _, has_body in self.kinds]


class _Alike(NamedTuple):
    """The kind of requests that differ in ids and values. secrets: the parameters that have values which are some."""

    kind: Kind
    secrets: frozenset[str]

    def path(self, target: str) -> str:
        """That of one of them, without secrets."""
        path, _, query = target.partition("?")
        return f"{path}?{'&'.join(map(self._cleaned, query.split('&')))}"

    def _cleaned(self, pair: str) -> str:
        name, _, value = pair.partition("=")
        return f"{name}={REDACTED}" if value and name in self.secrets else pair


class CalledRequests:
    """Tells what requests call. It remembers what those call that are alike, and those that had to be asked about."""

    def __init__(self) -> None:
        self._kinds = Known(_kind_without_secrets)
        self._alike = Known(_alike, _MOST_OTHERS)
        self._others = Known(_told_by_itself, _MOST_OTHERS)

    def of(self, requests: Sequence[str], targets: Sequence[str]) -> Called:
        """What each of them calls.

        requests: method and target, and a blank between them; one that has no method or no target is odd.
        """
        text = "\n".join([*requests, ""])
        if text.count("\n") == len(requests) and _MARK not in text and max(map(len, requests)) <= LONGEST_PATH:
            alike = _VALUES.sub(f"={_MARK}", _IDS.sub(f"/{_MARK}", text)).split("\n")[:-1]
        else:
            alike = [""] * len(requests)
        kinds: list[Any] = self._kinds.of(alike)
        paths, had_secrets, is_odd = list(targets), [False] * len(kinds), [False] * len(kinds)
        if None in kinds:
            for n in [n for n, kind in enumerate(kinds) if kind is None]:
                told = self._told(alike[n], requests[n], targets[n])
                is_odd[n] = told is None
                kinds[n], paths[n], had_secrets[n] = told or _NOTHING
        return Called(kinds, paths, had_secrets, is_odd)

    def _told(self, alike: str, request: str, target: str) -> _Told | None:
        """What a request calls that may have secrets, or is like no other."""
        like = self._alike[alike]
        if like is None:
            return self._others[request]
        path = like.path(target)
        return like.kind, path, path != target


def _alike(alike: str) -> _Alike | None:
    """What requests have in common that are alike; None where their values may be secrets, or one may be odd."""
    method, _, target = alike.partition(" ")
    path, _, query = target.partition("?")
    if not is_method(method) or not target.startswith("/") or not _IS_PLAIN(target.replace(_MARK, "0")):
        return None
    names = [name for name, _, value in (pair.partition("=") for pair in query.split("&")) if value]
    if may_have_link(path.replace(_MARK, _ID)) or any(
        is_told_by_value(name) and not is_secret_parameter(name) for name in names
    ):
        return None
    secrets = frozenset(name for name in names if is_secret_parameter(name))
    return _Alike(_kind(method, path.replace(_MARK, "*")), secrets)


def _kind_without_secrets(alike: str) -> Kind | None:
    """The kind of requests that are alike, where none of them has a secret; None where one may have."""
    found = _alike(alike)
    return None if found is None or found.secrets else found.kind


def _told_by_itself(request: str) -> _Told | None:
    """What one request calls."""
    method, _, target = request.partition(" ")
    path = replayable(target) if target.startswith("/") and is_method(method) else None
    if path is None:
        return None
    clean = cleaned_path(path)
    return _kind(method, clean), json_text(clean)[1:-1], clean != path


def _kind(method: str, path: str) -> Kind:
    return head_of(method, path), request_text(method, "").removesuffix('"'), method in WITH_BODY
