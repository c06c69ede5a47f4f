"""The cookies of a session, by the rules of the standard library."""

import pytest

from replay.engine.users.cookies import MOST_COOKIES, Cookies

URL = "http://app.example.org/shop/login"


def kept(*set_cookies, url=URL):
    cookies = Cookies()
    cookies.take(url, [(b"Set-Cookie", value.encode("latin-1")) for value in set_cookies])
    return cookies


@pytest.mark.parametrize(
    ("set_cookie", "url", "sent"),
    [
        ("sid=1", "http://app.example.org/shop/cart", "sid=1"),
        ("sid=1", "http://app.example.org/other", ""),
        ("sid=1; Path=/", "http://app.example.org/other?q=1", "sid=1"),
        ("sid=1; Path=/", "http://app.example.org:8080/", "sid=1"),
        ("sid=1; Path=/", "http://api.example.org/", ""),
        ("sid=1; Path=/; Domain=example.org", "http://api.example.org/", "sid=1"),
        ("sid=1; Path=/; Domain=other.org", "http://other.org/", ""),
        ("sid=1; Path=/; Domain=org", "http://other.org/", ""),
        ("sid=1; Path=/; Secure", "http://app.example.org/", ""),
        ("sid=1; Path=/; Secure", "https://app.example.org/", "sid=1"),
        ("sid=1; Path=/; Max-Age=0", "http://app.example.org/", ""),
        ("sid=1; Path=/; Expires=Wed, 09 Jun 2021 10:18:14 GMT", "http://app.example.org/", ""),
        ("sid=1; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax", "http://app.example.org/", "sid=1"),
        ("", "http://app.example.org/", ""),
    ],
)
def test_a_cookie_goes_where_its_attributes_say(set_cookie, url, sent):
    assert kept(set_cookie).header_for(url, "") == sent


def test_a_later_cookie_of_the_same_name_counts_and_one_that_is_taken_back_is_gone():
    cookies = kept("sid=1", "sid=2", "theme=dark")
    assert cookies.header_for(URL, "") == "sid=2; theme=dark"

    cookies.take(URL, [(b"set-cookie", b"sid=; Max-Age=0")])

    assert cookies.header_for(URL, "") == "theme=dark"


def test_of_the_recorded_cookies_stays_what_the_target_has_not_set():
    cookies = Cookies()
    assert cookies.header_for(URL, "sid=old; theme=dark") == "sid=old; theme=dark"

    cookies.take(URL, [(b"set-cookie", b"sid=new")])
    assert cookies.header_for(URL, "sid=old; theme=dark; (redacted)") == "theme=dark; sid=new"

    cookies.take(URL, [(b"set-cookie", b"sid=; Max-Age=0")])
    assert cookies.header_for(URL, "sid=old; theme=dark") == "theme=dark"


def test_a_target_can_make_a_session_keep_no_more_than_a_bound():
    cookies = kept(*(f"c{n}=1" for n in range(3 * MOST_COOKIES)))
    cookies.take(URL, [(b"set-cookie", f"d{n}=1".encode()) for n in range(MOST_COOKIES)])
    cookies.take(URL, [(b"set-cookie", b"e=" + b"x" * 5_000), (b"set-cookie", b"c0=2")])

    sent = cookies.header_for(URL, "").split("; ")

    assert len(sent) == MOST_COOKIES
    assert "c0=2" in sent


def test_bytes_that_are_no_ascii_come_back_as_they_were():
    assert kept("n=\xe9").header_for(URL, "") == "n=\xe9"
