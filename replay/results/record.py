"""Reading steps.jsonl, the audit trail; also one whose writer was killed, which ends in half a line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from replay.results.rundir import RunDirError
from replay.results.types import StepRecord
from replay.words.names import clean

_BLOCK_BYTES = 8 << 20


class ReadTally:
    """How many lines could not be read; filled while reading."""

    unreadable = 0


def read_steps(path: Path, tally: ReadTally | None = None) -> Iterator[StepRecord]:
    """Every line, in order of writing. A last line without its end, and lines that are no JSON, are left out.

    Raises RunDirError for an object that is no record: no crash writes one.
    """
    for records in read_blocks(path, tally):
        yield from records


def read_blocks(
    path: Path, tally: ReadTally | None = None, saw: Callable[[bytes], None] | None = None
) -> Iterator[list[StepRecord]]:
    """As read_steps, many lines at a time, which is several times as fast. saw: is told all bytes of the file."""
    decoder = msgspec.json.Decoder(StepRecord)
    for whole, before in _whole_lines(path, tally, saw):
        try:
            yield decoder.decode_lines(whole)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _readable(decoder, whole, path, before, tally)


def steps_of_session(path: Path, session: str) -> list[StepRecord]:
    """What read_steps gives of one session. Only lines in which its id stands are decoded: of a long run they are few.

    Raises RunDirError where one of these is no record, or ends before it began.
    """
    decoder = msgspec.json.Decoder(StepRecord)
    sought = msgspec.json.encode(session)
    found = []
    for whole, before in _whole_lines(path):
        at = whole.find(sought)
        while at >= 0:
            start, end = whole.rfind(b"\n", 0, at) + 1, whole.index(b"\n", at) + 1
            found += _readable(decoder, whole[start:end], path, before + whole.count(b"\n", 0, start), None)
            at = whole.find(sought, end)
    # Another program's line may write the same id with other escapes; then it is the same in all of its lines.
    steps = [record for record in found if record.session == session] or [
        record for record in read_steps(path) if record.session == session
    ]
    for step in steps:
        began = [at_ns for at_ns in (step.intended_ns, step.sent_ns) if at_ns is not None]
        if began and step.end_ns is not None and step.end_ns < max(began):
            raise ends_too_early(path, session, step.step)
    return steps


def ends_too_early(path: Path, session: str, step: str) -> RunDirError:
    """That a step ends before it was due or sent. No run records one: it would be faster than any."""
    return RunDirError(
        f'{path}: step "{clean(step)}" of session "{clean(session)}" ends before it began, which no run '
        "records. Copy the run again, or repeat it."
    )


def _whole_lines(
    path: Path, tally: ReadTally | None = None, saw: Callable[[bytes], None] | None = None
) -> Iterator[tuple[bytes, int]]:
    """The lines of a file, many at a time, with how many stand before them; not a last one without its end."""
    rest = b""
    before = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if saw is not None:
                saw(block)
            block = rest + block
            end = block.rfind(b"\n") + 1
            whole, rest = block[:end], block[end:]
            if whole:
                yield whole, before
                before += whole.count(b"\n")
    if rest and tally is not None:
        tally.unreadable += 1


def _readable(
    decoder: msgspec.json.Decoder[StepRecord], lines: bytes, path: Path, before: int, tally: ReadTally | None
) -> list[StepRecord]:
    """The records of these lines. before: how many lines stand before them in the file."""
    found = []
    for n, line in enumerate(lines.split(b"\n")[:-1], before + 1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if isinstance(error, msgspec.ValidationError) and line.lstrip().startswith(b"{"):
                raise RunDirError(f"{path}, line {n}: is not a record of a step ({error}).") from error
            if tally is not None:
                tally.unreadable += 1
    return found
