"""HTTP proxies before a target, on the fast path: requests in absolute form, tunnels, and who it was that failed."""

import contextlib
import socket

import pytest

from replay.engine.requests.sender import _fast_wire
from replay.exit_codes import EXIT_BAD_INPUT
from replay.target.sending import Connections, Timeouts, Tls
from replay.target.target import Target
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.proxying import Proxy, Tunnel, proxy_before
from tests.support.http2_servers import Http2Server
from tests.support.proxies import HttpProxy
from tests.support.wires import OK, answers, ask, ended, exchange, goes_stale, read_request, serving


@contextlib.asynccontextmanager
async def through(target):
    wire = _fast_wire(target, target.url)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


def with_user(proxy_url):
    return proxy_url.replace("http://", "http://me:se%3Acret@")


@pytest.mark.anyio
async def test_requests_to_http_are_handed_to_the_proxy_in_absolute_form():
    proxy = HttpProxy()
    async with serving(answers(OK)) as (url, _), serving(proxy) as (proxy_url, _):
        async with through(Target(url=url, proxy=with_user(proxy_url))) as wire:
            sent = exchange("GET", "/a?b=|", idempotent=True)
            direct = sent.head
            first, second = await ended(wire, sent), await ask(wire)

    assert (first.status, second.status, second.is_new_connection) == (200, 200, False)
    assert proxy.asked == [f"GET {url}/a?b=| HTTP/1.1".encode()]
    assert proxy.authorisations == [b"Proxy-Authorization: Basic bWU6c2U6Y3JldA=="]
    # Cookies and redirects are told by the request as the target has it.
    assert first.head == direct
    assert first.request_bytes > len(direct)


@pytest.mark.anyio
async def test_a_proxy_that_wants_to_know_who_asks_fails_each_request_as_the_proxy():
    wants_user = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with serving(answers(wants_user)) as (proxy_url, _):
        async with through(Target(url="http://t.invalid", proxy=with_user(proxy_url))) as wire:
            failed = [await ask(wire), await ask(wire)]

    # The second head is known by then, and read in another way.
    assert [(one.error, one.phase, one.status) for one in failed] == [("proxy", "first_byte", 407)] * 2
    assert failed[0].why == (
        f"the proxy {proxy_url} wants to be told who asks (407): put user and password into its URL"
    )


