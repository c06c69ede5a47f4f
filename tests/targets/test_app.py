"""The agent application that comes along: its tools, its streams, what its three state strategies survive, its end."""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from targets.app.sessions import MemorySessions

ROOT = Path(__file__).parent.parent.parent
# A model that answers at once: what is tested is what is said, not how fast.
AT_ONCE = {"MODEL_TTFT_MS": "0", "MODEL_ITL_MS": "0", "MODEL_PREFILL_MS": "0"}


class App:
    """One running instance, and what it answers."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def ask(self, path, body=None):
        """Status, headers and the whole body; a body that is no bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, {"content-type": "application/json"})
        try:
            with self._open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers, refused.read()

    def said(self, path, body=None):
        status, _, said = self.ask(path, body)
        assert status == 200, said
        return json.loads(said)

    def turn(self, n, session="s-1"):
        return self.said(f"/agent/{session}/turn", {"message": f"message {n}", "turn": n})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def start(environment, port) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "targets.app"],
        cwd=ROOT,
        env={**os.environ, **AT_ONCE, **environment, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running(**environment) -> Iterator[App]:
    """An instance, from when it accepts to its SIGTERM."""
    port = free_port()
    with start(environment, port) as process:
        try:
            until_it_accepts(process, port)
            yield App(process, port)
            if process.poll() is None:
                process.terminate()
                assert process.wait(20) == 0, process.stderr.read()
        finally:
            process.kill()


def until_it_accepts(process, port):
    process.stdout.readline()  # it says that it has booted, and then binds
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
    raise AssertionError(process.stderr.read())


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'app.db'}"


@pytest.fixture(scope="module")
def app(database) -> Iterator[App]:
    with running(DATABASE_URL=database) as app:
        yield app


def test_search_ranks_articles_by_the_words_asked_for(app):
    results = app.said("/tools/search?q=refund+asia")["results"]

    assert len(results) == 5
    assert all("refund" in r["title"].lower() and "Asia" in r["title"] for r in results)
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)


def test_a_customer_is_remembered_and_every_lookup_counted(app):
    first, second = app.said("/tools/crm?customer=41"), app.said("/tools/crm?customer=41")

    assert (first["name"], first["lookups"], second["lookups"]) == ("Customer 41", 1, 2)


@pytest.mark.parametrize(
    ("action", "amount", "decision"),
    [("refund", 100, "allow"), ("refund", 101, "escalate"), ("give everything away", 1, "escalate")],
)
def test_the_policy_allows_small_amounts_and_asks_a_person_for_the_rest(app, action, amount, decision):
    assert app.said("/tools/policy", {"action": action, "amount": amount})["decision"] == decision


def test_the_policy_can_be_asked_by_its_address_too(app):
    assert app.said("/tools/policy?action=refund&amount=20")["decision"] == "allow"


def test_tools_work_on_what_other_tools_have_written(app):
    app.said("/tickets/9/labels", {"label": "bug"})
    app.said("/tickets/9/labels", {"label": "bug"})  # delivered twice, done once
    app.said("/documents/9/facts", b"\x00 not JSON")
    before = app.said("/tools/read-file?n=3")["version"]
    app.said("/tools/edit-file?n=3")

    assert app.said("/tickets/9")["labels"] == ["bug"]
    assert app.said("/tools/list-issues")["issues"]["bug"] == 1
    assert app.said("/documents/9")["facts"]["size_bytes"] == 10
    assert app.said("/tools/read-file?n=3")["version"] == before + 1
    assert app.said("/tools/run-tests?n=1")["failed"] == 0
    assert {"path": "src/part_00.py", "line": 11} in app.said("/tools/search-code?n=10")["found"]


