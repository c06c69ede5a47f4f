"""Whatever place of a recording holds a secret, no file that we write of it does.

Places are those that a request has, in every format that holds requests, and every text of every recording.
"""

import base64
import json
import re
import sys

import pytest
from click.testing import CliRunner

from replay.assembly.types import ImportOptions
from replay.cli.main import cli
from replay.importers import IMPORTERS
from replay.recording.capture import step_of
from replay.recording.journal import JournalWriter
from replay.recording.output import write_trace
from replay.recording.types import JOURNAL_FORMAT, JOURNAL_VERSION, JournalEntry, JournalHeader
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.redaction.requests import Redactor
from tests.support.exchanges import exchange
from tests.support.packets import Wire, answer, array, request
from tests.support.recordings import FORMATS, START, START_MS, at, in_place_of_mitmproxy, line
from tests.support.secret_places import SECRET, SHAPED, files_that_hold, forms_of, places, texts


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    for name, module in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, name, module)


def har(place):
    headers = [{"name": name, "value": value} for name, value in (*place.headers, ("Content-Type", place.kind))]
    is_text = place.body.isascii()
    posted = {
        "mimeType": place.kind,
        "text": (place.body if is_text else base64.b64encode(place.body)).decode(),
    }
    request = {"method": "POST", "url": f"http://h{place.path}", "headers": headers}
    request["postData"] = posted if is_text else {**posted, "encoding": "base64"}
    answer = {"mimeType": place.kind, "text": posted["text"], "encoding": "" if is_text else "base64"}
    response = {"status": 200, "headers": headers, "content": answer, "redirectURL": place.path}
    told = {"startedDateTime": at(0), "time": 5, "request": request, "response": response}
    return FORMATS["har"].recording([json.dumps(told)]).encode()


def gor(place):
    head = "".join(f"{name}: {value}\r\n" for name, value in (*place.headers, ("Content-Type", place.kind)))
    begin = f"1 a1 {START_MS}000000 0\nPOST {place.path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode()
    return begin + place.body + "\n🐵🙈🙉\n".encode()


def tshark(place):
    head = "".join(f"{name}: {value}\r\n" for name, value in (*place.headers, ("Content-Type", place.kind)))
    wire = Wire().sent(request(place.path, "POST", head, place.body), 1).came(answer(place.body, head), 3)
    return array(wire.packets).encode()


def mitmproxy(place):
    flow = json.loads(FORMATS["mitmproxy"].record(0, "x"))
    headers = [*place.headers, ("Content-Type", place.kind)]
    flow["request"] |= {
        "method": "POST",
        "path": place.path,
        "headers": headers,
        "raw_content": place.body.decode(),
    }
    flow["response"] |= {"headers": headers, "raw_content": place.body.decode()}
    return FORMATS["mitmproxy"].recording([line(flow)]).encode()


def vegeta(place):
    header = {name: [value] for name, value in (*place.headers, ("Content-Type", place.kind))}
    body = base64.b64encode(place.body).decode()
    return line({"method": "POST", "url": f"http://h{place.path}", "header": header, "body": body}).encode()


def curl(place):
    headers = " ".join(
        f"-H '{name}: {value}'" for name, value in (*place.headers, ("Content-Type", place.kind))
    )
    return f"curl 'http://h{place.path}' {headers} --data '{place.body.decode()}'\n".encode()


def http_file(place):
    head = "".join(f"{name}: {value}\n" for name, value in (*place.headers, ("Content-Type", place.kind)))
    return f"### x\nPOST http://h{place.path} HTTP/1.1\n{head}\n{place.body.decode()}\n".encode()


def k6_script(place):
    headers = json.dumps(dict((*place.headers, ("Content-Type", place.kind))))
    told = f"{json.dumps(f'http://h{place.path}')}, {json.dumps(place.body.decode())}, {{ headers: {headers} }}"
    return f"import http from 'k6/http';\nhttp.post({told});\n".encode()


def postman(place):
    headers = [{"key": name, "value": value} for name, value in (*place.headers, ("Content-Type", place.kind))]
    request = {"method": "POST", "url": {"raw": f"http://h{place.path}"}, "header": headers}
    request["body"] = {"mode": "raw", "raw": place.body.decode()}
    return FORMATS["postman"].recording([json.dumps({"name": "a", "request": request})]).encode()


# How a request of any kind stands in a format that holds whole requests.
REQUESTS = {
    "har": har, "gor": gor, "mitmproxy": mitmproxy, "vegeta": vegeta, "curl": curl, "http-file": http_file,
    "postman": postman, "tshark": tshark, "k6-script": k6_script,
}  # fmt: skip
# Those that hold paths only: what stands for the path in a sample.
PATHS = {
    "access-log": "/a/0", "envoy-log": "/a/0", "elb-log": "/a/0", "haproxy-log": "/a/0", "w3c-log": "/a/0",
    "s3-log": "/a/0", "iis-log": "/a/0", "squid-log": "/a/0",
    "fastify-log": "/a/0", "heroku-log": "/a/0", "uvicorn-log": "/a/0", "uwsgi-log": "/a/0",
    "framework-log": "/a/0",
    "json-log": "/a/0", "cloud-run": "/a/0", "k6": "/a/0", "jtl": "/a/0", "vegeta-results": "/a/0",
}  # fmt: skip
# Those of calls, which hold no requests of HTTP; tools' arguments and spans are in test_secrets_in_recordings.py.
CALLS = {
    "claude-sessions", "mooncake", "azure-llm", "burstgpt", "azure-functions", "tracelab", "claude-code", "codex",
    "dynamo", "freeinference", "gemini-cli", "cline", "copilot", "pi", "qwen-code", "opencode", "openhands", "openai-agents", "inspect", "langfuse", "langsmith", "litellm", "lambda-log", "load-times", "inference-perf", "otlp", "jaeger", "zipkin", "otel-console",
}  # fmt: skip


