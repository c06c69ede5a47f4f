"""A second target that gets the requests, too: what is sent there, and that no client notices."""

import asyncio
import contextlib

import pytest
from click.testing import CliRunner

from replay.cli.traces.mirrored import told_of_mirror
from replay.cli.traces.trace_record import record
from replay.recording import mirror as mirrors
from replay.recording.mirror import Mirror
from replay.recording.types import Exchange, SessionRef
from replay.recording.upstreams import parse_upstream
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def exchange(method="GET", path="/a?b=c", *, status=200, body=b"", **fields):
    ref = SessionRef("s", "header")
    headers = [("Host", "recorder"), ("X-Own", "1"), ("Content-Length", "9")]
    made = Exchange(1, ref, method, path, path, headers, "", 0, end_ns=4_000_000, status=status, body=body)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@contextlib.asynccontextmanager
async def mirror_to(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", **options):
    """A mirror, and the requests that its target has seen; answer None: it never does."""
    seen, tasks = [], []

    async def serve(reader, writer):
        tasks.append(asyncio.current_task())
        with (
            contextlib.closing(writer),
            contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError),
        ):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                seen.append(head + (await reader.readexactly(int(length[0][15:])) if length else b""))
                if answer is None:
                    await asyncio.sleep(60)
                writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = Mirror(parse_upstream(f"http://127.0.0.1:{port}/base"), **options)
    made.start()
    try:
        yield made, seen
    finally:
        await made.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_request_goes_to_the_second_target_as_it_was():
    async with mirror_to() as (mirror, seen):
        mirror.take(exchange())
        await until_loop(lambda: mirror.mirrored.answered)

    assert seen[0].startswith(b"GET /base/a?b=c HTTP/1.1\r\n")
    assert b"X-Own: 1\r\n" in seen[0]
    assert b"recorder" not in seen[0]
    assert (mirror.mirrored.same_status, list(mirror.mirrored.first_ms)) == (1, [4.0])
    assert len(mirror.mirrored.second_ms) == 1


async def test_nothing_of_ours_and_nothing_of_another_client_goes_along():
    """A cookie that one client was given there went with the next one's request, and paths lost their dots."""
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=alice; Path=/\r\nContent-Length: 2\r\n\r\nok"
    async with mirror_to(answer) as (mirror, seen):
        for path in ("/a", "/x/../y?q=%2e", "/b"):
            mirror.take(exchange(path=path))
        await until_loop(lambda: mirror.mirrored.answered == 3)

    heads = [head.lower() for head in seen]
    assert sorted(head.split(b" ")[1] for head in heads) == [b"/base/a", b"/base/b", b"/base/x/../y?q=%2e"]
    assert not any(name in head for head in heads for name in (b"cookie", b"user-agent", b"accept"))


async def test_what_is_under_way_when_the_recording_ends_is_counted():
    async with mirror_to(None) as (mirror, seen):
        for _ in range(20):
            mirror.take(exchange())
        await until_loop(lambda: len(seen) == 16)

    assert mirror.mirrored.left_out == {"waited when the recording ended": 20}


@pytest.mark.parametrize("is_unsafe", [False, True])
async def test_what_may_change_something_is_sent_only_where_that_is_said(is_unsafe):
    async with mirror_to(is_unsafe=is_unsafe) as (mirror, seen):
        mirror.take(exchange("POST", body=b"abc"))
        if is_unsafe:
            await until_loop(lambda: mirror.mirrored.answered)

    assert [each[-3:] for each in seen] == ([b"abc"] if is_unsafe else [])
    assert mirror.mirrored.left_out == ({} if is_unsafe else {"may change something": 1})


async def test_what_does_not_fit_the_queue_is_counted_and_nothing_waits(monkeypatch):
    monkeypatch.setattr(mirrors, "_MOST_WAITING", 3)
    async with mirror_to(None) as (mirror, _):
        for _ in range(10):
            mirror.take(exchange())

    assert mirror.mirrored.left_out == {
        "came faster than the second answers": 7,
        "waited when the recording ended": 3,
    }


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": None, "end_ns": None}, "had no whole answer from the first"),
        ({"fault": "client left"}, "had no whole answer from the first"),
        ({"body": None}, "had a body that is not kept whole"),
        ({"is_cut_short": True}, "had a body that is not kept whole"),
    ],
)
async def test_what_cannot_be_compared_is_not_sent(fields, why):
    async with mirror_to() as (mirror, seen):
        mirror.take(exchange(**fields))

    assert mirror.mirrored.left_out == {why: 1}
    assert not seen


async def test_a_second_target_that_is_away_costs_nobody_anything():
    mirror = Mirror(parse_upstream("http://127.0.0.1:1"))
    mirror.start()
    mirror.take(exchange())
    await until_loop(lambda: mirror.mirrored.failed)
    await mirror.close()

    assert list(told_of_mirror(mirror.mirrored)) == [
        "mirrored: 0 answers of the second target, 0 with the first's status; 1 request failed there"
    ]


async def test_other_statuses_and_times_are_told_beside_the_firsts():
    async with mirror_to(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n") as (mirror, _):
        mirror.take(exchange())
        await until_loop(lambda: mirror.mirrored.answered)
    mirror.mirrored.second_ms[0] = 8.0

    assert list(told_of_mirror(mirror.mirrored)) == [
        "mirrored: 1 answer of the second target, 0 with the first's status; 0 requests failed there",
        "  p50: first 4 ms, second 8 ms",
        "  p99: first 4 ms, second 8 ms",
        "  1 time 200 of the first was 500 of the second",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mirror-unsafe"], "--mirror-unsafe is for --mirror: name the second target."),
        (["--mirror", "http://127.0.0.1:9000"], "the --mirror is the recorder's own --listen address."),
        (["--mirror", "127.0.0.1:9001"], "is not an http:// or https:// URL with a host"),
    ],
)
def test_a_second_target_that_cannot_be_is_refused(options, said, tmp_path):
    upstream = ["--upstream", "http://127.0.0.1:8080", "-o", str(tmp_path / "t.jsonl")]
    result = CliRunner().invoke(record, [*upstream, *options])

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
