"""The secrets that go with requests: from the environment, or asked for and renewed in time.

Nothing here prints, logs or shows a value.
"""

import asyncio
import base64
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic_ns

from replay.http.fields import as_sent
from replay.target.auth import AWS_KEY_ID, AWS_SECRET, AWS_SESSION, Auth
from replay.target.errors import TargetError
from replay.target.secrets import secret_from_env
from replay.wire.errors import TargetUnreachable
from replay.wire.signin.commands import CommandKeys, CommandTokens, Run
from replay.wire.signin.google import IdentityTokens
from replay.wire.signin.oauth import ClientTokens
from replay.wire.signin.sigv4 import Signer
from replay.wire.signin.sources import Keys, Source

Header = tuple[bytes, bytes]
_RETRY_S = 5.0
# Without this, a target that refuses every value would have the command run again and again.
_REFUSED_NS = 5_000_000_000


class Credentials:
    """The credential headers of one target, as they are now.

    Environment variables are read at once (raises TargetError where one is missing); a source of tokens or keys is
    asked in `open` and, in the background, shortly before they are too old, or early if the target refuses them. While
    a renewal fails the old value stays. turn: how often a value has changed. signer: what signs each request, if
    that is how they are authorised. source_name: of what is asked, by its place in the target file.
    """

    def __init__(
        self,
        auth: Auth,
        run: Run | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._source = _source_of(auth, run)
        self._header = (auth.command_header or "authorization").lower().encode()
        self._says_bearer = auth.command_header is None
        self._sleep = sleep
        self._now = now
        self._lives_s = 0.0
        self._renewed_ns = 0
        self._tried_ns = 0
        self._is_asleep = False
        self._renewal: asyncio.Task[None] | None = None
        self._fixed: list[Header] = list(_fixed(auth))
        self._headers = self._fixed
        self.signer = None if auth.aws is None else Signer(auth.aws.region, auth.aws.service)
        if self.signer is not None and self._source is None:
            self.signer.renew(_keys_from_env())
        self.source_name = "" if self._source is None else self._source.name
        self.failed_renewals = 0
        self.turn = 0

    def __repr__(self) -> str:
        return f"<Credentials {len(self._headers)} headers>"

    def headers(self) -> list[Header]:
        """The current headers, names in lower case. A new list whenever a value has changed, else the same one."""
        return self._headers

    def refused(self, sent_ns: int) -> None:
        """The target answered 401 to what was sent then: renew early, once for each value that it refuses.

        Not within some seconds of the last try.
        """
        is_of_this_value = sent_ns >= self._renewed_ns
        if is_of_this_value and self._is_asleep and self._now() >= self._tried_ns + _REFUSED_NS:
            assert self._renewal is not None
            self._is_asleep = False
            self._renewal.cancel()
            self._renewal = asyncio.create_task(self._keep_fresh(wait_s=0.0))

    async def open(self) -> None:
        """Ask for the first time; raises TargetUnreachable if that fails."""
        if self._source is not None:
            try:
                await self._renew()
            except BaseException:
                await self._source.close()
                raise
            self._renewal = asyncio.create_task(self._keep_fresh(renew_after_s(self._lives_s)))

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
            self._renewal = None
        if self._source is not None:
            await self._source.close()

    async def _keep_fresh(self, wait_s: float) -> None:
        while True:
            if wait_s:
                self._is_asleep = True
                await self._sleep(wait_s)
                self._is_asleep = False
            try:
                await self._renew()
                wait_s = renew_after_s(self._lives_s)
            except TargetUnreachable:
                self.failed_renewals += 1
                # Not from how long was waited before: that is nothing where the target had refused the value.
                wait_s = min(_RETRY_S, renew_after_s(self._lives_s))

    async def _renew(self) -> None:
        assert self._source is not None
        # Counts from before it was asked: what it gives may be as old as that.
        began_ns = self._tried_ns = self._now()
        value, self._lives_s = await self._source.fetch()
        self._renewed_ns = began_ns
        if isinstance(value, Keys):
            assert self.signer is not None
            self.signer.renew(value)
        else:
            held = b"Bearer " + as_sent(value) if self._says_bearer else as_sent(value)
            if self._headers != (renewed := [*self._fixed, (self._header, held)]):
                self._headers = renewed
                self.turn += 1


def _source_of(auth: Auth, run: Run | None) -> Source | None:
    """What has to be asked for tokens or keys; None where the environment has all."""
    if auth.command is not None:
        return CommandTokens(auth.command, auth.command_ttl_s, run)
    if auth.oauth is not None:
        return ClientTokens(auth.oauth)
    if auth.google_audience is not None:
        return IdentityTokens(auth.google_audience)
    if auth.aws is not None and auth.aws.command is not None:
        return CommandKeys(auth.aws.command, run)
    return None


def _fixed(auth: Auth) -> Iterator[Header]:
    """The headers whose values the environment holds."""
    if auth.bearer_env is not None:
        yield b"authorization", b"Bearer " + as_sent(secret_from_env(auth.bearer_env))
    if auth.basic_env is not None:
        yield b"authorization", b"Basic " + base64.b64encode(_pair(auth.basic_env).encode())
    for name, variable in auth.header_env.items():
        yield name.lower().encode(), as_sent(secret_from_env(variable))


def _pair(variable: str) -> str:
    """User and password as one text (RFC 7617). Raises TargetError where there is no colon between them."""
    pair = secret_from_env(variable)
    if ":" not in pair:
        raise TargetError(f"the environment variable {variable} must hold user:password, with a colon between.")
    return pair


def _keys_from_env() -> Keys:
    return Keys(
        secret_from_env(AWS_KEY_ID),
        secret_from_env(AWS_SECRET),
        secret_from_env(AWS_SESSION) if os.environ.get(AWS_SESSION) else "",
    )


def renew_after_s(ttl_s: float) -> float:
    """How long to use a value before asking for the next: a tenth of its life, at most 30 s, is left for that."""
    return ttl_s - min(30.0, ttl_s / 10)
