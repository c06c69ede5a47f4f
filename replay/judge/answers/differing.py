"""In what two answers differ. Pure, and the same whichever of the two is named first.

What follows from another difference is not named: an error's body from the status, a document's paths from its being
no document any more, and everything below a path from that path.
"""

from collections.abc import Callable
from typing import NamedTuple

from replay.judge.answers.facts import Digested, Facts, Paths
from replay.judge.answers.types import Aspect


class Key(NamedTuple):
    """An aspect of an answer, for some at a path."""

    aspect: Aspect
    path: str | None = None


Keys = frozenset[Key]
_SAME: Keys = frozenset()
_STATUS: Keys = frozenset((Key("status"),))
_CONTENT: Keys = frozenset((Key("content"),))


class Differing:
    """Tells in what two answers differ. It remembers shapes that it has held to each other."""

    _MOST_KNOWN = 10_000

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Keys] = {}

    def keys(self, x: Facts, y: Facts) -> Keys:
        if x.status != y.status:
            return _STATUS
        if x.content != y.content:
            return _CONTENT
        found = _SAME
        if x.finish_reasons != y.finish_reasons:
            found |= {Key("finish_reasons")}
        if x.tool_names != y.tool_names:
            found |= {Key("tool_names")}
        if x.paths is None or y.paths is None:
            return found
        if x.paths is not y.paths:
            found |= self._in_shape(x.paths, y.paths)
        if x.values is not None and y.values is not None and x.values != y.values:
            found |= _in_values(x.values, y.values, _is_comparable(x.paths, y.paths, found))
        return found

    def _in_shape(self, x: Paths, y: Paths) -> Keys:
        # Shapes are kept by whoever made them for as long as answers are compared, so their ids stay theirs.
        pair = (id(x), id(y)) if id(x) < id(y) else (id(y), id(x))
        known = self._known.get(pair)
        if known is None:
            if len(self._known) >= self._MOST_KNOWN:
                self._known.clear()
            differ = {path for path in x.keys() | y.keys() if x.get(path) != y.get(path)}
            known = frozenset(Key("shape", path) for path in differ if not _is_below(path, differ))
            self._known[pair] = known
        return known


def comparable(x: Facts, y: Facts, aspect: Aspect) -> bool:
    """Whether two answers tell anything of this aspect."""
    if aspect in ("shape", "value", "order"):
        return x.paths is not None and y.paths is not None and x[:2] == y[:2]
    return True


def told(facts: Facts, key: Key) -> str | None:
    """What an answer has in this aspect, as text; None: nothing. Of values, the digest."""
    if key.aspect == "shape":
        return None if facts.paths is None else facts.paths.get(key.path or "")
    if key.aspect == "value":
        found = (facts.values or {}).get(key.path or "")
        return None if found is None else found[0]
    if key.aspect == "finish_reasons":
        return ", ".join(facts.finish_reasons) or None
    if key.aspect == "tool_names":
        return ", ".join(facts.tool_names) or None
    if key.aspect == "size":
        return str(facts.size_bytes)
    return facts.status if key.aspect == "status" else facts.content if key.aspect == "content" else None


def _is_comparable(x: Paths, y: Paths, found: Keys) -> Callable[[str], bool]:
    """Whether a path has the same types in both, and nothing above it differs in shape."""
    if x is y:
        return x.__contains__
    shaped = {key.path or "" for key in found if key.aspect == "shape"}
    return lambda path: path in x and x[path] == y.get(path) and not _is_below(path, shaped)


def _in_values(x: Digested, y: Digested, is_comparable: Callable[[str], bool]) -> Keys:
    found: set[Key] = set()
    turned: set[str] = set()
    for path, one in x.items():
        other = y.get(path)
        # Most are alike, which is seen soonest.
        if one == other or other is None or not is_comparable(path):
            continue
        if one[1] and one[1] == other[1]:
            turned.add(_array_of(path))
        else:
            found.add(Key("value", path))
    found |= {Key("order", path) for path in turned if not _is_below(path, turned)}
    return frozenset(found)


def _array_of(path: str) -> str:
    """The innermost array, or map, in which a path lies."""
    segments = path.split("/")
    last = max((n for n, segment in enumerate(segments) if segment == "*"), default=len(segments))
    return "/".join(segments[:last])


def _is_below(path: str, others: set[str]) -> bool:
    """Whether something above this path is among the others."""
    while path:
        path = path[: path.rfind("/")]
        if path in others:
            return True
    return False
