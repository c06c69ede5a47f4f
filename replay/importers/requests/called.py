"""What requests call, told of many at once: the half of their steps' texts that follows from method and target. Pure.

Most targets differ in ids and values of parameters only. What names and redacts a step is asked once for all that are
alike without these, where a pattern shows that the values hold no secret; every other target is asked about by itself.
"""

import re
from collections.abc import Sequence

from replay.importers.requests.columns import Known
from replay.importers.requests.log_fields import LONGEST_PATH, is_method, replayable
from replay.importers.requests.step_texts import WITH_BODY, head_of, request_text, texts_of
from replay.trace.edges.names import COMMON_ID
from replay.trace.redaction.names import is_secret_parameter
from replay.trace.redaction.requests import PLAIN_PATH, PLAIN_WORD

Called = tuple[str, str, bool, bool]
"""Both texts of a step, whether its path had secrets, and whether it has a body."""

_MOST_KNOWN = 1 << 14
_LONGEST_KNOWN = 1 << 10
# Both are plain where they are taken out, so that what is left tells whether all is.
_IDS = re.compile(rf"/{COMMON_ID}(?![^/?\n])")
_VALUES = re.compile(rf"={PLAIN_WORD}(?![^&\n])", re.ASCII)
# What stands where an id or a value was. No path that is alike another in it has one of its own.
_MARK = "\x01"
_IS_PLAIN = re.compile(PLAIN_PATH, re.ASCII).fullmatch
_ANY = "0" * 40  # no word, no short number


class CalledRequests:
    """Tells what requests call. It remembers what came before.

    A request is a method and a target with a blank between them; a blank alone for none.
    """

    def __init__(self) -> None:
        self._known: dict[str, Called] = {}
        self._alike = Known(_called_alike)
        self._others = Known(_called)

    def of(self, requests: Sequence[str]) -> list[Called | None]:
        """What each of them calls; None for one that is odd."""
        found = list(map(self._known.get, requests))
        if None not in found:
            return found
        fresh = list(
            dict.fromkeys([request for request, told in zip(requests, found, strict=True) if told is None])
        )
        told = dict(zip(fresh, self._told(fresh), strict=True))
        if len(self._known) + len(told) > _MOST_KNOWN:
            self._known.clear()
        self._known.update(
            (request, called)
            for request, called in told.items()
            if called is not None and len(request) <= _LONGEST_KNOWN
        )
        return [told[request] if each is None else each for request, each in zip(requests, found, strict=True)]

    def _told(self, requests: Sequence[str]) -> list[Called | None]:
        text = "\n".join([*requests, ""])
        if text.count("\n") != len(requests) or _MARK in text or max(map(len, requests)) > LONGEST_PATH:
            return self._others.of(requests)
        alike = _VALUES.sub(f"={_MARK}", _IDS.sub(f"/{_MARK}", text)).split("\n")
        return [
            (like[0], f'{like[1]}{request[like[2] :]}"', False, like[3]) if like else self._others[request]
            for like, request in zip(map(self._alike.__getitem__, alike), requests, strict=False)
        ]


def _called_alike(alike: str) -> tuple[str, str, int, bool] | None:
    """What requests call that are alike: both texts, the second up to the target, and where in a request that begins.

    None where their values may be secrets, or nothing can be said of all of them.
    """
    method, _, target = alike.partition(" ")
    path, _, query = target.partition("?")
    if not is_method(method) or not target.startswith("/") or not _IS_PLAIN(target.replace(_MARK, "0")):
        return None
    if any(is_secret_parameter(pair.partition("=")[0], _ANY) for pair in query.split("&")):
        return None
    head = head_of(method, path.replace(_MARK, "*"))
    return head, request_text(method, "").removesuffix('"'), len(method) + 1, method in WITH_BODY


def _called(request: str) -> Called | None:
    method, _, target = request.partition(" ")
    path = replayable(target) if target.startswith("/") and is_method(method) else None
    if path is None:
        return None
    texts = texts_of(method, path)
    return texts.head, texts.request, texts.has_secrets, method in WITH_BODY