def test_mcp_calls_find_articles(app):
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}
    found = app.said(
        "/mcp", {**call, "params": {"name": "knowledge", "arguments": {"query": "password africa"}}}
    )
    unknown = app.said("/mcp", {**call, "params": {"name": "other"}})

    assert found["id"] == 7
    assert found["result"]["content"][0]["text"].startswith("Password: ")
    assert unknown["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/nowhere", None, 404, "there is nothing at /nowhere"),
        ("/tools/search", b"", 405, "/tools/search does not take POST"),
        ("/tools/search", None, 400, "say what to search for: /tools/search?q=refund"),
        ("/tools/crm?customer=x", None, 400, "customer must be a whole number from 0 to 2147483647"),
        ("/tools/policy", b"[1]", 400, "the body is not a JSON object"),
        ("/tools/policy", b"[" * 100_000, 400, None),
        ("/v1/chat/completions", {"messages": []}, 400, "messages must be a list of one message or more"),
        ("/agent/s/turn", {"turn": 0}, 400, "turn must be a whole number of 1 or more"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_answered_is_told_why(app, path, body, status, message):
    code, _, said = app.ask(path, body)

    assert code == status
    assert message in (None, json.loads(said)["error"]["message"])


def chat(**options):
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "three words here"}],
        "max_tokens": 12,
        **options,
    }


def test_a_streamed_answer_is_a_token_an_event_then_its_usage_then_the_end(app):
    _, headers, said = app.ask(
        "/v1/chat/completions", chat(stream=True, stream_options={"include_usage": True})
    )
    *events, done = said.decode().removesuffix("\n\n").split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    *tokens, finish, usage = chunks

    assert headers["content-type"] == "text/event-stream"
    assert done == "data: [DONE]"
    assert len(tokens) == 12
    assert tokens[0]["choices"][0]["delta"]["role"] == "assistant"
    assert finish["choices"][0]["finish_reason"] == "length"
    assert (usage["choices"], usage["usage"]) == (
        [],
        {"prompt_tokens": 3, "completion_tokens": 12, "total_tokens": 15},
    )


def test_a_whole_answer_says_what_the_streamed_one_says(app):
    whole = app.said("/v1/chat/completions", chat())
    _, _, streamed = app.ask("/v1/chat/completions", chat(stream=True))
    chunks = [json.loads(line) for line in re.findall(r"^data: (\{.*)$", streamed.decode(), re.MULTILINE)]

    assert whole["usage"]["completion_tokens"] == 12
    assert whole["choices"][0]["message"]["content"] == "".join(
        chunk["choices"][0]["delta"].get("content", "") for chunk in chunks
    )
    assert all("usage" not in chunk for chunk in chunks)


def test_only_the_first_answer_of_an_instance_is_fresh_and_health_checks_do_not_count(database):
    with running(DATABASE_URL=database) as app:
        health, first, second = (app.ask(path)[1] for path in ("/health", "/tickets/1", "/tickets/1"))

    assert (health["x-app-fresh"], first["x-app-fresh"], second["x-app-fresh"]) == (None, "1", "0")
    assert health["x-app-instance"] == first["x-app-instance"] == second["x-app-instance"]


@pytest.mark.parametrize(
    ("state", "has_shared_folder", "is_kept"),
    [("memory", False, False), ("file", False, False), ("file", True, True), ("store", False, True)],
    ids=[
        "memory is lost",
        "files of its own are lost",
        "files in a shared folder are kept",
        "the store is kept",
    ],
)
def test_what_a_session_survives_when_its_instance_goes_away(tmp_path, state, has_shared_folder, is_kept):
    environment = {"STATE": state, "DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    environment["FILE_DIR"] = str(tmp_path / "disk") if has_shared_folder else ""

    with running(**environment) as app:
        app.turn(1)
        before = app.turn(2)
    with running(**environment) as app:
        after = app.turn(3)

    assert (before["turn"], before["history"]) == (2, ["message 1", "message 2"])
    assert after["instance"] != before["instance"]
    if is_kept:
        assert (after["turn"], after["history"]) == (3, ["message 1", "message 2", "message 3"])
        assert "warning" not in after
    else:
        assert (after["turn"], after["history"]) == (1, ["message 3"])
        assert after["lost_turns"] == 2
        assert after["warning"] == (
            "this is turn 3 for the caller and turn 1 for this instance, which keeps sessions in "
            f"{state}: 2 turns were forgotten"
        )


def test_a_forgotten_session_can_be_made_an_error_that_a_replay_counts(database):
    with running(DATABASE_URL=database, WHEN_LOST="fail") as app:
        status, _, said = app.ask("/agent/s-9/turn", {"message": "go on", "turn": 4})

    assert status == 409
    assert json.loads(said)["lost_turns"] == 3


@pytest.mark.parametrize("state", ["file", "store"])
def test_two_instances_that_share_a_session_lose_no_turn(tmp_path, state):
    environment = {
        "STATE": state,
        "DATABASE_URL": f"sqlite:///{tmp_path}/app.db",
        "FILE_DIR": str(tmp_path / "disk"),
    }
    with running(**environment) as one, running(**environment) as other, ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda n: (one, other)[n % 2].said("/agent/s/turn", {})["turn"], range(40)))

    assert sorted(turns) == list(range(1, 41))


