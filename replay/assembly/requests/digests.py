"""Texts told apart by their digests, which all processes make alike, and which take a few bytes however many there are.

Of 63 bits: that two of five million texts are taken for one is as likely as one in a million.
"""

from hashlib import blake2b

from replay.assembly.requests.columns import Known
from replay.assembly.requests.log_fields import first_address
from replay.assembly.requests.types import Ints

_BYTES_FOR_EACH = 200
# Odd, and without a pattern: of the golden ratio.
_FACTOR = 0x1E3779B97F4A7C15


def digest(text: str) -> int:
    """An odd number for a text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little", signed=True) | 1


def address_digest(text: str) -> int:
    """The digest of the address in this text: the first where there are several, without its port."""
    return digest(first_address(text, None))


def client_digests(addresses: Ints, agents: Ints) -> Ints:
    """The digests of clients, by those of their addresses, and of what they call themselves."""
    return (addresses * _FACTOR + agents) | 1


class Digests(Known[int]):
    """Digests of texts, each of which is handed over with its text once, or more often where there are very many.

    longest: so many characters of a text tell it apart; shown: so many of them are handed over. None and the empty
    text have the digest of what is not there.
    """

    def __init__(self, longest: int, shown: int | None = None) -> None:
        super().__init__(self._digest)
        self._longest = longest
        self._shown = longest if shown is None else shown
        self._fresh: dict[int, str] = {}

    def _digest(self, text: str | None) -> int:
        if not text:
            return 0
        found = digest(text[: self._longest])
        self._fresh[found] = text[: self._shown]
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
