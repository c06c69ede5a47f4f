"""The documents in a ZIP archive, one after the other in memory: nothing is written, and no name becomes a path.

What a newer Python than ours reads by itself is read here: entries that are compressed with zstandard (method 93 of
PKWARE's APPNOTE 6.3.8), as Inspect writes its logs.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

import zstandard

from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.stored import cannot_read

_MOST_ENTRIES = 100_000
_ZSTANDARD = 93
_IS_ENCRYPTED = 1
_BROKEN = (BadZipFile, zlib.error, zstandard.ZstdError, struct.error, RuntimeError, EOFError, ValueError)
# APPNOTE 4.3.7: the head in front of an entry, which ends in the lengths of its name and of its extra field.
_HEAD = struct.Struct("<26xHH")


def zipped_documents(
    path: Path, is_wanted: Callable[[str], bool], largest_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Where each document stands, for people, and its bytes. is_wanted: by the name of an entry.

    Raises TraceError where the archive cannot be read, or holds more than anybody's would.
    """
    file = shown_path(path)
    try:
        with path.open("rb") as source, ZipFile(source) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES:
                raise TraceError(f"{file}: holds {len(entries):,} files; at most {_MOST_ENTRIES:,} are read.")
            for entry in entries:
                if is_wanted(entry.filename):
                    place = f"{file}, {shown(entry.filename)}"
                    yield place, _document(archive, source, entry, place, largest_bytes)
    except TraceError:
        raise
    except OSError as error:
        raise TraceError(cannot_read(path, error)) from error
    except _BROKEN as error:
        raise TraceError(f"{file}: is not a whole ZIP archive; it may have been cut off.") from error


def _document(archive: ZipFile, source: BinaryIO, entry: ZipInfo, place: str, largest_bytes: int) -> bytes:
    if entry.flag_bits & _IS_ENCRYPTED:
        raise TraceError(f"{place}: is encrypted. Decrypt it first.")
    with _opened(archive, source, entry) as plain:
        document = plain.read(largest_bytes + 1)
    if len(document) > largest_bytes:
        raise TraceError(f"{place}: larger than {largest_bytes >> 20} MiB.")
    return document


def _opened(archive: ZipFile, source: BinaryIO, entry: ZipInfo) -> BinaryIO:
    if entry.compress_type != _ZSTANDARD:
        return cast(BinaryIO, archive.open(entry))
    source.seek(entry.header_offset)
    name_bytes, extra_bytes = _HEAD.unpack(source.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
    source.seek(name_bytes + extra_bytes, io.SEEK_CUR)
    packed = io.BytesIO(source.read(entry.compress_size))
    return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True))
