"""Sessions that log in, on real sockets: against uvicorn over both wires, with rows, routes, workers and secrets."""

import json
import re
from collections import Counter

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Way
from starlette.routing import WebSocketRoute

import replay
from replay.engine.forecast.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.results.record import read_steps
from replay.target.auth import Auth
from replay.target.errors import TargetError
from replay.target.login import Login
from replay.target.routes import Route
from replay.target.sending import Follow, SessionRules
from replay.target.target import Target
from replay.trace.errors import TraceError
from tests.support.asgi_servers import served

CANARY = "hush-CANARY-pw"
BOTH = pytest.mark.parametrize("transport", ["fast", "httpx"])


class Shop:
    """Knows users by their passwords. good_for: how many requests a token is good for.

    seen: path and the headers that came with it; tokens: whose each is.
    """

    def __init__(self, good_for=1 << 30):
        self.good_for = good_for
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.tokens: dict[str, str] = {}
        self._left: Counter[str] = Counter()

    def app(self):
        return Starlette(
            routes=[
                Way("/api/login", self.login, methods=["POST"]),
                Way("/api/form", self.form, methods=["POST"]),
                WebSocketRoute("/api/talk", self.talk),
                Way("/api/moved", self.moved),
                Way("/{path:path}", self.page, methods=["GET", "POST"]),
            ]
        )

    def _new(self, user):
        token = f"tok-{len(self.tokens)}-CANARY"
        self.tokens[token], self._left[token] = user, self.good_for
        return token

    def _user(self, headers):
        said = headers.get("cookie", "").removeprefix("sid=") or headers.get("x-session", "")
        said = said or headers.get("authorization", "").removeprefix("Bearer ")
        self._left[said] -= 1
        return self.tokens.get(said) if self._left[said] >= 0 else None

    async def login(self, request):
        self.seen.append((request.url.path, dict(request.headers)))
        told = await request.json()
        if told.get("password") != CANARY:
            return JSONResponse({"error": "no"}, 403)
        token = self._new(told["user"])
        response = JSONResponse({"data": {"token": token, "lasts": 3600}}, headers={"x-token": token})
        response.set_cookie("sid", token)
        return response

    async def form(self, request):
        self.seen.append((request.url.path, dict(request.headers)))
        body = (await request.body()).decode()
        assert body == "grant_type=password&password=hush-CANARY-pw&username=a+%26+b", body
        return JSONResponse({"access_token": self._new("form"), "expires_in": 3600})

    async def moved(self, request):
        self.seen.append((request.url.path, dict(request.headers)))
        if self._user(request.headers) is None:
            return Response(status_code=401)
        return Response(status_code=307, headers={"location": "/api/there"})

    async def page(self, request):
        self.seen.append((request.url.path, dict(request.headers)))
        user = self._user(request.headers)
        return JSONResponse({"user": user}, 200 if user is not None else 401)

    async def talk(self, socket):
        self.seen.append(("/api/talk", dict(socket.headers)))
        user = self._user(socket.headers)
        if user is None:
            await socket.close()
            return
        await socket.accept()
        await socket.receive_text()
        await socket.send_text(json.dumps({"user": user}))


JSON = {"user": "{{row.user}}", "password": "{{env.SHOP_PW}}"}
LOGIN = Login(path="/login", json=JSON, token="/data/token", expires_in="/data/lasts")


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("SHOP_PW", CANARY)


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text('user\nann\n"b ""ob"\n"ü {{copy}}"\n')
    return str(path)


@pytest.fixture
def trace(write_trace):
    first = write_trace.get("a", "/orders")
    first["request"]["headers"] = {"Authorization": "Bearer recorded", "x-mine": "1"}
    return write_trace((0.0, [first, write_trace.get("b", "/cart", ["a"])]))


def ran(trace, tmp_path, target, **options):
    outcome = replay_trace(trace, target, RunOptions(**options), tmp_path / "run")
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or b"CANARY" not in file.read_bytes(), file
    return outcome.summary, list(read_steps(tmp_path / "run" / "steps.jsonl"))