def test_turns_of_a_session_in_memory_that_come_at_once_are_each_told_their_own_number():
    sessions = MemorySessions()

    async def both():
        return await sessions.turn("s", "one"), await sessions.turn("s", "two")

    first, second = asyncio.run(both())
    assert (first.turns, first.history) == (1, ["one"])
    assert (second.turns, second.history) == (2, ["one", "two"])


def test_two_instances_that_edit_one_file_make_a_version_each_time(tmp_path):
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    with running(**environment) as one, running(**environment) as other, ThreadPoolExecutor(8) as pool:
        edits = pool.map(lambda n: (one, other)[n % 2].said("/tools/edit-file?n=1")["version"], range(30))

        assert sorted(edits) == list(range(2, 32))
        assert one.said("/tools/read-file?n=1")["text"].startswith("version = 31\n")


def test_a_reader_does_not_wait_for_another_processs_transaction(tmp_path):
    path = tmp_path / "app.db"
    with running(DATABASE_URL=f"sqlite:///{path}") as app, sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")

        assert app.said("/tickets/1")["labels"] == []  # a writer would be let through after 10 s, with an error
        other.execute("ROLLBACK")
        app.said("/tickets/1/labels", {"label": "bug"})


def test_a_database_that_is_none_is_told_at_boot(tmp_path):
    path = tmp_path / "app.db"
    path.write_text("this is no database, and long enough to be taken for one " * 100)
    with start({"DATABASE_URL": f"sqlite:///{path}"}, free_port()) as process:
        assert process.wait(20) == 2
        assert process.stderr.read() == (
            f"agent-app: DATABASE_URL: {path} cannot be opened: file is not a database.\n"
        )


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is not None, reason="psycopg is installed here")
def test_postgresql_needs_its_driver_and_nothing_else_does():
    with start({"DATABASE_URL": "postgresql://app:secret@db/agents"}, free_port()) as process:
        assert process.wait(20) == 2
        assert process.stderr.read() == (
            "agent-app: DATABASE_URL is a PostgreSQL URL, and psycopg is not installed:"
            " pip install 'psycopg[binary]'.\n"
        )


def test_sigterm_lets_an_open_stream_end_and_then_ends_with_0(database):
    slow = {"MODEL_ITL_MS": "20", "DATABASE_URL": database}
    with (
        running(**slow) as app,
        socket.create_connection(("127.0.0.1", int(app.url.rpartition(":")[2])), 20) as s,
    ):
        body = json.dumps(chat(stream=True)).encode()
        s.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        received = s.recv(65536)
        app.process.send_signal(signal.SIGTERM)
        while more := s.recv(65536):
            received += more

        assert b"data: [DONE]" in received
        assert app.process.wait(20) == 0
        assert app.process.stderr.read() == ""


def test_sigterm_during_the_boot_ends_it_at_once(tmp_path):
    path = tmp_path / "app.db"
    with start({"BOOT_S": "600", "DATABASE_URL": f"sqlite:///{path}"}, free_port()) as process:
        while not path.exists():
            assert process.poll() is None
        process.terminate()

        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("STATE", "disk", "STATE=disk is not one of memory, file, store."),
        ("BOOT_S", "-1", "BOOT_S=-1 is not a number of 0 or more."),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL is neither sqlite:///FILE (sqlite:////FILE from the root) nor postgresql://HOST/NAME."),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_told_plainly(variable, value, message):
    with start({variable: value}, free_port()) as process:
        assert process.wait(20) == 2
        assert process.stderr.read() == f"agent-app: {message}\n"


