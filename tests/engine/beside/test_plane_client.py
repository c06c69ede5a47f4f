"""What is sent to the address of a plane, and how, for its figures and for faults alike."""

import asyncio
import json
import ssl
import time
from contextlib import asynccontextmanager

import pytest
import trustme

from replay.engine.beside.events import carry_out
from replay.engine.beside.observe import PlaneObserver
from replay.engine.beside.plane_client import MOST_ANSWER_BYTES, ask, state_address
from replay.engine.types import At

pytestmark = pytest.mark.anyio

ANSWER = b'HTTP/1.1 200 OK\r\n\r\n{"instance": "i-1"}'


@asynccontextmanager
async def listening(answer=ANSWER, tls=None):
    """A port that answers so, piece by piece, and the bytes that came to it."""
    came = []

    async def accept(reader, writer):
        came.append(await reader.read(4096))
        for piece in (answer[:5], answer[5:]):
            writer.write(piece)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], came
    finally:
        server.close()


async def poll(address, directory):
    observer = PlaneObserver(address, directory)
    await observer.poll(0)
    return not observer.missed


async def kill(address, directory):
    await carry_out([At(0.0, fault="kill")], address, time.monotonic_ns, directory)
    return json.loads((directory / "events.jsonl").read_text())["answer"] == '{"instance": "i-1"}'


BOTH = pytest.mark.parametrize("send", [poll, kill])


@BOTH
async def test_an_https_address_gets_nothing_in_the_clear(send, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAY_CONTROL_TOKEN", "CANARY")
    async with listening() as (port, came):
        is_done = await send(f"https://user:CANARY@127.0.0.1:{port}/token-CANARY/state", tmp_path)

    assert not is_done
    assert b"CANARY" not in came[0]
    assert b"user" not in came[0]


@BOTH
async def test_an_https_address_is_asked_over_tls_once_its_certificate_is_trusted(send, tmp_path, monkeypatch):
    ca, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with listening(tls=tls) as (port, came):
        is_done = [await send(f"https://user:CANARY%2F@127.0.0.1:{port}/token-t/state", tmp_path)]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        (tmp_path / "events.jsonl").unlink(missing_ok=True)
        is_done.append(await send(f"https://user:CANARY%2F@127.0.0.1:{port}/token-t/state", tmp_path))

    assert is_done == [False, True]
    (head,) = came
    assert f"host: 127.0.0.1:{port}\r\n".encode() in head
    assert b"authorization: Basic dXNlcjpDQU5BUlkv\r\n" in head
    assert head.startswith((b"GET /token-t/state HTTP", b"POST /token-t/kill HTTP"))


@pytest.mark.parametrize(
    ("path", "asked_for"),
    [
        ("", "/state"),
        ("/", "/state"),
        ("/token-t", "/token-t/state"),
        ("/token-t/", "/token-t/state"),
        ("/state", "/state"),
        ("/token-t/state", "/token-t/state"),
        ("/metrics", "/metrics"),
        ("/token-t/other", "/token-t/other"),
        ("/?of=plane", "/?of=plane"),
    ],
)
def test_a_control_address_is_asked_for_its_state_as_it_is_printed(path, asked_for):
    """Whoever took the address as the plane printed it had "19 of 19 polls failed, the last with ValueError"."""
    at = "http://user:pw@127.0.0.1:1"

    assert state_address(at + path) == at + asked_for


async def test_a_fault_goes_beside_the_address_that_was_printed(tmp_path):
    async with listening() as (port, came):
        assert await kill(f"http://127.0.0.1:{port}/token-t", tmp_path)

    assert came[0].startswith(b"POST /token-t/kill HTTP")


async def test_the_token_of_the_environment_goes_with_a_fault_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAY_CONTROL_TOKEN", "CANARY")
    async with listening() as (port, came):
        assert await poll(f"http://127.0.0.1:{port}/state", tmp_path)
        assert await kill(f"http://127.0.0.1:{port}/state", tmp_path)

    assert b"CANARY" not in came[0]
    assert b"x-replay-control: CANARY\r\n" in came[1]


async def test_an_answer_without_end_is_not_read_to_it():
    async with listening(ANSWER + b"x" * MOST_ANSWER_BYTES) as (port, _):
        with pytest.raises(ValueError, match="too long"):
            await ask(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(("answer", "status"), [(b"", ""), (b"\0 ", ""), (b"HTTP/1.1 403 No\r\n", "403")])
async def test_what_is_no_answer_has_no_status(answer, status):
    async with listening(answer) as (port, _):
        assert (await ask(f"http://127.0.0.1:{port}/")).status == status
