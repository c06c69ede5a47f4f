"""Samples of JMeter out of its results in XML, by the names of the columns that its CSV has for the same. Pure.

The layout is that of JMeter's manual, "XML Log format 2.2": elements `httpSample` and `sample` with short attributes,
one inside another where a sample is made of others, as a transaction and a request with its redirects are. Such a one
is passed over for those in it. Documents that declare entities are refused: nothing that JMeter writes does.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from replay.importers.reading.damage import Damage
from replay.importers.reading.opened import open_recording
from replay.trace.errors import TraceError, shown_path

_PIECE_BYTES = 1 << 16
_LONGEST_TEXT = 1 << 16
_MOST_DEPTH = 100
_SAMPLES = ("httpSample", "sample")
_COLUMNS = {
    "ts": "timestamp", "t": "elapsed", "lb": "label", "rc": "responsecode", "tn": "threadname", "lt": "latency",
    "by": "bytes", "sby": "sentbytes", "s": "success", "hn": "hostname",
}  # fmt: skip
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


def read_xml_samples(path: Path, damage: Damage) -> Iterator[tuple[int, dict[str, str]] | None]:
    """Each sample with its line; None for one that is made of others. One that was cut off ends the file.

    Raises TraceError for what is not XML from its beginning on.
    """
    place = shown_path(path)
    found = _Samples(place)
    told_holders = is_begun = 0
    with open_recording(path) as source:
        while True:
            piece = source.read(_PIECE_BYTES)
            try:
                found.parser.Parse(piece, not piece)
            except expat.ExpatError as error:
                why = TraceError(
                    f"{place}, line {error.lineno}: not valid XML: {expat.ErrorString(error.code)}."
                )
                if not is_begun and not found.done:
                    raise why from error
                damage.lines += 1
                damage.lose(why)
                piece = b""
            for sample in found.done:
                damage.lines += 1
                yield sample
            is_begun += len(found.done)
            found.done.clear()
            while told_holders < found.holders:
                told_holders += 1
                yield None
            if not piece:
                return
