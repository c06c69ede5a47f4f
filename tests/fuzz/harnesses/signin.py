"""What those say that are asked for tokens and keys: OAuth servers, metadata servers, commands, targets at a login."""

import asyncio
import os
from pathlib import Path

from replay.engine.requests.login import carried, logins_of
from replay.target.auth import OAuth
from replay.target.login import Login
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from replay.wire.signin.asking import Answer
from replay.wire.signin.commands import CommandKeys
from replay.wire.signin.credentials import Credentials
from replay.wire.signin.google import IdentityTokens
from replay.wire.signin.oauth import ClientTokens
from replay.wire.signin.sources import Fetched, Keys, Source
from tests.fuzz.contract import Harness

_OAUTH = OAuth(token_url="https://id.example/token", client_id="us", client_secret_env="FUZZED_SECRET")


class _Says:
    """Answers with these bytes."""

    def __init__(self, data: bytes) -> None:
        self._answer = Answer(400 if data[:1] == b"!" else 200, data.removeprefix(b"!"))

    async def ask(self, method: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Answer:
        return self._answer

    def problem(self, what: str) -> TargetUnreachable:
        assert what.isprintable()
        return TargetUnreachable(what)

    async def close(self) -> None: ...


def _fetched(source: Source) -> bool:
    found: Fetched = asyncio.run(source.fetch())
    values = found.value if isinstance(found.value, Keys) else (found.value,)
    assert all(value.isascii() and value.isprintable() for value in values)
    assert 0 < found.lives_s < float("inf")
    return True


def _oauth(data: bytes, folder: Path) -> bool:
    os.environ["FUZZED_SECRET"] = "s"
    return _fetched(ClientTokens(_OAUTH, _Says(data)))


def _google(data: bytes, folder: Path) -> bool:
    return _fetched(IdentityTokens("https://a.example", _Says(data), lambda: 1.8e9))


def _keys(data: bytes, folder: Path) -> bool:
    async def run(_: str) -> str:
        return data.decode(errors="replace")

    return _fetched(CommandKeys("command", run, lambda: 1.8e9))


_LOGINS = (
    Login("/in", token="/a/token", expires_in="/lives"),
    Login("/in", token_header="x-token", header="x-in"),
    Login("/in", token_cookie="sid"),
)


def _login(data: bytes, folder: Path) -> bool:
    """Heads of lines, a blank one, and a body."""
    head, _, body = data.partition(b"\n\n")
    headers = [(name, value) for line in head.split(b"\n") for name, _, value in (line.partition(b":"),)]
    is_taken = False
    for login in _LOGINS:
        target = Target(url="http://a.example", login=login)
        (at,) = logins_of(target, [target], [Credentials(target.auth)], "run", str)
        assert at is not None
        token = at.taken(headers, body)
        if token is None:
            continue
        is_taken = True
        assert token.line.count(b"\r\n") == 1
        assert token.line.endswith(b"\r\n")
        assert token.lives_s is None or 0 < token.lives_s < float("inf")
        once = carried(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", token)
        assert once == carried(once, token)
        assert once.count(b"\r\n") == 4
        assert once.endswith(b"\r\n\r\n")
    return is_taken


HARNESSES = (
    Harness(
        "signin:oauth",
        _oauth,
        (TargetUnreachable,),
        lambda: [
            b'{"access_token":"abc","token_type":"Bearer","expires_in":3600}',
            b'{"access_token":"abc","token_type":"bearer","expires_in":"3599"}',
            b'!{"error":"invalid_client","error_description":"who are you"}',
        ],
        ("replay.wire.signin.oauth", "replay.wire.signin.asking"),
        (b'"expires_in":1e999', b'"access_token":', b"null", b"\\u0000"),
    ),
    Harness(
        "signin:login",
        _login,
        (),
        lambda: [
            b'content-type: application/json\n\n{"a":{"token":"abc"},"lives":3600}',
            b"x-token: abc\nset-cookie: sid=1; Path=/; HttpOnly\n\n{}",
            b'\n\n{"a":{"token":12345},"lives":"600"}',
        ],
        ("replay.engine.requests.login",),
        (b'"lives":1e999', b'"token":', b"\\r\\n", b"set-cookie: sid=", b"\r", b"null"),
    ),
    Harness(
        "signin:google",
        _google,
        (TargetUnreachable,),
        lambda: [b"eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDM2MDB9.c2ln"],
        ("replay.wire.signin.google",),
        (b"eyJleHAiOjFlOTk5fQ", b".", b"="),
    ),
    Harness(
        "signin:keys",
        _keys,
        (TargetUnreachable,),
        lambda: [
            b'{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"2027-01-15T08:00:00Z"}'
        ],
        ("replay.wire.signin.commands",),
        (b'"Expiration":"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b'"2027-01-15T08:00:00"'),
    ),
)
