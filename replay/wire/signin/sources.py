"""Where a token or a pair of keys comes from that has to be asked for, and asked for again before it is too old."""

from typing import NamedTuple, Protocol

DEFAULT_LIFE_S = 300.0
"""Of a token that does not say how long it lasts."""

_LEAST_LIFE_S = 10.0


class Keys(NamedTuple):
    """Of an AWS account. A repr that shows none of them."""

    access_key: str
    secret_key: str
    session_token: str

    def __repr__(self) -> str:
        return "<Keys>"


class Fetched(NamedTuple):
    """A token, or keys, and how long they last."""

    value: str | Keys
    lives_s: float

    def __repr__(self) -> str:
        return f"<Fetched for {self.lives_s:g} s>"


class Source(Protocol):
    """name: as messages name it, by its place in a target file."""

    name: str

    async def fetch(self) -> Fetched:
        """Ask. Raises TargetUnreachable, with no secret in its words."""

    async def close(self) -> None: ...


def life_until(expires_s: float, now_s: float) -> float:
    """How long that lasts whose end is given, in s since 1970; some seconds where clocks say that it is over."""
    return max(_LEAST_LIFE_S, expires_s - now_s)
