"""What an importer doubts of its recording travels with the trace, and is told where the trace is used."""

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.trace.errors import TraceError
from replay.trace.file.import_doubts import LONGEST_DOUBT, MOST_DOUBTS, import_doubts, with_import_doubts
from replay.trace.file.stream import TraceWriter, open_trace, read_sessions, replace_header, scan
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step
from replay.trials.pilot.workload.shape import shape_of

LINE = '192.0.2.{n} - - [10/Oct/1999:13:55:36 +0000] "GET /x HTTP/1.1" 200 612 "-" "curl/8" rt={rt}\n'
AT_ONE_INSTANT = "the trace's importer found 25 sessions that all start at one instant"
TOO_EARLY = "the trace's importer found 1 recording that began before the year 2000"


def imported(folder, suffix=".jsonl", rt="0.100"):
    log, trace = folder / "access.log", folder / f"t{suffix}"
    log.write_text("".join(LINE.format(n=n, rt=rt) for n in range(25)))
    result = CliRunner().invoke(cli, ["trace", "import", "access-log", str(log), "-o", str(trace)])
    assert result.exit_code == 0, result.output
    return trace


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".jsonl.gz"])
def test_doubts_of_an_import_are_in_the_header_and_told_by_a_scan(tmp_path, suffix):
    trace = imported(tmp_path, suffix)

    assert scan(trace).doubts == [AT_ONE_INSTANT, TOO_EARLY]
    assert len(list(read_sessions(trace))) == 25
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("command", ["validate", "info"])
def test_commands_that_look_at_a_trace_tell_them(tmp_path, command):
    result = CliRunner().invoke(cli, ["trace", command, str(imported(tmp_path))])

    assert f"doubt: {AT_ONE_INSTANT}\n" in result.stderr
    assert result.exit_code == 0


def test_a_pilot_knows_them(tmp_path):
    assert shape_of(imported(tmp_path)).import_doubts == (AT_ONE_INSTANT, TOO_EARLY)


def test_a_step_that_took_longer_than_a_day_is_named_where_sessions_are_lines(tmp_path):
    doubts = scan(imported(tmp_path, rt="172800.5")).doubts

    assert doubts[0].startswith(
        'the trace\'s importer found 25 steps that took longer than a day, as step "1" of session'
    )


def header(**imported):
    return Header(FORMAT, VERSION, "t", attributes={"import": imported})


@pytest.mark.parametrize("doubts", [None, "text", 5, {"a": 1}, [1, None, ["x"]], ["", "  ", "\n\t\u00a0"]])
def test_a_header_that_says_something_else_there_says_nothing(doubts):
    assert import_doubts(header(doubts=doubts)) == []
    assert import_doubts(Header(FORMAT, VERSION, "t", attributes={"import": doubts})) == []


def test_what_a_header_says_is_bounded_and_escaped():
    found = import_doubts(header(doubts=["x\x1b[31m\u202e" + "y" * 5_000] * 50))

    assert len(found) == MOST_DOUBTS
    assert all(text.isprintable() and len(text) < LONGEST_DOUBT + 100 for text in found)
    kept = with_import_doubts(header(format="f"), ["z" * 5_000] * 50).attributes["import"]
    assert kept == {"format": "f", "doubts": ["z" * LONGEST_DOUBT] * MOST_DOUBTS}


def test_a_header_is_replaced_and_the_sessions_stay_as_they_are(tmp_path):
    trace = tmp_path / "t.jsonl"
    step = Step("a", "http", "n", request=Request("GET", "/"))
    with TraceWriter(trace, header()) as writer:
        writer.write(Session("s", 0.0, [step]))
    before = trace.read_bytes()
    replace_header(trace, with_import_doubts(header(), ["1 doubt"]))

    assert trace.read_bytes().partition(b"\n")[2] == before.partition(b"\n")[2]
    with open_trace(trace) as reader:
        assert reader.header.attributes == {"import": {"doubts": ["1 doubt"]}}
    with pytest.raises(TraceError, match="name must have"):
        replace_header(trace, Header(FORMAT, VERSION, ""))


def test_a_trace_for_whose_doubts_there_is_no_room_is_said_to_be_there(tmp_path, monkeypatch):
    def is_full(path, _header):
        raise TraceError(f"{path}: cannot be written: no space left on device. Nothing was left behind.")

    monkeypatch.setattr("replay.cli.traces.trace_import.replace_header", is_full)
    log, trace = tmp_path / "access.log", tmp_path / "t.jsonl"
    log.write_text("".join(LINE.format(n=n, rt="0.100") for n in range(25)))
    result = CliRunner().invoke(cli, ["trace", "import", "access-log", str(log), "-o", str(trace)])

    assert str(result.exception) == (
        f"{trace}: is written, but for what is doubted of it, since there is no room for it a second time. "
        "Make room, and import it again."
    )
    assert len(list(read_sessions(trace))) == 25
