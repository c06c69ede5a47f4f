"""Paths on the command line: an empty one, a folder that is not there, a file that is."""

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.errors import InputError

EMPTY = "is empty. Is a variable unset that should name it?"


def told(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "", "-t", "http://127.0.0.1:1"],
        ["run", "t.jsonl", "-t", "http://127.0.0.1:1", "--out", ""],
        ["gate", "--run", "", "--slo", "p99 < 1s"],
        ["gate", "--run", "r", "--slo", "p99 < 1s", "--baseline", ""],
        ["gate", "--run", "r", "--slo", "p99 < 1s", "--junit", ""],
        ["report", ""],
        ["report", "r", "--html", ""],
        ["trace", "synth", "steady", "-o", ""],
        ["trace", "import", "", "-o", "t.jsonl"],
        ["cost", ""],
    ],
)
def test_an_empty_path_is_a_variable_that_is_not_set(arguments):
    code, said = told(*arguments)

    assert (code, EMPTY in said) == (2, True)


def test_so_is_an_empty_target(tmp_path):
    result = CliRunner().invoke(cli, ["run", str(tmp_path / "t.jsonl"), "-t", ""])

    assert str(result.exception) == "the target is empty. Is a variable unset that should name it?"


@pytest.mark.parametrize("option", ["--html", "--csv", "--parquet", "--junit", "--markdown"])
def test_a_dash_is_no_file_to_write(option, tmp_path, monkeypatch):
    """It stands for standard output elsewhere; a file of that name was left in its place."""
    monkeypatch.chdir(tmp_path)

    code, said = told("report", tmp_path, option, "-")

    assert (code, "-: not a regular file. For standard output, name /dev/stdout." in said) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("synth", "steady"),
        ("transform", "t.jsonl", "--scale", "2"),
        ("import", "t.log"),
    ],
)
def test_a_trace_is_written_to_a_file_and_standard_output_is_not_suggested(arguments, tmp_path, monkeypatch):
    """It cannot be written there, as it appears under its name once it is whole."""
    monkeypatch.chdir(tmp_path)
    for name in ("t.jsonl", "t.log"):
        (tmp_path / name).touch()

    code, said = told("trace", *arguments, "-o", "-")

    assert (code, "-: not a regular file." in said, ".jsonl.zst" in said) == (2, True, True), said
    assert "/dev/stdout" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "r", "--session", "\udcff"],
        ["gate", "--run", "r", "--slo", "\udcff < 1s"],
        ["trace", "transform", "t", "-o", "o", "--keep", "name=\udcff"],
    ],
)
def test_a_text_of_bytes_that_are_none_is_refused(arguments, tmp_path):
    """It ended in a fault of the program itself."""
    code, said = told(*arguments)

    assert (code, "holds bytes that are not UTF-8." in said or "unknown metric" in said) == (2, True)


@pytest.mark.parametrize("option", ["--html", "--csv", "--parquet"])
def test_a_folder_that_is_not_there_is_missed_before_anything_is_done(option, tmp_path):
    code, said = told("report", tmp_path, option, tmp_path / "none" / "x")

    assert code == 2
    assert f"there is no folder {tmp_path / 'none'}. Make it first." in said


@pytest.mark.parametrize(
    "arguments", [["report", "r", "--html"], ["report", "r", "--csv"], ["trace", "synth", "steady", "-o"]]
)
def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_done(arguments, tmp_path):
    code, said = told(*arguments, tmp_path)

    assert (code, "is a directory" in said) == (2, True)


def test_a_trace_that_is_replaced_is_said_so(tmp_path):
    out = tmp_path / "made.jsonl"
    arguments = ["trace", "synth", "steady", "--duration", "10s", "-o", out]

    first, second = told(*arguments), told(*arguments)

    assert (first[0], second[0]) == (0, 0)
    assert "will be replaced" not in first[1]
    assert second[1].startswith(f"{out} is there already, and will be replaced\n")


@pytest.mark.parametrize(
    "command",
    [
        ["trace", "synth", "--like", "{trace}", "--duration", "10s"],
        ["trace", "transform", "{trace}", "--speed", "2"],
        ["trace", "correlate", "{trace}"],
        ["trace", "import", "otlp", "{trace}"],
    ],
    ids=lambda command: command[1],
)
def test_an_input_is_refused_as_an_output_and_stays_what_it_was(command, tmp_path):
    trace = tmp_path / "made.jsonl"
    told("trace", "synth", "steady", "--duration", "10s", "-o", trace)
    before = trace.read_bytes()

    result = CliRunner().invoke(cli, [*(word.format(trace=trace) for word in command), "-o", str(trace)])

    assert str(result.exception) == f"{trace}: is an input. Write to another file."
    assert "replaced" not in result.stderr
    assert trace.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--scale", "1e9", "'1e9' is not a whole number in digits, such as 10."),
        ("--confidence", "nan", "'nan' is not a number."),
    ],
)
def test_a_number_that_is_none_is_told_in_plain_words(option, value, said):
    arguments = ["gate", "trace.jsonl", "-t", "http://127.0.0.1:1", "--slo", "p99 < 1s", option, value]

    code, printed = told(*arguments)

    assert (code, said in printed, "range" in printed) == (2, True, False)


def test_a_recording_does_not_replace_one_that_is_there(tmp_path):
    out = tmp_path / "precious.jsonl"
    out.write_text("an hour of production\n")

    result = CliRunner().invoke(cli, ["trace", "record", "--upstream", "http://127.0.0.1:1", "-o", str(out)])

    assert (
        str(result.exception) == f"{out}: is there already. Choose another --out, or replace it with --force."
    )
    assert out.read_text() == "an hour of production\n"


