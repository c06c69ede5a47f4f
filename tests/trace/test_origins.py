"""One way of writing an origin, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, open_trace
from replay.trace.origins import (
    MOST_ORIGINS,
    OriginTally,
    is_loopback,
    is_same_service,
    origin_at,
    origin_of,
    united,
)
from replay.trace.types import Header

ALIKE = [
    ("https://api.example.com", "https://api.example.com"),
    ("HTTPS://API.Example.COM./v1?x=1#y", "https://api.example.com"),
    ("https://api.example.com:443/", "https://api.example.com"),
    ("http://api.example.com:080", "http://api.example.com"),
    ("http://api.example.com:443", "http://api.example.com:443"),
    ("https://user:pw@api.example.com:8443", "https://api.example.com:8443"),
    ("https://Bücher.example", "https://xn--bcher-kva.example"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://faß.example", "https://xn--fa-hia.example"),
    ("https://\uff41pi.example", "https://api.example"),
    ("http://[2001:DB8:0:0::1]:80/", "http://[2001:db8::1]"),
    ("http://[::ffff:192.0.2.7]/", "http://192.0.2.7"),
    ("http://[fe80::1%25eth0]:8080", "http://[fe80::1]:8080"),
    ("http://0xC0.0.0x2.7", "http://192.0.2.7"),
    ("http://3221225991", "http://192.0.2.7"),
    ("http://0300.0.02.07:8080", "http://192.0.2.7:8080"),
    ("wss://api.example.com/socket", "https://api.example.com"),
    ("https://api.example.com\\@other.example/", "https://api.example.com"),
]


@pytest.mark.parametrize(("written", "origin"), ALIKE)
def test_ways_of_writing_an_origin_are_one(written, origin):
    assert origin_of(written) == origin


@pytest.mark.parametrize(
    "written",
    [
        *("", "/path", "api.example.com", "ftp://a.example", "asgi:app:app", "https://", "http://:80"),
        *(
            "http://a b",
            "http://a:99999",
            "http://a:0",
            "http://[::1",
            "http://1.2.3.4.5x@",
            "http://999.1.1.1",
        ),
        *("http://a..b", "http://\x1b[31mred", "http://-", "http://_", f"http://{'a' * 400}"),
    ],
)
def test_what_is_no_origin_is_none(written):
    assert origin_of(written) is None


@given(st.text(max_size=60), st.sampled_from(["http", "https"]))
def test_any_text_gives_an_origin_that_is_its_own_origin_or_none(authority, scheme):
    origin = origin_at(scheme, authority)

    assert origin is None or (origin_of(origin) == origin and origin.isascii() and origin.isprintable())


@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True), st.integers(1, 65_535)
)
def test_case_a_last_dot_a_user_and_a_path_make_no_other_origin(host, port):
    plain = origin_of(f"https://{host}:{port}")

    assert plain is not None
    assert origin_of(f"HTTPS://me@{host.upper()}.:{port}/a?b") == plain


def test_http_and_https_of_a_host_are_one_service_and_other_ports_are_others():
    assert is_same_service("http://a.example", "https://a.example")
    assert not is_same_service("https://a.example", "https://a.example:8443")
    assert not is_same_service("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("origin", "loopback"),
    [
        ("http://localhost:8080", True),
        ("http://app.localhost", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("http://0.0.0.0:8080", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_this_machine_is_told_from_others(origin, loopback):
    assert is_loopback(origin) is loopback


def test_a_tally_keeps_the_origins_that_most_requests_went_to():
    tally = OriginTally()
    for n in range(MOST_ORIGINS + 10):
        tally.add_url(f"https://rare-{n}.example/")
    for _ in range(2):
        tally.add_url("https://often.example/a")
        tally.add("http", "host.example")
    tally.add_url("/only/a/path")
    tally.add("https", None)

    kept = tally.origins()
    assert len(kept) == MOST_ORIGINS
    assert {"https://often.example", "http://host.example"} <= set(kept)


def test_united_origins_are_there_once_each():
    assert united(["a", "b", "a"]) == ("a", "b")


def test_a_header_keeps_its_origins_and_one_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "t.jsonl"
    with TraceWriter(path, Header("replay-trace", 1, "t", origins=("https://a.example",))):
        pass
    with open_trace(path) as reader:
        assert reader.header.origins == ("https://a.example",)

    for bad, shown in (("\x1b]0;x", r'"\x1b]0;x"'), ("ftp://x", '"ftp://x"')):
        path.write_bytes(
            b'{"format":"replay-trace","version":1,"name":"t","origins":["%s"]}\n'
            % repr(bad)[1:-1].replace("\\x1b", "\\u001b").encode()
        )
        with pytest.raises(TraceError) as error:
            open_trace(path)
        assert str(error.value).endswith(
            f"line 1: the header's origins hold {shown}, which is not a valid origin. Write https://host, or https://host:port."
        )
    many = Header("replay-trace", 1, "t", origins=("https://a.example",) * (MOST_ORIGINS + 1))
    with pytest.raises(TraceError, match="at most 256 are allowed"):
        TraceWriter(path, many)
