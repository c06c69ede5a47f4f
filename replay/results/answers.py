"""Reading answers.jsonl: what a run was answered, with each answer's shape beside it."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.results.answer_types import AnswerRecord, AnswersHead, ShapeRecord
from replay.results.types import ANSWERS_FILE


class Answers(NamedTuple):
    """What one run was answered. shapes: by the id that answers refer to. unreadable: lines that are none of ours."""

    head: AnswersHead
    answers: list[AnswerRecord]
    shapes: dict[int, ShapeRecord]
    unreadable: int = 0


def read_answers(directory: Path) -> Answers | None:
    """What a run directory holds of its answers; None if nothing was recorded of them.

    A last line without its end is left out, and so are lines that are none of ours: the writer may have been killed.
    Raises OSError if the file is there and cannot be read.
    """
    path = directory / ANSWERS_FILE
    if not path.exists():
        return None
    decoder = msgspec.json.Decoder(AnswersHead | ShapeRecord | AnswerRecord)
    head: AnswersHead | None = None
    answers: list[AnswerRecord] = []
    shapes: dict[int, ShapeRecord] = {}
    unreadable = 0
    with path.open("rb") as file:
        for line in file:
            try:
                found = decoder.decode(line) if line.endswith(b"\n") else None
            except (msgspec.DecodeError, RecursionError):
                found = None
            if isinstance(found, AnswerRecord):
                answers.append(found)
            elif isinstance(found, ShapeRecord):
                shapes[found.id] = found
            elif found is not None:
                head = head or found
            else:
                unreadable += 1
    return None if head is None else Answers(head, answers, shapes, unreadable)
