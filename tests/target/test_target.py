"""Targets from URLs and from TOML files."""

from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replay.target.auth import Auth, Aws, OAuth
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.routes import Route
from replay.target.secrets import redacted, secret_from_env
from replay.target.sending import Connections, Retry, Timeouts
from replay.target.target import Target
from replay.trace.redaction.shown_urls import shown_url

SHIPPED = sorted((Path(__file__).parents[2] / "targets").glob("*.toml"))


@pytest.fixture
def written(tmp_path):
    def load(text):
        path = tmp_path / "staging.toml"
        path.write_text(text)
        return load_target(str(path))

    return load


def message_of(load, text):
    with pytest.raises(TargetError) as caught:
        load(text)
    return str(caught.value).rpartition("staging.toml: ")[2]


def test_a_url_is_a_target_named_after_its_host():
    target = load_target("http://127.0.0.1:8080/base")

    assert (target.name, target.url, target.transport) == (
        "127.0.0.1:8080",
        "http://127.0.0.1:8080/base",
        "fast",
    )


def test_a_file_is_a_target_named_after_itself(written):
    target = written(
        'url = "https://x.example"\n[timeouts]\nconnect_s = 3\n[[routes]]\nkind = "tool"\nwait = true\n'
    )

    assert (target.name, target.timeouts.connect_s) == ("staging", 3.0)
    assert target.routes == (Route(kind="tool", wait=True),)


@pytest.mark.parametrize(
    "text",
    [
        'url = "asgi:app.main:app"',
        'url = "http://x"\nproxy = "socks5://p:1"',
        'url = "https://x"\nhttp2 = true\nproxy = "https://p:1"',
    ],
)
def test_what_the_fast_path_does_not_do_goes_through_httpx(written, text):
    assert written(text).transport == "httpx"


@pytest.mark.parametrize("proxy", ["http://p:1", "http://me:pass@p", "env"])
@pytest.mark.parametrize("url", ["http://x", "https://x"])
def test_http_proxies_are_gone_through_on_the_fast_path(written, url, proxy):
    assert written(f'url = "{url}"\nproxy = "{proxy}"').transport == "fast"
    assert written(f'url = "{url}"\nproxy = "http://p:1"\ntransport = "httpx"').transport == "httpx"


@pytest.mark.parametrize("url", ["https://x", "http://x"])
def test_http2_goes_by_the_fast_path_unless_httpx_is_asked_for(written, url):
    text = f'url = "{url}"\nhttp2 = true\n'
    assert written(text).transport == "fast"
    assert written(text + 'transport = "httpx"').transport == "httpx"


