"""Applications in this process, called without a socket."""

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from replay.target.sending import Timeouts
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from tests.support.wires import (
    ask,
    exchange,
    through_httpx,
)


@pytest.fixture
def app_module() -> Iterator[ModuleType]:
    """A module that can be imported as asgi:replay_app_under_test:..."""
    module = ModuleType("replay_app_under_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def asgi(path: str, **options: Any) -> Target:
    return Target(url=f"asgi:replay_app_under_test:{path}", transport="httpx", **options)


async def sse_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    for token in (b"a", b"b", b"[DONE]"):
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"data: " + token + b"\n\n", "more_body": True})
    await send({"type": "http.response.body"})


@pytest.mark.anyio
async def test_an_application_streams_and_its_tokens_are_timed(app_module):
    app_module.app = sse_app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.status, got.error, got.token_count, got.response_bytes) == (200, None, 2, 32)
    assert got.sent_ns <= got.first_byte_ns <= got.first_token_ns <= got.end_ns
    assert not got.is_new_connection


@pytest.mark.anyio
async def test_an_application_sees_the_request_that_was_rendered(app_module):
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        seen.append((scope, await receive()))
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-cold", b"1")]})
        await send({"type": "http.response.body", "body": b"made"})

    app_module.app = app
    async with through_httpx(asgi("app", cold_header="x-cold")) as wire:
        got = await ask(wire, "POST", "/a%20b?q=%7c", body=b"body", headers=b"X-A: 1\r\n")

    scope, message = seen[0]
    assert (got.status, got.cold, got.response_bytes) == (201, True, 4)
    assert (scope["method"], scope["path"], scope["query_string"]) == ("POST", "/a b", b"q=%7c")
    assert scope["headers"] == [(b"host", b"t"), (b"x-a", b"1"), (b"content-length", b"4")]
    assert message == {"type": "http.request", "body": b"body", "more_body": False}


@pytest.mark.anyio
async def test_a_lifespan_is_run_around_the_requests(app_module):
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["db"] = "open"
            for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
                told.append((await receive())["type"])
                await send({"type": answer})
            return
        told.append(scope["state"]["db"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        await ask(wire)

    assert told == ["lifespan.startup", "open", "lifespan.shutdown"]


@pytest.mark.anyio
async def test_an_application_that_cannot_start_is_a_target_that_cannot_be_reached(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value) == (
        "asgi:replay_app_under_test:app: the application could not start: no database."
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "asgi:no_such_module_here:app",
            "asgi:no_such_module_here:app: the module 'no_such_module_here' cannot be imported "
            "(ModuleNotFoundError: No module named 'no_such_module_here'). "
            "Run from the folder that holds it, or set PYTHONPATH.",
        ),
        (
            "asgi:os:no_app",
            "asgi:os:no_app: the module 'os' has no 'no_app'. Name its ASGI application.",
        ),
        ("asgi:os:sep", "asgi:os:sep: 'sep' cannot be called. Name an ASGI application."),
    ],
)
async def test_an_application_that_is_not_there_is_said_plainly(url, message):
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(Target(url=url, transport="httpx")):
            pass

    assert str(refused.value) == message


@pytest.mark.anyio
@pytest.mark.parametrize(("starts", "phase"), [(False, "first_byte"), (True, "body")])
async def test_an_application_that_raises_fails_its_step_alone(app_module, starts, phase):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if starts:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("x")

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.response_bytes) == ("app", phase, 4 if starts else 0)


class Unheard(BaseException):
    """Something that is no Exception, and that nobody here has heard of."""


NO_EXCEPTIONS = [
    SystemExit(0),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    Unheard(),
    pytest.fail.Exception("an outcome of pytest"),
    BaseExceptionGroup("several", [SystemExit(0)]),
]


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize(("starts", "phase"), [(False, "first_byte"), (True, "body")])
async def test_whatever_an_application_raises_fails_its_step_alone(app_module, raised, starts, phase):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        if starts:
            await send({"type": "http.response.start", "status": 200})
        raise raised

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", phase)


