"""Who may ask a plane's control address for what: nobody else's page, and nobody without the token for changes."""

import asyncio
import json

import pytest

from replay.engine.beside.events import _posted
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.types import ModelSpec
from replay.planes.serving.serving import plane_server

pytestmark = pytest.mark.anyio

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def plane():
    async with plane_server(
        PlaneSpec(kind="vm", max_instances=2), ModelSpec(), control_port=0, control_token=TOKEN
    ) as served:
        yield served


async def asked(plane, method, path, *lines):
    """Status and body of one request at the plane's control address."""
    address = plane.control_url.removeprefix("http://").partition("/")[0]
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    fields = [line.encode() for line in lines]
    if not any(line.lower().startswith(b"host:") for line in fields):
        fields.append(f"Host: {address}".encode())
    writer.write(b"\r\n".join((f"{method} {path} HTTP/1.1".encode(), *fields, b"", b"")))
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("path", ["/state", "/metrics", f"/token-{TOKEN}/state", "/state?x=y"])
async def test_whoever_is_on_this_machine_may_read(plane, path):
    status, body = await asked(plane, "GET", path)

    assert status == 200
    assert b"idle" in body


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        (f"/token-{TOKEN}/drain", ()),
        (f"/token-{TOKEN}/drain?x", ()),
        ("/drain", (f"X-Replay-Control: {TOKEN}",)),
    ],
)
async def test_whoever_has_the_token_may_change(plane, path, lines):
    status, body = await asked(plane, "POST", path, *lines)

    assert (status, json.loads(body)) == (200, {"instance": "i-1"})


@pytest.mark.parametrize("what", ["/kill", "/drain", "/deploy"])
@pytest.mark.parametrize(
    ("prefix", "lines"),
    [
        ("", ()),
        ("/token-", ()),
        ("/token-wrong", ()),
        (f"/token-{TOKEN}x", ()),
        ("", ("x-replay-control: wrong",)),
        ("", ("x-replay-control:",)),
        ("", (f"Cookie: token={TOKEN}",)),
        (f"/token-{TOKEN}", ("Origin: http://localhost:18340",)),
        (f"/token-{TOKEN}", ("Origin: null",)),
        (f"/token-{TOKEN}", ("Host: rebound.evil.example",)),
    ],
)
async def test_nobody_else_changes_anything(plane, what, prefix, lines):
    before = (await asked(plane, "GET", "/state"))[1]

    status, body = await asked(plane, "POST", prefix + what, *lines)

    assert status == 403
    assert TOKEN.encode() not in body
    after = json.loads((await asked(plane, "GET", "/state"))[1])
    assert (
        after["instances"]
        == json.loads(before)["instances"]
        == {"booting": 0, "idle": 2, "busy": 0, "draining": 0}
    )
    assert after["outgoing"] == 0


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Host: rebound.evil.example", 403),
        ("Host: rebound.evil.example:80", 403),
        ("Host: 127.0.0.1.evil.example", 403),
        ("Host: 192.168.1.5:9090", 403),
        ("Origin: http://evil.example", 403),
        ("Origin: https://127.0.0.1", 403),
        ("Host: localhost:1", 200),
        ("Host: 127.0.0.2", 200),
        ("Host: [::1]:9090", 200),
    ],
)
async def test_a_page_that_has_its_name_resolve_to_this_machine_reads_nothing(plane, line, status):
    assert (await asked(plane, "GET", "/state", line))[0] == status


async def test_its_own_origin_may_ask(plane):
    lines = ("Host: localhost:9090", "Origin: http://localhost:9090")

    assert (await asked(plane, "GET", "/state", *lines))[0] == 200
    assert (await asked(plane, "POST", f"/token-{TOKEN}/drain", *lines))[0] == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/kill"), ("PUT", "/state"), ("GET", "/")])
async def test_what_is_not_there_is_not_found_or_not_allowed(plane, method, path):
    assert (await asked(plane, method, path))[0] in (403, 404)


async def test_every_start_has_a_token_of_its_own():
    found = set()
    for _ in range(2):
        async with plane_server(PlaneSpec(), ModelSpec(), control_port=0) as served:
            found.add(served.control_url.rpartition("/token-")[2])

    assert len(found) == 2
    assert all(len(token) >= 24 for token in found)


@pytest.mark.parametrize("token", ["short", "with a blank in the middle", "a/path/is/no/token", "ä" * 20])
async def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(ValueError, match=r"^the control token must be 16 to 128 letters, digits, - and _\.$"):
        async with plane_server(PlaneSpec(), ModelSpec(), control_port=0, control_token=token):
            raise AssertionError("served")


async def test_a_run_asks_for_a_fault_with_the_token_of_its_address_or_of_its_environment(plane, monkeypatch):
    monkeypatch.delenv("REPLAY_CONTROL_TOKEN", raising=False)
    plain = plane.control_url.rpartition("/token-")[0]

    assert json.loads(await _posted(f"{plane.control_url}/state", "drain")) == {"instance": "i-1"}
    with pytest.raises(ValueError, match="the plane wants the token that it printed when it started"):
        await _posted(f"{plain}/state", "drain")
    monkeypatch.setenv("REPLAY_CONTROL_TOKEN", TOKEN)
    assert json.loads(await _posted(f"{plain}/state", "drain")) == {"instance": "i-2"}
