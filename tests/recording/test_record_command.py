"""`replay trace record` from outside: a process of its own between a client and the truth server."""

import concurrent.futures
import json
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.target import Target
from replay.trace.file.stream import open_trace
from tests.support.recorders import LONGEST_S, Recorded
from tests.support.schemas import misfits_of_file


@pytest.fixture
def record(tmp_path):
    started = []

    def start(*options, out="out.jsonl"):
        started.append(Recorded(tmp_path / out, *options))
        return started[-1]

    yield start
    for recorded in started:
        recorded.stop(signal.SIGKILL)


def command(*options):
    return subprocess.run(
        [sys.executable, "-m", "replay", "trace", "record", *options],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )


def asked_in_vain(method, url, **request):
    """A thread with a request that will not be answered."""

    def ask():
        with pytest.raises(httpx.HTTPError):
            httpx.request(method, url, timeout=60, **request)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("out", ["out.jsonl", "out.jsonl.zst"])
def test_a_recording_becomes_a_trace_when_it_is_stopped(record, truth, number, out):
    recorded = record("--upstream", truth.url, "--session-header", "x-run", out=out)
    for run in ("a", "b", "a"):
        assert httpx.get(f"{recorded.url}/x?ms=1", headers={"x-run": run}).text == "ok"

    code, said, told = recorded.stop(number)

    assert (code, said) == (0, f"{recorded.out}: 2 sessions, 3 steps\n")
    assert "sessions told: 2 by header" in told
    a, b = recorded.sessions()
    assert [(session.id, len(session.steps)) for session in (a, b)] == [("a", 2), ("b", 1)]
    assert a.steps[1].after[0].step == a.steps[0].id
    assert not recorded.journal.exists()
    assert out.endswith(".zst") or misfits_of_file("trace", recorded.out) == []
    with open_trace(recorded.out) as reader:
        assert reader.header.origins == (truth.url,)
    assert [seen["path"] for seen in truth.arrivals] == ["/x?ms=1"] * 3


def test_a_recording_that_was_killed_is_recovered(record, truth, tmp_path):
    recorded = record("--upstream", truth.url)
    with httpx.Client(base_url=recorded.url) as client:
        for n in range(20):
            client.get(f"/done/{n}")
        hanging = asked_in_vain("GET", f"{recorded.url}/long?ms=60000")
        until = time.monotonic() + LONGEST_S
        while recorded.journal.read_bytes().count(b"\n") < 22:  # the header, what is done, and the long one
            assert time.monotonic() < until
    recorded.stop(signal.SIGKILL)
    hanging.join()
    assert not recorded.out.exists()

    refused = command("--upstream", truth.url, "-o", str(recorded.out), "--duration", "1s")
    recovered = command("--recover", str(recorded.journal), "-o", str(recorded.out))

    assert refused.returncode == 2
    assert "is there already, left by a recording that was killed." in refused.stderr
    assert (recovered.returncode, recovered.stdout) == (0, f"{recorded.out}: 1 session, 21 steps\n")
    assert "1 step did not end while they were recorded" in recovered.stderr
    (session,) = recorded.sessions()
    assert [step.request.path for step in session.steps] == [
        *(f"/done/{n}" for n in range(20)),
        "/long?ms=60000",
    ]
    assert recorded.journal.exists()


SECRETS = {
    "authorization": "Bearer hush-authorization-value",
    "cookie": "sid=hush-cookie-value",
    "x-api-key": "hush-api-key-value",
}


@pytest.mark.parametrize("bodies", ["keep", "hash", "drop"])
def test_no_secret_is_ever_on_disk(record, truth, tmp_path, bodies):
    recorded = record(
        "--upstream",
        truth.url,
        "--session-cookie",
        "sid",
        "--bodies",
        bodies,
        "--redact",
        "hush-pattern-[a-z]+",
    )
    body = {
        "password": "hush-password",
        "note": "my hush-pattern-text",
        "tool": json.dumps({"token": "hush-token"}),
    }
    httpx.post(f"{recorded.url}/v1/messages?api_key=hush-query&x=hush-pattern-path", headers=SECRETS, json=body)
    httpx.post(
        f"{recorded.url}/hush-pattern-name",
        headers={"x-note": "hush-pattern-header"},
        data={"pwd": "hush-form"},
    )
    hanging = asked_in_vain("POST", f"{recorded.url}/long?ms=60000", headers=SECRETS, json=body)
    until = time.monotonic() + LONGEST_S
    while recorded.journal.read_bytes().count(b"\n") < 4:
        assert time.monotonic() < until
    while_recording = b"".join(path.read_bytes() for path in tmp_path.glob("*out*"))
    recorded.stop()
    hanging.join()

    assert b"/v1/messages" in while_recording
    assert b"hush" not in while_recording
    assert b"hush" not in recorded.out.read_bytes()
    assert [seen["headers"]["authorization"] for seen in truth.arrivals if "messages" in seen["path"]] == [
        SECRETS["authorization"]
    ]


