"""HTTP/2 with servers on the `h2` package, each with an oddity of its own: nothing is lost, and outcomes are right."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic_ns
from typing import Any

import h2.connection
import h2.settings
import pytest

from replay.target.sending import Connections, Timeouts, Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from replay.wire.http2.openings import Openings
from replay.wire.http2.wire import Http2Wire
from replay.wire.opening import ConnectError
from replay.wire.types import Exchange
from tests.support.http2_servers import reacts
from tests.support.wires import Serve, Server, answers, answers_then_stalls, ask, exchange, fast_http2, serving

H2 = h2.connection.H2Connection


@contextlib.asynccontextmanager
async def wire_to(serve: Serve, **options: Any) -> AsyncIterator[tuple[Http2Wire, Server]]:
    async with serving(serve) as (url, server):
        async with fast_http2(Target(url=url, http2=True, **options)) as wire:
            assert isinstance(wire, Http2Wire)
            yield wire, server


async def all_of(count: int, wire: Http2Wire, **options: Any) -> list[Exchange]:
    return await asyncio.gather(*(ask(wire, captured_headers=[], **options) for _ in range(count)))


def outcomes(got: list[Exchange]) -> set[tuple[Any, ...]]:
    return {(x.status, x.error, x.phase) for x in got}


def answer(conn: H2, stream_id: int, body: bytes = b"ok", *headers: tuple[str, str]) -> None:
    conn.send_headers(stream_id, [(":status", "200"), *headers], end_stream=not body)
    if body:
        conn.send_data(stream_id, body, end_stream=True)


def answers_ok(conn: H2, event: Any) -> None:
    answer(conn, event.stream_id)


def farewell(conn: H2, last_stream_id: int) -> None:
    """GOAWAY, after which h2 still answers what it has begun."""
    conn._data_to_send += b"\0\0\x08\x07\0\0\0\0\0" + last_stream_id.to_bytes(4, "big") + bytes(4)


@pytest.mark.anyio
async def test_steps_share_a_connection_and_each_says_how():
    async with wire_to(reacts(answers_ok)) as (wire, server):
        first = await ask(wire)
        alone = await ask(wire)
        got = await all_of(20, wire)

    assert (first.is_new_connection, first.is_shared, first.connect_ns > 0) == (True, False, True)
    assert (alone.is_new_connection, alone.is_shared, alone.connect_ns) == (False, False, 0)
    assert [(x.is_new_connection, x.is_shared) for x in got] == [(False, False)] + [(False, True)] * 19
    assert all(x.sent_ns <= x.first_byte_ns <= x.end_ns for x in got)
    assert server.connections == wire.opened == 1


@pytest.mark.anyio
async def test_what_is_gathered_is_sent_when_that_ends_and_stamped_then():
    async with wire_to(reacts(answers_ok)) as (wire, _):
        await ask(wire)
        sent = [exchange("POST", body=b"x" * n) for n in range(20)]
        wire.cork()
        for one in sent:
            wire.send(one)
        before = monotonic_ns()
        assert not any(one.sent_ns for one in sent)
        wire.uncork()
        assert all(before <= one.sent_ns <= monotonic_ns() for one in sent)
        assert len({one.sent_ns for one in sent}) == 1
        while not all(one.end_ns for one in sent):
            await asyncio.sleep(0)

    assert outcomes(sent) == {(200, None, None)}


@pytest.mark.anyio
async def test_a_connection_more_is_opened_when_those_that_are_open_are_full():
    plan = Connections(streams_per_connection=8, max=3)
    async with wire_to(reacts(answers_ok), connections=plan) as (wire, _):
        got = await all_of(100, wire)

    assert outcomes(got) == {(200, None, None)}
    assert wire.opened == 3
    assert wire.waited_for_limit > 0
    assert sum(x.queued_ns > 0 for x in got) == 92
    assert all(x.queued_ns <= x.sent_ns for x in got)


@pytest.mark.anyio
async def test_connections_are_opened_ahead_for_as_many_steps_as_are_to_come():
    async with wire_to(reacts(answers_ok), connections=Connections(streams_per_connection=10)) as (wire, _):
        wire.prepare(35)
        while wire.opened < 4:
            await asyncio.sleep(0)
        wire.prepare(40)
        got = await all_of(40, wire)

    assert wire.opened == 4
    assert not any(x.queued_ns for x in got)


@pytest.mark.anyio
async def test_what_is_opened_ahead_goes_to_a_session_that_cannot_have_one_of_its_own():
    plan = Connections(max=2, reuse="session")
    async with wire_to(reacts(answers_ok), connections=plan) as (wire, _):
        wire.prepare(2)
        async with asyncio.timeout(20):
            got = await asyncio.gather(*(ask(wire, session_key=key) for key in ("one", "two")))

    assert outcomes(got) == {(200, None, None)}
    assert wire.opened == 2


@pytest.mark.anyio
async def test_a_connection_that_ends_while_it_is_opened_is_none():
    """What ended it may come with the last that TLS was settled by."""

    class Opener:
        async def open(self, make: Any) -> Any:
            conn = make()
            conn.is_closed = True
            return conn

    async with wire_to(reacts(answers_ok)) as (wire, _):
        openings = Openings(Opener(), wire._connection, wire, 4, 1_000)  # type: ignore[arg-type]
        with pytest.raises(ConnectError) as refused:
            await openings.one()

    assert refused.value.error == "reset"
    assert not openings.open


@pytest.mark.anyio
async def test_a_target_that_allows_one_stream_is_given_one():
    at_once: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        def counts(conn: H2, event: Any) -> None:
            at_once.append(conn.open_inbound_streams)
            answer(conn, event.stream_id)

        conn_settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        await reacts(counts, settings=conn_settings)(reader, writer, number)

    async with wire_to(serve, connections=Connections(max=2)) as (wire, _):
        got = await all_of(30, wire)

    assert outcomes(got) == {(200, None, None)}
    assert set(at_once) == {1}
    assert wire.opened == 2


@pytest.mark.anyio
async def test_a_target_may_allow_fewer_later_and_more_again():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen: list[int] = []

        def changes(conn: H2, event: Any) -> None:
            seen.append(event.stream_id)
            if len(seen) in (1, 5):
                allowed = 2 if len(seen) == 1 else 50
                conn.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: allowed})
            answer(conn, event.stream_id)

        await reacts(changes)(reader, writer, number)

    async with wire_to(serve, connections=Connections(max=1)) as (wire, _):
        await ask(wire)
        got = await all_of(30, wire)

    assert outcomes(got) == {(200, None, None)}


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_goodbye_after_every_ten_streams_loses_nothing(method):
    """Those that were not processed are sent again, whatever they are; those that were are answered."""
    served: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        taken: list[int] = []

        def says_goodbye(conn: H2, event: Any) -> None:
            if len(taken) == 10:
                return
            taken.append(event.stream_id)
            if len(taken) == 10:
                farewell(conn, event.stream_id)
            served.append(dict(event.headers)["x-n"])
            answer(conn, event.stream_id)

        await reacts(says_goodbye)(reader, writer, number)

    async with wire_to(serve) as (wire, _):
        got = await asyncio.gather(
            *(ask(wire, method, headers=b"x-n: %d\r\n" % n, idempotent=False) for n in range(95))
        )

    assert outcomes(got) == {(200, None, None)}
    assert sorted(map(int, served)) == list(range(95))
    assert wire.opened >= 10
    again = [x for x in got if x.stale_retries]
    assert again
    assert len(again) == wire.stale_resent
    assert all(x.stale_sent_ns <= x.stale_end_ns <= x.sent_ns for x in again)


@pytest.mark.anyio
async def test_a_target_that_refuses_all_is_not_asked_for_ever():
    def refuses(conn: H2, event: Any) -> None:
        conn.reset_stream(event.stream_id, error_code=7)

    async with wire_to(reacts(refuses)) as (wire, _):
        got = await ask(wire, "POST", idempotent=False)

    assert (got.error, got.phase, got.bounces, got.stale_retries) == ("reset", "first_byte", 5, 1)
    assert got.why == "the target refused to begin it, as often as it was asked"


@pytest.mark.anyio
async def test_a_target_that_leaves_without_a_word_costs_no_step_that_may_be_sent_twice():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen: list[int] = []

        def leaves(conn: H2, event: Any) -> None:
            seen.append(event.stream_id)
            if len(seen) > 5 and number == 1:
                writer.close()
            elif len(seen) == 1 or number > 1:
                answer(conn, event.stream_id)

        await reacts(leaves)(reader, writer, number)

    async with wire_to(serve) as (wire, _):
        await ask(wire)
        got = await asyncio.gather(*(ask(wire, idempotent=n % 2 == 0) for n in range(10)))

    assert [(x.error, x.stale_retries) for x in got] == [(None, 1), ("reset", 0)] * 5
    assert [x.why for x in got] == [None, "the target closed the connection before it answered"] * 5


@pytest.mark.anyio
async def test_a_reset_in_mid_body_fails_its_step_alone():
    def resets(conn: H2, event: Any) -> None:
        if dict(event.headers)[":path"] == "/cut":
            conn.send_headers(event.stream_id, [(":status", "200"), ("content-length", "10")])
            conn.send_data(event.stream_id, b"half")
            conn.reset_stream(event.stream_id, error_code=2)
        else:
            answer(conn, event.stream_id)

    async with wire_to(reacts(resets)) as (wire, _):
        got = await asyncio.gather(*(ask(wire, path=path) for path in ["/", "/cut", "/"] * 5))

    assert [(x.status, x.error, x.phase, x.response_bytes) for x in got] == [
        (200, None, None, 2),
        (200, "reset", "body", 4),
        (200, None, None, 2),
    ] * 5
    assert wire.opened == 1


@pytest.mark.anyio
async def test_16_kb_of_headers_come_whole():
    def answers_long(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id, b"ok", *((f"x-{n}", "y" * 1000) for n in range(16)))

    async with wire_to(reacts(answers_long)) as (wire, _):
        got = await all_of(3, wire)

    assert outcomes(got) == {(200, None, None)}
    assert all(len(x.captured_headers or ()) == 16 for x in got)


@pytest.mark.anyio
async def test_headers_without_end_break_the_protocol():
    def answers_too_long(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id, b"ok", *((f"x-{n}", "y" * 1000) for n in range(70)))

    async with wire_to(reacts(answers_too_long)) as (wire, _):
        got = await ask(wire)

    assert (got.error, got.phase) == ("protocol", "first_byte")
    assert got.why == "the target broke the rules of HTTP/2: headers that have no end"


@pytest.mark.anyio
async def test_padding_early_hints_and_trailers_are_read():
    def answers_oddly(conn: H2, event: Any) -> None:
        for _ in range(2):
            conn.send_headers(event.stream_id, [(":status", "103"), ("link", "</a>; rel=preload")])
        conn.send_headers(event.stream_id, [(":status", "200"), ("x-instance", "i-7")])
        conn.send_data(event.stream_id, b"ok", pad_length=100)
        conn.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        conn.ping(b"12345678")

    async with wire_to(reacts(answers_oddly), instance_header="x-instance") as (wire, _):
        got = await all_of(3, wire, keeps_body=2)
        plain = await ask(wire)

    assert [(x.status, x.error, x.response_bytes, x.instance) for x in [*got, plain]] == [
        (200, None, 2, "i-7")
    ] * 4
    assert {bytes(x.captured or b"") for x in got} == {b"ok"}
    assert got[0].captured_headers == [(b"x-instance", b"i-7"), (b"grpc-status", b"0")]


@pytest.mark.anyio
async def test_a_ping_is_answered():
    acknowledged: list[bytes] = []

    def pings(conn: H2, event: Any) -> None:
        conn.ping(b"12345678")
        answer(conn, event.stream_id)

    def takes(conn: H2, event: Any) -> None:
        acknowledged.append(event.ping_data)

    async with wire_to(reacts(pings, PingAckReceived=takes)) as (wire, _):
        await ask(wire)
        await ask(wire)

    assert acknowledged[0] == b"12345678"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("length", "body", "phase"), [("3", b"ok", "body"), ("1", b"ok", "body"), ("3", b"", "first_byte")]
)
async def test_a_body_that_is_not_as_long_as_it_says_breaks_the_protocol_for_its_step_alone(
    length, body, phase
):
    def lies(conn: H2, event: Any) -> None:
        headers = [("content-length", length)] if dict(event.headers)[":path"] == "/lie" else []
        answer(conn, event.stream_id, body, *headers)

    async with wire_to(reacts(lies)) as (wire, _):
        lied, told = await asyncio.gather(ask(wire, path="/lie"), ask(wire))

    assert lied.error == "protocol"
    assert lied.why.startswith("the target broke the rules of HTTP/2: a")
    assert lied.phase in (phase, "body")
    assert (told.status, told.error) == (200, None)
    assert wire.opened == 1


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["2000", "99", "0", "-1", "two hundred"])
async def test_a_status_that_http_does_not_have_breaks_the_protocol_for_its_step_alone(status):
    def answers_oddly(conn: H2, event: Any) -> None:
        conn.config.validate_outbound_headers = False
        path = dict(event.headers)[":path"]
        conn.send_headers(event.stream_id, [(":status", status if path == "/odd" else "200")], end_stream=True)

    async with wire_to(reacts(answers_oddly)) as (wire, _):
        got = [await ask(wire, path=path) for path in ("/", "/odd", "/")]

    assert [(x.error, x.status) for x in got] == [(None, 200), ("protocol", 0), (None, 200)]


@pytest.mark.anyio
@pytest.mark.parametrize("size", [1, 7])
async def test_a_body_goes_out_through_a_window_of_so_many_bytes(size):
    bodies: dict[int, bytes] = {}

    def takes(conn: H2, event: Any) -> None:
        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
        conn.increment_flow_control_window(event.flow_controlled_length, event.stream_id)

    def ends(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id)

    window = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size}
    serve = reacts(lambda *_: None, settings=window, DataReceived=takes, StreamEnded=ends)
    async with wire_to(serve) as (wire, _):
        got = await asyncio.gather(*(ask(wire, "POST", body=b"%d" % n * 50) for n in range(4)))

    assert outcomes(got) == {(200, None, None)}
    assert sorted(bodies.values()) == [b"%d" % n * 50 for n in range(4)]
    assert all(x.queued_ns and x.queued_ns < x.sent_ns for x in got)
    assert {x.request_bytes for x in got} == {got[0].request_bytes}


@pytest.mark.anyio
async def test_bodies_larger_than_the_connections_window_go_out_as_it_opens():
    size = 300_000
    got_bytes: dict[int, int] = {}

    def takes(conn: H2, event: Any) -> None:
        got_bytes[event.stream_id] = got_bytes.get(event.stream_id, 0) + len(event.data)
        conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def ends(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id)

    serve = reacts(lambda *_: None, DataReceived=takes, StreamEnded=ends)
    async with wire_to(serve) as (wire, _):
        got = await asyncio.gather(*(ask(wire, "POST", body=b"x" * size) for n in range(4)), ask(wire))

    assert outcomes(got) == {(200, None, None)}
    assert sorted(got_bytes.values()) == [size] * 4


@pytest.mark.anyio
async def test_an_answer_before_the_request_was_all_sent_ends_the_step():
    resets: list[int] = []

    def answers_early(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id)

    def was_reset(conn: H2, event: Any) -> None:
        resets.append(event.error_code)

    window = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10}
    async with wire_to(reacts(answers_early, settings=window, StreamReset=was_reset)) as (wire, _):
        got = await ask(wire, "POST", body=b"x" * 1000)
        after = await ask(wire)

    assert (got.status, got.error, got.sent_ns) == (200, None, got.first_byte_ns)
    assert (after.status, after.is_new_connection) == (200, False)
    assert resets == [8]


@pytest.mark.anyio
async def test_a_window_that_shrinks_below_nothing_holds_a_body_back():
    def takes(conn: H2, event: Any) -> None:
        code = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
        if event.flow_controlled_length and not getattr(conn, "shrunk", False):
            conn.shrunk = True
            conn.update_settings({code: 0})
            conn.update_settings({code: 65_535})
        conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def ends(conn: H2, event: Any) -> None:
        answer(conn, event.stream_id)

    async with wire_to(reacts(lambda *_: None, DataReceived=takes, StreamEnded=ends)) as (wire, _):
        got = await ask(wire, "POST", body=b"x" * 200_000)

    assert (got.status, got.error) == (200, None)


@pytest.mark.anyio
async def test_a_limit_resets_its_stream_and_leaves_the_connection_to_others():
    resets: list[int] = []

    def stalls(conn: H2, event: Any) -> None:
        if dict(event.headers)[":path"] == "/":
            answer(conn, event.stream_id)

    def was_reset(conn: H2, event: Any) -> None:
        resets.append(event.error_code)

    told: list[Exchange] = []
    async with wire_to(reacts(stalls, StreamReset=was_reset), timeouts=Timeouts(first_byte_s=5)) as (wire, _):
        stalled = exchange(path="/stalls", on_done=told.append)
        wire.send(stalled)
        other = await ask(wire)
        wire.sweep(stalled.sent_ns + 5_000_000_000)
        after = await ask(wire)

    assert told == [stalled]
    assert (stalled.error, stalled.phase, stalled.censored) == ("timeout", "first_byte", True)
    assert stalled.end_ns - stalled.sent_ns == 5_000_000_000
    assert [(x.status, x.is_new_connection) for x in (other, after)] == [(200, False)] * 2
    assert resets == [8]


@pytest.mark.anyio
async def test_an_exchange_with_a_deadline_of_its_own_is_cancelled_then_and_its_connection_kept():
    resets: list[Any] = []

    def stalls(conn: H2, event: Any) -> None:
        if dict(event.headers)[":path"] == "/":
            answer(conn, event.stream_id)

    def was_reset(conn: H2, event: Any) -> None:
        resets.append(event.error_code)

    async with wire_to(reacts(stalls, StreamReset=was_reset), timeouts=Timeouts(first_byte_s=5)) as (wire, _):
        patient, hasty = exchange(path="/stalls"), exchange(path="/stalls", most_ns=50_000_000)
        wire.send(patient)
        wire.send(hasty)
        await ask(wire)
        wire.sweep(hasty.sent_ns + 49_999_999)
        early = hasty.end_ns
        wire.sweep(hasty.sent_ns + 50_000_000)
        after = await ask(wire)

        assert (early, hasty.end_ns - hasty.sent_ns) == (0, 50_000_000)
        assert (hasty.error, hasty.phase, hasty.censored) == ("timeout", "first_byte", True)
        # Whoever waited before it goes on to wait.
        assert patient.end_ns == 0
        assert (after.status, after.is_new_connection, resets) == (200, False, [8])


@pytest.mark.anyio
async def test_limits_of_the_target_hold_beside_a_deadline():
    def stalls(conn: H2, event: Any) -> None: ...

    async with wire_to(reacts(stalls), timeouts=Timeouts(first_byte_s=5)) as (wire, _):
        patient = exchange(most_ns=60_000_000_000)
        wire.send(patient)
        wire.sweep(patient.sent_ns + 5_000_000_000)

    assert (patient.error, patient.end_ns - patient.sent_ns) == ("timeout", 5_000_000_000)


@pytest.mark.anyio
async def test_a_connection_that_says_nothing_is_given_up_though_calls_have_short_deadlines():
    """Its target may be gone without a word; each call would be lost on it."""

    def stalls(conn: H2, event: Any) -> None: ...

    async with wire_to(reacts(stalls), timeouts=Timeouts(first_byte_s=1)) as (wire, _):
        first = exchange(most_ns=20_000_000)
        wire.send(first)
        wire.sweep(first.sent_ns + 20_000_000)
        (conn,) = wire._openings.open
        second = exchange(most_ns=2_000_000_000)
        wire.send(second)
        wire.sweep(second.sent_ns + 2_000_000_000)

    assert (first.error, second.error) == ("timeout", "timeout")
    assert conn.is_draining


@pytest.mark.anyio
async def test_a_connection_on_which_nothing_comes_takes_no_further_steps():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reacts(answers_ok if number > 1 else lambda *_: None)(reader, writer, number)

    async with wire_to(serve, timeouts=Timeouts(first_byte_s=5)) as (wire, _):
        for _ in range(50):  # until the settings are exchanged
            await asyncio.sleep(0)
        stalled = exchange()
        wire.send(stalled)
        wire.sweep(stalled.sent_ns + 5_000_000_000)
        after = await ask(wire)

    assert (stalled.error, after.status, after.is_new_connection) == ("timeout", 200, True)


@pytest.mark.anyio
async def test_a_target_that_takes_connections_and_no_requests_is_given_up_in_the_time_for_opening_one():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        none = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 0}
        if number == 1:
            await reacts(answers_ok, settings=none)(reader, writer, number)
        elif number == 2:
            await reader.read()
        else:
            await reacts(answers_ok)(reader, writer, number)

    plan = Connections(max=1, prepare=False, streams_per_connection=5)
    async with wire_to(serve, connections=plan, timeouts=Timeouts(connect_s=0.3)) as (wire, _):
        got = await all_of(12, wire)

    # Five were to share the first connection; the sixth went by the second, on which no word came, and five waited for it.
    assert [(x.error, x.phase) for x in got] == [
        *[("timeout", "connect")] * 5,
        ("timeout", "first_byte"),
        *[("timeout", "connect")] * 5,
        (None, None),
    ]
    assert all(x.censored for x in got[:11])
    assert wire.opened == 3


@pytest.mark.anyio
async def test_a_push_was_declined_and_ends_the_connection():
    def pushes(conn: H2, event: Any) -> None:
        conn._data_to_send += b"\0\0\x05\x05\x04\0\0\0\x01\0\0\0\x02\x82"

    async with wire_to(reacts(pushes)) as (wire, _):
        got = await ask(wire)

    assert (got.error, got.phase) == ("protocol", "first_byte")


@pytest.mark.anyio
async def test_a_head_that_is_none_fails_alone():
    async with wire_to(reacts(answers_ok)) as (wire, _):
        told: list[Exchange] = []
        wire.send(Exchange(b"nonsense\r\n\r\n", b"", "GET", told.append))
        got = await ask(wire)

    assert [(x.error, x.phase) for x in told] == [("protocol", "send")]
    assert got.status == 200


@pytest.mark.anyio
async def test_a_target_of_http1_alone_is_told_before_anything_is_sent():
    bad = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with serving(answers(bad)) as (url, _):
        with pytest.raises(TargetUnreachable) as refused:
            async with fast_http2(Target(url=url, http2=True)):
                pass

    assert str(refused.value) == f"{url} does not speak HTTP/2 without TLS. Leave http2 out of the target."


@pytest.mark.anyio
async def test_a_target_that_says_nothing_is_told_before_anything_is_sent():
    async with serving(answers_then_stalls(b"")) as (url, _):
        with pytest.raises(TargetUnreachable) as refused:
            async with fast_http2(Target(url=url, http2=True, timeouts=Timeouts(connect_s=0.05))):
                pass

    assert str(refused.value) == (
        f"{url} did not answer in HTTP/2 within 50 ms. Leave http2 out of the target if it speaks HTTP/1.1 alone."
    )


@pytest.mark.anyio
async def test_a_target_without_http2_is_not_silently_spoken_to_in_http1(tls_server):
    context, ca_file = tls_server
    context.set_alpn_protocols(["http/1.1"])
    async with serving(answers(b""), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        with pytest.raises(TargetUnreachable) as refused:
            async with fast_http2(Target(url=url, http2=True, tls=Tls(ca_file=ca_file))):
                pass

    assert str(refused.value) == (
        f"cannot connect to {url}: it does not offer HTTP/2. Leave http2 out of the target."
    )


@pytest.mark.anyio
async def test_closing_while_steps_wait_ends_each_once():
    plan = Connections(max=1, streams_per_connection=2)
    told: list[Exchange] = []
    async with wire_to(reacts(lambda *_: None), connections=plan) as (wire, _):
        for _ in range(5):
            wire.send(exchange(on_done=told.append))

    assert [x.error for x in told] == ["interrupted"] * 5
    assert monotonic_ns() >= max(x.end_ns for x in told)


@pytest.mark.anyio
async def test_a_target_that_hangs_up_on_http2_is_told_so_and_not_as_one_that_is_away(monkeypatch):
    async def hangs_up(_) -> None:
        raise ConnectError("reset", "the target ended the connection at once.")

    monkeypatch.setattr(Openings, "one", hangs_up)
    async with serving(answers(b"")) as (url, _):
        with pytest.raises(
            TargetUnreachable, match=r"spoken to in HTTP/2\. If it does not speak HTTP/2 without TLS,"
        ):
            async with fast_http2(Target(url=url, http2=True)):
                pass
