"""What is said of TLS that failed: what was wrong, and what to set."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading

import pytest
import trustme

from replay.target.sending import Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from tests.support.wires import OK, answers, ask, serving


async def refusal(wire_to, target):
    with pytest.raises(TargetUnreachable) as refused:
        async with wire_to(target):
            pass
    return str(refused.value)


def context_of(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.mark.anyio
async def test_a_certificate_that_nobody_trusts_or_that_is_for_another_name_is_told_apart(wire_to, tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusting = Tls(ca_file=str(tmp_path / "ca.pem"))
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    named, expired = ca.issue_cert("other.example"), ca.issue_cert("127.0.0.1", not_after=past)

    async with serving(answers(OK), ssl=context_of(named)) as (plain, _):
        url = plain.replace("http:", "https:")
        untrusted = await refusal(wire_to, Target(url=url))
        misnamed = await refusal(wire_to, Target(url=url, tls=trusting))
    async with serving(answers(OK), ssl=context_of(expired)) as (plain, _):
        outdated = await refusal(wire_to, Target(url=plain.replace("http:", "https:"), tls=trusting))

    assert untrusted.startswith(
        f"cannot connect to {url}: TLS failed: the certificate is not valid: it is not signed by an authority"
    )
    assert "ca_file under [tls]" in untrusted
    assert misnamed.endswith(
        "it is for another address. Set server_name under [tls] to the name that it is for."
    )
    assert "it has expired" in outdated
    assert "Is the target running" not in untrusted + misnamed + outdated


@pytest.mark.anyio
async def test_a_certificate_that_is_not_valid_yet_is_a_matter_of_clocks(wire_to, tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    begins, ends = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2090, 2091))
    future = ca.issue_cert("127.0.0.1", not_before=begins, not_after=ends)

    async with serving(answers(OK), ssl=context_of(future)) as (plain, _):
        tls = Tls(ca_file=str(tmp_path / "ca.pem"))
        said = await refusal(wire_to, Target(url=plain.replace("http:", "https:"), tls=tls))

    assert "it is not valid yet. Check the clock of this machine" in said


@contextlib.contextmanager
def wanting_a_certificate(context):
    """A server that tells by an alert why it ends a connection, as asyncio's does not. Yields its port."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2", "http/1.1"])
    listening = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with sock, sock.dup() as left:
                with contextlib.suppress(ssl.SSLError):
                    context.wrap_socket(sock, server_side=True)
                # Until the client has gone: to close what holds unread bytes resets it, and the alert may be lost.
                left.shutdown(socket.SHUT_WR)
                while left.recv(4096):
                    pass

    accepting = threading.Thread(target=refuse)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()


@pytest.mark.anyio
async def test_a_client_certificate_that_is_wanted_is_said_so(wire_to, tmp_path):
    """With TLS 1.3 a server says so only in place of the answer: that was a reset, without a word of certificates."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = context_of(ca.issue_cert("127.0.0.1"))
    ca.configure_trust(context)

    with wanting_a_certificate(context) as port:
        target = Target(url=f"https://127.0.0.1:{port}", tls=Tls(ca_file=str(tmp_path / "ca.pem")))
        try:
            async with wire_to(target) as wire:
                failed = await ask(wire, idempotent=False)
            said = (failed.error, failed.why)
        except TargetUnreachable as refused:
            # HTTP/2 begins with what the server says.
            said = ("tls", str(refused).removeprefix(f"cannot connect to {target.url}: "))

    assert said == (
        "tls",
        "TLS failed: it wants a client certificate. Name client_cert and client_key under [tls].",
    )


@pytest.mark.anyio
async def test_plain_http_where_tls_was_expected_is_said_so(wire_to):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await refusal(wire_to, Target(url=f"https://127.0.0.1:{port}"))

    assert said.endswith("Does the target speak plain http://?")


@pytest.mark.anyio
async def test_a_connection_that_ends_while_tls_begins_is_not_a_target_that_is_away(wire_to):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await refusal(wire_to, Target(url=f"https://127.0.0.1:{port}"))

    assert said.endswith("ended while TLS began. Does the target speak plain http://?")


@pytest.mark.anyio
async def test_a_file_that_cannot_be_used_is_named(wire_to, tmp_path):
    junk, missing = tmp_path / "junk.pem", tmp_path / "missing.pem"
    junk.write_text("no certificate")
    trustme.CA().issue_cert("me").cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))

    said = [
        await refusal(wire_to, Target(url="https://127.0.0.1:1", tls=tls))
        for tls in (
            Tls(ca_file=str(missing)),
            Tls(ca_file=str(junk)),
            Tls(client_cert=str(missing)),
            Tls(client_cert=str(tmp_path / "me.pem"), client_key=str(missing)),
        )
    ]

    assert said[0] == f"ca_file {missing} under [tls] cannot be read: No such file or directory."
    assert said[1].startswith(f"ca_file {junk} under [tls] holds nothing that can be used as such (")
    assert said[2] == f"client_cert {missing} under [tls] cannot be read: No such file or directory."
    assert said[3] == f"client_key {missing} under [tls] cannot be read: No such file or directory."
