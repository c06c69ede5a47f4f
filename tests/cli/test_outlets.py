"""A command whose output nobody reads any more, or that cannot be written, ends as it should."""

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


@pytest.mark.parametrize(
    ("slo", "code", "said"), [("p50 < 10s", 0, ' failures="0"'), ("p50 < 1us", 1, "<failure")]
)
def test_a_gate_whose_reader_has_gone_ends_with_its_verdict(slo, code, said, trace, truth, tmp_path):
    junit = tmp_path / "junit.xml"

    ended = unread("gate", trace, "-t", truth.url, "--slo", slo, "--out", tmp_path / "run", "--junit", junit)

    assert ended == code
    assert said in junit.read_text()
    assert 'errors="0"' in junit.read_text()


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