@BOTH
def test_each_session_logs_in_as_its_row_and_carries_its_own_token(trace, users, tmp_path, transport):
    shop = Shop()
    with served(shop.app()) as url:
        target = Target(url=f"{url}/api", name="t", transport=transport, login=LOGIN)
        summary, records = ran(trace, tmp_path, target, data=users, knobs=Knobs(scale=3))

    assert (summary.counts.ok, summary.counts.failed, summary.counts.handshakes) == (6, 0, 3)
    assert sorted(shop.tokens.values()) == ["ann", 'b "ob', "ü {{copy}}"]
    by_path = Counter(path for path, _ in shop.seen)
    assert by_path == {"/api/login": 3, "/api/orders": 3, "/api/cart": 3}
    said = {headers["authorization"] for path, headers in shop.seen if path == "/api/orders"}
    assert said == {f"Bearer {token}" for token in shop.tokens}
    assert not any("authorization" in headers for path, headers in shop.seen if path == "/api/login")
    assert "no request takes a value from users.csv" not in summary.notes
    assert {one.name for one in records if one.handshake} == {"login"}


@pytest.mark.parametrize(
    ("fields", "carried"),
    [
        ({"token_header": "X-Token", "header": "X-Session"}, "x-session"),
        ({"token_cookie": "sid"}, "cookie"),
        ({"token": "/data/token"}, "authorization"),
    ],
)
def test_a_token_is_wherever_the_target_file_says(trace, tmp_path, fields, carried):
    shop = Shop()
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, **fields)
        summary, _ = ran(trace, tmp_path, Target(url=f"{url}/api", name="t", login=login))

    assert summary.counts.ok == 2
    assert all(carried in headers for path, headers in shop.seen if path != "/api/login")


def test_sessions_that_keep_cookies_need_no_token(trace, tmp_path):
    shop = Shop()
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"})
        target = Target(url=f"{url}/api", name="t", login=login, session=SessionRules(cookies=True))
        summary, _ = ran(trace, tmp_path, target)

    # What was recorded is sent as before, since nothing replaces it.
    assert [headers.get("cookie") for path, headers in shop.seen if path != "/api/login"] == [
        "sid=tok-0-CANARY"
    ] * 2
    assert summary.counts.handshakes == 1


