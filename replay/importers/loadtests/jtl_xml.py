"""Samples of JMeter out of its results in XML, by the names of the columns that its CSV has for the same. Pure.

The layout is that of JMeter's manual, "XML Log format 2.2": elements `httpSample` and `sample` with short attributes,
one inside another where a sample is made of others, as a transaction and a request with its redirects are. Such a one
is passed over for those in it. Documents that declare entities are refused: nothing that JMeter writes does. What it
writes of answers, where it was told to keep them, has characters that no XML may have: they are read as U+FFFD.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from replay.reading.damage import Damage
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path

_PIECE_BYTES = 1 << 16
_LONGEST_TEXT = 1 << 16
_MOST_DEPTH = 100
_SAMPLES = ("httpSample", "sample")
_COLUMNS = {
    "ts": "timestamp", "t": "elapsed", "lb": "label", "rc": "responsecode", "tn": "threadname", "lt": "latency",
    "by": "bytes", "sby": "sentbytes", "s": "success", "hn": "hostname",
}  # fmt: skip
_REFERENCE = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,10}));")
_CUT_REFERENCE = re.compile(rb"&(?:#(?:x[0-9A-Fa-f]{0,8}|[0-9]{0,10}))?\Z")
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
_WITHOUT_CONTROLS = bytes.maketrans(_CONTROLS, b"?" * len(_CONTROLS))
_TEXTS = {"java.net.URL": "url", "method": "method"}


class _Sample:
    def __init__(self, attributes: dict[str, str], line: int) -> None:
        self.cells = {_COLUMNS.get(name, name.lower()): value for name, value in attributes.items()}
        self.line = line
        self.holds_samples = False


class _Samples:
    """What a parser finds. done: samples that have ended and are not taken yet, each with its line."""

    def __init__(self, place: str) -> None:
        self.done: list[tuple[int, dict[str, str]]] = []
        self.holders = 0
        self._open: list[_Sample] = []
        self._text: list[str] | None = None
        self._text_length = 0
        self._place = place
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _SAMPLES:
            if len(self._open) >= _MOST_DEPTH:
                raise TraceError(f"{self._place}, line {self.parser.CurrentLineNumber}: nested too deeply.")
            if self._open:
                self._open[-1].holds_samples = True
            self._open.append(_Sample(attributes, self.parser.CurrentLineNumber))
        elif name in _TEXTS and self._open:
            self._text, self._text_length = [], 0

    def _end(self, name: str) -> None:
        if name in _TEXTS and self._text is not None and self._open:
            self._open[-1].cells[_TEXTS[name]] = "".join(self._text)
            self._text = None
        elif name in _SAMPLES and self._open:
            sample = self._open.pop()
            self.holders += sample.holds_samples
            if not sample.holds_samples:
                self.done.append((sample.line, sample.cells))

    def _characters(self, text: str) -> None:
        if self._text is not None and self._text_length < _LONGEST_TEXT:
            self._text.append(text)
            self._text_length += len(text)

    def _refuse(self, *_: object) -> None:
        raise TraceError(f"{self._place}: declares entities, which no result of JMeter does.")


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    """A document piece by piece, without the characters that XML does not allow; the last piece is empty."""
    held = b""
    while piece := source.read(_PIECE_BYTES):
        held += piece
        cut = _CUT_REFERENCE.search(held)
        whole, held = (held, b"") if cut is None else (held[: cut.start()], held[cut.start() :])
        if whole:
            yield _REFERENCE.sub(_allowed, whole.translate(_WITHOUT_CONTROLS))
    if held:
        yield held
    yield b""


def _allowed(reference: "re.Match[bytes]") -> bytes:
    """The reference, or one to U+FFFD where XML does not allow its character (XML 1.0, section 2.2)."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    is_char = code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
    return reference[0] if is_char or 0x10000 <= code <= 0x10FFFF else b"&#xFFFD;"


def read_xml_samples(path: Path, damage: Damage) -> Iterator[tuple[int, dict[str, str]] | None]:
    """Each sample with its line; None for one that is made of others. One that was cut off ends the file.

    Raises TraceError for what is not XML from its beginning on.
    """
    place = shown_path(path)
    found = _Samples(place)
    told_holders = is_begun = 0
    with open_recording(path) as source:
        for piece in _pieces(source):
            is_last = not piece
            try:
                found.parser.Parse(piece, is_last)
            except expat.ExpatError as error:
                why = TraceError(
                    f"{place}, line {error.lineno}: not valid XML: {expat.ErrorString(error.code)}."
                )
                if not is_begun and not found.done:
                    raise why from error
                damage.lines += 1
                damage.lose(why)
                is_last = True
            for sample in found.done:
                damage.lines += 1
                yield sample
            is_begun += len(found.done)
            found.done.clear()
            while told_holders < found.holders:
                told_holders += 1
                yield None
            if is_last:
                return
