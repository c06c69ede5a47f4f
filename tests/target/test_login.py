"""Logins as a target file says them: what is good, what is wrong with the others, and what may be shown."""

import json

import pytest

from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.login import Login
from replay.target.secrets import lacks, redacted
from replay.target.target import Target

URL = 'url = "https://x.example"\n'


@pytest.fixture
def problem(tmp_path):
    def of(text):
        path = tmp_path / "t.toml"
        path.write_text(URL + text)
        with pytest.raises(TargetError) as caught:
            load_target(str(path))
        return str(caught.value).rpartition("t.toml: ")[2]

    return of


def test_a_login_as_users_write_it(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(
        URL
        + '[login]\npath = "/login"\njson = { user = "{{row.user}}", password = "{{env.PW}}", more = { n = 1 } }\n'
        'token = "/data/access_token"\nexpires_in = "/data/expires_in"\n'
    )
    login = load_target(str(path)).login

    assert (login.method, login.carrier, login.before_token) == ("POST", "authorization", "Bearer ")
    assert (login.variables, login.columns, login.differs) == (("PW",), ("user",), True)


@pytest.mark.parametrize(
    ("login", "carrier", "before"),
    [
        (Login(path="/l", token="/t"), "authorization", "Bearer "),
        (Login(path="/l", token="/t", scheme="Token"), "authorization", "Token "),
        (Login(path="/l", token="/t", scheme=""), "authorization", ""),
        (Login(path="/l", token="/t", header="X-Session"), "x-session", ""),
        (Login(path="/l", token_header="X-T", header="X-T", scheme="v1"), "x-t", "v1 "),
        (Login(path="/l", token_cookie="sid"), "cookie", "sid="),
        (Login(path="/l"), None, "Bearer "),
    ],
)
def test_what_steps_carry(login, carrier, before):
    assert (login.carrier, login.before_token) == (carrier, before)


TOKEN = '[login]\npath = "/l"\ntoken = "/t"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[login]\ntoken = "/t"', 'login: the key "path" is missing.'),
        ('[login]\npath = "l"\ntoken = "/t"', "login: path must begin with / and hold no spaces."),
        (TOKEN + "json = {}\nform = {}", "login: json and form are both the body; choose one of them."),
        (TOKEN + 'method = "GET"\njson = {}', "login: a GET has no body; leave json and form out."),
        (
            TOKEN + 'token_header = "x"',
            "login: token and token_header both say where the token is; choose one of them.",
        ),
        (
            '[login]\npath = "/l"\ntoken = "t"',
            'login: token must be a JSON pointer, which begins with /, such as "/t".',
        ),
        (
            TOKEN + 'json = { password = "hunter2" }',
            "login: json.password must not be in the file; write {{env.NAME}} for an environment variable.",
        ),
        (
            TOKEN + 'form = { a = "sk-proj-AbCdEf0123456789AbCdEf01" }',
            "login: form.a must not be in the file; write {{env.NAME}} for an environment variable.",
        ),
        (
            TOKEN + 'json = { a = [{ b = "{{usr}}" }] }',
            "login: json.a.0.b has {{usr}}, which is none of {{env.NAME}}, {{row.NAME}}, {{copy}}, {{session}}, "
            "{{uuid}} and {{now}}.",
        ),
        (
            TOKEN + 'json = { a = "{{row.}}" }',
            "login: json.a has {{row.}}, which names no column: letters, digits, _, -, dots and spaces can name one, "
            "at most 100 of them.",
        ),
        (
            '[login]\npath = "/l"',
            "[login] does not say where the token is: name token, token_header or token_cookie, or let sessions keep "
            "cookies with [session] cookies = true.",
        ),
        (
            '[login]\npath = "/l"\ntoken_cookie = "sid"\n[session]\ncookies = true',
            "[session] cookies = true keeps all cookies of [login]; leave token_cookie out.",
        ),
        (
            TOKEN + '[auth]\nbearer_env = "T"',
            "[auth] and [login] would both give the authorization header; choose one of them.",
        ),
        (
            TOKEN + 'header = "X-Key"\n[auth]\nheader_env = { x-key = "T" }',
            "[auth] and [login] would both give the x-key header; choose one of them.",
        ),
        (
            TOKEN + 'header = "x-a"\n[headers]\nX-A = "1"',
            "[headers] and [login] would both give the x-a header; choose one of them.",
        ),
        (
            '[[routes]]\nsend_to = "https://y.example"\nauth = { bearer_env = "T" }\n'
            'login = { path = "/l", token = "/t" }',
            "[auth] and login of a route would both give the authorization header; choose one of them.",
        ),
        (
            '[[routes]]\nwait = true\nlogin = { path = "/l", token = "/t" }',
            "routes[0]: login of a route goes with send_to: nothing is sent for a wait.",
        ),
    ],
)
def test_what_is_wrong_is_said(problem, text, why):
    assert problem(text) == why


def test_a_secret_stays_out_of_what_is_written_and_references_stay_in():
    login = Login(
        path="/login?key={{env.KEY}}",
        headers={"x-app": "shop"},
        json={"user": "{{row.user}}", "client": "shop-web", "deep": [{"pin": "pw-{{row.user}}"}], "n": 1},
        token="/t",
    )
    shown = redacted(Target(url="http://t", login=login))["login"]

    assert shown == {
        "path": "/login?(redacted)",
        "headers": {"x-app": "(redacted)"},
        "json": {"user": "{{row.user}}", "client": "(redacted)", "deep": [{"pin": "(redacted)"}], "n": 1},
        "token": "/t",
    }
    assert "shop" not in json.dumps(shown)


def test_what_is_missing_in_the_environment_is_told_before_a_run(monkeypatch):
    monkeypatch.delenv("SHOP_PW", raising=False)
    target = Target(url="http://t", login=Login(path="/l", token="/t", json={"password": "{{env.SHOP_PW}}"}))

    assert lacks([target]) == [
        "the environment variable SHOP_PW is not set; the target takes a secret from it."
    ]