def agent(base_url):
    """An agent's run: plan, two tools at once and one a little later, then the answer."""
    with httpx.Client(base_url=base_url, headers={"x-run": "1"}) as client:
        with concurrent.futures.ThreadPoolExecutor() as tools:
            client.post("/v1/chat/completions?ms=250&step=plan", json={"model": "m"})
            time.sleep(0.15)
            at_once = [
                tools.submit(client.get, f"/tools/{name}?ms={ms}&step={name}")
                for name, ms in (("a", 500), ("b", 400))
            ]
            time.sleep(0.2)
            at_once.append(tools.submit(client.get, "/tools/c?ms=200&step=c"))
            concurrent.futures.wait(at_once)
        time.sleep(0.2)
        client.post("/v1/chat/completions?ms=10&step=answer", json={"model": "m"})


def test_replaying_a_recorded_agent_reproduces_its_arrivals(record, truth, tmp_path):
    recorded = record("--upstream", truth.url, "--session-header", "x-run")
    agent(recorded.url)
    assert recorded.stop()[0] == 0

    replay_trace(recorded.out, Target(url=truth.url), RunOptions(), tmp_path / "run")

    arrivals = truth.arrivals
    half = len(arrivals) // 2
    assert half == 5
    first, second = (
        {re.search(r"step=(\w+)", seen["path"])[1]: (seen["ns"] - part[0]["ns"]) / 1e6 for seen in part}
        for part in (arrivals[:half], arrivals[half:])
    )
    assert first.keys() == second.keys()
    # Far above what a quiet machine shows (about 1 ms), below what a wrong edge would (150 ms and more).
    assert {step: abs(first[step] - second[step]) < 100 for step in first} == dict.fromkeys(first, True)


def test_a_recording_of_nothing_leaves_nothing(record, truth):
    recorded = record("--upstream", truth.url)

    code, said, told = recorded.stop()

    assert (code, said) == (2, "")
    assert told.endswith(f"replay: {recorded.out}: not written, since no request was recorded.\n")
    assert not recorded.out.exists()
    assert not recorded.journal.exists()


def test_a_recording_ends_by_itself_after_its_duration(tmp_path):
    done = command(
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "-o",
        str(tmp_path / "o.jsonl"),
        "--duration",
        "10ms",
    )

    assert "no request was recorded" in done.stderr


def test_listening_for_other_machines_is_warned_about(record, tmp_path, truth):
    recorded = record("--upstream", truth.url, "--listen", "0.0.0.0:0")

    assert recorded.first_lines[0].startswith("replay: warning: 0.0.0.0 can be reached from other machines")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say where requests go: --upstream URL."),
        (
            ["--upstream", "http://a", "--listen", "9000"],
            "--listen '9000' is not HOST:PORT. Write for example 127.0.0.1:9000.",
        ),
        (
            ["--upstream", "http://a", "--redact", "("],
            "--redact '(' has a regex that cannot be used: missing ): (.",
        ),
        (
            ["--upstream", "http://127.0.0.1:9000"],
            "the --upstream is the recorder's own --listen address; requests would go in circles.",
        ),
    ],
)
def test_what_cannot_be_recorded_is_told_plainly(options, message, tmp_path):
    refused = command("-o", str(tmp_path / "o.jsonl"), *options)

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith(message)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_taken_is_told_plainly(record, truth, tmp_path):
    taken = record("--upstream", truth.url).url.removeprefix("http://")

    refused = command("-o", str(tmp_path / "o.jsonl"), "--upstream", truth.url, "--listen", taken)

    assert refused.returncode == 4
    assert refused.stderr == (
        f"replay: cannot listen on {taken.replace(':', ' port ')}: address already in use. Try another --listen, or "
        "port 0.\n"
    )
    assert not (tmp_path / "o.jsonl.journal").exists()


def test_a_recorder_without_room_goes_on_serving_and_says_that_the_recording_is_incomplete(truth, tmp_path):
    recorded = Recorded(
        tmp_path / "o.jsonl.zst", "--upstream", truth.url, "--bodies", "keep", most_file_bytes=20_000
    )
    with httpx.Client(base_url=recorded.url) as client:
        statuses = []
        for n in range(60):
            statuses.append(client.post(f"/a?n={n}", json={"text": "x" * 1_000}).status_code)
            if n % 10 == 9:
                time.sleep(0.25)  # the journal is written every 200 ms

    code, said, told = recorded.stop()

    assert statuses == [200] * 60
    with open_trace(recorded.out) as trace:
        kept = sum(len(session.steps) for session in trace)
    assert 5 <= kept < 20
    assert code == 4
    assert f"{kept} steps" in said
    why = f"{recorded.journal}: cannot be written: file too large."
    assert told.count(f"replay: {why} Nothing more is recorded; requests are still passed on.\n") == 1
    missing = int(re.search(r"the recording is incomplete: (\d+) requests were not recorded", told)[1])
    assert kept + missing == 60


def test_two_recordings_to_one_file_are_told_apart_from_one_that_was_killed(record, truth):
    recorded = record("--upstream", truth.url)

    second = command("-o", str(recorded.out), "--upstream", truth.url, "--listen", "127.0.0.1:0")
    recorded.stop(signal.SIGKILL)
    third = command("-o", str(recorded.out), "--upstream", truth.url, "--listen", "127.0.0.1:0")

    assert (second.returncode, third.returncode) == (2, 2)
    assert second.stderr == (
        f"replay: {recorded.journal}: another recording is writing it now. Stop that one, or name another OUT.\n"
    )
    assert "left by a recording that was killed" in third.stderr
