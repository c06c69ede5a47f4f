"""Captured packets: real captures beside a client that knew what it sent, and packets made by hand."""

import gzip
import json
import random
from pathlib import Path

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.captures.tshark import Tshark
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from tests.support.packets import ACK, FIN, RST, SYN, Wire, answer, array, in_order, request

REAL = Path(__file__).parent / "packets"


def imported(path, **options):
    result = Tshark().read([path], ImportOptions(**options))
    return result, list(result.sessions())


def steps_of(sessions):
    return [step for session in sessions for step in session.steps]


@pytest.fixture
def told(tmp_path):
    """What packets become: the header's import attributes, and the sessions."""

    def read(*wires, **options):
        path = tmp_path / "c.json"
        path.write_text(array(in_order(*wires)))
        result, sessions = imported(path, **options)
        return result.header.attributes["import"], sessions

    return read


def summary(sessions):
    return [
        (step.request.method, step.request.path, step.took_ms, step.recorded and step.recorded.status)
        for step in steps_of(sessions)
    ]


@pytest.mark.parametrize("name", ["whole.json.gz", "whole.ek.gz", "nodup.json.gz", "fields.json"])
def test_a_real_capture_says_what_its_client_saw(name):
    """Starts and ends lie within 3 ms of those that the client measured on the same machine."""
    truth = json.loads((REAL / "truth.json").read_text())
    result, sessions = imported(REAL / name)
    first_s = result.header.attributes["import"]["first_unix_ns"] / 1e9

    [session] = sessions
    assert (
        len(session.steps) == len(truth) + 1
    )  # it closed before the last one's answer, and did not wait for it
    for step, seen in zip(session.steps, truth, strict=False):
        assert (step.request.method, step.request.path) == (seen["method"], seen["path"])
        assert step.recorded.status == seen["status"]
        assert abs(first_s + step.at_ms / 1e3 - seen["start_s"]) < 0.003
        assert abs(step.took_ms / 1e3 - (seen["end_s"] - seen["start_s"])) < 0.003
        assert abs(step.recorded.ttft_ms / 1e3 - (seen["first_s"] - seen["start_s"])) < 0.003
    assert json.loads(bytes(session.steps[1].request.json)) == {"name": "boots"}


def test_a_display_filter_leaves_the_messages_and_no_first_bytes_that_are_not_there():
    """-Y http keeps the last packet of each message; what tshark reassembled of the others is in it."""
    _, whole = imported(REAL / "whole.json.gz")
    _, filtered = imported(REAL / "http.json.gz")

    assert summary(filtered) == summary(whole)
    events = next(step for step in steps_of(filtered) if step.request.path == "/events")
    assert events.recorded.ttft_ms is None
    assert events.recorded.response_bytes == 45


def test_a_real_capture_of_grpc_has_calls_and_how_they_ended():
    result, sessions = imported(REAL / "grpc.json.gz")
    calls = [(step.kind, step.grpc.method, step.recorded.grpc_status) for step in steps_of(sessions)]

    assert sorted(calls) == [("grpc", "shop.v1.Cat/Echo", "OK")] * 7 + [
        ("grpc", "shop.v1.Cat/Fail", "NOT_FOUND")
    ]
    first = steps_of(sessions)[0]
    assert first.grpc.message_base64 == "CgVoZWxsbw=="
    assert (first.grpc.metadata, first.grpc.timeout_ms) == ({"x-tenant": "acme"}, 2_000.0)
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["gRPC call(s) with several messages, or none, in a direction, which cannot be replayed"] == 1


def test_a_real_capture_of_odd_connections():
    """HTTP/1.0 over IPv6 until the end, h2c by an upgrade, a PROXY line, a head byte by byte, and Redis."""
    result, sessions = imported(REAL / "odd.json.gz")
    found = {step.request.path: step for step in steps_of(sessions)}

    assert {path: (step.recorded.status, step.recorded.response_bytes) for path, step in found.items()} == {
        "/ten": (200, 3_000),
        "/index.html": (200, 9),
        "/proxied": (200, 2),
        "/bytewise": (413, 0),
    }
    assert found["/bytewise"].request.body_bytes == 1_000
    [(what, n)] = result.header.attributes["import"]["dropped"].items()
    assert (what, n) == ("connection(s) of something other than HTTP/1.1 and HTTP/2 in clear text", 1)


