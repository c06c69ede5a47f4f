"""What tests of wires share: both event loops, both wires, a server with TLS."""

import ssl
import sys

import pytest
import trustme

from tests.support.wires import (
    Open,
    fast,
    through_httpx,
)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    if request.param and sys.platform == "win32":
        pytest.skip("there is no uvloop here")
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(params=[fast, through_httpx], ids=["fast", "httpx"])
def wire_to(request: pytest.FixtureRequest) -> Open:
    opener: Open = request.param
    return opener


@pytest.fixture
def tls_server(tmp_path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1 and target.example, and the file of the CA that vouches for it."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1", "target.example").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, str(tmp_path / "ca.pem")
