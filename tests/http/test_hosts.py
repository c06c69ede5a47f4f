"""By which Host headers a page in a browser may have come to a server on loopback, and by which nobody else's page can."""

import pytest

from replay.http.hosts import is_rebound, loopback_port, names_loopback


@pytest.mark.parametrize(
    "host",
    [b"evil.example.com:9000", b"EVIL.example.com.:9000", b"127.0.0.1.nip.io:9000", b"localhost.evil.com:9000",
     b"test.evil.com:9000", b"a.test.com:9000", b"notlocalhost.com:09000", b"x.example:9000"],
)  # fmt: skip
def test_a_name_of_public_dns_with_our_port_may_be_a_pages(host):
    assert is_rebound(host, 9000)


@pytest.mark.parametrize(
    "host",
    [b"127.0.0.1:9000", b"[::1]:9000", b"localhost:9000", b"LOCALHOST.:9000", b"app.localhost:9000", b"recorder:9000",
     b"shop.test:9000", b"staging.internal:9000", b"printer.local:9000", b"nas.home.arpa:9000", b"10.1.2.3:9000", b"gateway.shop.svc:9000", b"box.lan:9000",
     b"", b":9000", b"9000", b"[fe80::1]:9000"],
)  # fmt: skip
def test_an_address_and_a_name_that_no_public_dns_has_are_no_pages(host):
    assert not is_rebound(host, 9000)


@pytest.mark.parametrize("host", [b"api.example.com", b"api.example.com:443", b"api.example.com:90000"])
def test_a_proxy_that_passes_its_own_host_on_is_no_page(host):
    assert not is_rebound(host, 9000)


def test_no_port_is_that_of_http():
    assert is_rebound(b"evil.example.com", 80)
    assert not is_rebound(b"evil.example.com:9000", 80)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [(b"localhost", True), (b"127.1.2.3:8080", True), (b"[::1]:8080", True), (b"[::1]", True), (b"10.0.0.1", False),
     (b"localhost.evil.com", False), (b"", False), (b"\xff", False)],
)  # fmt: skip
def test_loopback_is_told_by_its_name_or_its_address(host, is_ours):
    assert names_loopback(host) == is_ours


@pytest.mark.parametrize(
    ("sockname", "port"),
    [(("127.0.0.1", 9000), 9000), (("::1", 9000, 0, 0), 9000), (("::ffff:127.0.0.1", 9000, 0, 0), 9000),
     (("10.0.0.1", 9000), None), (("fe80::1%lo", 9000, 0, 3), None), ("/run/app.sock", None), (None, None)],
)  # fmt: skip
def test_only_sockets_of_loopback_can_be_come_to_by_a_name_that_changes(sockname, port):
    assert loopback_port(sockname) == port
