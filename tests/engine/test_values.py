"""Values from responses in later requests of a session, on a real socket."""

import asyncio
import json
import threading

import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.target import Target
from replay.trace.errors import TraceError


@pytest.fixture
def numbering():
    """A server that gives each POST /runs a new number, and knows which numbers exist."""
    seen, started, stopping = [], threading.Event(), threading.Event()
    address = []

    async def answer(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split("\r\n")[0].split(" ")
                seen.append(f"{method} {path}")
                body, headers = b"{}", ""
                if path == "/runs":
                    number = sum(line == "POST /runs" for line in seen)
                    body, headers = (
                        json.dumps({"run": {"id": f"r {number}"}}).encode(),
                        f"location: /at/{number}\r\n",
                    )
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        address.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        started.set()
        while not stopping.is_set():
            await asyncio.sleep(0.02)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    yield address[0], seen
    stopping.set()
    thread.join()


@pytest.mark.parametrize("transport", ["fast", "httpx"])
def test_ids_that_differ_per_run_are_carried_into_later_requests(numbering, write_trace, tmp_path, transport):
    url, seen = numbering
    get = write_trace.get
    create = get("a", "/runs", method="POST", extract={"id": {"json": "/run/id"}, "at": {"header": "Location"}})
    sessions = [
        (n * 30.0, [create, get("b", "/runs/{{id}}", ["a"]), get("c", "/x?at={{at}}", ["b"])]) for n in range(3)
    ]

    outcome = replay_trace(
        write_trace(*sessions), Target(url=url, name="t", transport=transport), RunOptions(), tmp_path / "run"
    )

    assert outcome.summary.counts.ok == 9
    for number in (1, 2, 3):
        assert f"GET /runs/r%20{number}" in seen
        assert f"GET /x?at=%2Fat%2F{number}" in seen


def test_a_missing_value_fails_the_step_with_a_class_of_its_own(numbering, write_trace, tmp_path):
    url, seen = numbering
    get = write_trace.get
    steps = [
        get("a", "/runs", method="POST", extract={"id": {"json": "/nope"}}),
        get("b", "/runs/{{id}}", ["a"]),
        get("c", "/last", ["b"]),
    ]

    outcome = replay_trace(write_trace((0.0, steps)), Target(url=url, name="t"), RunOptions(), tmp_path / "run")

    assert outcome.summary.counts.errors == {"extract": 2}
    assert outcome.summary.counts.ok == 1
    assert seen == ["POST /runs", "GET /last"]


def test_a_trace_that_takes_nothing_may_write_braces(numbering, write_trace, tmp_path):
    url, seen = numbering
    trace = write_trace((0.0, [write_trace.get("a", "/t/{{id}}")]))

    outcome = replay_trace(trace, Target(url=url, name="t"), RunOptions(), tmp_path / "run")

    assert outcome.summary.counts.ok == 1
    assert seen == ["GET /t/{{id}}"]


def test_a_pattern_without_a_guarantee_is_refused_with_its_place(write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", extract={"id": {"regex": "(?=a)b"}})]))

    with pytest.raises(
        TraceError, match=r'line 2: step "a" of session "s-0" asks in extract for "id", which has a regex'
    ):
        replay_trace(trace, Target(url="http://127.0.0.1:1", name="t"), RunOptions(), tmp_path / "run")
