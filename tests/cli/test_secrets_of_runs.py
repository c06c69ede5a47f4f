"""No command writes or prints a secret: of the environment, of the trace that it replays, or of what it is answered.

Each stands where a command has it in hand; the files of all commands, and what they say, are looked through for them.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from tests.support.secret_places import files_that_hold


def canary(where):
    return f"canary{where}AbCdEf0123456789"


PLACES = (
    "environment", "query", "header", "json", "form", "nested", "answered", "cookie", "location", "failed", "probed",
)  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = 500 if "fail" in self.path else 302 if "moved" in self.path else 200
        body = {"access_token": canary("answered"), "error": {"message": canary("failed")}}
        data = json.dumps(body if status == 500 else {"access_token": canary("answered")}).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Set-Cookie", f"s={canary('cookie')}"),
            ("Location", f"/ok?token={canary('location')}"),
            ("Content-Length", str(len(data))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def target(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_TEST", canary("environment"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    file = tmp_path / "target.toml"
    url = f"http://127.0.0.1:{server.server_address[1]}"
    file.write_text(f'url = "{url}"\nname = "t"\n[auth]\nbearer_env = "TOKEN_OF_TEST"\n')
    yield file
    server.shutdown()
    server.server_close()
    thread.join()


def request(id, path, at_ms, **fields):
    return {"id": id, "kind": "http", "name": id, "at_ms": at_ms, "request": {"path": path, **fields}}


@pytest.fixture
def trace(write_trace):
    form = {"content-type": "application/x-www-form-urlencoded"}
    steps = [
        request("ok", f"/ok?api_key={canary('query')}", 0, method="GET", headers={"x-api-key": canary("header")}),
        request("fail", "/fail", 2, method="POST", json={"password": canary("json"), "a": [{"token": canary("nested")}]}),
        request("moved", "/moved", 4, method="POST", headers=form, body=f"token={canary('form')}"),
    ]  # fmt: skip
    return write_trace(*((n * 5.0, steps) for n in range(4)))


def test_no_command_writes_or_prints_a_secret(target, trace, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    run = out / "run"
    probed = f"/ok?api_key={canary('probed')}"
    for words in (
        ["run", trace, "-t", target, "--dry-run"],
        ["run", trace, "-t", target, "--out", run, "--json"],
        ["gate", trace, "-t", target, "--slo", "p99 < 5s", "--out", out / "gate", "--junit", out / "j.xml", "--markdown", out / "m.md"],
        ["compare", trace, "-t", target, "-t", target, "--out", out / "compare"],
        ["coldstart", "--run", run],
        ["coldstart", "-t", target, "--path", probed, "--min-idle", "20ms", "--max-idle", "40ms", "--yes", "--out", out / "cold"],
        ["explain", run, "--json"],
        ["report", run, "--html", out / "page.html"],
        ["report", run, "--csv", out / "steps.csv"],
        ["report", run, "--parquet", out / "steps.parquet"],
        ["report", out / "gate"],
        ["cost", run, "--price", "cloud-run"],
        ["ceiling", trace, "-t", target, "--slo", "errors < 90%", "--most", "2", "--level", "200ms", "--budget", "2s", "--no-recovery", "--out", out / "ceiling"],
        ["report", out / "ceiling", "--html", out / "ceiling.html"],
    ):  # fmt: skip
        done = CliRunner().invoke(cli, [*map(str, words)])
        assert done.exit_code in (0, 1, 3), done.output
        (out / "said").write_text(done.output)
        for where in PLACES:
            assert files_that_hold(canary(where), out) == [], (where, words[:2])
    assert (run / "steps.jsonl").stat().st_size > 0
