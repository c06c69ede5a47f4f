"""The secrets that go with requests: from the environment, or from a command whose output is renewed in time.

Nothing here prints, logs or shows a value.
"""

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable
from time import monotonic_ns

from replay.target.secrets import secret_from_env
from replay.target.sending import Auth
from replay.wire.errors import TargetUnreachable
from replay.words.numbers import seconds

Header = tuple[bytes, bytes]
_COMMAND_S = 60.0
_RETRY_S = 5.0
# Without this, a target that refuses every value would have the command run again and again.
_REFUSED_NS = 5_000_000_000


class Credentials:
    """The credential headers of one target, as they are now.

    Environment variables are read at once (raises TargetError where one is missing); a command runs in `open`
    and, in the background, shortly before its output is too old, or early if the target refuses it. While a renewal
    fails the old value stays. turn: how often a value has changed.
    """

    def __init__(
        self,
        auth: Auth,
        run: Callable[[str], Awaitable[str]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._auth = auth
        self._run = run or _output_of
        self._sleep = sleep
        self._now = now
        self._renewed_ns = 0
        self._tried_ns = 0
        self._is_asleep = False
        self._renewal: asyncio.Task[None] | None = None
        self._fixed: list[Header] = []
        if auth.bearer_env is not None:
            self._fixed.append((b"authorization", b"Bearer " + _encoded(secret_from_env(auth.bearer_env))))
        for name, variable in auth.header_env.items():
            self._fixed.append((name.lower().encode(), _encoded(secret_from_env(variable))))
        self._headers = self._fixed
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
            assert self._auth.command is not None
            self._is_asleep = False
            self._renewal.cancel()
            self._renewal = asyncio.create_task(self._keep_fresh(self._auth.command, wait_s=0.0))

    async def open(self) -> None:
        """Run the command for the first time; raises TargetUnreachable if that fails."""
        if self._auth.command is not None:
            await self._renew(self._auth.command)
            wait_s = renew_after_s(self._auth.command_ttl_s)
            self._renewal = asyncio.create_task(self._keep_fresh(self._auth.command, wait_s))

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
            self._renewal = None

    async def _keep_fresh(self, command: str, wait_s: float) -> None:
        while True:
            if wait_s:
                self._is_asleep = True
                await self._sleep(wait_s)
                self._is_asleep = False
            try:
                await self._renew(command)
                wait_s = renew_after_s(self._auth.command_ttl_s)
            except TargetUnreachable:
                self.failed_renewals += 1
                # Not from how long was waited before: that is nothing where the target had refused the value.
                wait_s = min(_RETRY_S, renew_after_s(self._auth.command_ttl_s))

    async def _renew(self, command: str) -> None:
        # Counts from before the command was run: what it prints may be as old as that.
        began_ns = self._tried_ns = self._now()
        token = (await self._run(command)).strip()
        problem = "printed nothing" if not token else None
        if not token.isprintable():
            problem = "printed more than one line"
        if problem is not None:
            raise TargetUnreachable(f"auth.command {problem}; it must print a token, and nothing else.")
        name = self._auth.command_header
        value = _encoded(token)
        header = (b"authorization", b"Bearer " + value) if name is None else (name.lower().encode(), value)
        self._renewed_ns = began_ns
        if self._headers != (renewed := [*self._fixed, header]):
            self._headers = renewed
            self.turn += 1


def renew_after_s(ttl_s: float) -> float:
    """How long to use a value before asking for the next: a tenth of its life, at most 30 s, is left for that."""
    return ttl_s - min(30.0, ttl_s / 10)


def _encoded(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


async def _output_of(command: str) -> str:
    """What the command prints; it runs without a shell. Raises TargetUnreachable if it fails."""
    try:
        arguments = shlex.split(command)
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except ValueError as cause:
        # Quotes that do not close, or a NUL.
        raise TargetUnreachable(f"auth.command cannot be run: {cause}.") from cause
    except OSError as cause:
        program = arguments[0]
        # Where a shell was expected, the first word may set a variable, to a secret perhaps.
        hint = (
            "It runs without a shell: name a program first."
            if "=" in program
            else f"Check its first word, {program!r}."
        )
        raise TargetUnreachable(f"auth.command cannot be run: {cause.strerror or cause}. {hint}") from cause
    try:
        async with asyncio.timeout(_COMMAND_S):
            out, _ = await process.communicate()
    except TimeoutError as cause:
        raise TargetUnreachable(f"auth.command printed no token within {seconds(_COMMAND_S)}.") from cause
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        # What it wrote to stderr is not shown: some tools print the token there.
        raise TargetUnreachable(
            f"auth.command failed with exit status {process.returncode}. Run it by hand to see why."
        )
    return out.decode(errors="replace")
