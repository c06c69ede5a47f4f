"""Files of some kilobytes that unpack, or decode, to gigabytes: refused in little memory, by every reader."""

import subprocess
import sys
import zlib

import pytest
import zstandard

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError
from replay.trace.file import stored
from replay.trace.file.stream import find_errors, scan

HEAD = b'{"format":"replay-trace","version":1,"name":"bomb"}\n'
STEPS = HEAD + b'{"id":"s","start_ms":0,"steps":[{'
# Who is to read it, and what it begins with, repeats, and ends with.
BOMBS = {
    "list": ("*", b"[{}", b",{}", b"]\n"),
    "numbers": ("trace", STEPS + b'"id":"a","kind":"llm","llm":{"prefix":[', b"1,", b"1]}}]}\n"),
    "steps": ("trace", STEPS + b"}", b",{}", b"]}\n"),
    "edges": ("trace", STEPS + b'"id":"a","after":[{}', b",{}", b"]}]}\n"),
    "unknown": ("trace", STEPS + b'"x":[{}', b",{}", b"]}]}\n"),
    "har": ("har", b'{"log":{"creator":{},"entries":[{}', b",{}", b"]}}"),
    "packets": ("tshark", b'[{"_index":"x","_source":{"layers":{"a":[{}', b",{}", b"]}}}]"),
    "sessions": ("claude-sessions", b'{"id":"a","block_size":64,"requests":[{"t":0}', b',{"t":0}', b"]}"),
    "spans": ("otlp", b'{"resourceSpans":[{}', b",{}", b"]}"),
    "attributes": ("otlp", b'{"resourceSpans":[{"resource":{"attributes":[{}', b",{}", b"]}}]}"),
    "scopes": ("otlp", b"\x0a\x80\x80\xc0\x01", b"\x12\x00", b""),
    "entries": ("cloud-run", b'{"entries":[{}', b",{}", b"]}\n"),
    "ids": ("mooncake", b'{"timestamp":0,"input_length":5,"hash_ids":[1', b",1", b"]}\n"),
    "headers": ("vegeta", b'{"method":"GET","url":"http://a/","header":{"a":[""', b',""', b"]}}\n"),
    "records": ("claude-code", b'{"type":"assistant","message":{"content":[{}', b",{}", b"]}}\n"),
}

# All of them by their readers, within 200 MB more than Python takes by itself. The bounds are
# a sixteenth of the real ones, and so are the bombs; the ratio stays as it is.
READ_ALL = """
import resource, sys
from pathlib import Path
import replay.trace.file.weight as weight
from replay.trace.file import stored
from replay.trace.errors import TraceError
from replay.trace.file.stream import find_errors, scan
from replay.importers import IMPORTERS
from replay.importers.tracing import otlp_protobuf
from replay.assembly.types import ImportOptions

weight.MOST_DECODED_BYTES >>= 4
weight._LIGHT_BYTES >>= 4
stored._SMALL_BYTES >>= 4
otlp_protobuf._MOST_SCOPES >>= 4
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (200 << 20), -1))
for path in map(Path, sys.argv[1:]):
    of = path.suffixes[0][1:]
    for name in [*IMPORTERS, "trace"] if of == "*" else [of]:
        try:
            list(find_errors(path)) if name == "trace" else IMPORTERS[name].read([path], ImportOptions()).sessions()
        except TraceError:
            pass
        except BaseException as error:
            print(path.name, name, repr(error))
"""


def packed(path, head, unit, tail, size):
    """Writes a file that unpacks to this size."""
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as sink:
        sink.write(head)
        sink.write(unit * (size // len(unit)))
        sink.write(tail)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded as Linux does")
def test_whatever_a_small_file_decodes_to_takes_little_memory(tmp_path):
    # Below the bound on what may be unpacked from little, so that what is decoded is what counts.
    paths = [
        packed(tmp_path / f"{name}.{reader}.zst", *parts, (4 << 20) - 4096)
        for name, (reader, *parts) in BOMBS.items()
    ]

    done = subprocess.run([sys.executable, "-c", READ_ALL, *map(str, paths)], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def zstd(data):
    return zstandard.ZstdCompressor().compress(data)


def gzip(data):
    return zlib.compress(data, wbits=31)


@pytest.mark.parametrize("compress", [zstd, gzip], ids=["zstandard", "gzip"])
@pytest.mark.parametrize("frames", [1, 8], ids=["one frame", "many"])
def test_a_file_that_unpacks_too_far_is_refused(compress, frames, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_SMALL_BYTES", 1 << 20)
    blanks = b" " * ((1 << 21) // frames)
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(b"".join([compress(HEAD + blanks), *[compress(blanks)] * (frames - 1)]))

    with pytest.raises(TraceError) as caught:
        scan(path)

    assert str(caught.value) == (
        f"{path}: unpacks to more than 500 times its size, as hostile files do. If it is sound, decompress it with "
        f"{compress.__name__.replace('zstd', 'zstandard')}, and name what comes out."
    )


def test_a_recording_that_repeats_its_prompts_is_no_bomb(write_trace, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_SMALL_BYTES", 1 << 20)
    prompt = "".join(f"{n:x} " for n in range(20_000))
    steps = [
        write_trace.get(
            f"a{n}", method="POST", request={"method": "POST", "path": "/", "body": f"{prompt} {n}"}
        )
        for n in range(60)
    ]
    path = tmp_path / "trace.jsonl.zst"
    path.write_bytes(zstd(write_trace((0, steps)).read_bytes()))

    assert scan(path).steps == 60
    assert path.stat().st_size * 100 < (60 * len(prompt))


FIRST_LINES = {
    "trace": HEAD,
    "azure-llm": b"TIMESTAMP,ContextTokens,GeneratedTokens\n",
    "burstgpt": b"Timestamp,Model,Request tokens,Response tokens\n",
    "azure-functions": b"app,func,end_timestamp,duration\n",
}
# One document, or records that are told apart by other means than lines: a blank in them costs no more than its byte.
NOT_OF_LINES = {"claude-sessions", "otlp", "har", "gor", "tshark", "mitmproxy", "postman", "k6-script"}


@pytest.mark.parametrize("name", ["trace", *(name for name in IMPORTERS if name not in NOT_OF_LINES)])
def test_blank_lines_without_end_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_MOST_BLANK_LINES", 100)
    path = tmp_path / "blank.jsonl"
    path.write_bytes(FIRST_LINES.get(name, b"") + b"\n" * (1 << 16))

    with pytest.raises(TraceError) as caught:
        scan(path) if name == "trace" else list(IMPORTERS[name].read([path], ImportOptions()).sessions())

    assert str(caught.value) == f"{path}: more than 100 blank lines."


def test_what_is_wrong_with_a_heavy_line_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.trace.file.weight.MOST_DECODED_BYTES", 1 << 10)
    monkeypatch.setattr("replay.trace.file.weight._LIGHT_BYTES", 1)
    _, head, unit, tail = BOMBS["steps"]
    path = tmp_path / "heavy.jsonl"
    path.write_bytes(head + unit * 100 + tail)

    (error,) = find_errors(path)

    assert str(error) == (
        f"{path}, line 2: holds more values than a session may: they would take over a gigabyte of memory."
    )