def test_requests_begin_with_their_first_packet_and_end_with_the_last_of_their_answer(told):
    wire = Wire()
    wire.sent(b"POST /a HTTP/1.1\r\nContent-Le", 10).sent(b"ngth: 2\r\n\r\n", 12).sent(b"ok", 14)
    wire.came(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", 20).came(b"cd", 30)
    _, [session] = told(wire)

    [step] = session.steps
    assert (step.took_ms, step.recorded.ttft_ms, step.request.body) == (20.0, 10.0, "ok")


def test_an_interim_answer_is_none(told):
    wire = Wire().sent(request(method="POST", headers="Expect: 100-continue\r\n", body=b"xy"), 1)
    wire.came(b"HTTP/1.1 100 Continue\r\n\r\n", 2).came(answer(), 5)
    _, sessions = told(wire)

    assert summary(sessions) == [("POST", "/a", 4.0, 200)]


def test_an_answer_until_the_end_of_the_connection_takes_until_then(told):
    wire = Wire().sent(request(), 1).came(b"HTTP/1.0 200 OK\r\n\r\nabc", 3).came(b"", 9, FIN | ACK)
    _, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", 8.0, 200)]


@pytest.mark.parametrize("end", ["reset", "file"])
def test_an_answer_that_does_not_come_to_its_end_has_no_duration(told, end):
    wire = Wire().sent(request(), 1).came(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 3)
    if end == "reset":
        wire.came(b"", 9, RST)
    _, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", None, 200)]


def test_a_request_without_an_answer_and_an_answer_without_a_request(told):
    begins_within = (
        Wire(1, opens=False).came(answer(b"old"), 1).sent(request("/new"), 2).came(answer(b"new"), 4)
    )
    found, sessions = told(Wire().sent(request("/alone"), 1), begins_within)

    assert sorted(summary(sessions)) == [("GET", "/alone", None, None), ("GET", "/new", 2.0, 200)]
    assert found["dropped"] == {"answer(s) whose request is not in the file": 1}


def test_a_capture_that_begins_within_a_body_finds_the_next_request(told):
    wire = Wire(opens=False).came(b"rest of a body", 1).sent(request("/next"), 2).came(answer(), 4)
    _, sessions = told(wire)

    assert summary(sessions) == [("GET", "/next", 2.0, 200)]


def test_packets_that_are_missing_within_a_body_cost_its_content_only(told):
    wire = Wire().sent(request(), 1)
    wire.came(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + b"a" * 100, 3).lost(100, is_sent=False)
    wire.came(b"a" * 100, 5).sent(request("/b"), 6).came(answer(), 8)
    found, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", 4.0, 200), ("GET", "/b", 2.0, 200)]
    assert steps_of(sessions)[0].recorded.response_bytes == 300
    assert found["dropped"] == {}


def test_an_end_that_is_missing_came_at_no_time_that_is_known(told):
    wire = Wire().sent(request(), 1)
    wire.came(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 100, 3).lost(100, is_sent=False)
    wire.sent(request("/b"), 50).came(answer(), 60)
    _, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", None, 200), ("GET", "/b", 10.0, 200)]
    assert steps_of(sessions)[0].recorded.response_bytes == 200


def test_packets_that_are_missing_between_messages_are_counted_and_the_next_ones_found(told):
    wire = Wire().sent(request("/a"), 1).came(answer(), 2)
    wire.lost(80, is_sent=True).lost(60, is_sent=False)
    wire.sent(request("/c"), 6).came(answer(b"c"), 8)
    found, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", 1.0, 200), ("GET", "/c", 2.0, 200)]
    [(what, n)] = found["dropped"].items()
    assert (what.partition(" at ")[0], n) == ("place(s)", 2)


def test_a_body_whose_packets_were_cut_off_is_known_by_its_size(told):
    wire = Wire().sent(request(method="POST", body=b"x" * 200), 1).came(answer(), 3)
    tcp = wire.packets[2]["_source"]["layers"]["tcp"]
    tcp["tcp.payload"] = tcp["tcp.payload"][: 3 * 100 - 1]
    found, sessions = told(wire)

    [step] = steps_of(sessions)
    assert (step.request.body, step.request.body_bytes, step.took_ms) == (None, 200, 2.0)
    assert list(found["inferred"].values()) == [1]


def test_packets_twice_and_in_another_order_say_the_same(told):
    def wires():
        for n in range(20):
            wire = Wire(n, address=f"10.0.1.{n}")
            for k in range(3):
                at = 1 + n + k * 50
                wire.sent(request(f"/{n}/{k}", "POST", body=b"b" * 50), at).came(answer(b"c" * 40), at + 9)
            yield wire

    plain = told(*wires())[1]
    drawn = random.Random(3)
    shuffled = []
    for wire in wires():
        # Within a side: segments that overtake each other, come again, and come cut in other ways.
        packets = [packet for packet in wire.packets for _ in range(drawn.choice((1, 1, 2)))]
        wire.packets = packets
        shuffled.append(wire)
    assert [[(s.name, s.took_ms, s.request.body) for s in x.steps] for x in told(*shuffled)[1]] == [
        [(s.name, s.took_ms, s.request.body) for s in x.steps] for x in plain
    ]


def without(wire, *names):
    """The same packets, without these fields of TCP."""
    for packet in wire.packets:
        for name in names:
            packet["_source"]["layers"]["tcp"].pop(name, None)
    return wire


LAID_OUT = pytest.mark.parametrize(
    ("lacking", "counts_from_zero"),
    [((), False), ((), True), (("tcp.stream",), False), (("tcp.stream",), True), (("tcp.seq",), False)],
    ids=["whole", "relative", "unnumbered", "unnumbered and relative", "without seq"],
)
"""What tshark was asked for, and whether it lets each side begin with 0, as it does by default."""


@LAID_OUT
def test_an_answer_to_an_opening_that_comes_again_begins_no_connection(told, lacking, counts_from_zero):
    wire = Wire(begins=(0, 0) if counts_from_zero else (1_000, 9_000)).sent(request(), 1)
    wire.opened_again(2, is_sent=False).came(answer(), 5).opened_again(6, is_sent=False)
    wire.sent(request("/b"), 7).came(answer(), 9)
    found, sessions = told(without(wire, *lacking))

    assert summary(sessions) == [("GET", "/a", 4.0, 200), ("GET", "/b", 2.0, 200)]
    assert found["dropped"] == {}


@LAID_OUT
def test_an_opening_with_data_begins_what_it_opens(told, lacking, counts_from_zero):
    """TCP Fast Open (RFC 7413)."""
    wire = Wire(begins=(0, 0) if counts_from_zero else (1_000, 9_000), opens=False)
    wire.sent(request(), 1, SYN).came(b"", 2, SYN | ACK).came(answer(), 5).sent(request("/b"), 6).came(
        answer(), 9
    )
    found, sessions = told(without(wire, *lacking))

    assert summary(sessions) == [("GET", "/a", 4.0, 200), ("GET", "/b", 3.0, 200)]
    assert found["dropped"] == {}


def test_an_opening_with_data_that_comes_again_says_nothing_new(told):
    wire = Wire(opens=False).sent(request(), 1, SYN).opened_again(2, is_sent=True)
    wire.came(b"", 3, SYN | ACK).came(answer(), 5)
    found, sessions = told(wire)

    assert summary(sessions) == [("GET", "/a", 4.0, 200)]
    assert found["dropped"] == {}


@LAID_OUT
def test_a_client_that_opens_anew_from_the_same_port_has_another_connection(told, lacking, counts_from_zero):
    """What closed the first one was not captured. tshark gives the second a number of its own, if it is told."""
    begins = ((0, 0), (0, 0)) if counts_from_zero else ((1_000, 9_000), (70_000, 5_000))
    first = Wire(begins=begins[0]).sent(request("/a"), 1)
    second = Wire(1, port=49_999, begins=begins[1], at_ms=20).sent(request("/b"), 21).came(answer(), 25)
    found, sessions = told(without(first, *lacking), without(second, *lacking))

    assert summary(sessions) == [("GET", "/a", None, None), ("GET", "/b", 4.0, 200)]
    assert found["dropped"] == {}


def test_a_packet_longer_than_any_is_left_out(told):
    wire = Wire().sent(request("/a"), 1).came(answer(), 3).sent(request("/b"), 5).came(answer(), 6)
    wire.packets[4]["_source"]["layers"]["tcp"]["tcp.len"] = str(1 << 30)
    found, sessions = told(wire, session_by="connection")

    assert found["unreadable"] == 1
    assert [line[1:3] for line in summary(sessions)] == [("/a", 2.0)]


def test_a_segment_that_overtakes_another_waits_for_it(told):
    wire = Wire()
    wire.sent(b"POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\n", 1).sent(b"abc", 2).sent(b"def", 3).came(
        answer(), 9
    )
    later = wire.packets[3]["_source"]["layers"]
    later["frame"]["frame.time_epoch"] = (
        wire.packets[4]["_source"]["layers"]["frame"]["frame.time_epoch"][:-7] + "4000000"
    )
    _, sessions = told(wire)

    assert steps_of(sessions)[0].request.body == "abcdef"


def test_what_is_encrypted_is_counted_and_what_is_not_tcp_too(told, tmp_path):
    tls = Wire(1).sent(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 1).came(b"\x16\x03\x03\x00\x7a\x02", 2)
    packets = [*in_order(Wire().sent(request(), 1).came(answer(), 2), tls)]
    layers = {"frame": {"frame.time_epoch": "1767225600.5"}, "udp": {"udp.port": "443"}, "quic": {}}
    packets.append({"_index": "x", "_source": {"layers": layers}})
    path = tmp_path / "c.json"
    path.write_text(array(packets))
    result, _ = imported(path)

    assert result.header.attributes["import"]["dropped"] == {
        "connection(s) that are encrypted (TLS)": 1,
        "packet(s) of QUIC, which carries HTTP/3 encrypted": 1,
    }


def test_sessions_are_clients_or_what_is_named(told):
    def wires():
        for n, agent in enumerate(("a", "a", "b")):
            headers = f"User-Agent: {agent}\r\nX-Run: r{n % 2}\r\n"
            yield Wire(n).sent(request(headers=headers), n + 1).came(answer(), n + 5)

    assert [len(session.steps) for session in told(*wires())[1]] == [2, 1]
    assert sorted(s.id for s in told(*wires(), session_by="connection")[1]) == ["1-0", "1-1", "1-2"]
    assert sorted((s.id, len(s.steps)) for s in told(*wires(), session_by="x-run")[1]) == [("r0", 2), ("r1", 1)]


def test_secrets_of_requests_and_answers_are_not_written(told, tmp_path):
    secret = "sk-live-abcdefghijklmnopqrstuvwx0123"
    body = json.dumps({"api_key": secret}).encode()
    wire = Wire().sent(request("/a?token=" + secret, "POST", f"Authorization: Bearer {secret}\r\n", body), 1)
    wire.came(answer(body, f"Content-Type: application/json\r\nSet-Cookie: sid={secret}\r\n"), 3)
    (tmp_path / "c.json").write_text(array(wire.packets))
    result, _ = imported(tmp_path / "c.json", responses="keep")
    with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
        for session in result.sessions():
            writer.write(session)

    written = (tmp_path / "t.jsonl").read_text()
    assert secret not in written
    assert '"response_json":{"api_key":"redacted"}' in written


@pytest.mark.parametrize("spaced", [None, 4])
def test_json_that_another_program_laid_out_again_is_read(tmp_path, spaced):
    packets = in_order(Wire().sent(request(), 1).came(answer(), 3))
    (tmp_path / "c.json").write_text(json.dumps(packets, indent=spaced))
    _, sessions = imported(tmp_path / "c.json")
    (tmp_path / "c.ndjson").write_text("".join(json.dumps(packet) + "\n" for packet in packets))

    assert summary(sessions) == summary(imported(tmp_path / "c.ndjson")[1]) == [("GET", "/a", 2.0, 200)]


def test_a_packet_of_which_tcp_was_left_out_is_refused_with_what_to_write(tmp_path):
    packets = Wire().sent(request(), 1).packets
    for packet in packets:
        packet["_source"]["layers"]["tcp"] = {"filtered": "tcp"}
    (tmp_path / "c.json").write_text(array(packets))

    with pytest.raises(
        TraceError, match=r"packet 1: has no tcp.srcport .* tshark -T json without -e, -j or -J"
    ):
        imported(tmp_path / "c.json")


def test_where_nothing_is_left_what_could_not_be_read_is_told_too(tmp_path):
    packets = Wire().sent(request(), 1).came(answer(), 3).packets
    packets[2]["_source"]["layers"]["frame"]["frame.time_epoch"] = "NaN"
    (tmp_path / "c.json").write_text(array(packets))

    with pytest.raises(TraceError) as told:
        imported(tmp_path / "c.json")
    assert str(told.value).partition("c.json: ")[2].replace(f"{tmp_path}/", "") == (
        "no requests. Left out: 1 answer(s) whose request is not in the file. 1 line(s) could not be read. The first: "
        "c.json, packet 3: has no time (frame.time_epoch). "
        "tshark -T json without -e, -j or -J writes all that is needed."
    )


def test_a_file_that_was_cut_off_costs_its_last_packet_only(tmp_path):
    text = array(in_order(Wire().sent(request(), 1).came(answer(), 3).sent(request("/b"), 5)))
    (tmp_path / "c.json").write_text(text[:-300])
    result, sessions = imported(tmp_path / "c.json")

    assert summary(sessions) == [("GET", "/a", 2.0, 200)]
    assert result.header.attributes["import"]["unreadable"] == 1


def test_a_packet_with_a_long_body_behind_tcp_is_read_without_it(tmp_path):
    packets = in_order(Wire().sent(request(), 1).came(answer(b"x" * 50), 3).sent(request("/b"), 5))
    for packet in packets:
        layers = packet["_source"]["layers"]
        layers["tcp.segments"] = {"tcp.reassembled.data": "00:" * (2 << 20)}
        layers["http"] = {"http.file_data": "y" * (6 << 20)}
    with gzip.open(tmp_path / "c.json.gz", "wt") as file:
        file.write(array(packets))
    _, sessions = imported(tmp_path / "c.json.gz")

    assert summary(sessions) == [("GET", "/a", 2.0, 200), ("GET", "/b", None, None)]
