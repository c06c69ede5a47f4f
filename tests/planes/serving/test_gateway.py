"""The gateway between real sockets: clients in front, instances that the test plays behind."""

import asyncio
import contextlib

import pytest

from replay.planes.core.types import PendingLimit
from tests.support.gateways import OK, Client, answer_ok, plane_of, read_request
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request):
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


async def test_the_first_request_boots_an_instance_and_the_next_finds_it_warm():
    async with plane_of(answer_ok) as (port, played, _):
        client = await Client.to(port)

        _, first, body = await client.ask()
        _, second, _ = await client.ask()

        assert body == b"ok"
        assert (first["x-replay-instance"], first["x-replay-fresh"], first["x-replay-cold"]) == (
            "i-1",
            "1",
            "1",
        )
        assert (second["x-replay-instance"], second["x-replay-fresh"], second["x-replay-cold"]) == (
            "i-1",
            "0",
            "0",
        )
        assert float(first["x-replay-waited-ms"]) > 0
        assert second["x-replay-waited-ms"] == "0.000"
        assert played.connections == 1


async def test_bytes_pass_unchanged_both_ways():
    seen = []

    async def serve(reader, writer, instance):
        seen.append(await read_request(reader))
        writer.write(OK)

    async with plane_of(serve) as (port, _, gateway):
        gateway._tells = False
        client = await Client.to(port)
        request = b"POST /a%20b?q=1 HTTP/1.1\r\nhOST: x\r\nX-A:  1 \r\nX-A: 2\r\nContent-Length: 3\r\n\r\nabc"
        client.writer.write(request)

        assert await client.reader.readexactly(len(OK)) == OK
        assert b"".join(seen[0]) == request


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_large_bodies_stream_both_ways(is_chunked):
    size = 3_000_000

    async def serve(reader, writer, instance):
        _, body = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with plane_of(serve) as (port, _, _):
        client = await Client.to(port)
        payload = b"x" * size
        if is_chunked:
            wire = b"%x\r\n%s\r\n0\r\n\r\n" % (size, payload)
            head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        else:
            wire, head = payload, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size

        _, _, body = await client.ask(head + wire, b"POST")

        assert body == wire


async def test_a_stream_reaches_the_client_piece_by_piece():
    go_on = asyncio.Event()

    async def serve(reader, writer, instance):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")

    async with plane_of(serve) as (port, _, _):
        client = await Client.to(port)
        client.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        await client.reader.readuntil(b"first\r\n")
        go_on.set()

        assert await client.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"


async def test_requests_beyond_the_concurrency_wait_for_a_boot_or_for_a_slot():
    release = asyncio.Event()

    async def serve(reader, writer, instance):
        while True:
            await read_request(reader)
            await release.wait()
            writer.write(OK)

    async with plane_of(serve) as (port, _, gateway):
        clients = [await Client.to(port) for _ in range(5)]
        answers = [client.begin_to_ask() for client in clients]
        await until_loop(lambda: gateway.plane.census().running == 2 and gateway.plane.census().waiting == 3)
        release.set()

        headers = [(await answer)[1] for answer in answers]

        assert {header["x-replay-instance"] for header in headers} == {"i-1", "i-2"}
        assert sum(header["x-replay-fresh"] == "1" for header in headers) == 2


async def test_a_queue_that_is_full_refuses():
    async def serve(reader, writer, instance):
        await asyncio.Event().wait()

    async with plane_of(serve, max_instances=1, pending_limit=PendingLimit(None, length=1)) as (
        port,
        _,
        gateway,
    ):
        busy, waiting, refused = [await Client.to(port) for _ in range(3)]
        busy.begin_to_ask()
        await until_loop(lambda: gateway.plane.census().running == 1)
        waiting.begin_to_ask()
        await until_loop(lambda: gateway.plane.census().waiting == 1)

        status, headers, _ = await refused.ask()

        assert status == 429
        assert headers["x-replay-plane"] == "1"
        assert gateway.counts["refused"] == 1


async def test_a_request_that_takes_too_long_is_answered_and_keeps_its_slot():
    go_on = asyncio.Event()

    async def serve(reader, writer, instance):
        while True:
            await read_request(reader)
            await go_on.wait()
            writer.write(OK)

    async with plane_of(serve, request_timeout_s=0.05) as (port, _, gateway):
        client = await Client.to(port)

        status, _, body = await client.ask()

        assert (status, body) == (504, b"The request took longer than its timeout.\n")
        assert gateway.plane.census().running == 1
        go_on.set()
        await until_loop(lambda: gateway.plane.census().running == 0)
        assert (await client.ask())[0] == 200


