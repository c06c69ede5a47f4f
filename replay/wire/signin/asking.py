"""Asks a server for a token, beside a run: small answers, one limit of time, and no secret in what is told of it."""

import asyncio
import os
import socket
import ssl
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from replay.wire.errors import TargetUnreachable
from replay.words.numbers import seconds

_WAIT_S = 30.0
_MOST_BYTES = 1 << 18


class Answer(msgspec.Struct, frozen=True):
    """Of a server that was asked; body: decoded."""

    status: int
    body: bytes

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Asks(Protocol):
    """What an Asker is to those that read its answers."""

    async def ask(self, method: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Answer: ...

    def problem(self, what: str) -> TargetUnreachable: ...

    async def close(self) -> None: ...


class Asker:
    """Asks one URL. name: as messages name who asks. shown: the URL as they name it, where it may hold a secret.

    trusts_proxies: whether the environment may name a proxy to go through.
    """

    def __init__(self, name: str, url: str, shown: str = "", *, trusts_proxies: bool = True) -> None:
        self._name, self._url, self._shown = name, url, shown or url
        self._trusts_proxies = trusts_proxies
        self._client: Any = None

    def __repr__(self) -> str:
        return f"<Asker of {self._shown} for {self._name}>"

    async def ask(self, method: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Answer:
        """Raises TargetUnreachable where no answer comes, or none that can be a token's."""
        # Imported here because few runs ask for tokens, and importing it takes as long as starting one.
        import httpx

        if self._client is None:
            # Once, for reading the system's certificates holds up the event loop.
            is_secure = urlsplit(self._url).scheme == "https"
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context() if is_secure else False,
                timeout=_WAIT_S,
                trust_env=self._trusts_proxies,
            )
        try:
            async with (
                asyncio.timeout(_WAIT_S),
                self._client.stream(method, self._url, headers=headers, data=form) as response,
            ):
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise self.problem("answers with more than a token")
                return Answer(response.status_code, body)
        except (TimeoutError, httpx.TimeoutException):
            raise self.problem(f"gives no answer within {seconds(_WAIT_S)}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            raise self.problem(_why(cause)) from None

    def problem(self, what: str) -> TargetUnreachable:
        """What is raised where asking led to nothing; what: a sentence of which the URL is the subject."""
        return TargetUnreachable(f"{self._name}: {self._shown} {what}{'' if what.endswith('?') else '.'}")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _reason(failure: OSError) -> str:
    """Why no connection came about, in the system's words; with several addresses, of the first."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, OSError) and cause.errno and not isinstance(cause, socket.gaierror):
            return os.strerror(cause.errno).lower()
        else:
            cause = cause.__cause__ or cause.__context__
    return failure.strerror or str(failure)


def _why(failure: BaseException) -> str:
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"has a certificate that is not trusted here ({cause.verify_message}); the environment variable "
                "SSL_CERT_FILE may name a file of authorities"
            )
        if isinstance(cause, OSError):
            return f"cannot be reached ({_reason(cause)}). Start it, or correct its URL in the target file"
        cause = cause.__cause__ or cause.__context__
    return "gives no whole answer"
