"""`replay report RUN --parquet FILE` and `--csv FILE`: a run's steps for other programs, read by those."""

import csv
import io
import os
import subprocess
import sys
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from replay.cli.failures import failure_of
from replay.cli.main import cli
from replay.results.tables import cache, column_file
from replay.results.types import StepRecord
from tests.support.records import MANIFEST

STEPS = [
    StepRecord(
        "s-1", "1", "tool", "search", "t", "ok", intended_ns=5, sent_ns=6, end_ns=9, status=200, cold=True
    ),
    StepRecord(
        "s-1", "2", "llm", "=cmd|' /C calc'!A0", "t", "failed", intended_ns=9, end_ns=12, error="connect"
    ),
    StepRecord(
        "s-2", "1", "tool", 'a "quoted", name', "t", "unsent", error="duration", attributes={"tenant": "ü"}
    ),
]


class Ended(NamedTuple):
    exit_code: int
    output: str


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "run.json").write_bytes(msgspec.json.encode(MANIFEST))
    (path / "steps.jsonl").write_bytes(b"".join(msgspec.json.encode(step) + b"\n" for step in STEPS))
    return path


def exported(*args):
    """As the command ends: with a sentence and an exit code."""
    found = CliRunner().invoke(cli, ["report", *map(str, args)])
    if found.exception is None or isinstance(found.exception, SystemExit):
        return Ended(found.exit_code, found.output)
    failure = failure_of(found.exception)
    assert not failure.is_ours
    return Ended(failure.exit_code, failure.sentence)