def test_every_format_is_one_of_requests_of_paths_or_of_calls():
    assert sorted([*REQUESTS, *PATHS, *CALLS]) == sorted(IMPORTERS)


def imported(name, recording, folder):
    """Whether the recording could be imported; what it says and writes is in the folder."""
    source = folder.parent / f"source{FORMATS[name].suffix}"
    source.write_bytes(recording)
    try:
        result = IMPORTERS[name].read([source], ImportOptions(responses="keep"))
        (folder / "notes.txt").write_text("\n".join(result.notes))
        with TraceWriter(folder / "out.jsonl.zst", result.header) as writer:
            for session in result.sessions():
                writer.write(session)
    except TraceError as error:
        (folder / "error.txt").write_text(str(error))
        return False
    return writer.steps > 0


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "written"
    made.mkdir()
    return made


def every_place():
    """A request for each place that a secret can have, and the secret."""
    yield from ((where, place, SECRET) for where, place in places(SECRET).items())
    for whose, secret in SHAPED.items():
        found = {**texts(secret), **(places(secret, "value") if whose in ("GitHub", "JWT") else {})}
        yield from ((f"{where} {whose}", place, secret) for where, place in found.items())


@pytest.mark.parametrize("name", [*REQUESTS, *PATHS])
def test_no_place_of_a_request_leaks(name, folder):
    tried = 0
    for where, place, secret in every_place():
        if name in PATHS:
            if place.path == "/a":
                continue
            recording = FORMATS[name].of(1).replace(PATHS[name], place.path).encode()
        elif place.body.isascii() or name in ("har", "gor", "vegeta", "tshark"):
            recording = REQUESTS[name](place)
        else:
            continue  # compressed, in a format of texts
        tried += imported(name, recording, folder)
        assert files_that_hold(secret, folder) == [], (where, place)
    assert tried > (10 if name in PATHS else 60)


# A text in quotes, a word, or a cell.
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![^\s,])[^\s",]+(?![^\s,])')


@pytest.mark.parametrize("name", IMPORTERS)
def test_no_text_of_a_recording_leaks(name, folder):
    """Whatever text it is that holds a key: an id, a name, a model, a user agent, a version, a time."""
    sample, tried = FORMATS[name].of(1), 0
    secret = SHAPED["OpenAI"]
    for found in _TEXT.finditer(sample):
        quote, held = ('"', found[0][1:-1] + " ") if found[0].startswith('"') else ("", "")
        for text in {secret, held + secret}:
            recording = sample[: found.start()] + quote + text + quote + sample[found.end() :]
            tried += imported(name, recording.encode(), folder)
            assert files_that_hold(secret, folder) == [], recording
    assert tried or name == "load-times"  # which holds numbers alone


def test_no_place_of_a_request_leaks_from_a_recording(folder):
    """Neither into the journal nor into the trace; what it answered goes the same way."""
    for where, place, secret in every_place():
        headers = [*place.headers, ("Content-Type", place.kind)]
        seen = exchange(
            place.path, place.body, headers=headers, response_headers=headers, response_body=place.body
        )
        step = step_of(seen, 0, Redactor(), "keep")
        journal = folder / "out.jsonl.journal"
        with JournalWriter(
            journal, JournalHeader(JOURNAL_FORMAT, JOURNAL_VERSION, "r", "", START.isoformat())
        ) as writer:
            writer.add(JournalEntry("s", "header", step))
        write_trace(journal, folder / "out.jsonl.gz")
        assert files_that_hold(secret, folder) == [], (where, place)
        journal.unlink()


def test_no_command_writes_what_an_import_left_out(tmp_path, folder):
    """All that is made of a trace is searched: traces, pages, summaries, what is printed."""
    for n, (_, place, secret) in enumerate(every_place()):
        if n % 11:
            continue
        source = tmp_path / "site.har"
        source.write_bytes(har(place))
        made = folder / "made.jsonl"
        for words in (
            ["import", source, "-o", made, "--responses", "keep"],
            ["transform", made, "-o", folder / "changed.jsonl.zst", "--speed", "2"],
            ["correlate", made, "-o", folder / "correlated.jsonl.gz"],
            ["info", made, "--json"],
            ["validate", made],
        ):
            done = CliRunner().invoke(cli, ["trace", *map(str, words)])
            (folder / "printed").write_text(done.output)
            assert files_that_hold(secret, folder) == [], (words, place)


def test_the_search_finds_a_secret_in_every_form(folder):
    for n, form in enumerate(forms_of(SECRET)):
        (folder / f"{n}").write_bytes(b"x " + form + b" x")
    assert len(files_that_hold(SECRET, folder)) == len(forms_of(SECRET))
