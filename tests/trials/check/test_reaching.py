"""Reaching a target for a check, on real loopback sockets."""

import contextlib
import socket
import socketserver
import ssl
import threading

import pytest
import trustme

from replay.target.sending import Timeouts, Tls
from replay.target.target import Target
from replay.trials.check.reaching import reach


@contextlib.contextmanager
def listening(tls=None, path=None):
    """A server in threads of its own that says nothing; yields its port. It has left no connection open afterwards."""

    class Silence(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.settimeout(10)
            with contextlib.suppress(OSError), self.secured() as connection:
                while connection.recv(4096):
                    pass  # until the client has left

        def secured(self):
            return self.request if tls is None else tls.wrap_socket(self.request, server_side=True)

    kind = socketserver.ThreadingTCPServer if path is None else socketserver.ThreadingUnixStreamServer
    with kind(path or ("127.0.0.1", 0), Silence) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1] if path is None else None
        finally:
            server.shutdown()
            thread.join()


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


def test_a_server_of_http2_alone_is_asked_for_http2(authority, tmp_path):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("target.example").configure_cert(server)
    server.set_alpn_protocols(["h2"])
    settled = []
    server.sslsocket_class = type(
        "Settled",
        (ssl.SSLSocket,),
        {"recv": lambda sock, size: settled.append(sock.selected_alpn_protocol()) or sock.read(size)},
    )
    with listening(server) as port:
        tls = Tls(ca_file=str(tmp_path / "ca.pem"), server_name="target.example")
        reach(Target(url=f"https://127.0.0.1:{port}", tls=tls, transport="httpx", http2=True))

    assert settled[0] == "h2"


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

    assert "under [tls] cannot be read" in reached.failure


def test_what_never_finishes_tls_ends_with_the_time_to_connect():
    with listening() as port:
        target = Target(url=f"https://127.0.0.1:{port}", timeouts=Timeouts(connect_s=0.05))
        (reached,) = reach(target)

    assert reached.failure == "TLS failed with 127.0.0.1 (no answer in time)"


def test_a_server_that_ends_the_connection_instead_of_tls_is_told_so():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse():
            with server.accept()[0] as connection:
                connection.recv(4096)

        thread = threading.Thread(target=refuse)
        thread.start()
        (reached,) = reach(Target(url=f"https://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()

    assert reached.failure == "TLS failed with 127.0.0.1 (the server closed the connection)"


def test_a_socket_is_reached_by_its_path(tmp_path):
    path = str(tmp_path / "s")
    with listening(path=path):
        (reached,) = reach(Target(url="http://localhost", unix_socket=path))
    (gone,) = reach(Target(url="http://localhost", unix_socket=str(tmp_path / "none")))

    assert (reached.where, reached.failure) == (path, None)
    assert gone.failure.startswith(f"nothing accepts connections at the socket {tmp_path / 'none'} (")