@pytest.mark.anyio
async def test_a_target_that_says_407_without_a_proxy_says_it_itself():
    async with serving(answers(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as (url, _):
        async with through(Target(url=url)) as wire:
            said = await ask(wire)

    assert (said.error, said.status) == (None, 407)


@pytest.mark.anyio
@pytest.mark.parametrize("version", [False, True], ids=["http1", "http2"])
async def test_a_target_that_is_silent_behind_an_open_tunnel_is_told_of_and_not_the_proxy(version):
    opens = saying(b"HTTP/1.1 200 OK\r\n\r\n", then_closes=False)
    async with serving(opens) as (proxy_url, _):
        target = Target(
            url="https://t.invalid", proxy=proxy_url, http2=version, timeouts=Timeouts(connect_s=0.2)
        )
        with pytest.raises(TargetUnreachable) as refused:
            async with through(target):
                pass

    assert str(refused.value) == (
        f"cannot connect to https://t.invalid through the proxy {proxy_url}: the connection was taken, but TLS not "
        "answered within 200 ms. Does the target speak plain http://?"
    )


@pytest.mark.anyio
async def test_a_request_on_a_stale_connection_is_in_absolute_form_once_more():
    async with serving(goes_stale) as (proxy_url, _):
        async with through(Target(url="http://t.invalid", proxy=proxy_url)) as wire:
            await ask(wire)
            again = await ask(wire)

    assert (again.status, again.stale_retries) == (200, 1)


@pytest.mark.anyio
async def test_requests_to_https_go_through_a_tunnel(tls_server):
    context, ca_file = tls_server
    proxy = HttpProxy()
    async with serving(answers(OK), ssl=context) as (url, _), serving(proxy) as (proxy_url, _):
        url = url.replace("http:", "https:")
        target = Target(url=url, proxy=with_user(proxy_url), tls=Tls(ca_file=ca_file))
        async with through(target) as wire:
            first, second = await ask(wire), await ask(wire)

    assert (first.status, second.status) == (200, 200)
    assert (first.is_new_connection, second.is_new_connection) == (True, False)
    assert min(first.connect_ns, first.tls_ns) > 0
    assert proxy.asked == [f"CONNECT {url.removeprefix('https://')} HTTP/1.1".encode()]
    assert proxy.authorisations == [b"Proxy-Authorization: Basic bWU6c2U6Y3JldA=="]


@pytest.mark.anyio
async def test_http2_goes_through_a_tunnel(tls_server):
    context, ca_file = tls_server
    context.set_alpn_protocols(["h2"])
    async with (
        serving(answers(OK), Http2Server, ssl=context) as (url, server),
        serving(HttpProxy()) as (proxy_url, _),
    ):
        url = url.replace("http:", "https:")
        target = Target(url=url, proxy=proxy_url, http2=True, tls=Tls(ca_file=ca_file))
        async with through(target) as wire:
            first, second = await ask(wire), await ask(wire)

    assert (first.status, second.status, server.connections) == (200, 200, 1)


@pytest.mark.anyio
async def test_the_target_is_asked_for_by_its_own_name_in_tls(tls_server):
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _), serving(HttpProxy()) as (proxy_url, _):
        url = url.replace("http:", "https:")
        named = Target(url=url, proxy=proxy_url, tls=Tls(ca_file=ca_file, server_name="target.example"))
        async with through(named) as wire:
            assert (await ask(wire)).status == 200
        unlike = Target(url=url, proxy=proxy_url, tls=Tls(ca_file=ca_file, server_name="other.example"))
        with pytest.raises(TargetUnreachable, match="certificate"):
            async with through(unlike):
                pass


@pytest.mark.anyio
@pytest.mark.parametrize("version", [False, True], ids=["http1", "http2"])
async def test_a_tunnel_that_ends_before_tls_is_set_up_is_told_of_the_target_and_not_of_the_proxy(version):
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as (proxy_url, _):
        target = Target(url="https://t.invalid", proxy=with_user(proxy_url), http2=version)
        with pytest.raises(TargetUnreachable) as refused:
            async with through(target):
                pass

    said = str(refused.value)
    assert said.startswith(f"cannot connect to https://t.invalid through the proxy {proxy_url}: ")
    assert said.endswith(". Is the target running there?")


def saying(answer, *, then_closes=True):
    """A proxy that answers anything with these bytes."""

    async def serve(reader, writer, _number):
        await read_request(reader)
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
        if not then_closes:
            await reader.read()

    return serve


@pytest.mark.anyio
@pytest.mark.parametrize("version", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "opened no tunnel: 407 Proxy Authentication Required.",
        ),
        (b"HTTP/1.0 502\r\nX: y\r\n\r\n", "opened no tunnel: 502."),
        (b"HTTP/1.1 403 \x1b[31mNo\r\n\r\n", "opened no tunnel: 403."),
        (b"SSH-2.0-x\r\n\r\n", "did not answer in HTTP when asked for a tunnel."),
        (b"HTTP/1.1 20", "ended the connection when asked for a tunnel."),
        (b"", "ended the connection when asked for a tunnel."),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_named_before_anything_is_sent(answer, why, version):
    async with serving(saying(answer)) as (proxy_url, _):
        with pytest.raises(TargetUnreachable) as refused:
            async with through(Target(url="https://t.invalid", proxy=with_user(proxy_url), http2=version)):
                pass

    assert str(refused.value) == f"cannot connect to https://t.invalid: the proxy {proxy_url} {why}"


@pytest.mark.anyio
async def test_a_head_without_end_is_not_read_for_ever():
    async def flood(reader, writer, _number):
        with contextlib.suppress(OSError, RuntimeError):
            while True:
                writer.write(b"HTTP/1.1 200 OK\r\nx: y\r\n" + b"a: b\r\n" * 10_000)
                await writer.drain()

    async with serving(flood) as (proxy_url, _):
        with pytest.raises(TargetUnreachable, match="answered at too great a length when asked for a tunnel"):
            async with through(Target(url="https://t.invalid", proxy=proxy_url)):
                pass


@pytest.mark.anyio
@pytest.mark.parametrize("http2", [False, True])
async def test_a_proxy_that_refuses_later_fails_the_step_and_not_the_target(tls_server, http2):
    context, ca_file = tls_server
    if http2:
        context.set_alpn_protocols(["h2"])
    proxy = HttpProxy()
    kind = (Http2Server,) if http2 else ()
    async with serving(answers(OK), *kind, ssl=context) as (url, _), serving(proxy) as (proxy_url, _):
        url = url.replace("http:", "https:")
        target = Target(
            url=url,
            proxy=proxy_url,
            http2=http2,
            tls=Tls(ca_file=ca_file),
            connections=Connections(reuse="none"),
        )
        async with through(target) as wire:
            proxy._refuses = True
            failed = await ask(wire)

    assert (failed.error, failed.phase, failed.sent_ns) == ("proxy", "connect", 0)
    assert failed.why == f"the proxy {proxy_url} opened no tunnel: 403 Forbidden"


@pytest.mark.anyio
async def test_a_proxy_that_says_nothing_is_timed_out():
    target_of = {"timeouts": Timeouts(connect_s=0.05)}
    async with serving(saying(b"", then_closes=False)) as (proxy_url, _):
        with pytest.raises(TargetUnreachable, match="no answer within 50 ms"):
            async with through(Target(url="https://t.invalid", proxy=proxy_url, **target_of)):
                pass


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["http://t.invalid", "https://t.invalid"])
async def test_a_proxy_that_is_not_there_is_said_without_its_password(url):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TargetUnreachable) as refused:
            async with through(Target(url=url, proxy=f"http://me:secret@127.0.0.1:{port}")):
                pass

    assert str(refused.value) == (
        f"cannot connect to the proxy http://127.0.0.1:{port}: connection refused. Is the proxy running there?"
    )


