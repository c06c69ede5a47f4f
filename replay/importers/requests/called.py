"""What requests call, told of many at once: the half of their steps' texts that follows from method and target. Pure.

Most targets differ in ids and values of parameters only. What names and redacts a step is asked once for all that are
alike without these, where a pattern shows that the values hold no secret; every other target is asked about by itself.
"""

import re
from collections.abc import Sequence

from replay.importers.requests.columns import Known
from replay.importers.requests.log_fields import LONGEST_PATH, is_method, replayable
from replay.importers.requests.step_texts import WITH_BODY, head_of, texts_of
from replay.trace.edges.names import COMMON_ID
from replay.trace.redaction.names import is_secret_parameter
from replay.trace.redaction.requests import PLAIN_PATH

Called = tuple[str, str, bool, bool]
"""Both texts of a step, whether its path had secrets, and whether it has a body."""

_ARE_PLAIN = re.compile(rf"(?=/)({PLAIN_PATH})\n|[^\n]*+\n?", re.ASCII)
_IDS = re.compile(rf"/{COMMON_ID}(?![^/?\n])", re.ASCII)
_VALUES = re.compile(r"=[^&\n]*+")
_ANY = "0" * 40  # no word, no short number


class CalledRequests:
    """Tells what requests call. It remembers what came before."""

    def __init__(self) -> None:
        self._heads = Known(_head_of_alike)
        self._others = Known(_called)

    def of(self, methods: Sequence[str], targets: Sequence[str]) -> list[Called | None]:
        """What each of them calls; None for one that is odd. methods: "" for no request."""
        text = "\n".join([*targets, ""])
        if text.count("\n") != len(targets) or max(map(len, targets)) > LONGEST_PATH:
            return [self._others[request] for request in zip(methods, targets, strict=True)]
        plain = _ARE_PLAIN.findall(text)[: len(targets)]  # behind the last one there is nothing
        alike = _VALUES.sub("", _IDS.sub("/*", "\n".join(plain))).split("\n")
        heads = map(self._heads.__getitem__, zip(methods, alike, strict=True))
        return [
            (head, f'"request":{{"method":"{method}","path":"{target}"', False, method in WITH_BODY)
            if head and target
            else self._others[method, its_target]
            for head, target, method, its_target in zip(heads, plain, methods, targets, strict=True)
        ]


def _head_of_alike(request: tuple[str, str]) -> str:
    """The first half of the text of requests that are alike; nothing where their values may be secrets."""
    method, target = request
    path, _, names = target.partition("?")
    if not is_method(method) or any(is_secret_parameter(name, _ANY) for name in names.split("&")):
        return ""
    return head_of(method, path)


def _called(request: tuple[str, str]) -> Called | None:
    method, target = request
    path = replayable(target) if target.startswith("/") and is_method(method) else None
    if path is None:
        return None
    texts = texts_of(method, path)
    return texts.head, texts.request, texts.has_secrets, method in WITH_BODY