@pytest.mark.parametrize("trace", sorted((ROOT / "traces").glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_path_of_the_shipped_traces_is_answered(app, trace):
    asked = {}
    for line in trace.read_text().splitlines()[1:]:
        for step in json.loads(line)["steps"]:
            request = step.get("request")
            if request:
                asked[re.sub(r"\d+", "N", request["path"]), request["method"]] = request
    for request in asked.values():
        body = request.get("json", b"x" * request.get("body_bytes", 0))
        app.said(request["path"], None if request["method"] == "GET" else body)


@contextlib.contextmanager
def plane(*options, **environment):
    """`replay plane serve` with the application as the command; gives the address that it says."""
    command = [sys.executable, "-m", "replay", "plane", "serve", "--port", "0", *options]
    with subprocess.Popen(
        [*command, "--command", f"{sys.executable} -m targets.app --port $PORT"],
        cwd=ROOT,
        env={**os.environ, **AT_ONCE, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield re.fullmatch(r"listening on (http://\S+)\n", process.stderr.readline())[1]
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.parametrize("kind", ["serverless", "vm"])
def test_a_shipped_trace_is_replayed_against_it_on_a_plane_and_all_is_ok(tmp_path, database, kind):
    with plane("--plane", kind, "--max-instances", "2", DATABASE_URL=database) as url:
        run = subprocess.run(
            [sys.executable, "-m", "replay", "run", "traces/support-agent.jsonl", "--target", url,
             "--speed", "20", "--out", str(tmp_path / "run"), "--json"],
            cwd=ROOT, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

    assert run.returncode == 0, run.stderr
    counts = json.loads(run.stdout)["counts"]
    assert (counts["ok"], counts["failed"], counts["unsent"]) == (counts["steps"], 0, 0)
    assert counts["ok"] > 200


def test_a_session_with_its_mcp_server_opens_as_the_protocol_has_it(app):
    opened = app.said(
        "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    )
    status, _, body = app.ask("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})

    assert opened["result"]["protocolVersion"] == "2025-11-25"
    assert (status, body) == (202, b"")
    assert app.said("/mcp", {"jsonrpc": "2.0", "id": 2, "method": "ping"})["result"] == {}


# WebSockets.


def talk(app, path, *messages):
    """What comes in return for these messages, each answered whole before the next; and the instance that says so."""
    with connect(app.url.replace("http", "ws") + path, proxy=None) as socket:
        said = []
        for message in messages:
            socket.send(message)
            said.append([json.loads(socket.recv(timeout=30))])
            while said[-1][-1]["type"] == "word":
                said[-1].append(json.loads(socket.recv(timeout=30)))
        return said, socket.response.headers["x-app-instance"]


def test_a_turn_on_a_websocket_is_said_word_by_word_and_ends_with_what_a_turn_says():
    with running(STATE="memory") as app:
        (first, second), instance = talk(
            app, "/agent/s-1/talk", *(json.dumps({"message": f"refund {n}", "turn": n}) for n in (1, 2))
        )
        turn = app.turn(3)

    *words, done = second
    assert " ".join(word["delta"] for word in words) == done["reply"]
    assert (done["type"], done["turn"], done["history"], done["instance"]) == (
        "done",
        2,
        ["refund 1", "refund 2"],
        instance,
    )
    assert first[-1]["turn"] == 1
    # One session, whichever way its turns come.
    assert turn["turn"] == 3


def test_a_websocket_goes_on_after_a_message_that_is_no_turn_and_there_is_none_elsewhere():
    with running(STATE="memory", WHEN_LOST="fail") as app:
        said, _ = talk(
            app, "/agent/s-1/talk", "[1]", '{"message": 7}', '{"message": "a", "turn": 5}', '{"message": "b"}'
        )
        with pytest.raises(InvalidStatus) as refused:
            talk(app, "/elsewhere")

    assert [(one[-1]["type"], one[-1].get("error", {}).get("code")) for one in said] == [
        ("error", 400),
        ("error", 400),
        ("error", 409),
        ("done", None),
    ]
    assert refused.value.response.status_code == 403
