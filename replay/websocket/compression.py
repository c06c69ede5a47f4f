"""permessage-deflate (RFC 7692): asked for, agreed on, and done. Pure."""

import re
import zlib

from replay.websocket.types import BAD_DATA, TOO_BIG, BrokenRule

OFFER = "permessage-deflate"
"""What a client asks for: without parameters, so that the server settles all that it likes."""

_TAIL = b"\x00\x00\xff\xff"
_WBITS = -15
_BITS = re.compile(r"8|9|1[0-5]").fullmatch


class Compression:
    """Both directions of one connection. keeps_own, keeps_other: whether a message may refer to those before it."""

    def __init__(self, *, keeps_own: bool = True, keeps_other: bool = True) -> None:
        self._keeps_own, self._keeps_other = keeps_own, keeps_other
        self._packer = zlib.compressobj(wbits=_WBITS)
        self._unpacker = zlib.decompressobj(_WBITS)

    def __repr__(self) -> str:
        return f"<Compression, context kept: {self._keeps_own} and {self._keeps_other}>"

    def packed(self, payload: bytes) -> bytes:
        """A message as it goes out."""
        if not self._keeps_own:
            self._packer = zlib.compressobj(wbits=_WBITS)
        packed = self._packer.compress(payload) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return packed.removesuffix(_TAIL)

    def unpacked(self, payload: bytes, most_bytes: int) -> bytes:
        """A message that came. Raises BrokenRule where it is none, or longer than this."""
        if not self._keeps_other:
            self._unpacker = zlib.decompressobj(_WBITS)
        try:
            plain = self._unpacker.decompress(payload + _TAIL, most_bytes + 1)
        except zlib.error as cause:
            raise BrokenRule("a message that cannot be unpacked", BAD_DATA) from cause
        if len(plain) > most_bytes or self._unpacker.unconsumed_tail:
            raise BrokenRule("a message that is longer than any may be", TOO_BIG)
        if self._unpacker.eof:
            # A last block ends the context, whatever was said of keeping it.
            self._unpacker = zlib.decompressobj(_WBITS)
        return plain


def agreed(answer: str) -> Compression:
    """What a server's Sec-WebSocket-Extensions settles on. Raises BrokenRule for what was not offered."""
    name, *parameters = (part.strip() for part in answer.split(";"))
    if name != OFFER:
        raise BrokenRule("an extension that was not asked for")
    seen: dict[str, str] = {}
    for parameter in parameters:
        key, _, value = (part.strip() for part in parameter.partition("="))
        value = value.strip('"')
        is_flag = key in ("server_no_context_takeover", "client_no_context_takeover")
        if key in seen or not ((is_flag and not value) or (key == "server_max_window_bits" and _BITS(value))):
            raise BrokenRule("compression in a way that was not asked for")
        seen[key] = value
    return Compression(
        keeps_own="client_no_context_takeover" not in seen,
        keeps_other="server_no_context_takeover" not in seen,
    )
