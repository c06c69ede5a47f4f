"""Where an upstream leads its clients elsewhere in itself, they are led through the recorder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.heads import read_response
from replay.recording.redirects import client_url, with_own_addresses
from replay.recording.upstreams import parse_routes

OWN = "http://127.0.0.1:9000"
PLAIN = parse_routes(["http://app.test:8080"], [])
BASED = parse_routes(["https://app.test/api/"], [])
TWO = parse_routes(["crm=http://crm.test", "mail=http://mail.test/m"], ["/v1=crm"])


@pytest.mark.parametrize(
    ("routes", "url", "led_to"),
    [
        (PLAIN, "http://app.test:8080/login?next=%2Fa#top", OWN + "/login?next=%2Fa#top"),
        (PLAIN, "HTTP://APP.test:8080", OWN + "/"),
        (PLAIN, "//app.test:8080/x", OWN + "/x"),
        (PLAIN, "http://app.test:8080?a=1", OWN + "/?a=1"),
        (PLAIN, "/login", None),
        (PLAIN, "login", None),
        (PLAIN, "http://app.test/login", None),
        (PLAIN, "https://app.test:8080/login", None),
        (PLAIN, "http://elsewhere.test:8080/http://app.test:8080/", None),
        (PLAIN, "http://user@app.test:8080/", None),
        (PLAIN, "http://app.test:99999/", None),
        (PLAIN, "http://[::1/", None),
        (PLAIN, "", None),
        (BASED, "https://app.test:443/api/x", OWN + "/x"),
        (BASED, "https://app.test/api", OWN + "/"),
        (BASED, "/api/x", "/x"),
        (BASED, "https://app.test/other", None),
        (BASED, "https://app.test/apix", None),
        (TWO, "http://crm.test/v1/a", OWN + "/v1/a"),
        (TWO, "http://crm.test/a", OWN + "/crm/a"),
        (TWO, "/a", "/crm/a"),
        (TWO, "http://mail.test/m/a", OWN + "/mail/a"),
    ],
)
def test_an_address_of_an_upstream_becomes_the_recorders(routes, url, led_to):
    asked = next(route.upstream for route in routes if route.upstream.name in ("", "crm"))

    assert client_url(url, asked, routes, OWN) == led_to


@given(url=st.text(max_size=60) | st.from_regex(r"(https?:)?//app\.test(:8080)?[/?#]?.{0,20}", fullmatch=True))
def test_any_address_is_rewritten_or_stays(url):
    found = client_url(url, PLAIN[0].upstream, PLAIN, OWN)

    assert found is None or found.startswith(OWN + "/")


def test_all_headers_that_lead_somewhere_are_rewritten_and_no_others():
    head = read_response(
        b"HTTP/1.1 302 Found\r\nLocation: http://app.test:8080/a\r\nContent-Location:http://app.test:8080/b\r\n"
        b"Refresh: 5; URL='http://app.test:8080/c'\r\nX-Other: http://app.test:8080/d\r\nContent-Length: 0"
    )

    assert [line for _, line in with_own_addresses(head, PLAIN[0].upstream, PLAIN, OWN).lines] == [
        b"Location: http://127.0.0.1:9000/a",
        b"Content-Location: http://127.0.0.1:9000/b",
        b"Refresh: 5; URL='http://127.0.0.1:9000/c'",
        b"X-Other: http://app.test:8080/d",
        b"Content-Length: 0",
    ]
