"""`replay doctor`: a look at this machine, with exit code 0 or 4."""

import json
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.judge.machine import DoctorReport, Machine, Sent, examined
from replay.trials.doctor import examine

GOOD = Machine(python="CPython 3.12.1", uvloop="0.22.0", cores=2, memory_bytes=1 << 30)
SENT = Sent(most_rps=9000.0, paced_rps=500.0, lag_p50_us=20.0, lag_p99_us=90.0)


def asked(monkeypatch, report, *words):
    monkeypatch.setattr("replay.cli.setup.doctor.examine", lambda: report)
    return CliRunner().invoke(cli, ["doctor", *words])


def test_a_real_look_sends_to_loopback_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("replay.trials.doctor._MOST_REQUESTS", 200)
    monkeypatch.setattr("replay.trials.doctor._PACED_S", 0.2)
    monkeypatch.setattr("replay.trials.doctor._SLEEPS", 10)

    report = examine()

    assert report.sent is not None
    assert report.sent.most_rps > 0
    assert report.sent.failed == 0
    assert report.verdict == "ok"
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_answers_the_report_says_why(monkeypatch):
    def refused(url):
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr("replay.trials.doctor._sent_to", refused)
    monkeypatch.setattr("replay.trials.doctor._SLEEPS", 3)

    report = examine()

    assert (report.verdict, report.sent) == ("problem", None)
    assert "connection refused" in report.findings[0].what


def test_a_machine_that_can_replay_ends_with_0(monkeypatch):
    result = asked(monkeypatch, examined(GOOD, SENT))

    assert result.exit_code == 0
    assert result.stdout.startswith("this machine can replay: nothing stands in the way\n")
    assert "what to do" not in result.stdout


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_machine_that_cannot_ends_with_4(monkeypatch, words):
    result = asked(monkeypatch, examined(GOOD, None, "connection refused"), *words)

    assert result.exit_code == 4
    assert "nothing could be sent" in result.stdout


def test_json_is_one_document_of_its_schema(monkeypatch):
    report = examined(msgspec.structs.replace(GOOD, cores=1), SENT)
    result = asked(monkeypatch, report, "--json")

    assert msgspec.convert(json.loads(result.stdout), DoctorReport) == report


def test_what_was_measured_until_ctrl_c_is_not_told(monkeypatch):
    """Half a run sent many a request in no time, and was told as what the machine can do."""
    interrupted = SimpleNamespace(summary=SimpleNamespace(status="interrupted"))
    monkeypatch.setattr("replay.trials.doctor.replay_trace", lambda *_: interrupted)
    monkeypatch.setattr("replay.trials.doctor._SLEEPS", 3)

    with pytest.raises(KeyboardInterrupt):
        examine()
