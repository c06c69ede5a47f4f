"""Values that can be compared, but not read: keyed digests of what stands at a path.

The key is drawn for one comparison, lives in memory, and is written nowhere; without it a digest says nothing, however
few values are possible (BLAKE2b as a keyed hash, RFC 7693, section 2.9). The path goes into it too, so that a value
that stands at two paths does not show. Whoever asked for values is also shown a few; those have had their secrets taken
out as a recording has, are short, and are kept in memory until the verdict names those that differ.
"""

import hashlib
import secrets
from typing import Any, NamedTuple

import msgspec

from replay.engine.answers.shape import Values
from replay.trace.redaction.names import REDACTED
from replay.trace.redaction.secrets import holds_secret, redacted_value
from replay.trace.redaction.shapes import without_secret_shapes
from replay.words.phrases import counted

_DIGEST_BYTES = 12
LONGEST_EXAMPLE = 60
# What is longer is told by its length, since a secret may begin anywhere in it.
_LONGEST_LOOKED_AT = 16_384
_MOST_SHOWN_OF_LIST = 4
_MOST_EXAMPLES_OF_PATH = 256
_MOST_EXAMPLES = 50_000

_encode = msgspec.json.Encoder().encode


class DigestKey(NamedTuple):
    """What digests are made with. To be told to processes of ours alone, and never written."""

    secret: bytes
    key_id: str

    def __repr__(self) -> str:
        return f"<DigestKey {self.key_id}>"


class Digests:
    """One comparison's secret key, and examples of what was digested. key_id: what the key is called in files.

    key: that of a comparison which other processes take part in; None: a fresh one.
    """

    def __init__(self, key: DigestKey | None = None) -> None:
        self.key = key or DigestKey(secrets.token_bytes(32), secrets.token_hex(8))
        self._key, self.key_id = self.key.secret, self.key.key_id
        self._examples: dict[str, dict[str, str]] = {}
        self._examples_left = _MOST_EXAMPLES

    def __repr__(self) -> str:
        return f"<Digests by the key {self.key_id}>"

    def of(self, values: Values) -> tuple[str, str]:
        """The digest of the values in their order, and one that does not depend on it; "" where there is one value."""
        parts = [_bytes_of(value) for value in values.scalars]
        ordered = self._digest(values.pointer, parts)
        self._keep_example(values, ordered)
        return ordered, "" if len(parts) == 1 else self._digest(values.pointer, sorted(parts))

    def example(self, pointer: str, digest: str) -> str | None:
        """What was digested so, without secrets and shortened; None if it was not among the first."""
        return self._examples.get(pointer, {}).get(digest)

    def _digest(self, pointer: str, parts: list[bytes]) -> str:
        # Nothing that is encoded has an end of line in it.
        data = b"\n".join((pointer.encode(), *parts))
        return hashlib.blake2b(data, key=self._key, digest_size=_DIGEST_BYTES).hexdigest()

    def _keep_example(self, values: Values, digest: str) -> None:
        of_path = self._examples.setdefault(values.pointer, {}) if self._examples_left > 0 else None
        if of_path is None or digest in of_path or len(of_path) >= _MOST_EXAMPLES_OF_PATH:
            return
        self._examples_left -= 1
        of_path[digest] = example_of(values)


def example_of(values: Values) -> str:
    """The values as they may be shown."""
    scalars = values.scalars
    shown = ", ".join(_shown(value, values.names) for value in scalars[:_MOST_SHOWN_OF_LIST])
    if len(scalars) > _MOST_SHOWN_OF_LIST:
        shown += f", … ({counted(len(scalars), 'value')})"
    return shown if len(shown) <= LONGEST_EXAMPLE else shown[: LONGEST_EXAMPLE - 1] + "…"


def _shown(value: Any, names: tuple[str, ...]) -> str:
    is_secret = False
    for name in names:
        is_secret = holds_secret(name, value, is_secret)
    if is_secret:
        return REDACTED
    if isinstance(value, str):
        if len(value) > _LONGEST_LOOKED_AT:
            return f"a text of {counted(len(value), 'character')}"
        try:
            value = redacted_value(value, without_secret_shapes)
        except RecursionError:
            return REDACTED
    return _bytes_of(value).decode()


def _bytes_of(value: Any) -> bytes:
    try:
        return _encode(value)
    except (UnicodeError, msgspec.EncodeError, OverflowError):
        # Half a surrogate pair; a whole number of more digits than an encoder writes.
        return repr(value).encode("utf-8", "backslashreplace")
