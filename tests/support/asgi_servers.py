"""An ASGI application served by uvicorn in a thread of its own, on a real socket."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn


@contextlib.contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Its URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", **options))
    started = threading.Event()
    startup = server.startup

    async def starts(*given: object, **named: object) -> None:
        await startup(*given, **named)  # type: ignore[arg-type]
        started.set()

    server.startup = starts  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
