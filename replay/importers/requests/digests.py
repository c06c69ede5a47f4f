"""Texts told apart by their digests, which all processes make alike, and which take a few bytes however many there are.

Of 63 bits: that two of five million texts are taken for one is as likely as one in a million.
"""

import re
from hashlib import blake2b

from replay.importers.requests.columns import Known
from replay.importers.requests.log_fields import client_key, first_address

_BYTES_FOR_EACH = 200
_IS_BARE = re.compile(r"[0-9.]{1,15}").fullmatch


def digest(text: str) -> int:
    """An odd number for a text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little", signed=True) | 1


def client_digest(forwarded: str | None, peer: str | None, agent: str | None) -> int:
    """The digest of what tells a client apart: for whom it was forwarded, or its address, and its user agent."""
    text = forwarded or peer or ""
    address = text if _IS_BARE(text) else first_address(forwarded, peer)
    return digest(client_key(address, agent))


class Digests(Known[int]):
    """Digests of texts, each of which is handed over with its text once, or more often where there are very many.

    longest: so many characters of a text tell it apart. None and the empty text have the digest of what is not there.
    """

    def __init__(self, longest: int) -> None:
        super().__init__(self._digest)
        self._longest = longest
        self._fresh: dict[int, str] = {}

    def _digest(self, text: str | None) -> int:
        if not text:
            return 0
        found = digest(text[: self._longest])
        self._fresh[found] = text[: self._longest]
        return found

    def fresh(self) -> dict[int, str]:
        """Those that came since this was asked last."""
        fresh, self._fresh = self._fresh, {}
        return fresh


class Texts(dict[int, str]):
    """Texts by their digests. held_bytes: what they take, about."""

    held_bytes = 0

    def take(self, fresh: dict[int, str]) -> None:
        """Know these, too."""
        for found, text in fresh.items():
            if found not in self:
                self[found] = text
                self.held_bytes += _BYTES_FOR_EACH + len(text)
