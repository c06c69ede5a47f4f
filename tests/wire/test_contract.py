"""What every wire keeps: the contract that the engine, the recorder and every figure rest on."""

import asyncio
import gzip
import socket
import ssl
from time import monotonic_ns
from typing import Any

import brotli
import pytest
import trustme

from replay.target.sending import Connections, Retry, Timeouts, Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from replay.wire.http2.requests import RequestBlocks
from replay.wire.reasons import SENTENCES
from replay.wire.types import Exchange
from tests.support.wires import (
    OK,
    Server,
    Watching,
    answers,
    answers_then_closes,
    answers_then_stalls,
    ask,
    ended,
    exchange,
    goes_stale,
    read_request,
)

in_http1 = pytest.mark.parametrize("spoken", ["fast", "httpx"], indirect=True)
"""What is said in bytes that only HTTP/1.1 has."""


@pytest.mark.anyio
async def test_a_response_is_recorded_with_its_stamps_in_order(wire_to, serving, server_kind):
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        before = monotonic_ns()
        got = await ask(wire)

    assert (got.status, got.response_bytes, got.error, got.phase, got.censored) == (200, 2, None, None, False)
    assert before < got.sent_ns <= got.first_byte_ns <= got.end_ns <= monotonic_ns()
    assert got.request_bytes == (
        len(got.head) if server_kind is Server else 9 + len(RequestBlocks(is_tls=False).block(got.head))
    )


PAGE = b"<!doctype html><title>Sign in</title>"


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "kept"), [(b"text/html; charset=utf-8", PAGE), (b"application/json", None)])
async def test_what_is_said_to_be_a_web_page_is_kept_for_whoever_asked_for_none(wire_to, serving, kind, kept):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(PAGE))
    async with serving(answers(head + PAGE)) as (url, _), wire_to(Target(url=url)) as wire:
        got = [await ask(wire, kind=one) for one in (Watching, Watching, Exchange)]

    assert [one.captured for one in got] == [kept, kept, None]


HEADS = {
    b"HTTP/1.1 200 OK\r\nx-a: one\r\n two\r\ncontent-length: 2\r\n\r\nok": True,
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok": True,
    b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok": True,
    b"\r\n" + OK: True,
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": False,
    OK + b"and more": False,
    OK + OK: False,
}


