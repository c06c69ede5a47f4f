"""What is done to a target in the middle of a real run: commands, and faults of a plane of our own."""

import asyncio
import errno
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from replay.engine.beside.events import carry_out
from replay.engine.run import replay_trace
from replay.engine.types import At, RunOptions
from replay.target.target import Target
from replay.trials.faults import judge_faults, read_events
from tests.support.commands import replay
from tests.support.waiting import is_alive, until


def even(write_trace, count=40, gap_ms=25.0):
    return write_trace(*((n * gap_ms, [write_trace.get("a", "/x")]) for n in range(count)))


def events_of(out):
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def test_a_command_runs_at_its_time_and_its_exit_code_and_output_are_kept(truth, write_trace, tmp_path):
    target, out = Target(url=truth.url, name="t"), tmp_path / "run"
    # Seconds longer than the command takes, since what outlives the run is ended.
    trace = even(write_trace, gap_ms=100.0)

    replay_trace(trace, target, RunOptions(at=(At(0.3, command="echo done; exit 3"),)), out)

    (event,) = events_of(out)
    assert event["what"] == "echo …"
    assert event["exit_code"] == 3
    assert event["at_ns"] >= 290_000_000
    assert (out / "events.log").read_text() == "done\n"
    assert (out / "events.log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_outlives_the_run_is_ended_with_all_that_it_started(truth, write_trace, tmp_path):
    target, out, pid_file = Target(url=truth.url, name="t"), tmp_path / "run", tmp_path / "pid"
    command = f"sleep 600 & echo $! > {pid_file}; wait"

    replay_trace(even(write_trace, 20), target, RunOptions(at=(At(0.1, command=command),)), out)

    (event,) = events_of(out)
    assert "ended_ns" not in event
    assert not is_alive(int(pid_file.read_text()))


def test_variables_stay_unexpanded_in_what_is_kept(truth, write_trace, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret-value")
    target, out = Target(url=truth.url, name="t"), tmp_path / "run"

    replay_trace(even(write_trace), target, RunOptions(at=(At(0.1, command=': "$SECRET_TOKEN"'),)), out)

    assert not [path for path in out.iterdir() if b"s3cret-value" in path.read_bytes()]


def test_an_instance_that_is_killed_on_purpose_is_felt_and_recovered_from(serve, write_trace, tmp_path):
    served, out = serve("--max-instances", "1", "--concurrency", "20"), tmp_path / "run"
    served.get()
    target = Target(url=served.url, name="t", observe=f"{served.control}/state")
    trace = write_trace(*((n * 25.0, [write_trace.get("a", "/slow")]) for n in range(120)))

    replay_trace(trace, target, RunOptions(at=(At(1.0, fault="kill"),)), out)
    verdict = judge_faults(out)

    (record,) = read_events(out)
    assert json.loads(record.answer)["instance"] == "i-1"
    (fault,) = verdict.faults
    assert fault.failed_steps > 0
    assert fault.recovered_s is not None
    assert json.loads((out / "verdict.json").read_text())["command"] == "run"


def test_a_fault_of_a_target_without_a_control_address_says_that_nothing_was_done(truth, write_trace, tmp_path):
    out = tmp_path / "run"

    replay_trace(
        even(write_trace, 20), Target(url=truth.url, name="t"), RunOptions(at=(At(0.1, fault="kill"),)), out
    )
    verdict = judge_faults(out)

    assert verdict.faults == []
    assert "nothing was done" in verdict.notes[0]


def test_a_fault_that_was_not_done_has_nothing_to_recover_from(truth, write_trace, tmp_path):
    out, nowhere = tmp_path / "run", "http://127.0.0.1:1/state"
    target = Target(url=truth.url, name="t", observe=nowhere)

    replay_trace(
        even(write_trace, 20), target, RunOptions(at=(At(0.05, fault="kill"), At(0.1, command="true"))), out
    )
    verdict = judge_faults(out)

    assert [fault.what for fault in verdict.faults] == ["true …"]
    assert verdict.notes == ["fault: kill: was not done: connection refused"]


@pytest.mark.parametrize("path", ["/drain", "/deploy", "/kill"])
def test_the_control_address_takes_faults_and_the_plane_goes_on(serve, path):
    served = serve("--plane", "vm", "--max-instances", "2")
    until(lambda: served.state()["instances"]["idle"] == 2)

    with urllib.request.urlopen(
        urllib.request.Request(served.control + path, method="POST"), timeout=10
    ) as answer:
        said = json.load(answer)

    first = {"i-1", "i-2"}
    gone = first if path == "/deploy" else {said["instance"]}
    assert gone <= first
    assert said == ({"replacing": 2} if path == "/deploy" else {"instance": min(gone)})

    def has_others_in_their_place():
        alive = {alive["instance"] for alive in served.state()["alive"]}
        return len(alive) >= 2 and gone.isdisjoint(alive)

    until(has_others_in_their_place)
    assert served.get()[0] == 200


def test_the_command_line_judges_the_fault_and_shows_it_again(truth, write_trace, tmp_path):
    trace, out = even(write_trace), tmp_path / "run"
    ran = replay("run", trace, "-t", truth.url, "--at", "300ms", "true", "--out", out, timeout=60)
    again = replay("report", out, timeout=60)

    assert ran.returncode == 0
    assert re.search(r"^at \S+ m?s: true …$", ran.stdout, re.M)
    assert "recovered" in ran.stdout
    assert "recovered" in again.stdout


def test_ctrl_c_ends_a_command_that_is_under_way(truth, write_trace, tmp_path):
    trace, out, pid_file = even(write_trace, 2000), tmp_path / "run", tmp_path / "pid"
    command = f"echo $$ > {pid_file}; exec sleep 600"
    running = subprocess.Popen(
        [sys.executable, "-m", "replay", "run", trace, "-t", truth.url, "--at", "100ms", command, "--out", out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    running.send_signal(signal.SIGINT)

    assert running.wait(30) == 130
    assert not is_alive(int(pid_file.read_text()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "kill@30s"], "control address"),
        (["--fault", "explode@30s"], "is not a known fault"),
        (["--fault", "kill"], "is not a known fault"),
        (["--at", "soon", "true"], "is not a valid duration"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(truth, write_trace, tmp_path, arguments, says):
    ran = replay("run", even(write_trace, 2), "-t", truth.url, *arguments, cwd=tmp_path, timeout=60)

    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("kubectl delete pod web-1", "kubectl …"),
        ("/opt/x-1/bin/kill.sh CANARY", "kill.sh …"),
        ("TOKEN=CANARY curl -H CANARY http://a", "curl …"),
        ("TOKEN='CANARY CANARY' curl", "a command"),
        ("'CANARY'", "a command"),
        ("$CANARY", "a command"),
        ("curl;CANARY", "a command"),
        ("https://u:CANARY@a", "a command"),
        (" ", "a command"),
    ],
)
def test_of_a_command_its_program_alone_is_told(command, what):
    assert At(1.0, command=command).what == what


def test_no_file_of_a_run_holds_what_a_command_was_told(truth, write_trace, tmp_path):
    target, out = Target(url=truth.url, name="t"), tmp_path / "run"

    replay_trace(
        even(write_trace, 20), target, RunOptions(at=(At(0.1, command="true --password CANARY"),)), out
    )
    judge_faults(out)

    assert not [path.name for path in out.iterdir() if b"CANARY" in path.read_bytes()]
    assert json.loads((out / "run.json").read_text())["options"]["at"] == [{"at_s": 0.1, "command": "true …"}]


def test_a_command_that_cannot_be_started_ends_no_run(truth, write_trace, tmp_path, monkeypatch):
    target, out = Target(url=truth.url, name="t"), tmp_path / "run"

    async def fails(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("asyncio.create_subprocess_shell", fails)

    outcome = replay_trace(even(write_trace, 20), target, RunOptions(at=(At(0.1, command="true"),)), out)

    (event,) = events_of(out)
    assert outcome.summary.counts.ok == 20
    assert event["answer"] == "could not be run: Resource temporarily unavailable"


def test_nothing_of_a_command_runs_before_it_is_known_to_what_ends_it(tmp_path):
    """It would be left behind by a run that is killed at that moment."""
    began = tmp_path / "began"

    class Reaper:
        def watch(self, _):
            time.sleep(0.1)  # as long as a command takes to begin
            self.had_begun = began.exists()

        def forget(self, _): ...

        def close(self): ...

    reaper = Reaper()
    events = [At(0.0, command=f"touch {began}; cat; exit 3")]
    asyncio.run(carry_out(events, None, time.monotonic_ns, tmp_path, reaper))

    assert (reaper.had_begun, began.exists()) == (False, True)
    assert events_of(tmp_path)[0]["exit_code"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_command_is_ended_also_where_its_run_is_killed(truth, write_trace, tmp_path):
    pid_file = tmp_path / "pid"
    trace = write_trace((0.0, [write_trace.get("a")]), (60_000.0, [write_trace.get("a")]))
    command = f"sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "replay",
            "run",
            str(trace),
            "-t",
            truth.url,
            "--out",
            str(tmp_path / "run"),
            "--at",
            "0.1s",
            command,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(pid_file.exists)
    finally:
        run.kill()
        run.wait()

    until(lambda: not is_alive(int(pid_file.read_text())))
