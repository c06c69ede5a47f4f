"""Reaching a target for a check, on real loopback sockets."""

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest
import trustme

from replay.target.target import Target, Timeouts, Tls
from replay.trials.check.reaching import reach


@contextlib.contextmanager
def listening(tls=None, path=None):
    """A server in a thread of its own that accepts connections and says nothing; yields its port."""
    ready, stop = threading.Event(), threading.Event()
    port = []

    async def serve():
        writers = []

        async def accept(_, writer):
            writers.append(writer)

        if path is not None:
            server = await asyncio.start_unix_server(accept, path)
        else:
            server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
            port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield port[0] if port else None
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture
def authority(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca


def test_tls_is_made_as_a_run_makes_it_and_told_with_the_end_of_the_certificate(authority, tmp_path):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("target.example").configure_cert(server)
    with listening(server) as port:
        url = f"https://127.0.0.1:{port}"
        tls = Tls(ca_file=str(tmp_path / "ca.pem"), server_name="target.example")
        (good,) = reach(Target(url=url, tls=tls))
        (untrusted,) = reach(Target(url=url))

    assert (good.failure, good.tls) == (None, "TLSv1.3")
    assert good.expires_days > 0
    assert untrusted.failure.startswith("TLS failed with 127.0.0.1 (")
    assert untrusted.tls is None


def test_a_name_without_an_address_says_so_once():
    (reached,) = reach(Target(url="https://nowhere.invalid"))

    assert reached.failure.startswith("the name nowhere.invalid has no address (")
    assert reached.failure.count("nowhere.invalid") == 1


def test_a_port_that_nothing_listens_at():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        (reached,) = reach(Target(url=f"http://127.0.0.1:{port}"))

    assert reached.failure == f"nothing accepts connections at 127.0.0.1, port {port} (connection refused)"


def test_a_certificate_authority_that_is_missing_is_told_and_leaves_no_connection(tmp_path):
    with listening() as port:
        tls = Tls(ca_file=str(tmp_path / "none.pem"))
        (reached,) = reach(Target(url=f"https://127.0.0.1:{port}", tls=tls))

    assert "TLS files cannot be loaded" in reached.failure


def test_what_never_finishes_tls_ends_with_the_time_to_connect():
    with listening() as port:
        target = Target(url=f"https://127.0.0.1:{port}", timeouts=Timeouts(connect_s=0.05))
        (reached,) = reach(target)

    assert reached.failure == "TLS failed with 127.0.0.1 (no answer in time)"


def test_a_socket_is_reached_by_its_path(tmp_path):
    path = str(tmp_path / "s")
    with listening(path=path):
        (reached,) = reach(Target(url="http://localhost", unix_socket=path))
    (gone,) = reach(Target(url="http://localhost", unix_socket=str(tmp_path / "none")))

    assert (reached.where, reached.failure) == (path, None)
    assert gone.failure.startswith(f"nothing accepts connections at the socket {tmp_path / 'none'} (")
