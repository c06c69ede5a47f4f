"""Credentials belong to an origin: what goes to each place that routes lead to."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from replay.engine.requests.destinations import bare_urls, destinations
from replay.engine.requests.own_origin import origins_of
from replay.engine.requests.sender import TargetSender
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.auth import Auth
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.routes import Route
from replay.target.secrets import redacted
from replay.target.sending import SessionRules, Tls
from replay.target.target import Target
from replay.trace.types import Request, Step

CANARY = "CANARY"
HEADERS = {
    "x-environment": "staging",
    "X-Functions-Key": CANARY,
    "x-sig": CANARY,
    "Cookie": f"a={CANARY}",
    "Host": "gateway.example",
}


def target(*routes, url="http://own.example/base", **fields):
    return Target(
        url=url,
        headers=HEADERS,
        auth=Auth(bearer_env="A_TOKEN", header_env={"x-api-key": "A_KEY"}),
        routes=routes,
        **fields,
    )


def heads(target, monkeypatch):
    """The request's head at each place, by URL."""
    monkeypatch.setenv("A_TOKEN", CANARY)
    monkeypatch.setenv("A_KEY", CANARY)
    monkeypatch.setenv("THEIR_TOKEN", "theirs")
    sender = TargetSender(target, "run")
    step = Step("a", "tool", "x", request=Request("GET", "/x"))
    return {
        place.url: renderer.render(step, "s").head.decode()
        for place, renderer in zip(sender.places, sender.renderers, strict=True)
    }


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://other.example",
        "http://own.example:81",
        "https://own.example",
        "http://own.example.evil.test",
        "http://sub.own.example",
        "http://own.example.:8080",
    ],
)
def test_another_origin_gets_nothing_that_may_be_a_secret(elsewhere, monkeypatch):
    found = heads(target(Route(send_to=elsewhere)), monkeypatch)

    assert found["http://own.example/base"].count(CANARY) == 5
    assert CANARY not in found[elsewhere]
    assert "authorization" not in found[elsewhere]
    assert "x-environment: staging\r\n" in found[elsewhere]
    assert "gateway.example" not in found[elsewhere]


@pytest.mark.parametrize(
    "name",
    [
        "x-vercel-protection-bypass",
        "X-Origin-Verify",
        "x-hub-signature-256",
        "x-psk",
        "x-psk2",
        "x-creds",
        "x-keys",
        "x-key-id",
        "x-sas",
        "x-shared-access",
        "x-sharedaccesskey",
        "remote-user",
        "X-Remote-User",
        "x-forwarded-user",
        "x-bot-bypass",
        "cookie2",
        "x-access",
        "cf-access-client-id",
        "x-jwt",
        "x-bearer",
        "x-nonce",
        "x-goog-authenticated-user-email",
        "x-ssl-client-dn",
        "x-user-id",
    ],
)
def test_a_header_by_which_somebody_is_let_in_stays_with_the_targets_own_origin(name):
    own, other = destinations(
        Target(
            url="http://own.example", headers={name: CANARY}, routes=(Route(send_to="http://other.example"),)
        )
    )

    assert own.headers == {name: CANARY}
    assert other.headers == {}
    assert redacted(own)["headers"] == {name: "(redacted)"}
    assert bare_urls(own) == ["http://other.example"]


@pytest.mark.parametrize(
    "value",
    [
        "Bearer abcdefghijklmnop",
        "sk-abcdefghijklmnopqrst",
        f"ghp_{'a1' * 18}",
        f"AKIA{'A1' * 8}",
        f"eyJhbGciOiJIUzI1NiJ9.{'e' * 20}.{'s' * 20}",
        f"x; token AIza{'a' * 35}",
    ],
)
def test_a_value_with_the_shape_of_a_secret_stays_with_the_targets_own_origin_whatever_its_name(value):
    target = Target(
        url="http://own.example", headers={"x-upstream": value}, routes=(Route(send_to="http://other.example"),)
    )

    assert destinations(target)[1].headers == {}
    assert redacted(target)["headers"] == {"x-upstream": "(redacted)"}
    assert bare_urls(target) == ["http://other.example"]


@pytest.mark.parametrize(
    "name",
    [
        "user-agent",
        "accept",
        "content-type",
        "x-environment",
        "x-request-id",
        "traceparent",
        "idempotency-key",
        "x-cache-keys",
        "access-control-request-method",
        "sec-fetch-user",
        "x-keyspace",
        "x-passenger",
        "x-user-agent",
        "x-wap-profile",
    ],
)
def test_other_headers_go_wherever_the_target_leads(name):
    _, other = destinations(
        Target(url="http://own.example", headers={name: "v"}, routes=(Route(send_to="http://other.example"),))
    )

    assert other.headers == {name: "v"}


@pytest.mark.parametrize("same", ["http://own.example/other", "http://OWN.example:80", "http://own.example."])
def test_the_same_origin_under_another_path_gets_what_the_targets_own_url_gets(same, monkeypatch):
    found = heads(target(Route(send_to=same)), monkeypatch)

    assert found[same].count(CANARY) == 5


def test_a_route_has_credentials_of_its_own(monkeypatch):
    found = heads(
        target(Route(send_to="http://other.example", auth=Auth(bearer_env="THEIR_TOKEN"))), monkeypatch
    )

    assert CANARY not in found["http://other.example"]
    assert "authorization: Bearer theirs\r\n" in found["http://other.example"]


