"""Files that are surely no recording: pages, pictures, archives, and traces. Told by their first bytes. Pure."""

import re
from typing import NamedTuple

_TAR_MARK = slice(257, 262)
_TEXT_CONTROLS = frozenset(b"\t\n\f\r\x1b")
_MOST_CONTROLS = 0.02


class Foreign(NamedTuple):
    """what: a noun for it, for people. to_do: sentences; may be empty."""

    what: str
    to_do: str = ""


is_evaluation = re.compile(rb"PK\x03\x04.{26}(?:_journal/|header\.json|samples/)", re.DOTALL).match
"""Of an archive's first bytes: whether it is a log of Inspect's, the one kind of archive that is a recording."""
_UNPACK = "Unpack it first."
_DISSECT = "Have tshark write it as JSON, which is read: tshark -r FILE -T json > packets.json."
_RECORD = "Record what it asks for with replay trace record."
_BESIDE = "What its program wrote last stands in the file beside it that ends in -wal: copy both."
_LOGGED_OUT = "A download may have got a sign-in or error page in place of the file."
_KINDS = tuple(
    (re.compile(pattern).match, Foreign(*told))
    for pattern, told in (
        (rb'\s*\{\s*"format"\s*:\s*"replay-trace"', ("a trace already", "Use it as it is.")),
        (
            rb"\s*<!DOCTYPE html>(?s:.){0,4000}?<title>(?:Newman Summary Report|Locust|Bruno|[^<]{0,40}k6[^<]{0,40})",
            (
                "a page that shows results of a load test",
                "Import what the tool writes of each request, as JSON or CSV.",
            ),
        ),
        (
            rb"(?s:.){0,40}?\x06Result\x01",
            ("what vegeta itself writes", "Run vegeta encode --to json on it first."),
        ),
        (
            rb"\s*(?:<\?xml[^>]{0,200}>\s*)?<(?i:!--|!doctype html|html|head|body)",
            ("a web page (HTML)", _LOGGED_OUT),
        ),
        (rb"\s*<\?xml\b(?![^>]{0,200}>\s*(?:<!--[^>]{0,500}>\s*)?<testResults\b)", ("XML",)),
        (rb"PK(?:\x03\x04|\x05\x06)", ("a ZIP archive", _UNPACK)),
        (rb"7z\xbc\xaf\x27\x1c", ("a 7z archive", _UNPACK)),
        (rb"\xfd7zXZ\0", ("compressed with xz", "Decompress it first.")),
        (rb"BZh[1-9]1AY&SY", ("compressed with bzip2", "Decompress it first.")),
        (
            rb"(?:\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1|\xa1\xb2\x3c\x4d|\n\r\r\n)",
            ("a capture of packets", _DISSECT),
        ),
        (rb"\x89PNG\r\n", ("a picture (PNG)",)),
        (rb"\xff\xd8\xff", ("a picture (JPEG)",)),
        (rb"GIF8[79]a", ("a picture (GIF)",)),
        (rb"%PDF-", ("a PDF document",)),
        (
            rb"SQLite format 3\0\s*\Z",
            ("an SQLite database without tables, or that cannot be read", _BESIDE),
        ),
        (
            rb"SQLite format 3\0(?s:.){0,20000}?CREATE TABLE \W?messages\W(?s:.){0,200}?parts TEXT",
            ("Crush's database, which has times in whole seconds and no tokens of single calls", _RECORD),
        ),
        (
            rb"SQLite format 3\0(?s:.){0,20000}?CREATE TABLE \W?messages\W(?s:.){0,200}?content_json TEXT",
            ("Goose's database, which has times in whole seconds and no tokens of single calls", _RECORD),
        ),
        (
            rb"SQLite format 3\0(?s:.){0,20000}?checkpoint_ns\b",
            (
                "LangGraph's checkpoints, which do not tell of single calls",
                "Import its traces (LangSmith, OTLP).",
            ),
        ),
        (
            # Of MLflow, OpenCode.
            rb"SQLite format 3\0(?!(?s:.*)(?:start_time_unix_nano|CREATE TABLE .part.))",
            ("an SQLite database of another kind than MLflow's or OpenCode's",),
        ),
        (
            rb"PAR1",
            ("a Parquet file that is compressed as a whole", "Unpack it into a file."),
        ),
        (rb"\x7fELF", ("a program",)),
    )
)


def foreign(first_bytes: bytes) -> Foreign | None:
    """What the file is; None where it may be a recording."""
    if is_evaluation(first_bytes):
        return None
    for matches, kind in _KINDS:
        if matches(first_bytes):
            return kind
    return Foreign("a tar archive", _UNPACK) if first_bytes[_TAR_MARK] == b"ustar" else None


def is_binary(first_bytes: bytes) -> bool:
    """Whether more than a few of these bytes are such as no text has."""
    controls = sum(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in first_bytes)
    return controls > _MOST_CONTROLS * len(first_bytes)
