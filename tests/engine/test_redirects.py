"""Redirects that are followed: where to, as what, with whose credentials, and what of it is in the figures."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from replay.engine.run import replay_trace
from replay.engine.types import Budget, RunOptions
from replay.results.columns import read_columns
from replay.target.file import load_target

CANARY = "CANARY-s3cr3t"


class Server:
    """Answers as its table says, by path: a status and a Location, or a status alone; keeps what it is asked."""

    def __init__(self, answers):
        self.seen = seen = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                seen.append((self.command, self.path, dict(self.headers), body))
                status, location = answers.get(self.path.partition("?")[0], (200, None))
                self.send_response(status)
                if location is not None:
                    self.send_header("location", location)
                self.send_header("set-cookie", "visited=1; Path=/")
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_): ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def serving():
    servers = []

    def serve(answers):
        servers.append(Server(answers))
        return servers[-1]

    yield serve
    for server in servers:
        server.server.shutdown()
        server.server.server_close()


def replayed(tmp_path, url, *requests, target="", steps=None):
    """The summary and the lines of a run of these requests, each a step after the other."""
    trace, file = tmp_path / "t.jsonl", tmp_path / "target.toml"
    made = steps or [{"request": request} for request in requests]
    written = [
        {"id": f"{n}", "kind": "tool", "name": "x"} | step | ({"after": [{"step": f"{n - 1}"}]} if n else {})
        for n, step in enumerate(made)
    ]
    lines = [
        {"format": "replay-trace", "version": 1, "name": "t"},
        {"id": "s", "start_ms": 0, "steps": written},
    ]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    file.write_text(f'url = "{url}"\nredirects = {{ follow = 3 }}\n{target}')
    summary = replay_trace(trace, load_target(str(file)), RunOptions(), tmp_path / "run").summary
    return summary, [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("transport", ["fast", "httpx"])
def test_a_step_lasts_until_the_last_answer_and_counts_once(tmp_path, serving, transport):
    server = serving({"/a": (302, "/b?x=1"), "/b": (301, "c")})
    summary, lines = replayed(
        tmp_path, server.url, {"method": "GET", "path": "/a"}, target=f'transport = "{transport}"\n'
    )

    assert [seen[:2] for seen in server.seen] == [("GET", "/a"), ("GET", "/b?x=1"), ("GET", "/c")]
    counts = summary.counts
    assert (counts.ok, counts.failed, counts.followed, counts.retries, counts.redirected) == (1, 0, 2, 0, 0)
    assert [(line["outcome"], line.get("final", True), line["status"]) for line in lines] == [
        ("ok", False, 302),
        ("ok", False, 301),
        ("ok", True, 200),
    ]
    assert len({line["intended_ns"] for line in lines}) == 1
    assert lines[0]["end_ns"] <= lines[1]["sent_ns"] <= lines[1]["end_ns"] <= lines[2]["sent_ns"]
    assert summary.latency_ms["response"].n == 1
    # Of the first request alone: what a redirect takes is the target's.
    assert summary.dispatch_lag_us.n <= 1
    columns = read_columns(tmp_path / "run")
    assert (columns.n, columns.attempts.tolist()) == (1, [1])


@pytest.mark.parametrize(
    ("status", "method", "becomes", "keeps_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "HEAD", "HEAD", False),
        (301, "PUT", "PUT", True),
        (307, "POST", "POST", True),
        (308, "POST", "POST", True),
    ],
)
def test_method_and_body_become_what_clients_make_of_them(
    tmp_path, serving, status, method, becomes, keeps_body
):
    server = serving({"/a": (status, "/b")})
    request = {"method": method, "path": "/a", "headers": {"X-Run": "7"}}
    if method != "HEAD":
        request["json"] = {"n": 1}
    replayed(tmp_path, server.url, request)

    found, path, headers, body = server.seen[-1]
    assert (found, path, headers["x-run" if "x-run" in headers else "X-Run"]) == (becomes, "/b", "7")
    assert body.replace(b" ", b"") == (b'{"n":1}' if keeps_body else b"")
    assert headers.get("content-type") == ("application/json" if keeps_body else None)


def test_what_a_target_says_under_a_prefix_is_from_the_root(tmp_path, serving):
    server = serving({"/app/a": (302, "/login"), "/login": (302, "/app/b")})
    replayed(tmp_path, f"{server.url}/app", {"method": "GET", "path": "/a"})

    assert [seen[1] for seen in server.seen] == ["/app/a", "/login", "/app/b"]


def test_credentials_go_to_their_own_place_alone(tmp_path, serving, monkeypatch):
    monkeypatch.setenv("OWN", CANARY)
    monkeypatch.setenv("THEIRS", "theirs")
    other = serving({})
    own = serving({"/a": (307, f"{other.url}/x"), "/b": (302, "/c")})
    routes = f'[[routes]]\nname = "elsewhere"\nsend_to = "{other.url}"\nauth = {{ bearer_env = "THEIRS" }}\n'
    target = f'[headers]\nx-tenant = "t"\n[auth]\nheader_env = {{ x-custom = "OWN", authorization = "OWN" }}\n{routes}'
    headers = {"X-Api-Key": CANARY, "X-Plain": "1", "X-Custom": "2"}
    summary, _ = replayed(
        tmp_path,
        own.url,
        {"method": "POST", "path": "/a", "headers": headers, "json": {}},
        {"method": "GET", "path": "/b", "headers": headers},
        target=target,
    )

    assert summary.counts.ok == 2
    [(_, path, sent, _)] = other.seen
    told = {name.lower(): value for name, value in sent.items()}
    assert (path, told["authorization"], told["x-plain"]) == ("/x", "Bearer theirs", "1")
    assert CANARY not in str(sent)
    assert "x-custom" not in told
    assert own.seen[-1][1] == "/c"
    assert own.seen[-1][2]["authorization"] == CANARY
    files = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert CANARY.encode() not in files


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://127.0.0.1:1/x", "an origin that neither the target's url nor a route names"),
        ("https://127.0.0.1/x", "an origin that neither"),
        ("//evil.example/x", "an origin that neither"),
        ("http://[::1/x", "what is no URL"),
        ("mailto:a@b", "what is no URL"),
        ("/a", "more redirects, one after the other, than follow"),
    ],
)
def test_what_cannot_be_followed_fails_the_step_and_says_why(tmp_path, serving, location, why):
    server = serving({"/a": (302, location)})
    summary, lines = replayed(tmp_path, server.url, {"method": "GET", "path": "/a"})

    assert (summary.counts.ok, summary.counts.errors) == (0, {"redirect": 1})
    assert why in lines[-1]["why"]
    assert len(server.seen) == (4 if location == "/a" else 1)


def test_a_location_is_taken_for_no_reference_and_no_header(tmp_path, serving):
    server = serving({"/a": (302, "/{{session}}/{{row.password}} b#frag")})
    step = {"request": {"method": "GET", "path": "/a?s={{session}}"}}
    replayed(tmp_path, server.url, steps=[step])

    assert server.seen[0][1] == "/a?s=s"
    assert server.seen[1][1] == "/%7B%7Bsession%7D%7D/%7B%7Brow.password%7D%7D%20b"


def test_a_redirect_that_was_recorded_is_what_is_wanted(tmp_path, serving):
    server = serving({"/a": (302, "/b")})
    step = {"request": {"method": "GET", "path": "/a"}, "recorded": {"status": 302}}
    summary, _ = replayed(tmp_path, server.url, steps=[step])

    assert len(server.seen) == 1
    assert (summary.counts.ok, summary.counts.followed, summary.counts.unlike_recorded) == (1, 0, 0)


@pytest.mark.parametrize(("status", "location"), [(304, "/b"), (300, "/b"), (302, None), (200, "/b")])
def test_what_leads_nowhere_is_an_answer(tmp_path, serving, status, location):
    server = serving({"/a": (status, location)})
    summary, _ = replayed(tmp_path, server.url, {"method": "GET", "path": "/a"})

    assert len(server.seen) == 1
    assert summary.counts.ok == 1


def test_cookies_that_a_redirect_sets_go_with_what_follows(tmp_path, serving):
    server = serving({"/a": (302, "/b")})
    replayed(tmp_path, server.url, {"method": "GET", "path": "/a"}, target="[session]\ncookies = true\n")

    by_path = defaultdict(str, {path: headers.get("cookie", "") for _, path, headers, _ in server.seen})
    assert (by_path["/a"], by_path["/b"]) == ("", "visited=1")


def test_what_is_expected_is_expected_of_the_last_answer(tmp_path, serving):
    server = serving({"/a": (302, "/b"), "/b": (404, None)})
    target = "[[expect]]\nstatus = [404]\n"
    summary, _ = replayed(tmp_path, server.url, {"method": "GET", "path": "/a"}, target=target)

    assert (summary.counts.ok, summary.counts.followed) == (1, 1)


def test_none_is_followed_unless_it_is_asked_for(tmp_path, serving):
    server = serving({"/a": (302, "/b")})
    summary, _ = replayed(tmp_path, server.url, {"method": "GET", "path": "/a"})
    assert summary.counts.followed == 1

    file = tmp_path / "target.toml"
    file.write_text(f'url = "{server.url}"\n')
    done = replay_trace(tmp_path / "t.jsonl", load_target(str(file)), RunOptions(), tmp_path / "other").summary

    assert (done.counts.followed, done.counts.redirected, done.counts.ok) == (0, 1, 1)


def test_a_retry_repeats_what_failed_and_not_what_led_there(tmp_path, serving):
    """A POST that was answered with 303 has been done: to send it again would do it twice."""
    server = serving({"/orders": (303, "/orders/7"), "/orders/7": (503, None)})
    target = "[retry]\nattempts = 3\nbackoff_s = 0.001\n"
    summary, _ = replayed(
        tmp_path, server.url, {"method": "POST", "path": "/orders", "json": {"n": 1}}, target=target
    )

    assert [seen[:2] for seen in server.seen] == [("POST", "/orders"), *[("GET", "/orders/7")] * 3]
    assert (summary.counts.errors, summary.counts.followed, summary.counts.retries) == ({"status_5xx": 1}, 1, 2)
    assert read_columns(tmp_path / "run").attempts.tolist() == [3]


def test_a_budget_pays_for_what_a_redirect_leads_to(tmp_path, serving):
    server = serving({"/v1/chat/completions": (307, "/other/v1/chat/completions")})
    step = {"kind": "llm", "llm": {"input_tokens": 1, "output_tokens": 1}}
    trace, file = tmp_path / "t.jsonl", tmp_path / "target.toml"
    lines = [
        {"format": "replay-trace", "version": 1, "name": "t"},
        {"id": "s", "start_ms": 0, "steps": [{"id": "a", "name": "x", **step}]},
    ]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    file.write_text(
        f'url = "{server.url}"\nanswers = "status"\nredirects = {{ follow = 3 }}\n[cost]\nprice = "cloud-run-us-central1"\ncall_price = 1.0\n'
    )

    def run(amount, name):
        options = RunOptions(budget=Budget(amount))
        return replay_trace(trace, load_target(str(file)), options, tmp_path / name).summary

    paid, refused = run(2.0, "paid"), run(1.0, "refused")

    assert (paid.counts.ok, paid.counts.followed, paid.spent.amount) == (1, 1, 2.0)
    assert (refused.counts.ok, refused.counts.errors, refused.spent.amount) == (0, {"interrupted": 1}, 1.0)
    assert refused.ended.by == "budget"
    assert [seen[1] for seen in server.seen].count("/other/v1/chat/completions") == 1
