"""What a real nginx logs is imported as it happened: every request, in its session, at its time."""

import http.client
import signal
import socket
import subprocess
import time
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from replay.assembly.types import ImportOptions
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.json_log import JsonLog
from tests.support.nginx import await_listening

NGINX = Path("/usr/sbin/nginx")
PAGE_BYTES = 1_200_000  # nginx sends the first second's share at once, and the rest at its rate
CLIENTS = ("planner", "searcher", "writer")
# As operators write their own: columns in front, bars between, an object with numbers.
DECLARED = {
    "columns": """log_format columns '$server_name|$http_host $server_port|$msec|$scheme $request_method $uri$is_args$args '
        '$server_protocol|$status $body_bytes_sent|$request_time $upstream_response_time|$http_user_agent|$remote_addr';""",
    "object": """log_format object escape=json '{"at": $msec, "line": "$request", "agent": "$http_user_agent", '
        '"took": $request_time, "status": $status, "bytes": $body_bytes_sent, "length": "$content_length"}';""",
}
CONFIG = """
    daemon off; master_process off; pid pid; error_log error.log;
    events {{ worker_connections 64; }}
    http {{
        client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
        log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
            '"$http_referer" "$http_user_agent" rt=$request_time urt="$upstream_response_time" rid=$request_id content_length=$content_length';
        log_format bare '$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent '
            '"$http_referer" "$http_user_agent" $request_length $request_time $upstream_response_time $msec';
        log_format json escape=json '{{"time_iso8601":"$time_iso8601","msec":"$msec","request_time":"$request_time",'
            '"request_method":"$request_method","request_uri":"$request_uri","status":"$status",'
            '"content_length":"$content_length","body_bytes_sent":"$body_bytes_sent","remote_addr":"$remote_addr",'
            '"http_user_agent":"$http_user_agent","request_id":"$request_id"}}';
        {declared}
        access_log columns.log columns;
        access_log object.log object;
        access_log combined.log combined;
        access_log timed.log timed;
        access_log bare.log bare;
        access_log json.log json;
        server {{
            listen 127.0.0.1:{port};
            location /slow/ {{ limit_rate 1m; alias {folder}/; }}
            location / {{ return 200 "ok"; }}
        }}
    }}
"""


class Sent(msgspec.Struct):
    """A request as its sender saw it; times are Unix ns."""

    client: str
    method: str
    path: str
    before_ns: int
    after_ns: int


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[Path, list[Sent]]:
    """The folder with the logs of an nginx that has ended, and the 30 requests that it was sent."""
    if not NGINX.exists():
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "page").write_bytes(b"x" * PAGE_BYTES)
    (folder / "nginx.conf").write_text(
        dedent(CONFIG.format(port=port, folder=folder, declared="\n".join(DECLARED.values())))
    )
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
    try:
        await_listening(port, process)
        sent = [request for client in CLIENTS for request in requests_of(client, port)]
        process.send_signal(signal.SIGQUIT)  # it ends once it has logged everything
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait(timeout=10)
    return folder, sent


def requests_of(client: str, port: int) -> list[Sent]:
    """Ten requests one after another: eight quick ones, a slow one, and one with a body."""
    sent: list[Sent] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    paths = [("GET", f"/{client}/{n}?n={n}", None) for n in range(8)]
    for method, path, body in [*paths, ("GET", "/slow/page", None), ("POST", f"/{client}/17", b"y" * 500)]:
        before_ns = time.time_ns()
        connection.request(method, path, body=body, headers={"User-Agent": client})
        with connection.getresponse() as answer:
            assert answer.status == 200
            answer.read()
        sent.append(Sent(client, method, path, before_ns, time.time_ns()))
    connection.close()
    return sent


def imported(importer, path, **options):
    assert options.keys() & {"log_format", "keys"} or importer.sniff(path.read_bytes())
    result = importer.read([path], ImportOptions(**options))
    return list(result.sessions()), result.header


@pytest.mark.parametrize(
    ("importer", "name", "resolution_ms", "has_durations", "options"),
    [
        (AccessLog(), "combined", 1_000, False, {}),
        (AccessLog(), "timed", 1_000, True, {}),
        (AccessLog(), "bare", 1, True, {}),
        (JsonLog(), "json", 1, True, {}),
        (AccessLog(), "columns", 1, True, {"log_format": DECLARED["columns"]}),
        (AccessLog(), "object", 1, True, {"log_format": DECLARED["object"]}),
        (
            JsonLog(),
            "json",
            1,
            True,
            {
                "keys": "end=msec,duration_s=request_time,method=request_method,path=request_uri,status=status,"
                "bytes=body_bytes_sent,request_bytes=content_length,user_agent=http_user_agent,client=remote_addr"
            },
        ),
    ],
)
def test_every_request_is_found_at_its_time(
    served, walked_starts_ms, importer, name, resolution_ms, has_durations, options
):
    folder, sent = served
    sessions, header = imported(importer, folder / f"{name}.log", **options)

    assert header.resolution_ms <= resolution_ms
    assert header.attributes["import"]["unreadable"] == 0
    assert sorted(session.attributes["user_agent"] for session in sessions) == sorted(CLIENTS)
    first_ms = header.attributes["import"]["first_unix_ns"] / 1e6
    grain_ms = resolution_ms + 1  # and one for nginx's own rounding
    for session in sessions:
        walked = walked_starts_ms(session)
        expected = {
            (each.method, each.path): each for each in sent if each.client == session.attributes["user_agent"]
        }
        assert {(step.request.method, step.request.path) for step in session.steps} == set(expected)
        for step in session.steps:
            request = expected[step.request.method, step.request.path]
            start_ms = first_ms + session.start_ms + step.at_ms
            assert start_ms >= request.before_ns / 1e6 - grain_ms
            assert start_ms + (step.took_ms or 0) <= request.after_ns / 1e6 + grain_ms
            assert (step.took_ms is not None) == has_durations
            assert 0 <= walked[step.id] - step.at_ms + 1e-6 < header.resolution_ms + 1e-6
            assert step.recorded.status == 200
            assert step.recorded.response_bytes == (PAGE_BYTES if step.request.path == "/slow/page" else 2)


def test_what_a_slow_request_took_is_imported(served):
    folder, _ = served
    for importer, name in ((AccessLog(), "timed"), (AccessLog(), "bare"), (JsonLog(), "json")):
        for session in imported(importer, folder / f"{name}.log")[0]:
            [slow] = [step for step in session.steps if step.request.path == "/slow/page"]
            assert slow.took_ms > 50


def test_a_request_follows_the_one_before_it_where_the_clock_can_tell(served):
    sessions, _ = imported(JsonLog(), served[0] / "json.log", session_by="http_user_agent")
    assert sorted(session.id for session in sessions) == sorted(CLIENTS)
    for session in sessions:
        slow, last = session.steps[-2:]
        assert (slow.id, "end") in [(edge.step, edge.anchor) for edge in last.after]
        assert (last.request.method, last.name) == ("POST", f"POST /{session.id}/*")


def test_a_body_has_the_size_that_the_client_announced(served):
    for importer, name in ((AccessLog(), "timed"), (JsonLog(), "json")):
        sizes = [
            step.request.body_bytes
            for session in imported(importer, served[0] / f"{name}.log")[0]
            for step in session.steps
        ]
        assert sorted(size for size in sizes if size) == [500] * len(CLIENTS)
