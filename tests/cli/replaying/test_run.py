"""`replay run` and `replay report` as a user calls them: output, messages and exit codes."""

import json
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.support import commands
from tests.support.waiting import until

MS = 1_000_000


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "replay", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def replay(*arguments, **options):
    ended = commands.replay(*arguments, **options, timeout=60)
    return ended.returncode, ended.stdout, ended.stderr


def wait_for(path, size=1):
    """Until a file has grown: what a signal in the middle of a run needs."""
    until(lambda: path.exists() and path.stat().st_size >= size, f"{path} did not grow")


@pytest.fixture
def long_trace(write_trace):
    """Ten steps a second for a minute."""
    return write_trace(*((n * 100.0, [write_trace.get("a", "/", name="call")]) for n in range(600)))


def test_a_run_prints_what_a_person_needs_and_ends_with_0(truth, write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/", name="search")]), name="mine")

    code, out, err = replay("run", trace, "-t", truth.url, "--out", tmp_path / "run")

    assert code == 0
    assert err == ""
    for words in (
        "mine",
        "1 ok, 0 failed, 0 unsent",
        "response",
        "service",
        "this generator: ",
        "recorded in",
    ):
        assert words in out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "latency.hlog", "run.json", "steps.jsonl", "summary.json",
    ]  # fmt: skip


