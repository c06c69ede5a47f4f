"""Tokens and keys that are asked for: of an OAuth server, of a metadata server, of a command."""

import asyncio
import base64
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.auth import Auth, Aws, OAuth
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.wire.errors import TargetUnreachable
from replay.wire.signin.commands import CommandKeys
from replay.wire.signin.credentials import Credentials
from replay.wire.signin.google import IdentityTokens
from replay.wire.signin.oauth import ClientTokens
from replay.wire.signin.sources import Keys

ID, SECRET = "us & co", "s3cr3t/+value"


@contextmanager
def serving(answer):
    """A server on a port of its own. answer(handler, body): status, and the body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, said = answer(self, body.decode())
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    monkeypatch.setenv("CLIENT_ID", ID)


def fetched(source):
    async def fetch():
        try:
            return await source.fetch()
        finally:
            await source.close()

    return asyncio.run(fetch())


def tokens(url, **more):
    return ClientTokens(OAuth(f"{url}/token", "CLIENT_SECRET", **({"client_id": ID} | more)))


def saying(status, said):
    return serving(
        lambda handler, body: (status, said if isinstance(said, bytes) else json.dumps(said).encode())
    )


@pytest.mark.parametrize("client_in", ["header", "body"])
def test_a_token_is_asked_for_as_the_grant_has_it(client_in):
    asked = []

    def answer(handler, body):
        asked.append((handler.command, handler.headers, parse_qs(body)))
        return 200, b'{"access_token":"abc","token_type":"bearer","expires_in":"3599"}'

    with serving(answer) as url:
        found = fetched(tokens(url, client_in=client_in, scope="a b", audience="https://t"))

    assert found == ("abc", 3599.0)
    (method, headers, form) = asked[0]
    assert method == "POST"
    assert form["grant_type"] == ["client_credentials"]
    assert (form["scope"], form["audience"]) == (["a b"], ["https://t"])
    if client_in == "body":
        assert (form["client_id"], form["client_secret"]) == ([ID], [SECRET])
        assert headers["authorization"] is None
    else:
        # RFC 6749, section 2.3.1: form-encoded, then Basic.
        pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
        assert pair == "us+%26+co:s3cr3t%2F%2Bvalue"
        assert "client_secret" not in form


def test_the_id_may_come_from_the_environment():
    with saying(200, {"access_token": "abc"}) as url:
        assert fetched(tokens(url, client_id=None, client_id_env="CLIENT_ID")) == ("abc", 300.0)


@pytest.mark.parametrize("expires", [None, "soon", -1, 0, True, [1], "inf", "nan", 1e308])
def test_a_life_that_is_none_is_five_minutes(expires):
    with saying(200, {"access_token": "abc", "expires_in": expires}) as url:
        lives_s = fetched(tokens(url)).lives_s

    assert lives_s in (300.0, 1e9, 1.0)


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (401, {"error": "invalid_client"}, "refuses the client with 401 (invalid_client). Check its id, scope"),
        (400, {"error": f"it was {SECRET}"}, "refuses the client with 400. Check its id"),
        (400, b"<html>", "refuses the client with 400. Check its id"),
        (302, b"", "answers 302."),
        (503, b"", "answers 503."),
        (200, b"<html>", "gives no access_token; what it answers is no JSON object. Is it the token_url"),
        (200, b"\xff", "gives no access_token; what it answers is no JSON object. Is it the token_url"),
        (200, ["abc"], "gives no access_token; what it answers is no JSON object. Is it the token_url"),
        (
            200,
            {"access_token": ""},
            "gives no access_token; is it the token_url that [auth.oauth] should have?",
        ),
        (
            200,
            {"access_token": "a\r\nx-evil: 1"},
            "gives no access_token; is it the token_url that [auth.oauth] should have?",
        ),
        (200, {"access_token": 7}, "gives no access_token; is it the token_url that [auth.oauth] should have?"),
        (200, {"access_token": "a", "token_type": "mac"}, "gives a token of another type than Bearer"),
        (200, b"x" * 300_000, "answers with more than a token."),
    ],
)
def test_what_gives_no_token_is_told_without_a_secret(status, said, why):
    with saying(status, said) as url, pytest.raises(TargetUnreachable) as refused:
        fetched(tokens(url))

    assert str(refused.value).startswith(f"auth.oauth: {url}/token {why}")
    assert SECRET not in str(refused.value)


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(
        TargetUnreachable, match=r"^auth\.oauth: http://127\.0\.0\.1:1/token cannot be reached \("
    ):
        fetched(tokens("http://127.0.0.1:1"))


def jwt(**claims):
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none"}, claims, {})
    )


def test_an_identity_token_is_asked_for_its_audience_and_lasts_as_it_says(monkeypatch):
    token, asked = jwt(exp=1_800_003_600), []

    def answer(handler, body):
        asked.append((handler.path, handler.headers["metadata-flavor"]))
        return 200, token.encode() + b"\n"

    with serving(answer) as url:
        monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(url).netloc)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        found = fetched(IdentityTokens("https://a.run.app/?x", now_s=lambda: 1_800_000_000.0))

    assert found == (token, 3600.0)
    assert asked == [
        (
            "/computeMetadata/v1/instance/service-accounts/default/identity"
            "?audience=https%3A%2F%2Fa.run.app%2F%3Fx&format=full",
            "Google",
        )
    ]


@pytest.mark.parametrize("token", [jwt(), "a.b.c", "a.%.c", jwt(exp="soon"), jwt(exp=None)])
def test_a_token_that_does_not_tell_its_end_is_used_for_five_minutes(monkeypatch, token):
    with saying(200, token.encode()) as url:
        monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(url).netloc)
        assert fetched(IdentityTokens("https://a")) == (token, 300.0)


def test_a_machine_without_a_metadata_server_is_told_what_to_do(monkeypatch):
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")

    with pytest.raises(TargetUnreachable, match='elsewhere set command = "gcloud auth print-identity-token"'):
        fetched(IdentityTokens("https://a"))


@pytest.mark.parametrize(("status", "said"), [(404, b"no account"), (200, b"not a token"), (200, b"a.b\n.c")])
def test_what_is_no_identity_token_is_told(monkeypatch, status, said):
    with saying(status, said) as url:
        monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(url).netloc)
        with pytest.raises(TargetUnreachable, match=r"answers 404\. Does this|gives no identity token"):
            fetched(IdentityTokens("https://a"))


def keys_of(printed):
    async def run(_):
        return printed

    return fetched(CommandKeys("aws configure export-credentials", run, lambda: 1_800_000_000.0))


def test_keys_are_read_as_credential_processes_print_them():
    printed = {
        "Version": 1,
        "AccessKeyId": "A",
        "SecretAccessKey": SECRET,
        "SessionToken": "t",
        "Expiration": "2027-01-15T09:00:00Z",
    }
    found = keys_of(json.dumps(printed))

    assert found == (Keys("A", SECRET, "t"), 3600.0)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "printed",
    ["", SECRET, "[]", '{"Version":1}', f'{{"Version":1,"AccessKeyId":"A\\n","SecretAccessKey":"{SECRET}"}}'],
)
def test_what_is_no_pair_of_keys_is_told_without_what_was_printed(printed):
    with pytest.raises(TargetUnreachable, match=r"^auth\.aws\.command must print keys") as refused:
        keys_of(printed)

    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_basic_needs_a_user_and_a_password(monkeypatch):
    monkeypatch.setenv("A_PAIR", f"us:{SECRET}")
    monkeypatch.setenv("A_WORD", SECRET)

    assert Credentials(Auth(basic_env="A_PAIR")).headers() == [
        (b"authorization", b"Basic " + base64.b64encode(f"us:{SECRET}".encode()))
    ]
    with pytest.raises(TargetError, match="A_WORD must hold user:password") as refused:
        Credentials(Auth(basic_env="A_WORD"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('bearer_env = "A"\nbasic_env = "B"', "bearer_env and basic_env would both give the Authorization header"),
        ('bearer_env = "A"\nheader_env = { Authorization = "B" }', "bearer_env and header_env Authorization would"),
        ('command = "c"\ngoogle_audience = "https://a"', "command and google_audience would both give"),
        ('google_audience = ""', "google_audience must be a name or URL"),
        ('aws = { region = "eu-west-1\\n", service = "s" }', "aws.region must be a name such as eu-west-1"),
        ('aws = { region = "eu-west-1" }', "service"),
        ('oauth = { token_url = "http://id.example", client_id = "a", client_secret_env = "S" }', "https://"),
        ('oauth = { token_url = "https://id.example", client_secret_env = "S" }', "one of client_id and client_id_env"),
        ('oauth = { token_url = "https://u:p@id.example", client_id = "a", client_secret_env = "S" }', "user or password"),
        ('oauth = { token_url = "https://id.example", client_id = "a", client_secret = "s" }', "client_secret_env"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(written, why, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(f'url = "http://a"\n[auth]\n{written}\n')

    with pytest.raises(TargetError) as refused:
        load_target(str(path))

    assert why in str(refused.value)


def test_what_is_needed_of_the_environment_is_known_beforehand():
    oauth = OAuth("https://id.example", "S", client_id_env="I")

    assert Auth(oauth=oauth, header_env={"x-key": "K"}).variables == ("K", "I", "S")
    assert Auth(aws=Aws(region="r", service="s")).variables == ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert Auth(aws=Aws(region="r", service="s", command="c")).variables == ()
    assert not Auth().is_given


def test_each_host_sees_its_own_token_and_one_that_is_revoked_is_renewed_once(tmp_path, monkeypatch):
    """Two hosts, each with a server of tokens; the first refuses its first token from the third request on."""
    monkeypatch.setattr("replay.wire.signin.credentials._REFUSED_NS", 0)
    trace = tmp_path / "t.jsonl"
    steps = [
        {"id": f"{n}", "kind": "tool", "name": name, "request": {"method": "GET", "path": "/"}}
        | ({"after": [{"step": f"{n - 1}", "delay_ms": 60}]} if n else {})
        for n, name in enumerate(("own", "other", "own", "own", "own", "own"))
    ]
    trace.write_text(
        '{"format":"replay-trace","version":1,"name":"t"}\n'
        + json.dumps({"id": "s", "start_ms": 0, "steps": steps})
        + "\n"
    )
    given, seen = Counter(), {"own": [], "other": []}

    def issue(handler, body):
        name = parse_qs(body)["scope"][0]
        given[name] += 1
        return 200, json.dumps({"access_token": f"{name}-{given[name]}", "expires_in": 3600}).encode()

    def serve(name):
        def answer(handler, body):
            token = handler.headers["authorization"].removeprefix("Bearer ")
            seen[name].append(token)
            return (401 if name == "own" and token == "own-1" and len(seen["own"]) > 1 else 200), b""

        return serving(answer)

    with serving(issue) as issuer, serve("own") as own, serve("other") as other:
        target = tmp_path / "target.toml"

        def oauth(scope):
            client = 'client_id = "a", client_secret_env = "CLIENT_SECRET"'
            return f'oauth = {{ token_url = "{issuer}/t", {client}, scope = "{scope}" }}'

        target.write_text(
            f'url = "{own}"\n[auth]\n{oauth("own")}\n'
            f'[[routes]]\nname = "other"\nsend_to = "{other}"\nauth = {{ {oauth("other")} }}\n'
        )
        replay_trace(trace, load_target(str(target)), RunOptions(), tmp_path / "run")

    assert seen["other"] == ["other-1"]
    assert seen["own"][:2] == ["own-1", "own-1"]
    assert set(seen["own"]) <= {"own-1", "own-2"}
    assert given["other"] == 1
    files = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    for canary in (SECRET, "own-1", "own-2", "other-1"):
        assert canary.encode() not in files


def test_no_variable_of_aws_may_begin_another_header(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "A")
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{SECRET}\r\nx-evil: 1")

    with pytest.raises(TargetError, match="AWS_SESSION_TOKEN holds a line end") as refused:
        Credentials(Auth(aws=Aws(region="r", service="s")))

    assert SECRET not in str(refused.value)


def test_a_token_server_that_is_not_there_is_told_with_the_reason_and_what_to_do():
    with pytest.raises(TargetUnreachable) as refused:
        fetched(tokens("http://127.0.0.1:1/token"))

    assert str(refused.value).endswith(
        "cannot be reached (connection refused). Start it, or correct its URL in the target file."
    )
