"""Instances that are real processes, behind `replay plane serve`, and what is left of them: nothing."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.waiting import is_alive, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running_however_the_gateway_ends(serve, number):
    served = serve(IGNORE_TERM="1") if number == signal.SIGKILL else serve()
    _, _, pids = served.get()
    assert all(is_alive(pid) for pid in pids)

    served.process.send_signal(number)
    served.process.wait(30)

    until(lambda: not any(is_alive(pid) for pid in pids), f"{pids} still run")


def test_an_instance_boots_for_the_first_request_and_is_gone_after_its_idle_lifetime(serve):
    served = serve("--idle-lifetime", "300ms", BOOT_S="0.3")

    status, first, pids = served.get()
    _, second, again = served.get()

    assert (status, pids) == (200, again)
    assert (first["x-replay-cold"], second["x-replay-cold"]) == ("1", "0")
    assert float(first["x-replay-waited-ms"]) >= 300
    until(lambda: not any(is_alive(pid) for pid in pids), "the instance was not stopped")
    assert served.state()["instances"] == {"booting": 0, "idle": 0, "busy": 0, "draining": 0}
    _, third, _ = served.get()
    assert (third["x-replay-instance"], third["x-replay-cold"]) == ("i-2", "1")


def test_a_rolling_deploy_replaces_every_process_and_no_request_fails(serve):
    served = serve("--plane", "vm", "--max-instances", "2", "--router", "round_robin", BOOT_S="0.2")
    until(lambda: served.state()["instances"]["idle"] == 2, "the workers did not boot")
    before = {tuple(served.get()[2]) for _ in range(4)}
    served.process.send_signal(signal.SIGUSR1)

    statuses, instances = set(), set()
    until(lambda: served.state()["outgoing"], "no deploy began")
    while served.state()["outgoing"]:
        status, headers, _ = served.get()
        statuses.add(status)
        instances.add(headers["x-replay-instance"])

    assert statuses == {200}
    assert instances <= {"i-1", "i-2", "i-3", "i-4"}
    after = {tuple(served.get()[2]) for _ in range(4)}
    assert len(before) == len(after) == 2
    assert not before & after
    until(lambda: not any(is_alive(pid) for pids in before for pid in pids), f"{before} still run")
    assert served.state()["requests"]["lost"] == 0


def test_an_instance_that_dies_is_replaced(serve):
    served = serve()
    _, _, before = served.get()

    status, _, _ = served.get("/exit")
    _, headers, after = served.get()

    assert status in (502, 503)
    assert before != after
    assert headers["x-replay-instance"] == "i-2"
    until(lambda: not any(is_alive(pid) for pid in before), "the dead instance left a child behind")


def test_an_instance_that_ignores_being_told_to_stop_is_killed(serve):
    served = serve("--idle-lifetime", "100ms", "--grace", "300ms", IGNORE_TERM="1")
    _, _, pids = served.get()

    until(lambda: not any(is_alive(pid) for pid in pids), "the instance was not killed")
    served.process.terminate()
    assert "[i-1] told to stop\n" in served.process.stderr.read()


def test_workers_of_a_vm_are_always_on(serve):
    served = serve("--plane", "vm", "--max-instances", "2", "--concurrency", "1")
    until(lambda: served.state()["instances"]["idle"] == 2, "the workers did not start")

    _, headers, _ = served.get()

    assert headers["x-replay-cold"] == "0"
    assert len(served.state()["alive"]) == 2


def test_an_instance_is_ready_when_its_health_path_says_so(serve):
    served = serve("--health-path", "/health", UNHEALTHY_S="0.5")

    _, headers, _ = served.get()

    assert float(headers["x-replay-waited-ms"]) >= 450


def test_a_command_that_cannot_start_refuses_requests_and_is_not_started_in_a_loop(serve):
    served = serve(
        "--pending-limit",
        "10s",
        "--request-timeout",
        "30s",
        command=f"{sys.executable} -c 'raise SystemExit(3)'",
    )

    first, _, why = served.get()
    second, _, again = served.get()

    assert (first, second) == (503, 503)
    assert " ".join(why).startswith("No instance can be started: the last 3 boots failed, and instance i-")
    assert " ".join(again).endswith("did not become ready: ended with exit status 3.")
    assert served.state()["requests"]["timed_out"] == 0
    served.process.terminate()
    said = served.process.stderr.read()
    assert "did not become ready: ended with exit status 3" in said
    assert said.count("did not become ready") < 20


def test_the_output_of_an_instance_is_shown_with_its_name(serve):
    served = serve()
    served.get()
    served.process.terminate()

    assert "[i-1] starting" in served.process.stderr.read()


def test_a_series_has_the_memory_of_each_process(serve, tmp_path):
    served = serve("--series", str(tmp_path / "plane.jsonl"))
    served.get()
    served.process.terminate()
    served.process.wait(20)

    last = json.loads((tmp_path / "plane.jsonl").read_text().splitlines()[-1])
    assert last["requests"]["requests"] == 1
    (one,) = last["alive"]
    assert one["memory_bytes"] > 1_000_000 or sys.platform != "linux"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--command", "true", "--series", "/nowhere/s"],
            "cannot write the series to /nowhere/s: No such file or directory.",
        ),
        (
            ["--modelled", "--series", "s"],
            "--series is for planes with instances: add --command, or --plane, --profile, --boot, --service or --model.",
        ),
    ],
)
def test_a_series_that_cannot_be_written_is_refused(arguments, message):
    ended = subprocess.run(
        [sys.executable, "-m", "replay", "plane", "serve", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (ended.returncode, ended.stderr) == (2, f"replay: {message}\n")


def test_the_control_address_speaks_prometheus(serve):
    served = serve()
    served.get()
    with urllib.request.urlopen(served.control + "/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "replay_plane_requests_total 1" in lines
    assert "replay_plane_requests_cold_total 1" in lines
    assert any(line.startswith('replay_plane_instances{state="idle"} ') for line in lines)


def test_rules_for_modelled_cpu_are_refused_for_processes():
    ended = subprocess.run(
        [sys.executable, "-m", "replay", "plane", "serve", "--command", "true", "--no-startup-boost"],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (ended.returncode, ended.stderr) == (
        2,
        "replay: --startup-boost and --cpu-when-idle are for --modelled: a process has this machine's CPU.\n",
    )


def test_a_request_that_outlives_the_drain_of_a_deploy_is_lost(serve):
    served = serve("--plane", "vm", "--max-instances", "1", "--drain", "100ms")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(served.get, "/wait", 60)
        until(lambda: served.state()["requests"]["running"], "the request did not start")
        served.process.send_signal(signal.SIGUSR1)
        status, _, _ = held.result(60)

    assert status == 503
    assert served.get()[1]["x-replay-instance"] == "i-2"