@pytest.mark.anyio
@in_http1
@pytest.mark.parametrize(("data", "is_reusable"), HEADS.items())
async def test_an_unusual_response_is_read_and_fails_no_later_step(wire_to, serving, data, is_reusable):
    """is_reusable: whether the next step may have the same connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for answer in [OK, data, OK] if number == 1 or is_reusable else [OK]:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    async with (
        serving(serve) as (url, _),
        wire_to(Target(url=url, connections=Connections(prepare=False))) as wire,
    ):
        got = [await ask(wire) for _ in range(3)]

    assert [(x.status, x.error, x.response_bytes) for x in got] == [(200, None, 2)] * 3
    assert got[2].is_new_connection != is_reusable


@pytest.mark.anyio
@in_http1
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 -1 Low\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ],
)
async def test_what_is_no_head_of_http_is_a_breach_of_protocol(wire_to, serving, data):
    async with serving(answers_then_closes(data)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.error, got.phase) == ("protocol", "first_byte")
    assert got.why in SENTENCES


@pytest.mark.anyio
async def test_a_connection_is_reused_and_says_so(wire_to, serving):
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        first, second = await ask(wire), await ask(wire)

    assert (first.is_new_connection, second.is_new_connection) == (True, False)
    assert first.connect_ns > 0
    assert second.connect_ns == 0
    assert wire.opened == 1


@pytest.mark.anyio
async def test_a_step_sent_from_on_done_finds_the_connection_idle(wire_to, serving):
    followed: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        wire.send(exchange(on_done=lambda _: wire.send(exchange(on_done=followed.set_result))))
        second = await followed

    assert not second.is_new_connection


@pytest.mark.anyio
async def test_steps_at_once_have_a_connection_each(wire_to, serving):
    async with serving(answers(OK)) as (url, server), wire_to(Target(url=url)) as wire:
        got = await asyncio.gather(*(ask(wire) for _ in range(50)))

    assert [x.status for x in got] == [200] * 50
    assert server.connections <= 51


@pytest.mark.anyio
async def test_steps_beyond_the_limit_wait_for_a_connection(wire_to, serving):
    target_of = {"connections": Connections(max=2, streams_per_connection=1)}
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        got = await asyncio.gather(*(ask(wire) for _ in range(10)))

    assert [x.status for x in got] == [200] * 10
    assert wire.opened <= 2
    assert wire.waited_for_limit >= 1


@pytest.mark.anyio
async def test_without_reuse_every_step_has_a_new_connection(wire_to, serving):
    target_of = {"connections": Connections(reuse="none")}
    async with serving(answers(OK)) as (url, server), wire_to(Target(url=url, **target_of)) as wire:
        got = [await ask(wire) for _ in range(3)]

    assert all(x.is_new_connection for x in got)
    assert server.connections == 4  # one more showed that the target is there


@pytest.mark.anyio
async def test_a_session_keeps_its_own_connection(wire_to, serving):
    target_of = {"connections": Connections(reuse="session")}
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        kinds = [(await ask(wire, session_key=key)).is_new_connection for key in ("a", "b", "a", "b")]
        wire.end_session("a")
        kinds.append((await ask(wire, session_key="a")).is_new_connection)

    assert kinds == [True, True, False, False, True]


@pytest.mark.anyio
async def test_a_session_that_waits_for_the_limit_holds_up_no_session_that_has_a_connection(wire_to, serving):
    target_of = {"connections": Connections(reuse="session", max=1)}
    waited: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        await ask(wire, session_key="a")
        wire.send(exchange(session_key="b", on_done=waited.set_result))
        again = await ask(wire, session_key="a")
        assert not waited.done()
        wire.end_session("a")
        async with asyncio.timeout(10):
            other = await waited

    assert (again.status, again.is_new_connection) == (200, False)
    assert (other.status, other.is_new_connection) == (200, True)


@pytest.mark.anyio
async def test_a_stale_connection_is_noticed_and_the_step_sent_once_more(wire_to, serving):
    async with serving(goes_stale) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        again = await ask(wire)

    assert (again.status, again.error, again.stale_retries) == (200, None, 1)
    assert again.is_new_connection
    assert again.stale_sent_ns < again.stale_end_ns <= again.sent_ns
    assert wire.stale_resent == 1


@pytest.mark.anyio
async def test_an_unsafe_method_is_not_sent_twice_unless_the_target_allows_it(wire_to, serving):
    async with serving(goes_stale) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        failed = await ask(wire, "DELETE", idempotent=False)
    async with serving(goes_stale) as (url, _):
        async with wire_to(Target(url=url, retry=Retry(stale_unsafe=True))) as wire:
            await ask(wire)
            sent_again = await ask(wire, "DELETE", idempotent=False)

    assert (failed.error, failed.phase, failed.stale_retries) == ("reset", "first_byte", 0)
    assert (sent_again.status, sent_again.stale_retries) == (200, 1)


@pytest.mark.anyio
async def test_a_connection_closed_while_idle_is_not_used(wire_to, serving):
    closed = asyncio.Event()

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(OK)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with serving(closes) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        await closed.wait()
        for _ in range(20):  # until the loop has seen the end of the connection
            await asyncio.sleep(0)
        second = await ask(wire)

    assert (second.status, second.stale_retries, second.is_new_connection) == (200, 0, True)
    assert wire.closed_while_idle >= 1


@pytest.mark.anyio
async def test_an_end_before_any_answer_is_a_reset(wire_to, serving):
    async with serving(answers_then_closes(b"")) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire, idempotent=False)

    assert (failed.status, failed.error, failed.phase) == (0, "reset", "first_byte")
    assert failed.why == "the target closed the connection before it answered"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_an_end_in_mid_body_is_a_reset_with_what_came_before_it(wire_to, serving, half):
    async with serving(answers_then_closes(half)) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire)

    assert (failed.status, failed.error, failed.phase, failed.response_bytes) == (200, "reset", "body", 4)
    assert failed.why == "the target closed the connection in the middle of its answer"


@pytest.mark.anyio
async def test_what_is_not_http_is_a_breach_of_protocol(wire_to, serving):
    async with serving(answers(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.status) == ("protocol", "first_byte", 0)
    assert failed.why in (
        "the answer does not begin with a status line of HTTP/1",
        "the target broke the rules of HTTP/2: a frame that is longer than was allowed",
    )


@pytest.mark.anyio
async def test_a_body_that_ends_with_the_connection_is_whole(wire_to, serving):
    answer = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    async with serving(answers_then_closes(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.status, got.error, got.response_bytes) == (200, None, 9)


@pytest.mark.anyio
async def test_a_method_goes_out_in_the_case_in_which_it_was_recorded(wire_to, serving):
    """Methods are case-sensitive (RFC 9110, section 9.1), and one wire wrote them in capitals."""

    async def serve(reader, writer, n):
        server.heads.append(await read_request(reader))
        writer.write(OK)

    async with serving(serve) as (url, server), wire_to(Target(url=url)) as wire:
        await ask(wire, "get")

    assert server.heads[0].startswith(b"get / HTTP/1.1\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
    ],
    ids=["HEAD", "204", "100 then 304"],
)
async def test_a_response_without_a_body_leaves_the_connection_usable(wire_to, serving, method, answer):
    async with serving(answers(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        first, second = await ask(wire, method), await ask(wire, method)

    assert [x.response_bytes for x in (first, second)] == [0, 0]
    assert [x.error for x in (first, second)] == [None, None]
    assert not second.is_new_connection


@pytest.mark.anyio
async def test_a_compressed_body_is_counted_as_it_came(wire_to, serving):
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
    async with serving(answers(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.error, got.response_bytes) == (None, 9)


@pytest.mark.anyio
async def test_the_target_tells_its_instance_and_whether_it_was_cold(wire_to, serving):
    answer = b"HTTP/1.1 200 OK\r\nX-Instance: i-7\r\nX-Cold: True\r\nContent-Length: 0\r\n\r\n"
    async with serving(answers(answer)) as (url, _):
        async with wire_to(Target(url=url, instance_header="x-instance", cold_header="x-cold")) as wire:
            got = await ask(wire)
        async with wire_to(Target(url=url)) as wire:
            untold = await ask(wire)

    assert (got.instance, got.cold) == ("i-7", True)
    assert (untold.instance, untold.cold) == (None, None)


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"9\r\ndata: a\n\n\r\n",
    b"9\r\ndata: b\n\n\r\n",
    b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
)


@pytest.mark.anyio
async def test_the_tokens_of_a_stream_are_timed(wire_to, serving):
    async with serving(answers(*STREAM)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.token_count, got.response_bytes) == (2, 32)
    assert got.first_byte_ns <= got.first_token_ns <= got.end_ns
    assert len(got.itl_ns or ()) == 1


@pytest.mark.anyio
async def test_a_stream_that_breaks_off_keeps_the_tokens_that_came(wire_to, serving):
    cut = answers_then_closes(b"".join(STREAM[:2]))
    async with serving(cut) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.error, got.phase, got.token_count, got.itl_ns) == ("reset", "body", 1, [])


def streamed(events: bytes, headers: bytes = b"Content-Type: text/event-stream\r\n") -> bytes:
    """A response with these events, which ends with its connection."""
    return b"HTTP/1.1 200 OK\r\n" + headers + b"Connection: close\r\n\r\n" + events


A_TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'


@pytest.mark.anyio
async def test_a_stream_leaves_what_it_said_with_its_exchange(wire_to, serving):
    events = A_TOKEN + A_TOKEN + b'data: {"error":"boom"}\n\n'
    async with serving(answers_then_closes(streamed(events))) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, family="model")

    assert (got.error, got.events.error, got.events.layout) == (None, "model_error", "openai-chat")
    assert got.first_token_ns <= got.last_token_ns <= got.end_ns
    assert got.last_token_ns - got.first_token_ns == sum(got.itl_ns or ())


@pytest.mark.anyio
@pytest.mark.parametrize(("end", "is_cut_short"), [(b"data: [DONE]\n", False), (b"", True)])
async def test_a_stream_that_ended_whole_is_finished(wire_to, serving, end, is_cut_short):
    async with (
        serving(answers_then_closes(streamed(A_TOKEN + end))) as (url, _),
        wire_to(Target(url=url)) as wire,
    ):
        got = await ask(wire, family="model")

    assert (got.error, got.token_count, got.events.is_cut_short) == (None, 1, is_cut_short)


@pytest.mark.anyio
async def test_an_empty_stream_of_a_model_is_cut_short(wire_to, serving):
    async with serving(answers_then_closes(streamed(b""))) as (url, _), wire_to(Target(url=url)) as wire:
        model, other = await ask(wire, family="model"), await ask(wire)

    assert (model.events.is_cut_short, other.events.is_cut_short) == (True, False)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Type: application/json\r\n", b'{"choices":[]}'),
        (b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n", A_TOKEN),
    ],
)
async def test_what_is_no_stream_or_cannot_be_unpacked_says_nothing_as_a_stream(
    wire_to, serving, headers, body
):
    answer = answers_then_closes(streamed(body, headers))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True, family="model")

    assert (got.events, got.token_count, got.first_token_ns) == (None, 0, 0)


@pytest.mark.anyio
@pytest.mark.parametrize(("coding", "pack"), [(b"gzip", gzip.compress), (b"br", brotli.compress)])
async def test_a_stream_that_came_compressed_is_read_as_it_is_unpacked(wire_to, serving, coding, pack):
    headers = b"Content-Type: text/event-stream\r\nContent-Encoding: " + coding + b"\r\n"
    answer = answers_then_closes(streamed(pack(A_TOKEN + A_TOKEN + b"data: [DONE]\n\n"), headers))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True, family="model")

    assert (got.token_count, got.events.layout, got.events.is_cut_short) == (2, "openai-chat", False)


@pytest.mark.anyio
async def test_a_stream_that_was_asked_for_is_read_whatever_its_content_type(wire_to, serving):
    answer = answers_then_closes(streamed(A_TOKEN, b""))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.token_count, got.events.layout) == (1, "openai-chat")


@pytest.mark.anyio
async def test_the_first_byte_and_the_end_are_each_told_once(wire_to, serving):
    told: list[str] = []
    done = asyncio.Event()

    def ends(_: Exchange) -> None:
        told.append("end")
        done.set()

    async with serving(answers(*STREAM)) as (url, _), wire_to(Target(url=url)) as wire:
        wire.send(exchange(on_done=ends, on_first_byte=lambda x: told.append(f"first byte, {x.status}")))
        await done.wait()

    assert told == ["first byte, 200", "end"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "limits", "phase"),
    [
        (b"", Timeouts(first_byte_s=0.02), "first_byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(idle_s=0.02), "body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(total_s=0.02), "body"),
    ],
    ids=["first byte", "idle", "total"],
)
async def test_a_limit_ends_a_step_and_is_recorded_at_the_limit(wire_to, serving, answer, limits, phase):
    told: list[Exchange] = []
    sent = exchange(on_done=told.append)
    async with serving(answers_then_stalls(answer)) as (url, _):
        async with wire_to(Target(url=url, timeouts=limits)) as wire:
            wire.send(sent)
            while not (sent.first_byte_ns if answer else sent.sent_ns) or sent.response_bytes != bool(answer):
                await asyncio.sleep(0)
            wire.sweep(sent.sent_ns + 19_999_999)
            assert told == []
            wire.sweep(sent.sent_ns + 60_000_000_000)

    assert told == [sent]
    assert (sent.error, sent.phase, sent.censored) == ("timeout", phase, True)
    if limits.idle_s == 0.02:
        assert 20_000_000 <= sent.end_ns - sent.first_byte_ns < 60_000_000_000
    else:
        assert sent.end_ns - sent.sent_ns == 20_000_000


@pytest.mark.anyio
async def test_a_limit_frees_the_connection_for_a_step_that_waits(wire_to, serving):
    async def stalls_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head = await read_request(reader)
        if b"/stalls" in head:
            await reader.read()
        writer.write(OK)

    target_of = {
        "connections": Connections(max=1, streams_per_connection=1),
        "timeouts": Timeouts(first_byte_s=0.02),
    }
    async with serving(stalls_once) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        stalled, waited = await asyncio.gather(ask(wire, path="/stalls"), ask(wire))

    assert (stalled.error, waited.status) == ("timeout", 200)


@pytest.mark.anyio
async def test_closing_the_wire_ends_what_is_in_flight(wire_to, serving):
    told: list[Exchange] = []
    async with serving(answers_then_stalls(b"")) as (url, _):
        async with wire_to(Target(url=url, connections=Connections(max=2))) as wire:
            for _ in range(4):
                wire.send(exchange(on_done=told.append))
            await asyncio.sleep(0)

    assert [x.error for x in told] == ["interrupted"] * 4
    assert all(x.end_ns and not x.censored for x in told)


@pytest.mark.anyio
async def test_a_target_that_is_not_there_is_said_before_anything_is_sent(wire_to, serving):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TargetUnreachable) as refused:
            async with wire_to(Target(url=url)):
                pass

    assert str(refused.value).startswith(f"cannot connect to {url}: ")
    assert str(refused.value).endswith("Is the target running there?")


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_said_before_anything_is_sent(wire_to, serving):
    with pytest.raises(TargetUnreachable, match=r"the name 'no-such-host\.invalid' has no address"):
        async with wire_to(Target(url="http://no-such-host.invalid")):
            pass


@pytest.mark.anyio
async def test_a_target_that_goes_away_fails_the_steps_that_need_a_connection(wire_to, server_kind):
    listening = await asyncio.start_server(server_kind(answers(OK)), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with wire_to(Target(url=url, connections=Connections(reuse="none"))) as wire:
        listening.close()
        await listening.wait_closed()
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.sent_ns) == ("connect", "connect", 0)


@pytest.mark.anyio
async def test_tls_is_verified_against_the_ca_file_and_its_time_recorded(wire_to, serving, tls_server):
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        async with wire_to(Target(url=url, tls=Tls(ca_file=ca_file, server_name="target.example"))) as wire:
            got = await ask(wire)
        with pytest.raises(TargetUnreachable, match="TLS failed"):
            async with wire_to(Target(url=url)):
                pass
        async with wire_to(Target(url=url, tls=Tls(verify=False))) as wire:
            unverified = await ask(wire)

    assert (got.status, got.connect_ns > 0, got.tls_ns > 0) == (200, True, True)
    assert unverified.status == 200


@pytest.mark.anyio
async def test_over_tls_too_a_request_is_sent_before_its_answer_and_a_connection_kept(
    wire_to, serving, tls_server
):
    """A transport of TLS with no room at all for what is unsent takes every write for one that was held up."""
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _):
        target = Target(url=url.replace("http:", "https:"), tls=Tls(ca_file=ca_file))
        async with wire_to(target) as wire:
            got = [await ask(wire) for _ in range(5)]

    assert [x.is_new_connection for x in got] == [True] + [False] * 4
    assert all(x.sent_ns < x.first_byte_ns for x in got)
    assert not any(x.queued_ns for x in got)
    assert wire.opened == 1


@pytest.mark.anyio
async def test_a_client_certificate_is_shown(wire_to, serving, tmp_path):
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca.issue_cert("agent@example.org").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    async with serving(answers(OK), ssl=context) as (url, _):
        tls = Tls(ca_file=str(tmp_path / "ca.pem"), client_cert=str(tmp_path / "me.pem"))
        async with wire_to(Target(url=url.replace("http:", "https:"), tls=tls)) as wire:
            got = await ask(wire)

    assert got.status == 200


@pytest.mark.anyio
async def test_a_unix_socket(wire_to, server_kind, tmp_path):
    path = str(tmp_path / "s")
    listening = await asyncio.start_unix_server(server_kind(answers(OK)), path)
    async with wire_to(Target(url="http://localhost", unix_socket=path)) as wire:
        got = await ask(wire)
    listening.close()

    assert got.status == 200


@pytest.mark.anyio
@in_http1
async def test_the_head_goes_out_as_it_was_rendered(wire_to, serving):
    seen: list[bytes] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen.append(await read_request(reader) + await reader.readexactly(4))
        writer.write(OK)

    odd = exchange(
        "PATCH",
        "/a%20b|[c]/%7e/../?q=x&x",
        body=b"body",
        headers=b"X-Odd:  v \r\nx-odd: w\r\n",
    )
    async with serving(keeps) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ended(wire, odd)

    assert got.status == 200
    assert [line.replace(b" ", b"") for line in seen[-1].split(b"\r\n")] == [
        line.replace(b" ", b"") for line in (odd.head + odd.body).split(b"\r\n")
    ]


@pytest.mark.anyio
async def test_a_name_that_vanishes_during_the_run_is_told_apart_from_a_refusal(wire_to, serving, monkeypatch):
    async def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with serving(answers_then_closes(OK)) as (url, _):
        target = Target(url=url.replace("127.0.0.1", "localhost"), connections=Connections(reuse="none"))
        opening = wire_to(target)
        wire = await opening.__aenter__()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
    failed = await ask(wire)
    await opening.__aexit__(None, None, None)

    assert (failed.error, failed.phase, failed.sent_ns) == ("dns", "connect", 0)