def test_a_form_is_sent_as_forms_are(trace, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_USER", "a & b")
    shop = Shop()
    form = {"grant_type": "password", "password": "{{env.SHOP_PW}}", "username": "{{env.SHOP_USER}}"}
    with served(shop.app()) as url:
        login = Login(path="/form", form=form, token="/access_token", expires_in="/expires_in")
        summary, _ = ran(trace, tmp_path, Target(url=f"{url}/api", name="t", login=login))

    assert summary.counts.ok == 2
    assert shop.seen[0][1]["content-type"] == "application/x-www-form-urlencoded"


@BOTH
def test_a_token_that_is_refused_in_mid_session_is_renewed_and_nothing_is_lost(
    write_trace, tmp_path, transport
):
    steps = [write_trace.get(f"s{n}", f"/{n}", [f"s{n - 1}"] if n else []) for n in range(6)]
    shop = Shop(good_for=2)
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        target = Target(url=f"{url}/api", name="t", transport=transport, login=login)
        summary, _ = ran(write_trace((0.0, steps)), tmp_path, target)

    assert (summary.counts.ok, summary.counts.retries, summary.counts.handshakes) == (6, 2, 3)


def test_a_refused_login_says_so_and_sends_no_step(trace, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PW", "wrong")
    shop = Shop()
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        summary, records = ran(trace, tmp_path, Target(url=f"{url}/api", name="t", login=login))

    assert [path for path, _ in shop.seen] == ["/api/login"]
    assert summary.counts.errors == {"status_4xx": 2}
    why = "the session could not log in: POST /login was answered with status 403"
    assert {one.why for one in records if one.final} == {why}
    assert (
        "1 of 1 login failed; a step whose session could not log in has failed with the same class"
        in summary.notes
    )


def test_a_token_goes_to_no_host_that_it_was_not_given_for(write_trace, tmp_path):
    shop, stranger = Shop(), Shop()
    steps = [
        write_trace.get("a", "/orders"),
        write_trace.get("b", "/search", ["a"]),
        write_trace.get("c", "/same", ["b"]),
    ]
    with served(shop.app()) as url, served(stranger.app()) as other:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        routes = (Route(name="b", send_to=other), Route(name="c", send_to=f"{url}/v2"))
        summary, _ = ran(
            write_trace((0.0, steps)), tmp_path, Target(url=f"{url}/api", name="t", login=login, routes=routes)
        )

    assert [path for path, _ in stranger.seen] == ["/search"]
    assert not any("CANARY" in json.dumps(headers) for _, headers in stranger.seen)
    # A route of the same origin goes with the same login.
    assert [path for path, _ in shop.seen] == ["/api/login", "/api/orders", "/v2/same"]
    assert summary.counts.ok == 2


def test_routes_have_logins_of_their_own(write_trace, tmp_path, users):
    shop, models = Shop(), Shop()
    steps = [
        write_trace.get("a", "/orders"),
        write_trace.get("b", "/x", ["a"]),
        write_trace.get("c", "/y", ["b"]),
    ]
    own = Login(path="/api/login", json=JSON, token="/data/token", header="X-Session")
    with served(shop.app()) as url, served(models.app()) as other:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        routes = (
            Route(name="b", send_to=other, login=own),
            Route(name="c", send_to=f"{other}/z", auth="target"),
        )
        target = Target(url=f"{url}/api", name="t", login=login, routes=routes)
        ran(write_trace((0.0, steps)), tmp_path, target, data=users)

    (token,) = shop.tokens
    assert models.tokens == {"tok-0-CANARY": "ann"}
    assert [
        (path, headers.get("x-session"), headers.get("authorization")) for path, headers in models.seen
    ] == [
        ("/api/login", None, None),
        ("/x", "tok-0-CANARY", None),
        # auth = "target": all that the target's own url gets.
        ("/z/y", None, f"Bearer {token}"),
    ]


def test_a_websocket_is_opened_with_the_token(write_trace, tmp_path):
    say = {
        "id": "a",
        "kind": "ws",
        "name": "a",
        "ws": {"path": "/talk", "text": "hi", "until": {"json": "/user"}},
    }
    shop = Shop()
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        summary, _ = ran(write_trace((0.0, [say])), tmp_path, Target(url=f"{url}/api", name="t", login=login))

    assert summary.counts.ok == 1
    assert shop.seen[-1][1]["authorization"] == "Bearer tok-0-CANARY"


def test_a_redirect_is_followed_with_the_token_once(write_trace, tmp_path):
    shop = Shop(good_for=1)
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        target = Target(url=f"{url}/api", name="t", login=login, redirects=Follow(follow=3))
        summary, _ = ran(write_trace((0.0, [write_trace.get("a", "/moved")])), tmp_path, target)

    assert [path for path, _ in shop.seen] == [
        "/api/login",
        "/api/moved",
        "/api/there",
        "/api/login",
        "/api/there",
    ]
    assert summary.counts.ok == 1


def test_what_authorises_requests_goes_with_the_login_as_well(trace, tmp_path, monkeypatch):
    monkeypatch.setenv("APP_KEY", "k-CANARY")
    shop = Shop()
    with served(shop.app()) as url:
        login = Login(path="/login", json={"user": "x", "password": "{{env.SHOP_PW}}"}, token="/data/token")
        auth = Auth(header_env={"x-app-key": "APP_KEY"})
        ran(trace, tmp_path, Target(url=f"{url}/api", name="t", login=login, auth=auth))

    assert [headers["x-app-key"] for _, headers in shop.seen] == ["k-CANARY"] * 3


def test_what_braces_of_the_trace_say_is_sent_as_it_is(write_trace, users, tmp_path):
    """References of a login are the target file's; a trace has none of the environment, and not its own unasked."""
    steps = [write_trace.get("a", "/o?a={{env.SHOP_PW}}&b={{copy}}")]
    shop = Shop()
    with served(shop.app()) as url:
        target = Target(url=f"{url}/api", name="t", login=LOGIN)
        _, records = ran(write_trace((0.0, steps)), tmp_path, target, data=users, references=False)

    assert [one.outcome for one in records if one.final] == ["ok"]
    assert [path for path, _ in shop.seen] == ["/api/login", "/api/o"]


def test_a_run_without_the_secret_or_the_rows_ends_before_it_begins(trace, tmp_path, monkeypatch):
    target = Target(url="http://127.0.0.1:9", name="shop", login=LOGIN)
    with pytest.raises(TraceError) as no_rows:
        ran(trace, tmp_path, target)
    (tmp_path / "other.csv").write_text("usr\nann\n")
    with pytest.raises(TraceError) as no_column:
        ran(trace, tmp_path, target, data=str(tmp_path / "other.csv"))
    monkeypatch.delenv("SHOP_PW")
    with pytest.raises(TargetError) as no_secret:
        ran(
            trace,
            tmp_path,
            Target(url="http://127.0.0.1:9", login=Login(path="/l", token="/t", form={"a": "{{env.SHOP_PW}}"})),
        )

    assert str(no_rows.value) == (
        "shop: [login] asks for {{row.user}}, and there are no rows. Name a CSV file that has this column with --data."
    )
    assert re.fullmatch(
        r'shop: \[login\] asks for \{\{row\.user\}\}, and \S+other\.csv has no such column\. Did you mean "usr"\?',
        str(no_column.value),
    )
    assert str(no_secret.value) == (
        "the environment variable SHOP_PW is not set; the target takes a secret from it."
    )


def test_a_dry_run_shows_the_login_without_its_secrets(trace, users):
    target = Target(url="http://shop.example/api", name="shop", login=LOGIN)
    forecast = foresee(trace, target, RunOptions(data=users, knobs=Knobs(scale=3)))

    assert forecast.first[:2] == [
        "curl -X POST http://shop.example/api/login -H 'user-agent: agent-replay/"
        + forecast.first[0].partition("agent-replay/")[2].partition("'")[0]
        + """' -H 'content-type: application/json' --data-raw """
        """'{"user":"{{row.user}}","password":"(from SHOP_PW)"}'""",
        forecast.first[1],
    ]
    assert "authorization: Bearer (from the answer to POST /login)" in forecast.first[1]
    assert CANARY not in json.dumps(forecast.first)
    assert "recorded" not in forecast.first[1].replace("(redacted)", "")
    assert forecast.requests == 6
    assert (
        "3 sessions log in first, with POST /login at http://shop.example; logins are not among the requests above"
        in forecast.notes
    )
    assert forecast.identical_requests == 0


def test_a_dry_run_needs_no_secret_and_says_that_a_run_does(trace, users, monkeypatch):
    monkeypatch.delenv("SHOP_PW")
    forecast = foresee(trace, Target(url="http://shop.example", name="s", login=LOGIN), RunOptions(data=users))

    assert any("SHOP_PW is not set" in note for note in forecast.notes)


def test_workers_log_their_sessions_in(trace, users, tmp_path):
    shop = Shop()
    with served(shop.app()) as url:
        path = tmp_path / "shop.toml"
        path.write_text(
            f'url = "{url}/api"\n[login]\npath = "/login"\ntoken = "/data/token"\n'
            'json = { user = "{{row.user}}", password = "{{env.SHOP_PW}}" }\n'
        )
        outcome = replay.run(trace, str(path), data=users, scale=6, workers=2, out=tmp_path / "run")

    counts = outcome.summary.counts
    assert (counts.ok, counts.failed, counts.handshakes) == (12, 0, 6)
    assert sorted(shop.tokens.values()) == sorted(2 * ["ann", 'b "ob', "ü {{copy}}"])
