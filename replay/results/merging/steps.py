"""The lines of several workers as one steps.jsonl, in order of time, each line as it was written.

A worker writes its lines in the order in which they became known, which is nearly that of their ends. That order is
kept; lines of different workers are put in order of the latest end that was written so far.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import IO

import msgspec

from replay.results.manifest_types import WorkerFacts
from replay.results.types import INTERRUPTED

_BLOCK_BYTES = 4 << 20
_OUT_BYTES = 1 << 20


class _Line(msgspec.Struct, gc=False):
    """What of a line is needed to put it in its place, and to count it."""

    outcome: str = ""
    intended_ns: int | None = None
    sent_ns: int | None = None
    end_ns: int | None = None
    final: bool = True
    handshake: bool = False
    error: str | None = None


class Tally:
    """What one worker's lines add up to. settled: steps that ended in one way or another.

    intended_ns, sent_ns: the last instants at which a step was intended, and sent.
    """

    def __init__(self) -> None:
        self.settled = 0
        self.intended_ns = self.sent_ns = 0

    def __repr__(self) -> str:
        return f"<Tally {self.settled} settled>"

    def add(self, line: _Line) -> None:
        self.settled += line.final
        if line.intended_ns is not None and line.sent_ns is not None and not line.handshake:
            self.intended_ns = max(self.intended_ns, line.intended_ns)
            self.sent_ns = max(self.sent_ns, line.sent_ns)


def merge_steps(files: Sequence[Path], workers: Sequence[WorkerFacts], out: IO[bytes]) -> list[Tally]:
    """Write the lines of all files to `out`; returns what each file has.

    A worker that was lost may have ended by itself what was under way then: that counts as never recorded.
    """
    tallies = [Tally() for _ in files]
    streams = [
        _placed(file, tally, is_lost=worker.lost is not None)
        for file, tally, worker in zip(files, tallies, workers, strict=True)
    ]
    waiting: list[bytes] = []
    size = 0
    for _, line in merge(*streams, key=lambda placed: placed[0]):
        waiting.append(line)
        size += len(line)
        if size > _OUT_BYTES:
            out.writelines(waiting)
            waiting.clear()
            size = 0
    out.writelines(waiting)
    return tallies


def _placed(file: Path, tally: Tally, *, is_lost: bool) -> Iterator[tuple[int, bytes]]:
    """Each line of a file with its place in time, which never goes back."""
    latest_ns = 0
    if not file.exists():
        return
    for lines in _blocks(file):
        for line, known in zip(lines, _known(lines), strict=True):
            if known is not None:
                if is_lost and known.error == INTERRUPTED:
                    continue
                tally.add(known)
                at_ns = known.end_ns if known.end_ns is not None else known.intended_ns
                if at_ns is not None and at_ns > latest_ns:
                    latest_ns = at_ns
            yield latest_ns, line


def _blocks(file: Path) -> Iterator[list[bytes]]:
    """Whole lines, many at a time. A last one that was cut short is given its end: no reader takes it for a record."""
    rest = b""
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield [line + b"\n" for line in lines]
    if rest:
        yield [rest + b"\n"]


def _known(lines: list[bytes]) -> list[_Line | None]:
    try:
        found: list[_Line | None] = list(_decoder.decode_lines(b"".join(lines)))
        if len(found) == len(lines):
            return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return [_one(line) for line in lines]


def _one(line: bytes) -> _Line | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_decoder = msgspec.json.Decoder(_Line)
