"""What a plane says of itself, understood; and that nothing it says can harm a run."""

import asyncio
import errno
import json
import re
import socket
import ssl
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.beside.observe import PlaneObserver, understood
from replay.engine.beside.plane_client import Answer
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.manifest_types import PlaneFigures
from replay.target.target import Target


def test_json_is_taken_as_it_is():
    assert understood(b'{"instances": {"idle": 1}}') == {"instances": {"idle": 1}}


def test_prometheus_text_becomes_numbers_under_their_names_and_labels():
    text = b"""# HELP x y
# TYPE x gauge
x 1
request_count{revision="a b",code="200"} 12 1700000000000
cpu{} 0.5
big 1e9
"""
    assert understood(text) == {
        "samples": {"x": 1.0, 'request_count{revision="a b",code="200"}': 12.0, "cpu{}": 0.5, "big": 1e9}
    }


@pytest.mark.parametrize("body", [b"<html>", b"{", b"x y z", b"\xff"])
def test_anything_else_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 - JSON and UTF-8 have words of their own
        understood(body)


HEAD = b"HTTP/1.0 200 OK\r\n\r\n"
STATE = {
    "instances": {"idle": 2, "busy": 1},
    "requests": {"booted": 3, "cold": 2, "refused": 0, "timed_out": 0},
    "seconds": {"busy": 1.5, "idle": 2.0, "booting": 0.5},
}


def state(**changes):
    """An answer in which parts of a plane's state are replaced."""
    return HEAD + json.dumps({**STATE, **changes}).encode()


HOSTILE = {
    "deep": HEAD + b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "surrogate": HEAD + b'{"a":"\\ud800"}',
    "strings": HEAD + b'{"instances":{"idle":"x"},"requests":{"booted":"a"},"seconds":{"busy":"b"}}',
    "lists": HEAD + b'{"instances":[],"requests":[],"seconds":[]}',
    "empty": HEAD + b'{"instances":{},"requests":{},"seconds":{}}',
    "null": HEAD + b'{"instances":null,"requests":null,"seconds":null}',
    "numbers": HEAD
    + b'{"instances":{"idle":'
    + b"9" * 400
    + b'},"requests":{"booted":1e308},"seconds":{"busy":1e308}}',
    "not a number": HEAD + b'{"instances":{"idle":NaN},"requests":{"booted":NaN},"seconds":{"busy":Infinity}}',
    "negative": state(requests={"booted": -5, "cold": -1}, seconds={"busy": -1.0}),
    "its own time": state(at_s="x"),
    "booleans": state(instances={"idle": True}, requests=True),
    "an array": HEAD + b"[1]",
    "text": HEAD + b"x NaN\ny +Inf\nz -1\n",
    "many samples": HEAD + b"".join(b"x%d 1\n" % n for n in range(60_000)),
    "blank lines": HEAD + b"\n" * 900_000,
    "too long": HEAD + b"x 1\n" * 600_000,
    "not text": HEAD + b"\xff\xfe",
    "no HTTP": b"\x00" * 100,
    "nothing": b"",
    "an error": b"HTTP/1.0 500 no\r\n\r\n{}",
    "gzip": b"HTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08",
}


class Server:
    """Answers everything with the same bytes, whole or without end."""

    def __init__(self, answer, *, drips=False):
        self.asked = []
        self._answer, self._drips = answer, drips
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answered, args=(client,), daemon=True).start()

    def _answered(self, client):
        try:
            self.asked.append(client.recv(4096))
            client.sendall(self._answer)
            while self._drips:
                time.sleep(0.02)
                client.sendall(b"x")
        except OSError:
            pass
        finally:
            client.close()

    def close(self):
        self._socket.close()


