"""What tests of wires share: both event loops, every wire, a server with TLS."""

import contextlib
import ssl
import sys
from typing import Any

import pytest
import trustme

from tests.support import wires
from tests.support.http2_servers import Http2Server
from tests.support.wires import Open, Serve, Server, fast, fast_http2, through_httpx


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    if request.param and sys.platform == "win32":
        pytest.skip("there is no uvloop here")
    return "asyncio", {"use_uvloop": request.param}


SPOKEN = {"fast": (fast, Server), "httpx": (through_httpx, Server), "fast-http2": (fast_http2, Http2Server)}
"""Each wire, and what a server is that speaks with it."""


@pytest.fixture(params=SPOKEN)
def spoken(request: pytest.FixtureRequest) -> tuple[Open, type[Server]]:
    return SPOKEN[request.param]


@pytest.fixture
def wire_to(spoken) -> Open:
    return spoken[0]


@pytest.fixture
def server_kind(spoken) -> type[Server]:
    return spoken[1]


@pytest.fixture
def serving(server_kind):
    """As in tests.support.wires, in the version of HTTP that the wire speaks."""

    def opened(serve: Serve, **options: Any) -> contextlib.AbstractAsyncContextManager[tuple[str, Server]]:
        if server_kind is Http2Server and "ssl" in options:
            options["ssl"].set_alpn_protocols(["h2"])
        return wires.serving(serve, server_kind, **options)

    return opened


@pytest.fixture
def tls_server(tmp_path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1 and target.example, and the file of the CA that vouches for it."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1", "target.example").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, str(tmp_path / "ca.pem")
