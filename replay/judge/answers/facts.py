"""What one answer is, so that it can be held to another one: a run's record of answers as facts by session and step."""

from typing import NamedTuple

from replay.results.answer_types import AnswerRecord
from replay.results.answers import Answers

Paths = dict[str, str]
"""Each path of a document with its types."""

Digested = dict[str, tuple[str, str]]
"""Each path that has values with their digests: in order, and without it ("" where there is one value)."""

Series = tuple[str, str]
"""A step's kind and name."""

Where = tuple[str, str]
"""A step: its session's id, and its own."""


class Facts(NamedTuple):
    """One whole answer. paths: None where it has no shape that was read whole; equal ones are the same object.

    values: None where none were asked for.
    """

    status: str
    content: str
    size_bytes: int
    paths: Paths | None = None
    values: Digested | None = None
    finish_reasons: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()


class Answered(NamedTuple):
    """A step that was tried: its kind and name, and what it was answered; None: nothing that is whole."""

    series: Series
    facts: Facts | None


class Shapes:
    """Makes equal shapes of several runs the same object, so that comparing them costs nothing."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, str], ...], Paths] = {}

    def of(self, paths: list[tuple[str, str]]) -> Paths:
        key = tuple(paths)
        return self._known.setdefault(key, dict(key))


def facts_of(record: Answers, shapes: Shapes, *, with_values: bool) -> dict[Where, Answered]:
    """Every step of a run that was tried, in order of the record. with_values: whether digests are to be compared."""
    paths = {
        shape.id: (shapes.of(shape.paths), [pointer for pointer, _ in shape.paths])
        for shape in record.shapes.values()
        if not shape.is_partial
    }
    found: dict[Where, Answered] = {}
    for answer in record.answers:
        facts = None if answer.status is None else _facts(answer, paths, with_values=with_values)
        found[answer.session, answer.step] = Answered((answer.kind, answer.name), facts)
    return found


def _facts(answer: AnswerRecord, paths: dict[int, tuple[Paths, list[str]]], *, with_values: bool) -> Facts:
    shape, pointers = paths.get(answer.shape or 0, (None, []))
    values = None
    if with_values and shape is not None:
        values = {
            pointers[place]: (ordered, bag)
            for place, ordered, bag in answer.values or ()
            if 0 <= place < len(pointers)
        }
    content = f"stream, {answer.layout}" if answer.layout is not None else answer.content
    return Facts(
        status=f"{answer.status} {answer.error}" if answer.error else str(answer.status),
        content=content,
        size_bytes=answer.bytes,
        paths=shape,
        values=values,
        finish_reasons=tuple(sorted(answer.finish_reasons)),
        tool_names=tuple(sorted(answer.tool_names)),
    )