def polled(answer, tmp_path, times=1, **how):
    server = Server(answer, **how)
    observer = PlaneObserver(f"http://127.0.0.1:{server.port}/state", tmp_path)

    async def poll():
        for _ in range(times):
            await observer.poll(0)

    asyncio.run(poll())
    server.close()
    return observer


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_answered_ends_no_poll_in_an_exception(answer, tmp_path):
    observer = polled(answer, tmp_path, times=2)

    observer.figures()
    assert observer.polls == 2
    for line in (tmp_path / "plane.jsonl").read_bytes().splitlines() if not observer.missed else ():
        assert isinstance(json.loads(line)["at_s"], float)


@pytest.mark.parametrize("form", ["deep", "surrogate", "strings", "empty", "numbers", "negative", "no HTTP"])
def test_a_run_minds_nothing_that_is_answered(form, truth, write_trace, tmp_path):
    """Each of these voided a run after all its steps, or lost every line of it."""
    server = Server(HOSTILE[form])
    trace = write_trace(*[(n * 5.0, [write_trace.get("a")]) for n in range(10)])
    try:
        outcome = replay_trace(
            trace,
            Target(url=truth.url, name="t", observe=f"http://127.0.0.1:{server.port}/state"),
            RunOptions(),
            tmp_path / "run",
        )
    finally:
        server.close()

    assert (outcome.summary.status, outcome.summary.counts.ok) == ("finished", 10)
    assert len((tmp_path / "run" / "steps.jsonl").read_bytes().splitlines()) == 10


