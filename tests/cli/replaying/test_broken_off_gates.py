"""Commands whose run broke off: exit codes, and what the files hold that CI shows whatever the exit code was."""

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.support.commands import replay
from tests.support.waiting import until

OLD_JUNIT = '<testsuites tests="1" failures="0"/>'
OLD_MARKDOWN = "### ✅ replay gate: pass"


@pytest.fixture
def ci(tmp_path):
    """A folder as CI has it: with the reports of a run that passed, and an application."""
    (tmp_path / "junit.xml").write_text(OLD_JUNIT)
    (tmp_path / "verdict.md").write_text(OLD_MARKDOWN)

    class Ci:
        path = tmp_path

        def application(self, *lines):
            head = "import asyncio, os, sys\nasync def app(scope, receive, send):\n"
            body = ["if scope['type'] == 'lifespan': raise RuntimeError", *lines]
            (tmp_path / "app.py").write_text(head + "".join(f"    {line}\n" for line in body))

        def start(self, *arguments):
            return subprocess.Popen(
                [sys.executable, "-m", "replay", *map(str, arguments), *self.files],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
            )

        files = ("--junit", "junit.xml", "--markdown", "verdict.md")

        def replay(self, *arguments):
            ended = replay(*arguments, *self.files, cwd=tmp_path, timeout=60)
            out, err = ended.stdout, ended.stderr
            assert "Traceback" not in out + err
            return ended.returncode, out, err

        @property
        def error(self):
            """What the JUnit file says instead of a verdict; the Markdown file must say it as well."""
            suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
            if not suites.findall(".//error"):
                return None
            assert (suites.get("tests"), suites.get("errors"), suites.get("failures")) == ("1", "1", "0")
            assert "no verdict" in (tmp_path / "verdict.md").read_text()
            return suites.find(".//error").get("message")

    return Ci()


@pytest.fixture
def trace(write_trace):
    return write_trace(*[(n * 20.0, [write_trace.get("a", "/", name="call")]) for n in range(100)])


@pytest.mark.parametrize("code", [0, 1, 7])
def test_an_application_that_exits_decides_nothing_by_its_exit_code(ci, trace, code):
    ci.application(f"sys.exit({code})")

    ended, _, _ = ci.replay("gate", trace, "-t", "asgi:app:app", "--slo", "errors < 5%", "--out", "run")

    # A machine too busy to send in time makes the verdict inconclusive, and nothing else does.
    verdict = json.loads((ci.path / "run" / "verdict.json").read_text())["verdict"]
    assert ended == {"fail": 1, "inconclusive": 3}[verdict]
    assert json.loads((ci.path / "run" / "summary.json").read_text())["counts"]["errors"] == {"app": 100}
    assert ci.error is None


def test_a_target_that_is_gone_leaves_an_error_where_a_pass_was(ci, trace):
    code, out, err = ci.replay("gate", trace, "-t", "http://127.0.0.1:1", "--slo", "errors < 5%", "--json")

    assert (code, out) == (4, "")
    assert err == f"replay: {ci.error}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("gate", "no-trace.jsonl", "-t", "http://127.0.0.1:1", "--slo", "errors < 5%"),
        ("gate", "{trace}", "-t", "no-target.toml", "--slo", "errors < 5%"),
        ("gate", "{trace}", "-t", "http://127.0.0.1:1", "--slo", "p99 < 5 parsecs"),
        ("gate", "{trace}", "-t", "http://127.0.0.1:1"),
        ("gate", "{trace}", "-t", "http://127.0.0.1:1", "--speed", "fast"),
        ("gate", "{trace}", "-t", "http://127.0.0.1:1", "--no-such-option"),
        ("gate", "--run", "no-run", "--slo", "errors < 5%"),
        ("compare", "{trace}", "-t", "http://127.0.0.1:1"),
        ("compare", "{trace}", "--metric", "p99.9.9", "-t", "http://127.0.0.1:1"),
        ("report", "no-run"),
    ],
    ids=" ".join,
)
def test_bad_input_leaves_an_error_where_a_pass_was(ci, trace, arguments):
    code, out, err = ci.replay(*(str(trace) if word == "{trace}" else word for word in arguments))

    assert (code, out) == (2, "")
    assert ci.error is not None
    assert " ".join(ci.error.split()) in " ".join(err.split())


def test_an_interrupted_gate_leaves_an_error_where_a_pass_was(ci, trace):
    ci.application("await asyncio.sleep(60)")
    process = ci.start(
        "gate", trace, "-t", "asgi:app:app", "--slo", "errors < 5%", "--out", "run", "--grace", "0s"
    )
    until(lambda: (ci.path / "run" / "steps.jsonl").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert ci.error == "the run was interrupted"


def test_a_report_of_a_run_that_failed_is_an_error_too(ci, trace):
    ci.application("sys.exit(0)")
    ci.replay("gate", trace, "-t", "asgi:app:app", "--slo", "errors < 5%", "--out", "run")
    manifest = json.loads((ci.path / "run" / "run.json").read_text())
    (ci.path / "run" / "run.json").write_text(
        json.dumps(manifest | {"status": "failed", "error": "the disk is full"})
    )
    verdict = json.loads((ci.path / "run" / "verdict.json").read_text())
    (ci.path / "run" / "verdict.json").write_text(json.dumps(verdict | {"verdict": "pass"}))

    assert ci.replay("report", "run")[0] == 0
    assert ci.error == "the run could not be carried out: the disk is full"


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_gate_that_is_killed_leaves_an_error_where_a_pass_was(ci, trace, ending):
    ci.application(ending)
    ci.start("gate", trace, "-t", "asgi:app:app", "--slo", "errors < 5%").communicate(timeout=30)

    assert ci.error == "the command did not finish; it was killed, or is still running."


def test_help_leaves_the_files_alone(ci):
    assert ci.replay("gate", "--help")[0] == 0
    assert (ci.path / "junit.xml").read_text() == OLD_JUNIT


def test_a_pipe_is_sent_the_verdict_and_nothing_before_it(ci, trace):
    ci.application(
        "await send({'type': 'http.response.start', 'status': 200})",
        "await send({'type': 'http.response.body'})",
    )
    ci.files = ("--markdown", "/dev/stdout")

    _, out, _ = ci.replay("gate", trace, "-t", "asgi:app:app", "--slo", "errors < 50%")

    assert out.count("### ") == 1