def test_json_is_the_summary_and_nothing_else(truth, write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/")]))

    code, out, _ = replay("run", trace, "-t", truth.url, "--out", tmp_path / "run", "--json")

    summary = json.loads(out)
    assert code == 0
    assert summary["schema"] == "replay.summary/1"
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    code, out, _ = replay("report", tmp_path / "run", "--json")
    assert (code, json.loads(out)) == (0, summary)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.jsonl", "-t", "http://127.0.0.1:1"], 2, "replay: nowhere.jsonl: no such file."),
        (["run", "TRACE", "-t", "nowhere.toml"], 2, "replay: nowhere.toml: no such target file."),
        (["run", "TRACE", "-t", "http://127.0.0.1:1"], 4, "replay: cannot connect to http://127.0.0.1:1: connection refused."),
        (["run", "TRACE", "-t", "http://host.invalid"], 4, "replay: http://host.invalid: the name 'host.invalid' has no address"),
        (["run", "TRACE", "-t", "http://127.0.0.1:1", "--speed", "0"], 2, "--speed"),
        (["run", "TRACE", "-t", "http://127.0.0.1:1", "--idle-cap", "30x"], 2, "--idle-cap"),
        (["run", "EMPTY", "-t", "http://127.0.0.1:1"], 2, "has no sessions, so there is nothing to replay."),
        (["run", "BAD", "-t", "http://127.0.0.1:1"], 2, 'bad.jsonl, line 2: step "a" of session "s-0" waits for step "zz"'),
        (["run", "TRACE", "-t", "."], 2, "replay: .: is a folder, not a target file. Name a file, or a URL."),
        (["run", "TRACE", "-t", "TRACE"], 2, "It looks like JSON: is it a trace, in the target's place?"),
        (["run", "TRACE", "-t", "TLS"], 2, "replay: ca_file nope.pem under [tls] cannot be read: No such file or directory."),
        (["run", "TRACE", "-t", "TRUTH", "--out", "TLS"], 2, "/tls.toml: is a file, not a directory."),
        (["run", "TRACE", "-t", "TRUTH", "--out", "UNDER"], 2, "/tls.toml: is a file, not a directory."),
        (["gate", "TRACE", "-t", "http://127.0.0.1:1", "--slo-file", "TLS"], 2, "Invalid value for '--slo-file': "),
        (["gate", "TRACE", "-t", "http://127.0.0.1:1", "--slo", "x"], 2, "Invalid value for '--slo': "),
        (["rnu", "TRACE"], 2, "No such command 'rnu'. Did you mean 'run'?"),
        (["trace", "imprt"], 2, "No such command 'imprt'. Did you mean 'import'?"),
        (["zzzz"], 2, "Error: No such command 'zzzz'."),
        (["run", "x" * 300, "-t", "http://127.0.0.1:1"], 2, "x: the name is too long."),
        (["report", "nowhere"], 2, "replay: nowhere: there is no such folder. Name a run directory."),
        (["report", "TRACE"], 2, "trace.jsonl: is a file, not a directory. Name a run directory."),
    ],
)  # fmt: skip
def test_mistakes_end_in_a_sentence_and_the_right_code(write_trace, truth, tmp_path, arguments, code, message):
    files = {
        "TRACE": write_trace((0.0, [write_trace.get("a", "/")])),
        "EMPTY": write_trace(file="empty.jsonl"),
        "BAD": write_trace((0.0, [write_trace.get("a", "/", ["zz"])]), file="bad.jsonl"),
        "TRUTH": truth.url,
        "TLS": tmp_path / "tls.toml",
        "UNDER": tmp_path / "tls.toml" / "a" / "b",
    }
    files["TLS"].write_text('url = "https://127.0.0.1:1"\ntls = {ca_file = "nope.pem"}\n')

    got, out, err = replay(*(files.get(word, word) for word in arguments), cwd=tmp_path)

    assert (got, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


LOADING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["replay", "run", "nowhere.jsonl", "-t", "http://127.0.0.1:1"]
from replay.cli.entry import main
main()
"""


@pytest.mark.parametrize("module", ["replay.cli.main", "click", "msgspec", "numpy", "replay.engine.run"])
def test_ctrl_c_while_the_program_is_still_loading_is_an_interruption(tmp_path, module):
    done = subprocess.run(
        [sys.executable, "-c", LOADING.format(module=module)], cwd=tmp_path, capture_output=True, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")


def test_a_socket_and_a_device_are_no_traces_and_not_called_pipes(truth, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.sock")

        said = [replay("run", name, "-t", truth.url, cwd=tmp_path)[2] for name in ("s.sock", "/dev/zero")]

    assert said == [
        f"replay: {name}: is a {kind} rather than a file, and a trace is read twice. Write it to a file.\n"
        for name, kind in (("s.sock", "socket"), ("/dev/zero", "device"))
    ]


def test_a_pipe_is_no_trace(truth, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    code, _, err = replay("run", pipe, "-t", truth.url, cwd=tmp_path)

    assert code == 2
    assert (
        err == f"replay: {pipe}: is a pipe rather than a file, and a trace is read twice. Write it to a file.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_keeps_what_was_recorded_and_ends_with_130(number, truth, long_trace, tmp_path):
    process = start("run", long_trace, "-t", truth.url, "--out", tmp_path / "run")
    wait_for(tmp_path / "run" / "steps.jsonl")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    counts = json.loads((tmp_path / "run" / "summary.json").read_text())["counts"]
    assert process.returncode == 130
    assert "the run was interrupted" in out
    assert "Traceback" not in err
    assert counts["ok"] > 0
    assert counts["ok"] + counts["failed"] + counts["unsent"] == counts["steps"] == 600
    assert counts["unsent_reasons"] == {"interrupted": counts["unsent"]}


def test_a_run_that_nohup_started_outlives_its_terminal(truth, write_trace, tmp_path):
    steps = [write_trace.get("a", "/"), write_trace.get("b", "/?ms=700", ["a"])]
    command = ["nohup", sys.executable, "-m", "replay", "run", write_trace((0.0, steps)), "-t", truth.url]
    process = subprocess.Popen(
        [*command, "--out", tmp_path / "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(tmp_path / "run" / "steps.jsonl")
    process.send_signal(signal.SIGHUP)

    assert process.wait(timeout=30) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["counts"]["ok"] == 2


def test_a_run_whose_terminal_has_hung_up_finishes_its_files(truth, long_trace, tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", "run", long_trace, "-t", truth.url, "--out", tmp_path / "run"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for(tmp_path / "run" / "steps.jsonl")
    os.close(ours)
    process.send_signal(signal.SIGHUP)

    assert process.wait(timeout=30) == 130
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"


def test_a_second_ctrl_c_does_not_wait_for_responses(truth, write_trace, tmp_path):
    steps = [write_trace.get("a", "/"), write_trace.get("b", "/?ms=60000", ["a"])]
    process = start(
        "run", write_trace((0.0, steps)), "-t", truth.url, "--out", tmp_path / "run", "--grace", "60s"
    )
    wait_for(tmp_path / "run" / "steps.jsonl")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    counts = json.loads((tmp_path / "run" / "summary.json").read_text())["counts"]
    assert process.returncode == 130
    assert (counts["ok"], counts["failed"], counts["errors"]) == (1, 1, {"interrupted": 1})


def test_a_killed_run_can_still_be_reported(truth, long_trace, tmp_path):
    process = start("run", long_trace, "-t", truth.url, "--out", tmp_path / "run")
    wait_for(tmp_path / "run" / "steps.jsonl", size=2000)
    process.kill()
    process.communicate()

    code, out, _ = replay("report", tmp_path / "run", "--json")

    summary = json.loads(out)
    counts = summary["counts"]
    assert code == 0
    assert summary["status"] == "running"
    assert counts["ok"] >= 5
    assert counts["ok"] + counts["failed"] + counts["unsent"] == 600


def test_a_disk_that_fills_up_ends_the_run_and_keeps_what_is_on_it(truth, write_trace, tmp_path):
    trace = write_trace(*((n * 1.0, [write_trace.get("a", "/", name="call")]) for n in range(3000)))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    # Python keeps what it compiles, and takes half a file for a whole one where no more could be written.
    unkept = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    process = start(
        "run", trace, "-t", truth.url, "--out", tmp_path / "run", preexec_fn=small_files, env=unkept
    )
    out, err = process.communicate(timeout=60)

    assert process.returncode == 4
    assert "Traceback" not in err
    assert "could not write" in out
    lines = (tmp_path / "run" / "steps.jsonl").read_text().splitlines()
    assert len(lines) > 300


def test_a_dry_run_sends_nothing_and_says_what_it_would(write_trace, tmp_path):
    trace = write_trace(*((n * 100.0, [write_trace.get("a", "/", took_ms=250.0)]) for n in range(20)))

    code, out, _ = replay("run", trace, "-t", "http://127.0.0.1:1", "--dry-run", "--scale", "2", cwd=tmp_path)

    assert code == 0
    assert "40 requests of 40 steps" in out
    assert "nothing was sent" in out
    code, out, _ = replay("run", trace, "-t", "http://127.0.0.1:1", "--dry-run", "--json", cwd=tmp_path)
    forecast = json.loads(out)
    assert (forecast["requests"], forecast["peak_in_flight"], forecast["wall_s"]) == (20, 3, 2.15)
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_of_a_gate_says_what_its_slos_need_and_which_scale_gives_it(write_trace, tmp_path):
    trace = write_trace(*((n * 100.0, [write_trace.get("a", "/", took_ms=250.0)]) for n in range(20)))
    gate = ("gate", trace, "-t", "http://127.0.0.1:1", "--slo", "p99 < 1s", "--dry-run")

    code, out, _ = replay(*gate, cwd=tmp_path)

    assert code == 0
    assert "p99 < 1s needs at least 368 steps, and has 20: add --scale 19\n" in out
    assert "p99 < 1s needs at least 368 steps, and has 380\n" in replay(*gate, "--scale", "19", cwd=tmp_path)[1]
    assert not (tmp_path / "runs").exists()
    code, _, err = replay(*gate, "--slo", "p99 < baseline", cwd=tmp_path)
    assert code == 2
    assert "there is no baseline to compare it with" in err


def test_names_from_a_trace_cannot_reach_the_terminal_as_commands(truth, write_trace, tmp_path):
    evil = "\x1b[2J\x07<script>"
    trace = write_trace(
        (0.0, [write_trace.get("a", "/", name=evil), write_trace.get("b", "/", ["a"])]), name=evil
    )

    code, out, _ = replay("run", trace, "-t", truth.url, "--out", tmp_path / "run")

    assert code == 0
    assert "\x1b[2J" not in out
    assert "\x07" not in out


def test_help_shows_an_example_that_names_real_options():
    code, out, _ = replay("run", "--help", env={**os.environ, "COLUMNS": "120"})

    assert code == 0
    assert "replay run traces/support-agent.jsonl -t http://127.0.0.1:8080 --speed 4" in out


@pytest.mark.parametrize(
    "command",
    [
        ("run", "-t", "http://127.0.0.1:9"),
        ("run", "-t", "http://127.0.0.1:9", "--dry-run"),
        ("gate", "-t", "http://127.0.0.1:9", "--slo", "p99 < 1s"),
        ("compare", "-t", "http://127.0.0.1:9", "-t", "http://127.0.0.1:10"),
        ("ceiling", "-t", "http://127.0.0.1:9", "--slo", "p99 < 1s"),
        ("pilot", "-t", "serverless=http://127.0.0.1:9"),
        ("trace", "validate"),
    ],
    ids=" ".join,
)
def test_no_command_replays_a_trace_in_which_a_session_id_occurs_twice(write_trace, tmp_path, command):
    path = write_trace((0.0, [write_trace.get("a")]))
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    words, options = (command[:2], ()) if command[0] == "trace" else (command[:1], command[1:])

    code, _, err = replay(*words, path, *options, cwd=tmp_path)

    assert code == 2
    assert 'line 3: session "s-0" has the same id as the session on line 2.' in err
