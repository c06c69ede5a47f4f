"""Reading steps.jsonl, the audit trail; also one whose writer was killed, which ends in half a line."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.results.types import StepRecord

_BLOCK_BYTES = 1 << 20


class ReadTally:
    """How many lines could not be read; filled while reading."""

    unreadable = 0


def read_steps(path: Path, tally: ReadTally | None = None) -> Iterator[StepRecord]:
    """Every line, in order of writing. A last line without its end, and lines that are no records, are left out."""
    for records in read_blocks(path, tally):
        yield from records


def read_blocks(path: Path, tally: ReadTally | None = None) -> Iterator[list[StepRecord]]:
    """As read_steps, many lines at a time, which is several times as fast."""
    decoder = msgspec.json.Decoder(StepRecord)
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            whole, rest = block[:end], block[end:]
            if not whole:
                continue
            try:
                yield decoder.decode_lines(whole)
            except msgspec.DecodeError:
                yield _readable(decoder, whole, tally)
    if rest and tally is not None:
        tally.unreadable += 1


def _readable(
    decoder: msgspec.json.Decoder[StepRecord], lines: bytes, tally: ReadTally | None
) -> list[StepRecord]:
    found = []
    for line in lines.splitlines():
        try:
            found.append(decoder.decode(line))
        except msgspec.DecodeError:
            if tally is not None:
                tally.unreadable += 1
    return found
