"""What those say that are asked for tokens and keys: OAuth servers, metadata servers, commands."""

import asyncio
import os
from pathlib import Path

from replay.target.auth import OAuth
from replay.wire.errors import TargetUnreachable
from replay.wire.signin.asking import Answer
from replay.wire.signin.commands import CommandKeys
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
