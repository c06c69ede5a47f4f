"""A file that is not of the format that was named is refused in plain words, which say what it is."""

import gzip
import itertools
import re
import sys

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.explained import Explained
from replay.importers.foreign import foreign, is_binary
from replay.trace.errors import TraceError
from tests.support.recordings import FORMATS, in_place_of_mitmproxy

every_importer = pytest.mark.parametrize("name", IMPORTERS)

EVERY_BYTE = bytes(range(256))
PAGE = b"<!-- x -->\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
KINDS = {
    "": ("there is nothing in it to import.", b""),
    "blanks": ("there is nothing in it to import.", b" \n\r\n\t\n"),
    "page": ("is a web page (HTML), not {}. A download", PAGE),
    "xhtml": ("is a web page (HTML), not {}. A download", b'<?xml version="1.0"?>\n<html></html>'),
    "xml": ("is XML, not {}.", b'<?xml version="1.0"?>\n<log/>\n'),
    "picture": ("is a picture (PNG), not {}.", b"\x89PNG\r\n\x1a\n" + EVERY_BYTE),
    "archive": ("is a ZIP archive, not {}. Unpack it first.", b"PK\x03\x04" + EVERY_BYTE),
    "tar": ("is a tar archive, not {}. Unpack it first.", b"a.log".ljust(257, b"\0") + b"ustar\0" + EVERY_BYTE),
    "xz": ("is compressed with xz, not {}. Decompress it first.", b"\xfd7zXZ\0" + EVERY_BYTE),
    "packets": ("is a capture of packets, not {}. Have tshark write it as JSON", b"\xd4\xc3\xb2\xa1\2\0\4\0" + EVERY_BYTE),
    "trace": ("is a trace already, not {}. Use it as it is.", b'{"format":"replay-trace","version":1}\n'),
}  # fmt: skip
# The Python names of types, and what a parser thinks of a file that it should not have been given.
JARGON = re.compile(r"\b(?:got|expected) (?:str|int|float|bool|object|array)\b|\| null|malformed|Traceback")


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    for name, module in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def said(name, tmp_path):
    """What is said of a file with these bytes, without the name of the file, by the importer of this name."""

    def of(data, **options):
        path = tmp_path / "recording"
        path.write_bytes(data)
        with pytest.raises(TraceError) as refused:
            list(IMPORTERS[name].read([path], ImportOptions(**options)).sessions())
        message = str(refused.value)
        assert message.startswith(str(path))
        assert JARGON.search(message) is None
        return message.removeprefix(str(path)).removeprefix(": ")

    return of


@every_importer
def test_a_recording_of_another_format_is_said_to_look_like_that(name, said):
    for other in IMPORTERS.keys() - {name}:
        assert said(FORMATS[other].of(3).encode()) == (
            f"looks like {other}, not {name}. Name {other} in place of {name}, or no format."
        )


@every_importer
def test_a_file_that_is_no_recording_is_said_to_be_what_it_is(name, said):
    for begins, data in KINDS.values():
        assert said(data).startswith(begins.format(name))
        assert said(gzip.compress(data)).startswith(begins.format(name))


@every_importer
@pytest.mark.parametrize(
    "data",
    [b"hello there\nand more\n", b"1\n2\n", b"[1,2]\n", b'{"a":1}\n', b"a,b\n1,2\n", b'"x"\n', b"null\n", b"a: 1\nb:\n - 2\n"],
)  # fmt: skip
def test_a_file_that_looks_like_nothing_is_said_not_to_look_like_the_format(name, said, data):
    assert f"The file does not look like {name}." in said(data)


@every_importer
def test_what_is_neither_text_nor_known_is_said_to_be_binary(name, said):
    assert f"The file is binary data, and does not look like {name}." in said(b"\5" + EVERY_BYTE * 4)


@pytest.mark.parametrize("name", ["claude-code", "access-log", "azure-llm"])
def test_the_file_that_is_wrong_is_found_among_those_of_a_folder(name, tmp_path):
    file = tmp_path / "logs" / f"a{FORMATS[name].suffix}"
    file.parent.mkdir()
    file.write_bytes(PAGE)
    with pytest.raises(TraceError) as refused:
        IMPORTERS[name].read([tmp_path / "logs"], ImportOptions())
    assert str(refused.value).startswith(f"{file}: is a web page (HTML), not {name}.")


@pytest.mark.parametrize("name", ["mooncake", "codex", "access-log"])
def test_a_damaged_recording_of_its_own_format_is_not_said_to_be_another(name, said):
    record = FORMATS[name].record(0, "x")
    message = said(b"garbage\n" + record.encode(), strict=True)
    assert message.startswith(", line 1: ")
    assert "look" not in message


@pytest.mark.parametrize(("name", "options"), [("access-log", {"log_format": '"$request" $msec'}), ("json-log", {"keys": "start=ts,path=p"})])  # fmt: skip
def test_where_the_layout_was_said_nothing_is_guessed(name, options, said):
    assert "looks like" not in said(FORMATS["har"].of(3).encode(), **options)


def test_what_is_wrong_later_is_explained_as_well(tmp_path):
    """Importers may read only as their sessions are asked for."""
    path = tmp_path / "page"
    path.write_bytes(PAGE)

    class Late:
        name = describe = "late"

        def sniff(self, first_bytes):
            return False

        def read(self, paths, options):
            def sessions():
                raise TraceError(f"{path}, line 1: odd.")
                yield

            result = IMPORTERS["mooncake"].read(paths, options)
            return type(result)(result.header, sessions, ())

    rows = tmp_path / "rows.jsonl"
    rows.write_text(FORMATS["mooncake"].of(2))
    result = Explained(Late(), IMPORTERS).read([rows, path][:1], ImportOptions())
    with pytest.raises(TraceError, match=r"line 1: odd\.$"):
        list(result.sessions())


def test_recordings_are_neither_foreign_nor_binary():
    for each, count in itertools.product(FORMATS.values(), (1, 5)):
        data = each.of(count, "ä€😀").encode()
        assert foreign(data) is None
        assert not is_binary(data)
    assert not is_binary("naïve café".encode("latin-1"))
    assert not is_binary(b"")