def test_parquet_has_a_row_a_line_and_null_for_what_is_not_there(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")

    result = exported(run, "--parquet", tmp_path / "steps.parquet")

    assert result.exit_code == 0, result.output
    rows = parquet.read_table(tmp_path / "steps.parquet").to_pylist()
    assert [row["name"] for row in rows] == [step.name for step in STEPS]
    assert [row["sent_ns"] for row in rows] == [6, None, None]
    assert [row["cold"] for row in rows] == [True, None, None]
    assert rows[2]["attributes"] == '{"tenant":"ü"}'
    assert set(rows[0]) == set(StepRecord.__struct_fields__)


def test_csv_is_what_a_reader_of_csv_gives_back(run, tmp_path):
    result = exported(run, "--csv", tmp_path / "steps.csv")

    assert result.exit_code == 0, result.output
    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(StepRecord.__struct_fields__)
    assert [row["end_ns"] for row in rows] == ["9", "12", ""]
    assert [row["cold"] for row in rows] == ["true", "", ""]
    assert rows[2]["name"] == 'a "quoted", name'


def test_csv_is_the_same_from_the_text_and_from_columns(run, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(cache, "LEAST_BYTES", 0)
    full = msgspec.structs.replace(
        STEPS[0],
        grpc_status="NOT_FOUND",
        cold=False,
        warmup=True,
        recorded_ms=1.0,
        recorded_ttft_ms=0.25,
        attributes={"b": "=1", "a": "2"},
    )
    with (run / "steps.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(full) + b"\n")

    exported(run, "--csv", tmp_path / "text.csv")
    was_there = (run / "steps.parquet").exists()
    exported(run, "--csv", tmp_path / "columns.csv")

    assert was_there
    assert (tmp_path / "text.csv").read_bytes() == (tmp_path / "columns.csv").read_bytes()
    with (tmp_path / "columns.csv").open(encoding="utf-8", newline="") as file:
        row = {name: value for name, value in list(csv.DictReader(file))[-1].items() if value}
    assert row == {
        "session": "s-1",
        "step": "1",
        "kind": "tool",
        "name": "search",
        "target": "t",
        "outcome": "ok",
        "intended_ns": "5",
        "sent_ns": "6",
        "end_ns": "9",
        "attempt": "1",
        "status": "200",
        **dict.fromkeys(("final", "warmup"), "true"),
        **dict.fromkeys(
            (
                "handshake",
                "stream",
                "streamed",
                "censored",
                "recorded_stream",
                "made_up",
                "emptied",
                "withheld",
                "cold",
            ),
            "false",
        ),
        "grpc_status": "NOT_FOUND",
        "recorded_ms": "1.0",
        "recorded_at_ms": "0.0",
        "recorded_ttft_ms": "0.25",
        "attributes": '{"a":"2","b":"=1"}',
    }


def test_no_name_of_a_trace_is_a_formula_of_a_spreadsheet(run, tmp_path):
    exported(run, "--csv", tmp_path / "steps.csv")

    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file))[1]["name"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_cannot_be_written_is_said_and_leaves_nothing(run, tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    before = sorted(os.listdir(tmp_path))

    result = exported(run, f"--{form}", tmp_path / "nowhere" / "f")

    assert result.exit_code != 0
    assert "nowhere" in result.output
    assert "Traceback" not in result.output
    assert sorted(os.listdir(tmp_path)) == before


def test_the_steps_of_several_runs_make_no_one_file(run, tmp_path):
    result = exported(run, run, "--csv", tmp_path / "f.csv")

    assert (result.exit_code, "--csv writes the steps of one run; 2 are named." in result.output) == (2, True)


def test_a_folder_without_a_run_is_told_so(tmp_path):
    result = exported(tmp_path, "--csv", tmp_path / "f.csv")

    assert result.exit_code == 2
    assert "no run is recorded here" in result.output
    assert not (tmp_path / "f.csv").exists()


def test_without_the_extra_it_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr(column_file, "_pyarrow", lambda: None)

    result = exported(run, "--parquet", tmp_path / "f")

    assert result.exit_code == 2
    assert result.output.strip() == (
        "--parquet needs the extra parquet. Run: pip install 'agent-replay[parquet]'"
    )


@pytest.mark.parametrize("options", [[], ["--json"], ["--parquet", "steps.parquet"]])
def test_whoever_reads_a_long_run_first_leaves_it_as_columns(run, tmp_path, monkeypatch, options):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(cache, "LEAST_BYTES", 0)
    monkeypatch.chdir(tmp_path)

    result = exported(run, *options)

    assert result.exit_code == 0, result.output
    assert cache.cached(run / "steps.jsonl") is not None
    assert exported(run, *options) == result


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_what_was_written_is_said(option, run, tmp_path):
    if option == "--html":
        pytest.importorskip("vl_convert", reason="needs the extra `report`")
    file = tmp_path / "out"
    ended = CliRunner().invoke(cli, ["report", str(run), option, str(file)])

    assert f"{file}: written\n" in ended.stderr
    assert file.stat().st_size


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1"])
def test_standard_output_named_as_a_file_holds_the_file_alone(run, name):
    """The figures of the run stood behind its lines, and behind the end of a Parquet file."""
    result = subprocess.run(
        [sys.executable, "-m", "replay", "report", str(run), "--csv", name], capture_output=True, text=True
    )

    assert result.returncode == 0
    assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == len(STEPS)
    assert result.stdout.splitlines()[0].split(",") == list(StepRecord.__struct_fields__)
    assert "latency" in result.stderr


def test_a_parquet_file_can_go_down_a_pipe(run):
    parquet = pytest.importorskip("pyarrow.parquet")

    result = subprocess.run(
        [sys.executable, "-m", "replay", "report", str(run), "--parquet", "/dev/stdout"], capture_output=True
    )

    assert parquet.read_table(io.BytesIO(result.stdout)).num_rows == len(STEPS)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_device_that_is_full_is_told_as_full(run):
    """A Parquet file was to be a new one, so that it read "File exists"."""
    pytest.importorskip("pyarrow.parquet")

    for form in ("--parquet", "--csv", "--html"):
        result = exported(run, form, "/dev/full")
        assert (result.exit_code, result.output) == (4, "/dev/full: No space left on device")


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--html"])
def test_a_reader_that_has_had_enough_is_no_fault(option, run):
    """`replay report RUN --csv /dev/stdout | head -1` ended with 1, which is a verdict's fail."""
    if option == "--parquet":
        pytest.importorskip("pyarrow.parquet")
    # More than a pipe holds.
    lines = b"".join(msgspec.json.encode(step) + b"\n" for step in STEPS)
    (run / "steps.jsonl").write_bytes(lines * 2_000)
    command = [sys.executable, "-m", "replay", "report", str(run), option, "/dev/stdout"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read().decode()

    assert (process.returncode, "Traceback" in said) == (0, False)