@pytest.mark.anyio
async def test_a_proxy_whose_name_has_no_address_is_said():
    with pytest.raises(TargetUnreachable) as unknown:
        async with through(Target(url="https://t.invalid", proxy="http://me:secret@no.such.invalid:1")):
            pass

    assert str(unknown.value).startswith(
        "the proxy http://no.such.invalid:1: the name 'no.such.invalid' has no address ("
    )
    assert str(unknown.value).endswith("Check proxy in the target.")


@pytest.mark.anyio
async def test_a_route_that_http2_cannot_take_through_a_proxy_is_refused():
    target = Target(url="https://t.invalid", proxy="http://p:1", http2=True)
    with pytest.raises(TargetUnreachable, match=r"forwards http:// as HTTP/1\.1 only"):
        _fast_wire(target, "http://other.invalid")


COMPANY = {
    "https": "http://me:pw@proxy.example:3128",
    "http": "proxy.example:8080",
    "no": "localhost,.internal,10.0.0.7",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        (
            "https://api.example.com",
            Proxy("http://proxy.example:3128", b"Proxy-Authorization: Basic bWU6cHc=\r\n"),
        ),
        ("http://api.example.com", Proxy("http://proxy.example:8080")),
        ("http://localhost:8080", None),
        ("https://a.b.internal", None),
        ("https://10.0.0.7:8443", None),
        ("https://10.0.0.8", Proxy("http://proxy.example:3128", b"Proxy-Authorization: Basic bWU6cHc=\r\n")),
    ],
)
def test_the_environment_names_the_proxy_of_each_url(url, proxy):
    assert proxy_before(Target(url=url, proxy="env"), url, COMPANY) == proxy


def test_without_a_word_nothing_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")

    assert proxy_before(Target(url="https://x"), "https://x") is None
    assert proxy_before(Target(url="https://x", proxy="env"), "https://x") == Proxy("http://p:1")
    assert proxy_before(Target(url="https://x", proxy="http://q"), "https://x") == Proxy("http://q:80")


def test_what_the_environment_names_and_is_no_http_proxy_is_refused_without_its_password():
    with pytest.raises(TargetMiswritten) as refused:
        proxy_before(Target(url="https://x", proxy="env"), "https://x", {"https": "socks5://me:secret@p:1"})

    assert "HTTPS_PROXY or ALL_PROXY" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "named", ["http://me:secret@[::1", "http://me:secret@h:99999", "me:sec ret@h", "http://"]
)
def test_a_proxy_of_the_environment_that_is_mistyped_is_refused_by_its_form_and_without_its_password(named):
    with pytest.raises(TargetMiswritten, match=r"it is not of the form http://host:port\.") as refused:
        proxy_before(Target(url="https://x", proxy="env"), "https://x", {"https": named})

    assert "secret" not in str(refused.value)
    assert refused.value.exit_code == EXIT_BAD_INPUT


def test_an_address_of_version_6_keeps_its_brackets():
    assert proxy_before(Target(url="https://x", proxy="http://[::1]:3128"), "https://x") == Proxy(
        "http://[::1]:3128"
    )


def test_hosts_of_version_6_are_asked_for_in_brackets():
    assert b"CONNECT [::1]:443 HTTP/1.1\r\n" in Tunnel(Proxy("http://p:1"), "https://[::1]/x")._asks


@pytest.mark.parametrize(
    ("without", "is_by_itself"),
    [("t.invalid", True), (".invalid", True), ("*", True), ("t.invalid:8443", True), ("other", False)],
)
def test_hosts_that_need_no_proxy_are_told_with_the_names_below_them(without, is_by_itself):
    url = "https://api.t.invalid:8443"
    found = proxy_before(Target(url=url, proxy="env"), url, {"https": "http://p:1", "no": without})

    assert (found is None) == is_by_itself


def test_a_range_of_addresses_that_need_no_proxy_is_not_understood():
    found = {"https": "http://p:1", "no": "10.0.0.0/8"}

    assert proxy_before(Target(url="https://x", proxy="env"), "https://10.1.1.1", found) == Proxy("http://p:1")
