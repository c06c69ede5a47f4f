"""Recorded, correlated and replayed: an application that gives every run new ids is replayed without an error."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import ClassVar

import httpx
import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.recording.capture import step_of
from replay.recording.types import Exchange, SessionRef
from replay.target.target import Target
from replay.trace.file.stream import read_sessions
from replay.trace.redaction.requests import Redactor
from tests.support.commands import replay
from tests.support.recorders import Recorded

LONGEST_S = 60.0


class Runs(BaseHTTPRequestHandler):
    """Makes runs with random ids, and knows no others."""

    protocol_version = "HTTP/1.1"
    known: ClassVar[set[str]] = set()

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])) or "{}")
        if self.path == "/runs":
            self.answer(201, {"run": {"id": self.new("run-")}, "number": self.new_number()}, etag=self.new(""))
        elif self.path == "/events":
            is_known = str(sent["number"]) in self.known and self.headers["if-match"] in self.known
            self.answer(200 if is_known and isinstance(sent["number"], int) else 409, {"cursor": self.new("c")})

    def do_GET(self):
        value = self.path.rpartition("=")[2] or self.path
        self.answer(200 if value.rpartition("/")[2] in self.known else 404, {"state": "done"})

    def new(self, prefix):
        self.known.add(value := prefix + token_hex(8))
        return value

    def new_number(self):
        number = int(token_hex(4), 16) + 10_000
        self.known.add(str(number))
        return number

    def answer(self, status, document, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def application():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Runs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def an_agent(url, name):
    """What the client does: every request but the first needs what an answer before it held."""
    with httpx.Client(base_url=url, headers={"x-run": name}) as client:
        made = client.post("/runs", json={"agent": name})
        run, number = made.json()["run"]["id"], made.json()["number"]
        assert client.get(f"/runs/{run}").status_code == 200
        event = client.post("/events", json={"number": number}, headers={"if-match": made.headers["etag"]})
        assert client.get(f"/pages?cursor={event.json()['cursor']}").status_code == 200


def correlate(*words):
    return replay("trace", "correlate", *words, timeout=LONGEST_S)


def recorded_trace(application, out, *options):
    recorded = Recorded(out, "--upstream", application, "--session-header", "x-run", *options)
    for name in ("first", "second", "third"):
        an_agent(recorded.url, name)
    assert recorded.stop()[0] == 0
    return out


def counts_of(trace, application, out):
    summary = replay_trace(trace, Target(url=application), RunOptions(), out).summary
    return summary.counts.ok, summary.counts.failed


def test_a_correlated_recording_is_replayed_without_an_error(application, tmp_path):
    plain = recorded_trace(application, tmp_path / "plain.jsonl", "--responses", "keep")
    Runs.known.clear()  # a new run of the application: the recorded ids are gone
    correlated = tmp_path / "correlated.jsonl"

    said = correlate(plain, "-o", correlated)

    assert said.returncode == 0, said.stderr
    assert said.stdout.endswith(": 3 sessions, 3 of them changed: 12 values for 12 places\n")
    assert counts_of(plain, application, tmp_path / "without") == (3, 9)
    assert counts_of(correlated, application, tmp_path / "with") == (12, 0)
    assert "run-" not in correlated.read_text()


def test_the_proposals_are_shown_with_their_evidence(application, tmp_path):
    plain = recorded_trace(application, tmp_path / "plain.jsonl", "--responses", "keep")

    shown, printed = correlate(plain), json.loads(correlate(plain, "--json").stdout)

    assert "{{run_id}} from POST /runs, json /run/id\n" in shown.stdout
    assert "    into GET /runs/*, path 2: 3 of 3 sessions\n" in shown.stdout
    names = {proposal["name"] for proposal in printed["found"]["proposals"]}
    assert names == {"run_id", "runs_number", "etag", "events_cursor"}
    assert printed["found"]["responses"] == 12


def test_a_recording_without_responses_is_no_ground_for_proposals(application, tmp_path):
    plain = recorded_trace(application, tmp_path / "plain.jsonl")

    said = correlate(plain)

    assert said.returncode == 2
    assert "holds no responses, so it cannot be told where values came from." in said.stderr
    assert all(
        step.recorded.response_json is None for session in read_sessions(plain) for step in session.steps
    )


def exchange(**fields):
    return Exchange(
        1,
        SessionRef("s", "header"),
        "POST",
        "/login",
        "/login",
        [("authorization", "Bearer hush-request-value"), ("content-type", "application/json")],
        "",
        0,
        end_ns=1,
        status=200,
        **fields,
    )


def test_secrets_in_responses_are_not_kept():
    step = step_of(
        exchange(
            response_headers=[
                ("content-type", "application/json"),
                ("set-cookie", "sid=hush-cookie-value; Path=/"),
                ("x-auth-token", "hush-token-value"),
                ("x-request-id", "r-771"),
                ("x-echo", "Bearer hush-request-value"),
            ],
            response_body=b'{"access_token":"hush-a","id":"u-1","sid":"hush-cookie-value","mine":"pat-hush"}',
        ),
        0,
        Redactor(["pat-[a-z]+"]),
        "keep",
    )

    assert step.recorded.response_headers == {"x-request-id": "r-771", "x-echo": "Bearer redacted"}
    assert step.recorded.response_json == {
        "access_token": "redacted",
        "id": "u-1",
        "sid": "redacted",
        "mine": "redacted",
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream", b"data: {}"),
        ("application/json", b'{"cut": '),
        ("application/json", None),
        ("application/json", b"[" * 5000 + b"]" * 5000),
    ],
)
def test_what_is_no_small_json_document_is_not_kept(content_type, body):
    step = step_of(
        exchange(response_headers=[("content-type", content_type)], response_body=body), 0, Redactor(), "keep"
    )

    assert step.recorded.response_json is None
