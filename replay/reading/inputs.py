"""The files that an importer was given: found in folders, read, and refused in plain words."""

import contextlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from replay.reading.databases import MAGIC, described
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError, escaped, shown_path
from replay.trace.file.explain import in_words
from replay.trace.file.stored import cannot_read
from replay.trace.file.weight import is_too_heavy

LARGEST_DOCUMENT_BYTES = 1 << 30
LARGEST_INPUT_BYTES = 4 << 30
# By these a file's format is told.
SNIFFED_BYTES = 1 << 16

# Beside a log may lie files that tell nothing, with names that come before it.
_MOST_ASKED = 32
_MOST_LOOKED_AT = 20_000
_SPOOL_BYTES = 1 << 20
_COMPRESSED = ("", ".gz", ".zst")
_TABLES = ".parquet"
_ROWS = (".json", ".csv")

_EXPECTED = re.compile(r"Expected `([^`]*)`, got `([^`]*)`").fullmatch
_Document = TypeVar("_Document")
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def input_files(paths: Sequence[Path], suffix: str, *, is_deep: bool = False) -> list[Path]:
    """The files named, and those in the folders named (in folders below where these have none), by name.

    Those in folders end in suffix, which may be a pattern, or in suffix and .gz or .zst; in place of JSON or CSV there
    may be Parquet. is_deep: those in folders below always.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        try:
            inside = () if is_deep else _ending_in(path.glob, suffix)
            inside = inside or _ending_in(path.rglob, suffix)
            if not inside and suffix.startswith(_ROWS):
                inside = _ending_in(path.rglob, _TABLES)
        except OSError as error:
            raise TraceError(cannot_read(path, error)) from error
        inside = [file for file in inside if file.is_file() and not _is_beside(file.name)]
        if not inside:
            what = f"no {suffix} files" if suffix[1:].isalnum() else "no files to import"
            raise TraceError(f"{shown_path(path)}: {what} in this folder.")
        found += inside
    return found


def _is_beside(name: str) -> bool:
    """Whether a file is hidden, or part of the database beside it."""
    return name.startswith(".") or name.endswith(("-wal", "-shm"))


def _ending_in(glob: Callable[[str], Iterator[Path]], suffix: str) -> list[Path]:
    return sorted({file for compressed in _COMPRESSED for file in glob(f"*{suffix}{compressed}")})


def first_bytes(path: Path, n: int) -> bytes:
    """What a file begins with, decompressed where it is compressed; fewer than n where it ends. Raises TraceError.

    Of a database it is how its tables were made.
    """
    with open_recording(path) as source:
        start = source.read(n)
    return described(path, n) if start.startswith(MAGIC) else start


def telling_files(path: Path) -> Iterator[Path]:
    """Files that may tell the format of a folder, as many as are worth asking; or the file.

    Those in folders below come last, and those with JSON in them first.

    Raises TraceError where the folder holds none.
    """
    if not path.is_dir():
        yield path
        return
    asked: set[Path] = set()
    for find in (path.glob, path.rglob):
        entries = islice(find("[!.]*"), _MOST_LOOKED_AT)
        inside = (entry for entry in entries if entry not in asked and entry.is_file())
        found = sorted(inside, key=lambda file: (".json" not in file.name, file))[:_MOST_ASKED]
        asked.update(found)
        yield from found
    if not asked:
        raise TraceError(f"{shown_path(path)}: no files in this folder.")


@contextlib.contextmanager
def spooled(source: BinaryIO, name: str) -> Iterator[Path]:
    """A stream as a file that can be read twice, removed at the end. name: the stream's, for people.

    A TraceError that names the file names the stream instead. Raises TraceError past 4 GiB.
    """
    with tempfile.TemporaryDirectory(prefix="replay-import-") as folder:
        path = Path(folder) / "stdin"
        try:
            _copy(source, path, name)
            yield path
        except TraceError as error:
            raise TraceError(str(error).replace(str(path), name)) from error


def _copy(source: BinaryIO, path: Path, name: str) -> None:
    size = 0
    try:
        with path.open("wb") as file:
            while piece := source.read(_SPOOL_BYTES):
                size += len(piece)
                if size > LARGEST_INPUT_BYTES:
                    text = f"more than {LARGEST_INPUT_BYTES >> 30} GiB. Write it to a file, and name that."
                    raise TraceError(f"{name}: {text}")
                file.write(piece)
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise TraceError(f"{name}: cannot be kept in {path.parent.parent}: {text}.") from error
    if not size:
        raise TraceError(f"{name}: there is nothing in it to import.")


def trace_name(paths: Sequence[Path]) -> str:
    """A name for the trace: that of the first file, without suffixes, or of the folder."""
    name = paths[0].absolute().name
    return (name.split(".")[0] or name or "trace")[:200]


def read_document(path: Path, kind: type[_Document], levels: int | None = None) -> _Document:
    """One JSON document as a value of this type. Raises TraceError that names the field.

    levels: how deep the type decodes, where what lies deeper stays JSON.
    """
    data = document_bytes(path)
    refuse_heavy(data, shown_path(path), levels)
    return decoded(data, kind, shown_path(path))


def document_bytes(path: Path) -> bytes:
    """A whole file as UTF-8. Raises TraceError past 1 GiB."""
    with open_recording(path) as source:
        return rest_of(source, shown_path(path))


def rest_of(source: BinaryIO, place: str, start: bytes = b"") -> bytes:
    """What is left of a document that begins with start. Raises TraceError past 1 GiB."""
    # Asked for all that it may be at once, Python would reserve a gigabyte for a document of a line.
    whole = io.BytesIO()
    whole.write(start)
    while piece := source.read(_SPOOL_BYTES):
        if whole.write(piece) and whole.tell() > LARGEST_DOCUMENT_BYTES:
            raise TraceError(f"{place}: larger than {LARGEST_DOCUMENT_BYTES >> 20} MiB.")
    return whole.getvalue()


def refuse_heavy(data: bytes, place: str, levels: int | None = None) -> None:
    """Raises TraceError, which begins with place, for JSON that would take too much memory once decoded."""
    if is_too_heavy(data, levels):
        raise TraceError(
            f"{place}: holds more values than can be read: they would take over a gigabyte of memory."
        )


def decoded(data: bytes, kind: type[_Document], place: str) -> _Document:
    """data as a value of this type, or a TraceError that begins with place. Numbers may be texts or floats."""
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        where = _PLACE.search(message)
        what = message[: where.start()] if where else message
        if (expected := _EXPECTED(what)) is not None:
            what = "expected {}, got {}".format(*map(in_words, expected.groups()))
        what = escaped(what.replace("`", ""))
        field = f"{where['path']}: " if where and where["path"] else ""
        raise TraceError(f"{place}: {field}{what[:1].lower()}{what[1:]}.") from error
    except msgspec.DecodeError as error:
        what = str(error).removeprefix("JSON is malformed: ")
        raise TraceError(f"{place}: not valid JSON: {escaped(what)}.") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{place}: not valid UTF-8.") from error
    except RecursionError as error:
        raise TraceError(f"{place}: nested too deeply to be read.") from error