HEADER = '{"format":"replay-trace","version":1,"name":"t"}\n'
STEP = '{"id":"a","kind":"http","name":"x","request":{"method":"GET","path":"/"}}'
GATE = ["gate", "TRACE", "-t", "TARGET", "--slo", "p50 < 1s"]


@pytest.fixture
def files(tmp_path):
    """A trace, a target file, SLOs, users and a run's folder; and whether they are as they were."""
    (tmp_path / "TRACE").write_text(f'{HEADER}{{"id":"s","start_ms":0,"steps":[{STEP}]}}\n')
    (tmp_path / "TARGET").write_text('url = "http://127.0.0.1:1"\n')
    (tmp_path / "SLOS").write_text("p50 < 1s\n")
    (tmp_path / "USERS").write_text("user\nann\n")
    (tmp_path / "RUN").mkdir()
    (tmp_path / "RUN" / "run.json").write_text("{}")
    (tmp_path / "RUN" / "steps.jsonl").write_text("")
    (tmp_path / "LINK").symlink_to("TRACE")
    (tmp_path / "CIRCLE").symlink_to("CIRCLE")
    (tmp_path / "NOWHERE").symlink_to("none/x")
    (tmp_path / "AHEAD").symlink_to("new")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    yield tmp_path
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([*GATE, "--junit", "TRACE"], "TRACE: is an input. Write to another file."),
        ([*GATE, "--junit", "LINK"], "LINK: is an input. Write to another file."),
        ([*GATE, "--markdown", "TARGET"], "TARGET: is an input."),
        (["gate", "TRACE", "-t", "TARGET", "--slo-file", "SLOS", "--junit", "SLOS"], "SLOS: is an input"),
        ([*GATE, "--data", "USERS", "--markdown", "USERS"], "USERS: is an input."),
        (["compare", "TRACE", "-t", "http://x", "-t", "TARGET", "--junit", "TARGET"], "TARGET: is an input"),
        ([*GATE, "--junit", "x", "--markdown", "x"], "x: is named for two files. Write each to its own."),
        ([*GATE, "--junit", "x", "--markdown", "RUN/../x"], "RUN/../x: is named for two files."),
        ([*GATE, "--junit", "new", "--markdown", "AHEAD"], "AHEAD: is named for two files."),
        ([*GATE, "--nope", "--junit", "TRACE"], "TRACE: is an input."),
        (["report", "RUN", "--html", "RUN/steps.jsonl"], "is a file of the run that is recorded there."),
        (["report", "RUN", "--csv", "RUN/run.json"], "is a file of the run that is recorded there."),
        (["gate", "--run", "RUN", "--slo", "p50 < 1s", "--markdown", "RUN/run.json"], "is a file of the run"),
        (["trace", "transform", "TRACE", "-o", "TRACE"], "TRACE: is an input."),
    ],
)
def test_no_file_is_lost_to_what_is_written(arguments, why, files, monkeypatch):
    monkeypatch.chdir(files)

    result = CliRunner().invoke(cli, arguments)

    assert isinstance(result.exception, InputError)
    assert why in str(result.exception)


@pytest.mark.parametrize(
    ("name", "why"),
    [("CIRCLE", "is a link that leads in a circle"), ("NOWHERE", "/none. Make it first")],
)
def test_a_link_that_nothing_can_be_written_to_is_refused_before_anything_is_done(
    name, why, files, monkeypatch
):
    monkeypatch.chdir(files)

    code, said = told(*GATE, "--junit", name)

    assert (code, why in said) == (2, True), said


def test_a_page_may_stand_beside_the_files_of_its_run_and_two_outputs_may_go_nowhere(files, monkeypatch):
    monkeypatch.chdir(files)

    result = CliRunner().invoke(
        cli, ["report", "RUN", "--html", "RUN/report.html", "--junit", "/dev/null", "--markdown", "/dev/null"]
    )

    # What it says is that this is no run's manifest.
    assert "run.json" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["man", "TRACE"], "TRACE: is not a folder, and none can be made there. Name another."),
        (["man", "TRACE/man1"], "TRACE/man1: is not a folder, and none can be made there."),
        (["man", "NOWHERE"], "NOWHERE: is not a folder, and none can be made there."),
        (["trace", "record", "--upstream", "http://x", "-o", "NOWHERE"], "NOWHERE: a link that leads nowhere."),
        (["trace", "record", "--upstream", "http://x", "-o", "CIRCLE"], "CIRCLE: a link that leads nowhere."),
        (["trace", "record", "--upstream", "http://x", "-o", "/dev/null"], "/dev/null: not a regular file."),
        (["trace", "record", "--upstream", "http://x", "-o", "-"], "-: not a regular file."),
    ],
)
def test_what_nothing_can_be_made_of_is_refused_in_the_beginning(arguments, why, files, monkeypatch):
    monkeypatch.chdir(files)

    result = CliRunner().invoke(cli, arguments)

    assert isinstance(result.exception, InputError), result.exception
    assert why in str(result.exception)


def test_a_command_at_a_time_of_a_run_that_is_empty_is_a_variable_that_is_not_set(files):
    code, said = told("run", files / "TRACE", "-t", "http://127.0.0.1:1", "--at", "1s", " ")

    assert (code, "--at names no command" in said) == (2, True)


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_folder_in_which_nothing_may_be_written_is_told_before_anything_is_sent(option, files, monkeypatch):
    """It was told when the run was over, with the exit code of one that was not carried out."""
    monkeypatch.chdir(files)
    monkeypatch.setattr("replay.cli.paths.os.access", lambda *_: False)

    code, said = told(*GATE, option, "x")

    assert (code, "x: nothing may be written in this folder." in said) == (2, True), said
