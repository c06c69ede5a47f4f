"""`replay trace import` reads files, compressed files, folders, pipes and stdin alike."""

import gzip
import os
import threading
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result

from replay.cli.traces.trace import trace
from replay.reading import inputs
from replay.trace.errors import TraceError
from replay.trace.file.stream import read_sessions

ROWS = (
    b'{"timestamp":0,"input_length":5,"output_length":1}\n{"timestamp":70,"input_length":6,"output_length":2}\n'
)


@pytest.fixture(autouse=True)
def spools(tmp_path, monkeypatch) -> Path:
    """The folder that temporary files go to."""
    folder = tmp_path / "spools"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def imported(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(trace, ["import", *words], input=stdin)


def starts_ms(path: Path) -> list[float]:
    return [session.start_ms for session in read_sessions(path)]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("words", [("-",), ("mooncake", "-"), ("--from", "mooncake", "-")])
def test_a_dash_is_stdin_and_nothing_of_it_is_left_behind(tmp_path, spools, compress, words):
    out = tmp_path / "out.jsonl"
    result = imported(*words, "-o", str(out), stdin=compress(ROWS))
    assert result.exit_code == 0, result.output
    assert starts_ms(out) == [0.0, 70.0]
    assert list(spools.iterdir()) == []


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_the_format_is_told_from_inside_a_compressed_file(tmp_path, compress):
    recording, out = tmp_path / "recording", tmp_path / "out.jsonl"
    recording.write_bytes(compress(ROWS))
    assert imported(str(recording), "-o", str(out)).exit_code == 0
    assert starts_ms(out) == [0.0, 70.0]


def test_compressed_files_in_a_folder_are_found(tmp_path):
    folder, out = tmp_path / "logs", tmp_path / "out.jsonl"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(ROWS))
    (folder / "b.jsonl.zst").write_bytes(zstandard.compress(ROWS))
    (folder / "c.jsonl").write_bytes(ROWS)
    assert imported("mooncake", str(folder), "-o", str(out)).exit_code == 0
    assert len(starts_ms(out)) == 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_is_read_once_and_imported(tmp_path, spools):
    pipe, out = tmp_path / "pipe", tmp_path / "out.jsonl"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=(ROWS,), daemon=True)
    writing.start()
    assert imported("mooncake", str(pipe), "-o", str(out)).exit_code == 0
    writing.join(timeout=10)
    assert starts_ms(out) == [0.0, 70.0]
    assert list(spools.iterdir()) == []


def error_of(*words: str, stdin: bytes = b"") -> str:
    error = imported(*words, stdin=stdin).exception
    assert isinstance(error, TraceError)
    return str(error)


def test_errors_name_stdin_and_not_the_temporary_file(tmp_path, spools):
    out = tmp_path / "out.jsonl"
    assert error_of("mooncake", "-", "-o", str(out), stdin=b"{") == (
        "stdin, line 1: not valid JSON: Input data was truncated. The file does not look like mooncake."
    )
    assert error_of("mooncake", "-", "-o", str(out)) == "stdin: there is nothing in it to import."
    assert list(spools.iterdir()) == []
    assert not out.exists()


def test_notes_name_stdin_too(tmp_path):
    log = b'192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /x HTTP/1.1" 200 612\nstarted\n'
    result = imported("-", "-o", str(tmp_path / "out.jsonl"), stdin=gzip.compress(log))
    assert result.exit_code == 0
    assert "The first: stdin, line 2: not in the common" in result.stderr


def test_stdin_is_read_up_to_a_limit(tmp_path, spools, monkeypatch):
    monkeypatch.setattr(inputs, "LARGEST_INPUT_BYTES", 10)
    message = error_of("mooncake", "-", "-o", str(tmp_path / "out.jsonl"), stdin=ROWS)
    assert message == "stdin: more than 0 GiB. Write it to a file, and name that."
    assert list(spools.iterdir()) == []


def test_the_format_of_a_folder_is_told_by_a_file_below_it(tmp_path):
    below, out = tmp_path / "logs" / "today", tmp_path / "out.jsonl"
    below.mkdir(parents=True)
    (below / "a.jsonl").write_bytes(ROWS)
    assert imported(str(tmp_path / "logs"), "-o", str(out)).exit_code == 0
    assert starts_ms(out) == [0.0, 70.0]


@pytest.mark.parametrize(
    ("words", "data", "said"),
    [
        (("in",), None, "in: no files in this folder."),
        (("har", "in"), None, "in: no files to import in this folder."),
        (("mooncake", "in"), None, "in: no .jsonl files in this folder."),
        (("in",), b"", "in: there is nothing in it to import."),
        (
            ("in",),
            b'{"format":"replay-trace","version":1,"name":"t"}\n',
            "in: is a trace already. Use it as it is.",
        ),
    ],
)
def test_what_is_no_recording_is_refused_for_what_it_is(tmp_path, monkeypatch, words, data, said):
    monkeypatch.chdir(tmp_path)
    if data is None:
        Path("in").mkdir()
    else:
        Path("in").write_bytes(data)
    assert str(imported(*words, "-o", "out.jsonl").exception) == said


def test_an_option_that_only_one_format_has_a_use_for_tells_it(tmp_path):
    """A log that no importer would recognise is read by the format or the keys that its user names."""
    log, out = tmp_path / "app.txt", tmp_path / "out.jsonl"
    log.write_text("971211336.000|GET|/x|200\n971211337.000|GET|/x|200\n")
    done = imported(str(log), "--log-format", "$msec|$request_method|$uri|$status", "-o", str(out))
    assert (done.exit_code, starts_ms(out)) == (0, [0.0])
    log.write_text('{"a":971211336,"b":"/x"}\n')
    assert imported(str(log), "--keys", "start=a,path=b", "-o", str(out)).exit_code == 0
    assert starts_ms(out) == [0.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("har", "--log-format", "%t %r"), "--log-format is for access-log, and the format is har. Leave one out."),
        (("--keys", "start=a,path=b", "--log-format", "%t %r"), "--keys is for json-log, and the format is access-log."),
        (("--log-format", "%t %r %Z"), "--log-format: %Z is not a directive of Apache's LogFormat."),
        (("--keys", "start=a"), "--keys: does not say what tells the path of a request. Add path=KEY."),
    ],
)  # fmt: skip
def test_a_format_that_a_user_declares_wrongly_is_told_before_anything_is_written(tmp_path, words, said):
    log, out = tmp_path / "app.txt", tmp_path / "out.jsonl"
    log.write_text("x\n")
    formats = [word for word in words[:1] if not word.startswith("-")]
    result = imported(*formats, str(log), *words[len(formats) :], "-o", str(out))
    assert result.exit_code != 0
    assert said in f"{result.output}{result.exception}"
    assert not out.exists()