def test_an_address_that_drips_is_missed(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.engine.beside.observe._ANSWER_S", 0.1)

    observer = polled(HEAD + b"{", tmp_path, drips=True)

    assert (observer.missed, observer.last_miss) == (1, "no answer within 100 ms")


@pytest.mark.parametrize(
    ("answer", "why"), [(b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"), (b"SSH-2.0\r\n", "no HTTP answer")]
)
def test_an_address_that_answers_something_else_is_told_by_what_it_answered(tmp_path, answer, why):
    observer = polled(answer, tmp_path)

    assert (observer.missed, observer.last_miss) == (1, why)
    assert observer.notes()[0].endswith(f"failed; the last: {why}")


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "TLS failed"),
        (socket.gaierror(2, "Name or service not known"), "its name was not found"),
        (ConnectionResetError(errno.ECONNRESET, ""), "connection reset by peer"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
@pytest.mark.anyio
async def test_why_an_address_was_missed_is_said_in_words(tmp_path, monkeypatch, cause, why):
    async def fails(*_, **__):
        raise cause

    monkeypatch.setattr("replay.engine.beside.observe.ask", fails)
    observer = PlaneObserver("http://127.0.0.1:1/state", tmp_path)

    await observer.poll(0)

    assert observer.last_miss == why


@pytest.mark.anyio
async def test_an_address_where_nobody_listens_is_told_in_the_systems_words(tmp_path):
    """The note said: the last with ConnectionRefusedError."""
    observer = PlaneObserver("http://127.0.0.1:1/state", tmp_path)

    await observer.poll(0)

    assert observer.notes() == ["1 of 1 poll of http://127.0.0.1:1/state failed; the last: connection refused"]


def test_a_file_that_is_full_ends_there_and_says_so_once(truth, write_trace, tmp_path, monkeypatch):
    """Prometheus text of a large service fills it within minutes; it ended without a word."""
    monkeypatch.setattr("replay.engine.beside.observe._MOST_WRITTEN_BYTES", 1 << 20)
    # As JSON it is longer than that, though it is no longer than an answer may be.
    server = Server(HEAD + b"".join(b"%01042d 1\n" % n for n in range(1_000)))
    trace = write_trace((0.0, [write_trace.get("a")]))
    target = Target(url=truth.url, name="t", observe=f"http://127.0.0.1:{server.port}/metrics")
    try:
        outcome = replay_trace(trace, target, RunOptions(), tmp_path / "run")
    finally:
        server.close()

    assert not (tmp_path / "run" / "plane.jsonl").exists()
    (note,) = [note for note in outcome.summary.notes if "plane.jsonl" in note]
    assert re.fullmatch(r"plane\.jsonl is full \(1 MiB\): it lacks the last (\d+) of \1 polls?", note)


def test_a_poll_that_would_still_fit_follows_none_that_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.engine.beside.observe._MOST_WRITTEN_BYTES", 100)
    answers = [b"a 1\n", b"b" * 100 + b" 1\n", b"c 1\n"]

    async def ask(_):
        return Answer("HTTP/1.0 200 OK", answers.pop(0))

    monkeypatch.setattr("replay.engine.beside.observe.ask", ask)
    observer = PlaneObserver("http://a", tmp_path)

    async def poll():
        for _ in range(3):
            await observer.poll(0)

    asyncio.run(poll())

    assert (observer.missed, observer.unwritten) == (0, 2)
    assert len((tmp_path / "plane.jsonl").read_bytes().splitlines()) == 1


def test_figures_are_what_lies_between_the_first_poll_and_the_last(tmp_path):
    observer = PlaneObserver("http://a", tmp_path)
    observer._learn(STATE)
    later = {"booted": 5, "cold": 3, "refused": 1, "timed_out": 0}
    observer._learn({**STATE, "requests": later, "seconds": {"busy": 3.0, "idle": 2.5, "booting": 0.75}})

    assert observer.figures() == PlaneFigures(2, 3, 1, 1, 0, 2.25, 1.5, 0.25)


def test_a_plane_that_began_anew_has_no_figures(tmp_path):
    observer = PlaneObserver("http://a", tmp_path)
    observer._learn(STATE)
    observer._learn({**STATE, "requests": {"booted": 1}})

    assert observer.figures() is None


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["instances", "requests", "seconds", "busy", "booted"]), inner, max_size=5
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_answer_raises_anything_but_a_value_error(body):
    observer = PlaneObserver("http://a", Path())
    try:
        found = understood(body)
        msgspec.json.encode(found)
    except (ValueError, msgspec.MsgspecError, RecursionError, OverflowError):
        return
    observer._learn(found)
    observer._learn(found)
    observer.figures()


def test_a_user_and_a_query_are_sent_to_the_plane_and_written_nowhere(truth, write_trace, tmp_path):
    server = Server(b"")
    url = f"http://user:CANARY%2F@127.0.0.1:{server.port}/state?token=CANARY"
    try:
        replay_trace(
            write_trace((0.0, [write_trace.get("a")])),
            Target(url=truth.url, name="t", observe=url),
            RunOptions(),
            tmp_path / "run",
        )
    finally:
        server.close()

    assert b"GET /state?token=CANARY HTTP" in server.asked[0]
    assert b"authorization: Basic dXNlcjpDQU5BUlkv" in server.asked[0]
    assert f"host: 127.0.0.1:{server.port}\r\n".encode() in server.asked[0]
    for path in (tmp_path / "run").iterdir():
        assert b"CANARY" not in path.read_bytes()


@pytest.mark.parametrize("where", ["poll", "figures"])
def test_a_fault_beside_the_steps_loses_no_line_of_what_was_recorded(
    where, truth, write_trace, tmp_path, monkeypatch
):
    calls = []

    def raises(*_):
        calls.append(1)
        if where == "poll" and len(calls) == 1:
            return asyncio.sleep(0)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(PlaneObserver, where, raises)
    monkeypatch.setattr("replay.engine.beside.observe._EVERY_S", 0.2)
    times = [n * 5.0 for n in range(10)] + ([10_000.0] if where == "poll" else [])
    trace = write_trace(*[(at_ms, [write_trace.get("a")]) for at_ms in times])
    target = Target(url=truth.url, name="t", observe="http://127.0.0.1:1/state")

    with pytest.raises(RuntimeError, match=r"^a fault of ours$"):
        replay_trace(trace, target, RunOptions(), tmp_path / "run")

    assert len((tmp_path / "run" / "steps.jsonl").read_bytes().splitlines()) >= 10
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["status"] == "failed"
    assert "a fault of ours" in manifest["error"]