@pytest.mark.anyio
@pytest.mark.parametrize("waits", [False, True])
async def test_an_application_that_cancels_itself_fails_its_step(app_module, waits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        if waits:
            await asyncio.sleep(0)

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", "first_byte")


@pytest.mark.anyio
async def test_an_application_that_fails_with_chunks_unread_fails_its_step(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        for _ in range(63):
            await send({"type": "http.response.body", "body": b".", "more_body": True})
        raise SystemExit(0)

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.response_bytes) == ("app", "body", 63)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "message",
    [
        {},
        *({"status": status} for status in ("200", 200.0, True, 1000, 99, 0, -1, 10**400)),
        {"status": 200, "headers": [1]},
        {"status": 200, "body": "text"},
    ],
    ids=lambda message: repr(message)[:40],
)
async def test_a_response_that_no_server_could_send_fails_its_step(app_module, message):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", **message})
        await send({"type": "http.response.body", "body": message.get("body", b"")})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert failed.error == "app"


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_what_is_raised_after_a_response_costs_neither_the_response_nor_the_next(app_module, raised):
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        raise raised

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = [await ask(wire), await ask(wire)]

    assert [(one.status, one.error) for one in got] == [(200, None), (200, None)]
    assert told == ([] if isinstance(raised, asyncio.CancelledError) else [raised, raised])


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_a_start_up_that_raises_what_is_no_exception_is_a_target_that_cannot_be_reached(
    app_module, raised
):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise raised

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value).startswith(
        f"asgi:replay_app_under_test:app: the application could not start: {type(raised).__name__}"
    )


@pytest.mark.anyio
async def test_a_start_up_that_is_told_of_by_a_traceback_is_told_of_by_its_last_line(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            raise OSError("no database")
        except OSError:
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value) == (
        "asgi:replay_app_under_test:app: the application could not start: OSError: no database."
    )


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_a_shutdown_that_raises_costs_no_step(app_module, raised):
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise raised
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire)

    assert (got.status, got.error) == (200, None)


@pytest.mark.anyio
async def test_a_module_that_ends_the_program_when_it_is_imported_is_said_plainly(tmp_path, monkeypatch):
    (tmp_path / "exits_at_import.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(Target(url="asgi:exits_at_import:app", transport="httpx")):
            pass

    assert str(refused.value) == (
        "asgi:exits_at_import:app: the module 'exits_at_import' cannot be imported (SystemExit: 0). "
        "Run from the folder that holds it, or set PYTHONPATH."
    )


@pytest.mark.anyio
async def test_an_application_that_returns_without_a_whole_response_fails_its_step(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", "first_byte")


@pytest.mark.anyio
@pytest.mark.parametrize("ending", ["limit", "close"])
async def test_an_application_is_cancelled_when_its_step_is_given_up(app_module, ending):
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    app_module.app = app
    sent = exchange()
    async with through_httpx(asgi("app", timeouts=Timeouts(first_byte_s=0.02))) as wire:
        wire.send(sent)
        while not sent.sent_ns:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if ending == "limit":
            wire.sweep(sent.sent_ns + 20_000_000)

    assert told == ["cancelled"]
    assert sent.error == ("timeout" if ending == "limit" else "interrupted")
    assert sent.phase == "first_byte"


@pytest.mark.anyio
async def test_an_application_may_go_on_after_its_response(app_module):
    finished = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        await asyncio.sleep(0)
        finished.set()

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire)
        await finished.wait()

    assert (got.status, got.error) == (200, None)


def test_an_application_is_looked_for_in_the_working_directory(tmp_path):
    (tmp_path / "here_app.py").write_text("async def app(scope, receive, send): pass\n")
    program = """
        import asyncio, os, sys
        sys.path = [part for part in sys.path if part]  # as it is for a console script
        from replay.wire.httpx.asgi import load_app
        os.chdir(sys.argv[1])
        print(load_app("asgi:here_app:app").__name__)
    """
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", dedent(program), tmp_path], cwd=root, env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert ran.stdout == "app\n"
