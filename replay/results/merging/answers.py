"""answers.jsonl of several workers as one: each has numbered the shapes that it saw from 1, so they are numbered on."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from replay.results.answer_types import AnswerRecord, AnswersHead, ShapeRecord

_Record = AnswersHead | ShapeRecord | AnswerRecord


def merge_answers(files: Sequence[Path], out: IO[bytes]) -> None:
    """Write the lines of all files to `out`, one file after the other, under one head."""
    decoder, encoder = msgspec.json.Decoder(_Record), msgspec.json.Encoder()
    has_head = False
    before = last = 0
    for file in files:
        if not file.exists():
            continue
        before = last
        with file.open("rb") as lines:
            for line in lines:
                try:
                    record = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    # Cut short, where the worker was killed.
                    continue
                if isinstance(record, AnswersHead):
                    if has_head:
                        continue
                    has_head = True
                elif isinstance(record, ShapeRecord):
                    record.id += before
                    last = max(last, record.id)
                elif record.shape is not None:
                    record.shape += before
                out.write(encoder.encode(record) + b"\n")
