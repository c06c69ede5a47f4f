"""What each side of an HTTP/2 connection lets the other do (RFC 9113, section 6.5.2)."""

from replay.wire.http2 import framing
from replay.wire.http2.faults import FLOW_CONTROL_ERROR, PROTOCOL_ERROR, ConnectionFault

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
MAX_HEADER_LIST_SIZE = 0x6

WINDOW_BYTES = (1 << 30) - 1
"""What a target may send us, on a stream and on a connection, before we say more; we read whatever comes at once."""
LONGEST_HEAD_BYTES = 64 * 1024
"""The most that a head's block may be, and its fields with 32 bytes each: what servers and proxies take at most."""
DEFAULT_WINDOW_BYTES = 65_535
NO_LIMIT = 1 << 31

OPENING = (
    framing.PREFACE
    + framing.settings(
        {
            HEADER_TABLE_SIZE: 0,
            ENABLE_PUSH: 0,
            INITIAL_WINDOW_SIZE: WINDOW_BYTES,
            MAX_HEADER_LIST_SIZE: LONGEST_HEAD_BYTES,
        }
    )
    + framing.window_update(0, WINDOW_BYTES - DEFAULT_WINDOW_BYTES)
)
"""What a client begins a connection with."""


class PeerSettings:
    """What the target lets us do. streams: how many requests at once. window_bytes: of each stream, at its start.

    frame_bytes: the longest payload.
    """

    __slots__ = ("frame_bytes", "streams", "window_bytes")

    def __init__(self) -> None:
        self.streams = NO_LIMIT
        self.window_bytes = DEFAULT_WINDOW_BYTES
        self.frame_bytes = framing.LEAST_FRAME_BYTES

    def __repr__(self) -> str:
        return f"<PeerSettings {self.streams} streams, windows of {self.window_bytes} bytes>"

    def take(self, payload: bytes) -> None:
        """Learn from the payload of a SETTINGS frame that was checked. Raises ConnectionFault for what none may say."""
        for name, value in framing.settings_of(payload):
            if name == MAX_CONCURRENT_STREAMS:
                self.streams = value
            elif name == INITIAL_WINDOW_SIZE:
                if value > framing.MOST_WINDOW:
                    raise ConnectionFault(FLOW_CONTROL_ERROR, "windows that are too large")
                self.window_bytes = value
            elif name == MAX_FRAME_SIZE:
                if not framing.LEAST_FRAME_BYTES <= value < 1 << 24:
                    raise ConnectionFault(PROTOCOL_ERROR, "a longest frame that is none")
                self.frame_bytes = value
            elif name == ENABLE_PUSH and value:
                raise ConnectionFault(PROTOCOL_ERROR, "a server that takes pushes")
