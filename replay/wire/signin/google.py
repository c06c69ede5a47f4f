"""Google identity tokens, from the metadata server of the machine that this runs on.

https://cloud.google.com/docs/authentication/get-id-token#metadata-server
"""

import base64
import binascii
import os
import time
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from replay.wire.errors import TargetUnreachable
from replay.wire.signin.asking import Asker, Asks
from replay.wire.signin.commands import is_plain
from replay.wire.signin.sources import DEFAULT_LIFE_S, Fetched, life_until

# As in Google's own libraries, an emulator may stand in.
_HOST_ENV = "GCE_METADATA_HOST"
_HOST = "metadata.google.internal"
_PATH = "/computeMetadata/v1/instance/service-accounts/default/identity"


class IdentityTokens:
    """Asks the metadata server for tokens for one audience."""

    name = "auth.google_audience"

    def __init__(
        self, audience: str, asker: Asks | None = None, now_s: Callable[[], float] = time.time
    ) -> None:
        self._now_s = now_s
        host = os.environ.get(_HOST_ENV) or _HOST
        url = f"http://{host}{_PATH}"
        query = f"audience={quote(audience, safe='')}&format=full"
        self._asker: Asks = asker or Asker(self.name, f"{url}?{query}", url, trusts_proxies=False)

    def __repr__(self) -> str:
        return f"<IdentityTokens by {self._asker}>"

    async def fetch(self) -> Fetched:
        try:
            answer = await self._asker.ask("GET", {"metadata-flavor": "Google"})
        except TargetUnreachable as cause:
            raise TargetUnreachable(
                f"{cause} Only machines of Google Cloud have this server; elsewhere set command = "
                '"gcloud auth print-identity-token" under [auth] instead.'
            ) from None
        if answer.status != 200:
            raise self._asker.problem(
                f"answers {answer.status}. Does this machine have a service account that may have such tokens?"
            )
        token = answer.body.decode("latin-1").strip()
        if token.count(".") != 2 or not is_plain(token):
            raise self._asker.problem("gives no identity token")
        ends_s = _end_of(token)
        return Fetched(token, DEFAULT_LIFE_S if ends_s is None else life_until(ends_s, self._now_s()))

    async def close(self) -> None:
        await self._asker.close()


class _Claims(msgspec.Struct, frozen=True):
    exp: float


def _end_of(token: str) -> float | None:
    """When a JSON Web Token (RFC 7519) expires, in s since 1970; None where it does not tell."""
    payload = token.split(".")[1]
    try:
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(claims, type=_Claims).exp
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return None
