"""steps.parquet: the lines of a run as a column file, where the extra `parquet` (pyarrow) is installed.

It is a cache, made when a long run is read for the first time, and deleting it loses nothing: steps.jsonl stays the
record. It says of which bytes it was made. One that was made of others is passed over and made anew, so that no
verdict rests on lines that are not there. What a reader needs of it is read row group by row group, a column at a time.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from replay.results.rundir import RunDirError
from replay.results.tables.column_file import ColumnFile, ColumnWriter, column_error, has_parquet
from replay.results.tables.table import Made, Table
from replay.results.types import STEPS_FILE
from replay.system.files import part_of, settle
from replay.words.numbers import size

CACHE_FILE = "steps.parquet"
LEAST_BYTES = 16 << 20
"""Of text that is worth a cache: less is read in a moment."""
# Of text that takes some seconds to read.
_LONG_BYTES = 128 << 20

_VERSION = 5
_FACTS = b"replay"


class _Facts(msgspec.Struct):
    """Of what a cache was made. unreadable: lines of the text that are not in it."""

    version: int
    text_bytes: int
    text_mtime_ns: int
    text_blake2b: str
    unreadable: int


class Cached:
    """A cache that can be used. unreadable: lines of the text that could not be read."""

    def __init__(self, file: ColumnFile, unreadable: int, path: Path) -> None:
        self._file = file
        self._path = path
        self.unreadable = unreadable

    def __repr__(self) -> str:
        return f"<Cached {self._path}>"

    def tables(self) -> Iterator[Table]:
        """All lines, in order. A column that cannot be read raises RunDirError when it is asked for."""
        for group, n in enumerate(self._file.group_rows()):
            yield Table(n, partial(self._column, group))

    def _column(self, group: int, name: str) -> Made:
        try:
            return self._file.column(group, name)
        except (column_error(), OSError, ValueError) as cause:
            raise RunDirError(
                f"{self._path}: cannot be read. Delete it; it is made anew from steps.jsonl."
            ) from cause


def cached(text: Path) -> Cached | None:
    """The cache of this steps.jsonl, None where there is none that was made of it."""
    path = text.with_name(CACHE_FILE)
    if not path.is_file() or not has_parquet():
        return None
    try:
        file = ColumnFile(path)
        facts = msgspec.json.decode(file.metadata.get(_FACTS, b""), type=_Facts)
        is_of_it = facts.version == _VERSION and _was_made_of(facts, text)
    except (column_error(), OSError, ValueError, msgspec.DecodeError):
        return None
    return Cached(file, facts.unreadable, path) if is_of_it else None


def _was_made_of(facts: _Facts, text: Path) -> bool:
    """A text of the same size and time is taken for the same; where a copy has another time, its bytes are compared."""
    status = text.stat()
    if status.st_size != facts.text_bytes:
        return False
    if status.st_mtime_ns == facts.text_mtime_ns:
        return True
    digest = hashlib.blake2b()
    with text.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == facts.text_blake2b


class Caching:
    """Writes a cache while its text is read: `saw` every byte of it, `add` every table, and `finish`.

    Where the disk or the directory takes none, there is none: whoever reads has what it read.
    """

    def __init__(self, text: Path) -> None:
        self._text = text
        self._status = text.stat()
        self._digest = hashlib.blake2b()
        self._bytes = 0
        self._path = text.with_name(CACHE_FILE)
        self._part = part_of(self._path)
        self._writer: ColumnWriter | None = None
        with self._or_none():
            self._writer = ColumnWriter(self._part)

    def __repr__(self) -> str:
        return f"<Caching {self._path}>"

    def saw(self, data: bytes) -> None:
        """More bytes of the text."""
        self._digest.update(data)
        self._bytes += len(data)

    def add(self, table: Table) -> None:
        """More lines."""
        if self._writer is not None:
            with self._or_none():
                self._writer.add(table)

    def finish(self, unreadable: int) -> None:
        """All of the text was read; the cache gets its name, unless the text has changed meanwhile."""
        if self._writer is None:
            return
        status = self._text.stat()
        is_as_it_was = (status.st_size, status.st_mtime_ns) == (self._bytes, self._status.st_mtime_ns)
        facts = _Facts(_VERSION, self._bytes, status.st_mtime_ns, self._digest.hexdigest(), unreadable)
        with self._or_none():
            self._writer.close({_FACTS: msgspec.json.encode(facts)})
            if is_as_it_was:
                settle(self._part, self._path)

    def close(self) -> None:
        """Leaves nothing half-written behind."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _or_none(self) -> Iterator[None]:
        try:
            yield
        except (OSError, column_error()):
            self.close()


def caching(text: Path) -> Caching | None:
    """Writes a cache of this steps.jsonl; None where that is not possible, or not worth it."""
    if text.stat().st_size < LEAST_BYTES or not has_parquet():
        return None
    return Caching(text)


def missed(run_dir: Path) -> str | None:
    """What a cache of this long run would gain, in a sentence, where there can be none for want of the extra."""
    text = run_dir / STEPS_FILE
    try:
        text_bytes = text.stat().st_size
    except OSError:
        return None
    if text_bytes < _LONG_BYTES or has_parquet():
        return None
    return (
        f"{text}: {size(text_bytes)} of text, read again by each command. With the extra parquet it would be read "
        "once, and take a third of the time from then on: pip install 'agent-replay[parquet]'"
    )
