"""The messages of a WebSocket in a HAR, as Chrome, mitmproxy and others write them (`_webSocketMessages`)."""

import base64
import binascii
from collections.abc import Iterator

from replay.importers.captures.har_entries import number
from replay.reading.json_items import Item
from replay.trace.socket_steps import SocketMessage
from replay.websocket.types import BINARY, TEXT

_NAMES = ("_webSocketMessages", "_websocketMessages")
_SENT = ("send", "sent", "outgoing")
_MOST_S = 1 << 33  # the year 2242


def recorded_messages(entry: Item, from_us: int) -> list[SocketMessage]:
    """The messages of an entry that was opened then; none came before. Control frames are left out, and what says no
    time.
    """
    return list(_messages(entry, from_us))


def _messages(entry: Item, from_us: int) -> Iterator[SocketMessage]:
    for name in _NAMES:
        for message in entry.objects(name):
            time_s, opcode = number(message, "time"), number(message, "opcode")
            if time_s is None or not 0 <= time_s < _MOST_S or opcode not in (None, TEXT, BINARY):
                continue
            is_text = opcode != BINARY
            data = (message.plain("data") or "").encode("utf-8", "surrogatepass")
            if not is_text:
                try:
                    data = base64.b64decode(data, validate=True)
                except (binascii.Error, ValueError):
                    continue
            is_sent = (message.plain("type") or "").lower() in _SENT
            yield SocketMessage(is_sent, max(from_us, round(time_s * 1_000_000)), is_text, data)
