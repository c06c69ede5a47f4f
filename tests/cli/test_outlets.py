"""A command whose output nobody reads any more, or that cannot be written, ends as it should."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def trace(write_trace):
    return write_trace(*[(n * 2.0, [write_trace.get("a", "/a?ms=1")]) for n in range(400)])


def unread(*arguments):
    """The exit code, where the reader of both outputs has gone before anything is printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stderr.close()
    return process.wait(timeout=60)


# A machine that could not keep up decides nothing; a gate that nobody reads must say so all the same.
ENDS = {"pass": (0, ' failures="0"'), "fail": (1, "<failure"), "inconclusive": (3, "<skipped")}


@pytest.mark.parametrize(("slo", "verdict"), [("p50 < 10s", "pass"), ("p50 < 1us", "fail")])
def test_a_gate_whose_reader_has_gone_ends_with_its_verdict(slo, verdict, trace, truth, tmp_path):
    junit = tmp_path / "junit.xml"

    ended = unread("gate", trace, "-t", truth.url, "--slo", slo, "--out", tmp_path / "run", "--junit", junit)

    told = json.loads((tmp_path / "run" / "verdict.json").read_text())["verdict"]
    assert told in (verdict, "inconclusive")
    code, said = ENDS[told]
    assert ended == code
    assert said in junit.read_text()


def test_a_run_whose_reader_has_gone_sends_every_step(trace, truth, tmp_path):
    assert unread("run", trace, "-t", truth.url, "--out", tmp_path / "run") == 0
    assert len((tmp_path / "run" / "steps.jsonl").read_text().splitlines()) == 400


def test_bad_input_stays_bad_where_nobody_reads_why(tmp_path):
    assert unread("run", tmp_path / "none.jsonl", "-t", "http://127.0.0.1:9") == 2


def test_output_with_no_space_left_is_said_once():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "replay", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert (ended.returncode, ended.stderr) == (4, "replay: standard output: No space left on device\n")


def test_a_command_started_without_output_runs():
    ended = subprocess.run(
        f"{sys.executable} -m replay --help >&-", shell=True, stderr=subprocess.PIPE, text=True
    )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_whose_streams_were_closed_is_carried_out(closed, trace, truth, tmp_path):
    """The first socket took the number of standard input, for which libuv ends the process (SIGABRT)."""
    run = f"{sys.executable} -m replay run {trace} -t {truth.url} --out {tmp_path / 'run'}"

    ended = subprocess.run(f"{run} {closed}", shell=True, capture_output=True)

    assert ended.returncode == 0
    assert (tmp_path / "run" / "summary.json").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_where_nothing_can_be_said_the_exit_code_is_that_of_a_command_that_was_not_carried_out():
    """It was 1, which is a verdict of fail."""
    ended = subprocess.run(f"{sys.executable} -m replay --help >/dev/full 2>/dev/full", shell=True)

    assert ended.returncode == 4


def gate_of(trace, truth, tmp_path):
    """The command line of a gate that passes."""
    options = ["-t", truth.url, "--slo", "p50 < 10s", "--out", tmp_path / "run"]
    return [sys.executable, "-m", "replay", "gate", trace, *options]


@pytest.mark.parametrize(
    ("encoding", "head"),
    [("ascii", "trace -> 127.0.0.1"), ("latin-1", "trace -> 127.0.0.1"), ("utf-8", "trace → 127.0.0.1")],
)
def test_a_gate_is_told_in_whatever_encoding_there_is(encoding, head, trace, truth, tmp_path):
    ended = subprocess.run(
        gate_of(trace, truth, tmp_path),
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )

    said = ended.stdout.decode(encoding)
    assert (ended.returncode, head in said) == (0, True)
    assert ("+  p50" in said) == (encoding != "utf-8")


def test_so_it_is_in_the_locale_c_where_python_writes_ascii(trace, truth, tmp_path):
    ended = subprocess.run(
        gate_of(trace, truth, tmp_path),
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
    )

    assert (ended.returncode, b"trace -> 127.0.0.1" in ended.stdout) == (0, True)


def test_json_keeps_its_characters_in_an_encoding_that_has_none_of_them(tmp_path):
    trace = tmp_path / "t.jsonl"
    trace.write_text(
        '{"format":"replay-trace","version":1,"name":"t"}\n'
        '{"id":"s","start_ms":0,"steps":[{"id":"a","kind":"tool","name":"größer → 😀"}]}\n'
    )

    told = subprocess.run(
        [sys.executable, "-m", "replay", "trace", "info", trace, "--json"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE,
    )

    assert told.stdout.isascii()
    assert "größer → 😀" in json.dumps(json.loads(told.stdout), ensure_ascii=False)


def test_the_first_line_of_what_is_piped_is_the_answer(trace, truth, tmp_path):
    ended = subprocess.run(
        gate_of(trace, truth, tmp_path),
        capture_output=True,
        text=True,
    )

    assert ended.stdout.splitlines()[0] == "pass: the SLO held"