def test_a_route_may_have_all_that_the_target_has(monkeypatch):
    found = heads(target(Route(send_to="http://other.example", auth="target")), monkeypatch)

    assert found["http://other.example"].count(CANARY) == 5


def test_one_url_under_two_credentials_is_two_places():
    there = "http://other.example"
    both = target(
        Route(name="a", send_to=there),
        Route(name="b", send_to=there, auth="target"),
        Route(name="c", send_to=there),
    )

    assert [place.auth for place in destinations(both)] == [both.auth, Auth(), both.auth]


def test_a_client_certificate_and_a_name_for_tls_are_the_targets_own():
    tls = Tls(
        verify=False, ca_file="ca.pem", client_cert="c.pem", client_key="k.pem", server_name="own.example"
    )
    own, other = destinations(
        Target(url="https://own.example", tls=tls, routes=(Route(send_to="https://other.example"),))
    )

    assert own.tls == tls
    assert other.tls == Tls(verify=False, ca_file="ca.pem")


def test_the_host_that_a_target_names_is_that_of_its_own_origin():
    found = origins_of(target(Route(send_to="http://other.example")))

    assert found == ["http://own.example", "http://gateway.example", "http://other.example"]


def test_where_nothing_goes_along_is_told():
    routes = (
        Route(name="a", send_to="http://other.example"),
        Route(name="b", send_to="http://third.example", auth="target"),
    )

    assert bare_urls(target(*routes)) == ["http://other.example"]
    assert bare_urls(Target(url="http://own.example", routes=routes)) == []


def test_a_refusal_elsewhere_renews_nothing_of_the_targets(monkeypatch):
    """A host that answers 401 could have had the target's command run again and again."""
    monkeypatch.setenv("A_TOKEN", CANARY)
    monkeypatch.setenv("A_KEY", CANARY)
    sender = TargetSender(target(Route(name="x", send_to="http://other.example")), "run")
    told = []
    for place, credentials in zip(sender.places, sender._credentials, strict=True):
        credentials.refused = lambda sent_ns, url=place.url: told.append(url)

    sender.refused(1, 7)

    assert told == ["http://other.example"]


def test_a_command_that_several_places_share_runs_once(tmp_path):
    count = tmp_path / "count"
    command = f"sh -c 'echo x >> {count}; echo token'"
    routes = (
        Route(name="a", send_to="http://127.0.0.1:1", auth="target"),
        Route(name="b", send_to="http://127.0.0.1:2", auth="target"),
    )
    sender = TargetSender(Target(url="http://127.0.0.1:3", auth=Auth(command=command), routes=routes), "run")

    async def open_and_close():
        await sender.open()
        await sender.close()

    with pytest.raises(Exception, match="cannot connect"):
        asyncio.run(open_and_close())
    assert count.read_text() == "x\n"


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ('wait = true\nauth = "target"', "auth of a route goes with send_to: nothing is sent for a wait"),
        ('send_to = "http://b"\nauth = "other"', 'auth: must be one of target, and is "other"'),
        ('send_to = "http://b"\nauth = { bearer = "X" }', 'unknown key "bearer" in [routes.auth]. '),
        ('send_to = "asgi:a:b"', 'an asgi: url needs transport = "httpx"'),
    ],
)
def test_a_route_that_cannot_be_meant_is_refused(route, why, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(f'url = "http://a"\n[[routes]]\n{route}\n')

    with pytest.raises(TargetError) as refused:
        load_target(str(path))

    assert why in str(refused.value)


class _Server:
    """Keeps the heads of what it is asked, and sets a cookie of its own."""

    def __init__(self, name):
        self.heads = heads = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                heads.append(str(self.headers))
                self.send_response(200)
                self.send_header("set-cookie", f"{name}=1; Path=/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_): ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("transport", ["fast", "httpx"])
@pytest.mark.parametrize("auth", [None, "target"])
@pytest.mark.parametrize("is_named_as_other", [False, True])
def test_neither_credentials_nor_cookies_arrive_at_another_port(
    transport, auth, is_named_as_other, write_trace, tmp_path, monkeypatch
):
    """Also where the Host header for the target's own place is the name of the other one."""
    monkeypatch.setenv("A_TOKEN", CANARY)
    own, other = _Server("own"), _Server("other")
    steps = [
        write_trace.get("a"),
        write_trace.get("b", after=[{"step": "a"}]),
        write_trace.get("c", after=[{"step": "b"}]),
    ]
    steps[1]["name"] = "search"
    try:
        outcome = replay_trace(
            write_trace((0.0, steps)),
            Target(
                url=own.url,
                name="t",
                transport=transport,
                headers={"Host": other.url.removeprefix("http://")} if is_named_as_other else {},
                auth=Auth(bearer_env="A_TOKEN"),
                session=SessionRules(cookies=True),
                routes=(Route(name="search", send_to=other.url, auth=auth),),
            ),
            RunOptions(),
            tmp_path / "run",
        )
    finally:
        own.close()
        other.close()

    assert outcome.summary.counts.ok == 3
    shares = auth == "target"
    assert (CANARY in other.heads[0], "own=1" in other.heads[0]) == (shares, shares)
    assert CANARY in own.heads[1]
    assert "own=1" in own.heads[1]
    assert ("other=1" in own.heads[1]) == shares
    assert any("without the target's credentials" in note for note in outcome.summary.notes) != shares