LONG_LABEL = "a" * 64
LONG_NAME = "a." * 127 + "a"
NO_VERSION = "transport: chooses no version of HTTP. HTTP/1.1 is spoken, or HTTP/2 with http2 = true."
NO_NAME = "is not a valid host name: a name has at most 253 characters, with 1 to 63 between two dots."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('urll = "http://x"', 'unknown key "urll". Did you mean "url"?'),
        ('url = "http://x"\n[timeouts]\nconect_s = 1', 'unknown key "conect_s" in [timeouts]. Did you mean "connect_s"?'),
        ('url = "http://x"\n[[routes]]\nnme = "a"\nwait = true', 'unknown key "nme" in [routes]. Did you mean "name"?'),
        ("plane = 'vm'", 'the key "url" is missing. The shortest target file is url = "http://127.0.0.1:8080".'),
        ('url = "http://x"\nplane = "cloud"', 'plane: must be one of hybrid, serverless, vm, and is "cloud".'),
        ('url = "http://x"\ntransport = "HTTP/2"', NO_VERSION),
        ('url = "http://x"\ntransport = "http1"', NO_VERSION),
        ('url = "http://x"\ntransport = "h2"', NO_VERSION),
        (
            'url = "http://x"\ntransport = "httpxx"',
            'transport: must be one of fast, httpx, and is "httpxx". Did you mean "httpx"?',
        ),
        ('url = "http://x"\n[timeouts]\ntotal_s = 0', "timeouts: total_s must be more than 0."),
        ('url = "http://x"\n[cost]\nprice = "p"\nrps = 0', "cost: rps must be more than 0."),
        (
            'url = "http://x"\n[cost]\nprice = "p"\nrps = 1\nslots = 8',
            "cost: rps and slots exclude each other; state the one that you know.",
        ),
        ('url = "http://x"\n[timeouts]\ntotal_s = "1m"', 'timeouts.total_s: must be a number, and is text.'),
        ('url = "http://x"\n[[routes]]\nkind = "tool"', "routes[0]: a route needs one of send_to and wait."),
        ('url = "ftp://x"', "url must begin with http://, https:// or asgi:."),
        ('url = "wss://x"', "url begins with wss://; write https://, for WebSockets too."),
        ('url = "http://u:p@x"', "url holds a user or password; take them from the environment with [auth]."),
        ('url = "http://x?q=1"', "url must end before ? and #; paths and queries come from the trace."),
        ('url = "http://x:99999"', "url cannot be read: a port is a number from 1 to 65535."),
        ('url = "http://x:0"', "url cannot be read: a port is a number from 1 to 65535."),
        ('url = "http://x:x"', "url cannot be read: a port is a number from 1 to 65535."),
        (
            'url = "http://x"\nobserve = "http://y:0"',
            "observe cannot be read: a port is a number from 1 to 65535.",
        ),
        (
            'url = "http://b\u00fccher.example/x"',
            "url has a host with letters beyond ASCII; write the form that name servers know, xn--bcher-kva.example.",
        ),
        ('url = "http://x/\u00fc"', "url holds a character that must be percent-encoded."),
        ('url = "http://[::1"', "url cannot be read: Invalid IPv6 URL."),
        ('url = "http://a..b"', f"'a..b' {NO_NAME}"),
        ('url = "http://[v1.x]"', "url has something in brackets that is not an IPv6 address."),
        ('url = "http://.a"', f"'.a' {NO_NAME}"),
        (f'url = "http://{LONG_LABEL}.example"', f"'{LONG_LABEL[:60]}…' {NO_NAME}"),
        (f'url = "http://{LONG_NAME}"', f"'{LONG_NAME[:60]}…' {NO_NAME}"),
        ('url = "http://x"\n[[routes]]\nsend_to = "http://a..b"', f"routes[0]: 'a..b' {NO_NAME}"),
        ('url = "http://x"\n[tls]\nserver_name = "a..b"', f"tls: 'a..b' {NO_NAME}"),
        ('url = "http://x"\n[tls]\nserver_name = ""', f"tls: '' {NO_NAME}"),
        ('url = "http://x"\nobserve = "http://[x"', "observe cannot be read: Invalid IPv6 URL."),
        ('url = "http://x"\nobserve = "ftp://x"', "observe must begin with http:// or https://."),
        ('url = "http://x"\nproxy = "http://"', "proxy has no host."),
        (
            'url = "http://x"\nproxy = "gopher://x"',
            "proxy must begin with http://, https://, socks5:// or socks5h://.",
        ),
        ('url = "https://x"\nproxy = "socks5://p:1"\ntransport = "fast"', 'a proxy of this kind needs transport = "httpx".'),
        ('url = "https://x"\nproxy = "env"\ntransport = "httpx"', 'proxy = "env" goes with transport = "fast".'),
        ('url = "http://x"\nproxy = "http://p:1"\nhttp2 = true', "an HTTP proxy forwards http:// as HTTP/1.1 only; use https://, or leave http2 out."),
        (
            'url = "http://x"\n[connections]\nstreams_per_connection = 0',
            "connections: streams_per_connection must be more than 0.",
        ),
        ('url = "http://x"\n[headers]\n"a b" = "1"', '"a b" is not a valid header name.'),
        ('url = "http://x"\n[headers]\na = "1\\n2"', 'the value of header "a" holds a control character.'),
        ("url = ", "is not TOML: Invalid value (at end of document)."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_its_cure(written, text, message):
    assert message_of(written, text) == message


@pytest.mark.parametrize(
    "host", ["a", "a.", "a_b", "-a", f"{'a' * 63}.example", "a." * 126 + "a", "[::1]", "127.1"]
)
def test_names_that_a_name_server_may_know_are_let_through(host):
    assert load_target(f"http://{host}/").url == f"http://{host}/"


def test_a_url_that_cannot_be_read_is_told_without_the_password_in_it():
    with pytest.raises(TargetError) as raised:
        load_target("http://me:pass@[::1/")

    assert str(raised.value) == "http://(redacted)@[::1/: url cannot be read: Invalid IPv6 URL."


def test_a_file_that_is_not_there_is_told_from_a_url():
    with pytest.raises(TargetError, match=r"^nowhere: no such target file\. Name a file, or a URL"):
        load_target("nowhere")


def test_no_secret_is_left_in_what_may_be_written(written):
    target = written(
        'url = "http://x"\nproxy = "http://me:pass@p:1"\n'
        '[headers]\nx-api-key = "s3cret"\nCookie = "s3cret"\nx-env = "staging"\n'
        '[auth]\nbearer_env = "TOKEN"\n'
    )
    shown = redacted(target)

    assert "s3cret" not in msgspec.json.encode(shown).decode()
    assert "pass" not in shown["proxy"]
    assert shown["headers"]["x-env"] == "staging"
    assert shown["auth"] == {"bearer_env": "TOKEN"}


def test_a_secret_must_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("BROKEN", "a\nb")
    monkeypatch.setenv("GOOD", "value")

    assert secret_from_env("GOOD") == "value"
    with pytest.raises(TargetError, match="EMPTY is not set"):
        secret_from_env("EMPTY")
    with pytest.raises(TargetError, match="BROKEN holds a line end") as caught:
        secret_from_env("BROKEN")
    assert "a\nb" not in str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_targets_load(path):
    assert load_target(str(path)).url


def test_a_target_says_what_it_has_of_what_steps_may_need(written):
    target = written('url = "http://x"\nprovides = ["gpu", "browser"]\n')

    assert target.provides == ("gpu", "browser")


def test_a_session_may_keep_cookies_unless_all_send_the_same_one(written):
    assert written('url = "http://x"\n[session]\ncookies = true\n').session.cookies

    with pytest.raises(TargetError, match=r'unknown key "cookie" in \[session\]. Did you mean "cookies"\?'):
        written('url = "http://x"\n[session]\ncookie = true\n')
    for same in ('[headers]\nCookie = "a=1"\n', '[auth]\nheader_env = { cookie = "C" }\n'):
        with pytest.raises(
            TargetError, match=r"a cookie header for all and \[session\] cookies exclude each other"
        ):
            written(f'url = "http://x"\n[session]\ncookies = true\n{same}')


SECRET = "CANARY"


def test_no_secret_of_a_target_is_written_or_shown():
    names = (
        "x-functions-key",
        "x-session-id",
        "x-sig",
        "X-Amzn-Oidc-Data",
        "DPoP",
        "x-otp",
        "Ocp-Apim-Subscription-Key",
    )
    target = Target(
        url="http://a",
        transport="httpx",
        observe=f"http://user:{SECRET}@127.0.0.1:9190/state?token={SECRET}",
        proxy=f"http://user:{SECRET}@127.0.0.1:3128?{SECRET}",
        headers={**dict.fromkeys(names, SECRET), "x-environment": "staging", "idempotency-key": "k"},
        auth=Auth(command=SECRET),
        routes=(
            Route(send_to="http://b", auth=Auth(command=SECRET, command_header="x-token", bearer_env="B")),
            Route(send_to="http://c", auth=Auth(aws=Aws(region="r", service="s", command=SECRET))),
            Route(
                send_to="http://d",
                auth=Auth(
                    oauth=OAuth(token_url=f"https://d/t?key={SECRET}", client_id="i", client_secret_env="S")
                ),
            ),
        ),
    )

    found = redacted(target)

    assert SECRET not in str(found)
    assert found["observe"] == "http://(redacted)@127.0.0.1:9190/state?(redacted)"
    assert found["headers"]["x-environment"] == "staging"
    assert found["headers"]["idempotency-key"] == "k"
    assert [route["auth"] for route in found["routes"]] == [
        {"command": "(redacted)", "command_header": "x-token", "bearer_env": "B"},
        {"aws": {"region": "r", "service": "s", "command": "(redacted)"}},
        {"oauth": {"token_url": "https://d/t?(redacted)", "client_id": "i", "client_secret_env": "S"}},
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a:80/b", "http://a:80/b"),
        (f"http://u:{SECRET}@a/b", "http://(redacted)@a/b"),
        (f"http://u:{SECRET}@b@a/b", "http://(redacted)@a/b"),
        (f"http://u:{SECRET}@b/{SECRET}@a/b", "http://(redacted)@a/b"),
        (f"http://u:a/{SECRET}@h/b", "http://(redacted)@h/b"),
        (f"http://u:80/{SECRET}@h/b", "http://(redacted)@h/b"),
        (f"http://u:a/?/#{SECRET}@h/b?{SECRET}", "http://(redacted)@h/b?(redacted)"),
        (f"http://u:{SECRET}@a/b?to=http://c/", "http://(redacted)@a/b?(redacted)"),
        (f"http://u:{SECRET}@a/b/http://c/d", "http://(redacted)@a/b/http://c/d"),
        (f"http://u:{SECRET}://{SECRET}@a/b", "http://(redacted)@a/b"),
        (f"u:{SECRET}@a/b", "(redacted)@a/b"),
        ("http://a/http://b/c", "http://a/http://b/c"),
        # An @ of the query, or of a password that holds what begins one.
        (f"http://a/b?x={SECRET}@{SECRET}", "http://(redacted)"),
        (f"http://u:{SECRET}@a:80/b#{SECRET}@{SECRET}", "http://(redacted)"),
        (f"http://a?x={SECRET}", "http://a?(redacted)"),
        (f"http://a/b#{SECRET}", "http://a/b#(redacted)"),
        (f"http://u:{SECRET}@[::1/b", "http://(redacted)@[::1/b"),
        (f"http://u:a?{SECRET}@h/b", "http://(redacted)@h/b"),
        (f"h://a?to=http://{SECRET}", "h://a?(redacted)"),
        ("asgi:app:app", "asgi:app:app"),
        ("http://a:1/token-pE3bvS0lq1rT7WmYyJ2kXw4d/state", "http://a:1/token-(redacted)/state"),
        ("http://a:1/token-service/state", "http://a:1/token-service/state"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret_in_it(url, shown):
    assert shown_url(url) == shown


@given(st.text("ab1@:/?#[]%", max_size=12))
@example("][::/")
def test_no_password_is_shown_whatever_it_holds(password):
    url = f"http://user:S{password}S@host/path"

    assert "S" not in shown_url(url)
    with pytest.raises(TargetError) as raised:
        load_target(url)
    assert "S" not in str(raised.value)


BIG = "9" * 400


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (name, name_of)
        for name, kind in (
            ("connections", Connections),
            ("timeouts", Timeouts),
            ("retry", Retry),
            ("auth", Auth),
            ("cost", Cost),
        )
        for name_of, type_of in get_type_hints(kind).items()
        if type_of in (int, float)
    ],
)
@pytest.mark.parametrize("number", [BIG, f"-{BIG}", "1e308", "nan", "inf", "-inf"])
def test_a_number_that_no_clock_and_no_bill_can_hold_is_refused(table, key, number, tmp_path):
    path = tmp_path / "t.toml"
    price = 'price = "cloud-run-us-central1"\n' if table == "cost" else ""
    path.write_text(f'url = "http://a"\n[{table}]\n{price}{key} = {number}\n')

    with pytest.raises(TargetError) as refused:
        load_target(str(path))

    assert str(refused.value).startswith(f"{path}: {table}")
    assert len(str(refused.value)) < 300 + len(str(path))
