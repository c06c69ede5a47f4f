"""What is said of TLS that failed: what was wrong, and what to set."""

import asyncio
import datetime
import ssl

import pytest
import trustme

from replay.target.sending import Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from tests.support.wires import OK, answers, serving


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
