"""What a command of a target file prints: a token, or keys as AWS's credential processes print them."""

import asyncio
import contextlib
import shlex
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec

from replay.system.shortage import shortage_of
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.signin.sources import Fetched, Keys, life_until
from replay.words.numbers import seconds

_COMMAND_S = 60.0
_KEYS_LIFE_S = 900.0

Run = Callable[[str], Awaitable[str]]


class CommandTokens:
    """Runs `auth.command` for a token."""

    name = "auth.command"

    def __init__(self, command: str, lives_s: float, run: Run | None = None) -> None:
        self._command, self._lives_s = command, lives_s
        self._run = run or partial(output_of, name=self.name)

    async def fetch(self) -> Fetched:
        token = (await self._run(self._command)).strip()
        problem = "printed nothing" if not token else None
        if not token.isprintable():
            problem = "printed more than one line"
        if problem is not None:
            raise TargetUnreachable(f"{self.name} {problem}; it must print a token, and nothing else.")
        return Fetched(token, self._lives_s)

    async def close(self) -> None: ...


class _Printed(msgspec.Struct, rename="pascal", frozen=True):
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html"""

    version: int
    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    expiration: datetime | None = None


class CommandKeys:
    """Runs `auth.aws.command` for keys."""

    name = "auth.aws.command"

    def __init__(self, command: str, run: Run | None = None, now_s: Callable[[], float] = time.time) -> None:
        self._command, self._now_s = command, now_s
        self._run = run or partial(output_of, name=self.name)

    async def fetch(self) -> Fetched:
        text = await self._run(self._command)
        try:
            printed = msgspec.json.decode(text, type=_Printed)
        except (msgspec.DecodeError, RecursionError):
            printed = None
        if printed is None or not is_plain(*_values(printed)):
            # Not from the cause: its words may quote what was printed.
            raise TargetUnreachable(
                f"{self.name} must print keys as a credential process does: an object with Version, AccessKeyId and "
                "SecretAccessKey."
            ) from None
        ends = printed.expiration
        lives_s = _KEYS_LIFE_S if ends is None else life_until(ends.timestamp(), self._now_s())
        return Fetched(Keys(*_values(printed)), lives_s)

    async def close(self) -> None: ...


def _values(printed: _Printed) -> tuple[str, str, str]:
    return printed.access_key_id, printed.secret_access_key, printed.session_token


def is_plain(*values: str) -> bool:
    """Whether these may stand in a header: ASCII, and no control character among them."""
    return all(value.isascii() and value.isprintable() for value in values)


async def output_of(command: str, *, name: str) -> str:
    """What the command prints; it runs without a shell. name: its key in the target file.

    Raises TargetUnreachable if it fails, TargetMiswritten if it cannot be begun.
    """
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
        raise TargetMiswritten(f"{name} cannot be run: {cause}.") from cause
    except OSError as cause:
        if lacking := shortage_of(cause):
            raise TargetUnreachable(f"{name} cannot be run: {lacking}.") from cause
        program = arguments[0]
        # Where a shell was expected, the first word may set a variable, to a secret perhaps.
        hint = (
            "It runs without a shell: name a program first."
            if "=" in program
            else f"Check its first word, {program!r}."
        )
        raise TargetMiswritten(f"{name} cannot be run: {cause.strerror or cause}. {hint}") from cause
    try:
        async with asyncio.timeout(_COMMAND_S):
            out, _ = await process.communicate()
    except TimeoutError as cause:
        raise TargetUnreachable(f"{name} printed nothing within {seconds(_COMMAND_S)}.") from cause
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        # What it wrote to stderr is not shown: some tools print the token there.
        raise TargetUnreachable(
            f"{name} failed with exit status {process.returncode}. Run it by hand to see why."
        )
    return out.decode(errors="replace")
