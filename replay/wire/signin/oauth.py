"""Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4)."""

import base64
import re
from urllib.parse import quote_plus

from replay.target.auth import OAuth
from replay.target.secrets import secret_from_env
from replay.wire.signin.asking import Asker, Asks
from replay.wire.signin.commands import is_plain
from replay.wire.signin.sources import DEFAULT_LIFE_S, Fetched

# Section 5.2 has these characters; a code is a word of the protocol, and anything longer is none.
_ERROR_CODE = re.compile(r"[a-zA-Z0-9_.-]{1,40}").fullmatch
_LONGEST_LIFE_S = 1e9


class ClientTokens:
    """Asks a token endpoint. Raises TargetError where the environment lacks the client's id or secret."""

    name = "auth.oauth"

    def __init__(self, oauth: OAuth, asker: Asks | None = None) -> None:
        client = oauth.client_id or secret_from_env(oauth.client_id_env or "")
        secret = secret_from_env(oauth.client_secret_env)
        form = {"grant_type": "client_credentials", "scope": oauth.scope, "audience": oauth.audience}
        self._form = {name: value for name, value in form.items() if value is not None}
        self._headers = {"accept": "application/json"}
        if oauth.client_in == "body":
            self._form |= {"client_id": client, "client_secret": secret}
        else:
            # Section 2.3.1: both are form-encoded first.
            pair = f"{quote_plus(client)}:{quote_plus(secret)}"
            self._headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._secret_env = oauth.client_secret_env
        self._asker: Asks = asker or Asker(self.name, oauth.token_url, oauth.shown_url)

    def __repr__(self) -> str:
        return f"<ClientTokens by {self._asker}>"

    async def fetch(self) -> Fetched:
        answer = await self._asker.ask("POST", self._headers, self._form)
        fields = answer.fields()
        if answer.status != 200:
            raise self._asker.problem(
                f"refuses the client with {answer.status}{_code(fields.get('error'))}. Check its id, scope and "
                f"audience, and the environment variable {self._secret_env}"
                if 400 <= answer.status < 500
                else f"answers {answer.status}"
            )
        token, kind = fields.get("access_token"), fields.get("token_type", "bearer")
        if not isinstance(token, str) or not token or not is_plain(token):
            said = "what it answers is no JSON object. Is it" if not fields else "is it"
            raise self._asker.problem(
                f"gives no access_token; {said} the token_url that [auth.oauth] should have?"
            )
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise self._asker.problem("gives a token of another type than Bearer, which cannot be sent")
        return Fetched(token, _life_s(fields.get("expires_in")))

    async def close(self) -> None:
        await self._asker.close()


def _code(error: object) -> str:
    """The error code of an answer, if it is one: nothing else of what a stranger says is repeated."""
    return f" ({error})" if isinstance(error, str) and _ERROR_CODE(error) else ""


def _life_s(expires_in: object) -> float:
    """From expires_in, which some servers write as text."""
    try:
        lives_s = float(expires_in) if isinstance(expires_in, str | int | float) else 0.0
    except (ValueError, OverflowError):
        lives_s = 0.0
    return min(lives_s, _LONGEST_LIFE_S) if lives_s > 0 else DEFAULT_LIFE_S