async def test_an_instance_that_dies_gives_its_request_an_error_and_the_next_a_new_one():
    async def serve(reader, writer, instance):
        await read_request(reader)
        if instance == 1:
            await asyncio.Event().wait()
        writer.write(OK)

    async with plane_of(serve) as (port, played, gateway):
        client = await Client.to(port)
        answer = client.begin_to_ask(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST")
        await until_loop(lambda: gateway.plane.census().running == 1 and played.connections)
        played.die(1)

        status, _, _ = await answer
        next_status, headers, _ = await client.ask()

        assert status in (502, 503)
        assert (next_status, headers["x-replay-instance"]) == (200, "i-2")


async def test_a_response_that_is_cut_is_cut_for_the_client_too():
    async def serve(reader, writer, instance):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")
        await writer.drain()

    async with plane_of(serve) as (port, _, _):
        client = await Client.to(port)
        client.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        with contextlib.suppress(ConnectionResetError):
            assert (await client.reader.read()).count(b"abc") <= 1
        await client.reader.read() if not client.reader.exception() else None
        assert client.reader.at_eof() or client.reader.exception()


async def test_a_client_that_leaves_frees_its_place():
    told = []

    async def serve(reader, writer, instance):
        await read_request(reader)
        told.append(await reader.read())

    async with plane_of(serve, max_instances=1, pending_limit=PendingLimit(60.0)) as (port, played, gateway):
        running, waiting = await Client.to(port), await Client.to(port)
        running.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until_loop(lambda: census_of(gateway) == (1, 0))
        waiting.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until_loop(lambda: census_of(gateway) == (1, 1))
        await until_loop(lambda: played.connections == 1)
        waiting.writer.close()
        await until_loop(lambda: census_of(gateway) == (1, 0))
        assert told == []
        running.writer.close()

        await until_loop(lambda: census_of(gateway) == (0, 0))
        await until_loop(lambda: told == [b""])
        assert played.connections == 1


def census_of(gateway):
    """The requests that run, and those that wait."""
    census = gateway.plane.census()
    return census.running, census.waiting


async def test_a_kept_connection_that_the_application_closed_is_not_the_clients_trouble():
    async def serve_one(reader, writer, instance):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()

    async with plane_of(serve_one) as (port, _, _):
        client = await Client.to(port)

        assert [(await client.ask())[0] for _ in range(5)] == [200] * 5


async def test_pipelined_requests_are_answered_in_order():
    async def serve(reader, writer, instance):
        while True:
            head, _ = await read_request(reader)
            path = head.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    async with plane_of(serve) as (port, _, _):
        client = await Client.to(port)
        for n in range(5):
            client.writer.write(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n)

        data = b""
        while b"/4" not in data:
            data += await client.reader.read(65536)

        assert [data.index(b"\r\n\r\n/%d" % n) for n in range(5)] == sorted(
            data.index(b"\r\n\r\n/%d" % n) for n in range(5)
        )


async def test_head_interim_and_close_delimited_responses_pass():
    async def serve(reader, writer, instance):
        while True:
            head, _ = await read_request(reader)
            if head.startswith(b"HEAD"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            elif b"/interim" in head:
                writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
                return

    async with plane_of(serve) as (port, _, _):
        client = await Client.to(port)

        assert (await client.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD"))[2] == b""
        assert (await client.ask(b"GET /interim HTTP/1.1\r\nHost: x\r\n\r\n"))[2] == b"ok"
        assert (await client.ask(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n"))[2] == b"until the end"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
async def test_what_is_no_request_is_refused_and_reaches_no_instance(data, status):
    async with plane_of(answer_ok) as (port, played, _):
        client = await Client.to(port)

        assert (await client.ask(data))[0] == status
        assert played.booting == []
        assert played.connections == 0


async def test_an_idle_instance_is_stopped_after_its_lifetime():
    async with plane_of(answer_ok, idle_lifetime_s=0.05) as (port, played, _):
        client = await Client.to(port)
        await client.ask()
        await until_loop(lambda: played.stopped == [1])

        _, headers, _ = await client.ask()

        assert (headers["x-replay-instance"], headers["x-replay-cold"]) == ("i-2", "1")


async def test_a_drained_instance_answers_what_it_has_and_gets_nothing_more():
    let_go = asyncio.Event()

    async def answer_when_let(reader, writer, instance):
        while True:
            await read_request(reader)
            if instance == 1:
                await let_go.wait()
            writer.write(OK)

    async with plane_of(answer_when_let) as (port, played, gateway):
        held = (await Client.to(port)).begin_to_ask()
        await until_loop(lambda: gateway.plane.census().busy == 1)
        gateway.drain(1)
        _, headers, _ = await (await Client.to(port)).ask()
        assert (headers["x-replay-instance"], played.stopped) == ("i-2", [])

        let_go.set()
        status, headers, body = await held
        assert (status, headers["x-replay-instance"], body) == (200, "i-1", b"ok")
        await until_loop(lambda: played.stopped == [1])


async def test_a_deploy_keeps_a_request_that_is_under_way_with_its_old_instance():
    let_go = asyncio.Event()

    async def answer_when_let(reader, writer, instance):
        while True:
            await read_request(reader)
            if instance == 1:
                await let_go.wait()
            writer.write(OK)

    async with plane_of(answer_when_let, max_instances=1) as (port, played, gateway):
        held = (await Client.to(port)).begin_to_ask()
        await until_loop(lambda: gateway.plane.census().busy == 1)
        gateway.deploy()
        await until_loop(lambda: gateway.plane.census().draining == 1)
        _, headers, _ = await (await Client.to(port)).ask()
        let_go.set()

        assert headers["x-replay-instance"] == "i-2"
        assert (await held)[0] == 200
        await until_loop(lambda: played.stopped == [1])


@pytest.mark.parametrize("binding", ["late", "early"])
async def test_an_application_that_cannot_start_is_told_as_such_and_at_once(binding):
    async with plane_of(answer_ok, binding=binding) as (port, played, gateway):
        played.boots_at_once = False
        client = await Client.to(port)
        answer = client.begin_to_ask()
        await until_loop(lambda: played.booting)
        gateway.cannot_boot("No instance can be started: exit status 3.")

        assert (await answer)[::2] == (503, b"No instance can be started: exit status 3.\n")
        assert (await client.ask())[0] == 503
        for instance in list(played.booting):
            await until_loop(lambda instance=instance: instance in played._ports)
            played.ready(instance)
        played.boots_at_once = True
        assert (await client.ask())[0] == 200
        assert gateway.plane.census().waiting == 0
