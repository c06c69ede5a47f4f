"""The benchmark is fair and whole: peers send the same requests, and every scenario gives figures. Never how fast."""

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
# By name, for the folder is no package of ours.
logs, machine, peers, table, work = (
    importlib.import_module(f"benchmarks.{name}") for name in ("logs", "machine", "peers", "table", "work")
)
lag, throughput = (importlib.import_module(f"benchmarks.scenarios.{name}") for name in ("lag", "throughput"))
peer_types, scenario_types = (
    importlib.import_module("benchmarks.peers.types"),
    importlib.import_module("benchmarks.scenarios.types"),
)
servers = importlib.import_module("benchmarks.servers")
sys.path.remove(str(ROOT / "scripts"))

needs_nginx = pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="nginx is not installed")
FANNED = work.Work("fanned", (1, 3), "/tools/store", 400, 1_000, '{"model":"m-1","text":"xx"}')


class Witness(ThreadingHTTPServer):
    """Counts connections, and requests as they are: method, path, content type and body."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.connections, self.requests = 0, Counter()

    def verify_request(self, request, client_address):
        self.connections += 1
        return True


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests[self.command, self.path, self.headers.get("content-type"), body] += 1
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass


@pytest.fixture
def witness():
    server = Witness()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_each_client_sends_these_requests_and_no_others_over_connections_that_it_keeps(peer, witness, tmp_path):
    if not peer.is_here():
        pytest.skip(f"not installed: {peer.install}")

    load = peer.load(FANNED, f"http://127.0.0.1:{witness.server_port}", 1.0, tmp_path)

    ((method, path, content_type, body),) = witness.requests
    assert (method, path, content_type, body.decode()) == (
        "POST",
        "/tools/store",
        "application/json",
        FANNED.body,
    )
    assert 0 < load.requests <= witness.requests.total()
    assert witness.connections <= 4 * work.USERS
    assert load.rps > 0
    assert load.ran.cpu_s > 0


def test_a_session_waits_in_each_stage_for_all_of_the_stage_before():
    steps = work.steps_of(FANNED)

    assert [step["id"] for step in steps] == ["s0-0", "s1-0", "s1-1", "s1-2"]
    assert [step.get("after") for step in steps] == [None] + [[{"step": "s0-0"}]] * 3
    assert all(json.dumps(step["request"]["json"], separators=(",", ":")) == FANNED.body for step in steps)


def test_bodies_have_the_size_that_their_work_is_named_after():
    (posted,) = (one for one in work.WORKS if one.name == "bodies of 8 kB")

    assert len(posted.body) == 8_000
    assert json.loads(posted.body)["stream"] is True


def test_a_stream_has_an_event_for_each_token_and_one_for_the_end():
    assert work.token_stream().count('"content"') == work.STREAM_TOKENS == 200
    assert work.token_stream().endswith("data: [DONE]\n\n")


def test_a_client_without_a_schedule_is_as_late_as_it_falls_behind_its_earliest_request():
    period = lag.PERIOD_NS
    assert lag.behind_own_grid([5, 2 * period + 25, period + 105], 4) == [0, 100, 20]


def test_of_a_client_that_left_requests_out_nobody_knows_how_late_it_was():
    with pytest.raises(machine.CommandFailed, match="2 of 4 requests"):
        lag.behind_own_grid([5, 10], 4)


def test_lateness_is_the_median_and_the_99th_percentile_in_microseconds():
    assert lag.lateness(range(0, 1_000_000, 1_000)) == (500.0, 990.0)


def turns(rates):
    """A turn for each round that has a rate."""
    ran = machine.Ran("", 2.0, 0, 4_000_000_000, 0)
    return {
        number: throughput.Turn(peer_types.Load(1_000, rate, ran), servers.Counted(1, 1_000))
        for number, rate in enumerate(rates)
        if rate
    }


def row(peer, rates, ours):
    (single, *_) = work.WORKS
    return throughput._row(single, peer, turns(rates), turns(ours))


WRK = next(peer for peer in peers.PEERS if peer.name == "wrk")


def test_a_peer_is_set_beside_ours_round_by_round_and_the_goal_is_met_or_not():
    assert row(WRK, [100.0, 50.0, 100.0], [70.0, 45.0, 20.0]) == (
        "  beside wrk",
        "100/s [50/s..100/s]",
        "2.0 s, 2,000.0 µs a request",
        "0.70 (at least 0.6)",
        "met",
    )
    assert row(WRK, [100.0], [59.0])[3:] == ("0.59 (at least 0.6)", "NOT MET")


def test_a_round_in_which_one_of_both_failed_is_in_no_ratio():
    assert row(WRK, [100.0, None, 100.0], [None, 10.0, 80.0]).goal == "0.80 (at least 0.6)"
    assert row(WRK, [100.0], []).goal == ""


def test_the_table_is_markdown_with_a_column_for_each_part_of_a_row():
    lines = table.markdown(
        [table.Row("a thing", "1 s"), table.Row("b", "2 s", "3 s", "at most 1 s", "NOT MET")]
    ).splitlines()

    assert [line.count("|") for line in lines] == [6] * 4
    assert len({len(line) for line in lines}) == 1
    assert lines[3] == "| b       | 2 s      | 3 s                      | at most 1 s   | NOT MET |"


def test_what_a_command_printed_otherwise_than_was_expected_is_told():
    ran = machine.run([sys.executable, "-c", "print('12 of 13')"])

    assert ran.number(r"(\d+) of") == 12
    with pytest.raises(machine.CommandFailed, match="12 of 13"):
        ran.number(r"(\d+) requests")
    with pytest.raises(machine.CommandFailed, match="ended with 3"):
        machine.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_request_arrives_within_the_call_that_sends_it_and_is_read_after_that():
    sent_ns = []
    with servers.arrivals() as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            for _ in range(50):
                before_ns = time.monotonic_ns()
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                sent_ns.append((before_ns, time.monotonic_ns()))
                connection.recv(100)

    assert len(server.came_ns) == len(server.read_ns) == 50
    for (before_ns, after_ns), came_ns, read_ns in zip(sent_ns, server.came_ns, server.read_ns, strict=True):
        # Two clocks that are read one after the other are some µs apart.
        assert before_ns - 100_000 <= came_ns <= after_ns + 100_000
        assert came_ns - 100_000 <= read_ns


@pytest.mark.parametrize("log_format", logs.LINES)
def test_every_line_of_a_log_to_be_imported_becomes_a_step(tmp_path, log_format):
    path = tmp_path / "long.log"
    lines = logs.write_log(path, log_format, 300_000)

    told = IMPORTERS[log_format].read([path], ImportOptions()).header.attributes["import"]

    assert path.stat().st_size >= 300_000
    assert told["lines"] == told["stamped_at_end"] == lines
    assert told["unreadable"] == 0


@needs_nginx
def test_a_quick_run_has_a_row_for_every_figure_of_the_scenarios_that_were_asked_for(tmp_path):
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--beside",
        "--only",
        "noise",
        "fan-outs",
        "workers",
        "lag",
        "--json",
        str(figures),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
    )

    found = [re.split(r" *\| *", line)[1] for line in done.stdout.splitlines()[2:]]
    over_one = f"two workers over one, {len(os.sched_getaffinity(0))} cores with the server"
    assert found == [
        "noise floor, the client's core",
        "noise floor, the server's core",
        "fan-outs of eight, replay",
        "single steps, --workers 1",
        "single steps, --workers 2",
        over_one,
        "streams of 200 tokens, --workers 1",
        "streams of 200 tokens, --workers 2",
        over_one,
        "late at 2,000/s, a bare spinning loop",
        "late at 2,000/s, replay: arrived",
        "late at 2,000/s, replay: as it reports it",
        "late at 2,000/s, replay: read by the server",
        "late at 2,000/s, replay: of that, the server's part",
    ]
    told = json.loads(figures.read_text())
    assert list(told) == ["noise", "fan-outs", "workers", "lag"]
    (turn,) = told["fan-outs"]["replay"]
    assert turn["requests"] == turn["counted"]["requests"] == 6_000
