"""What WebSockets are made of: kinds of messages, close codes, and what breaks the rules."""

from typing import NamedTuple

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, BROKEN_RULES, NO_CODE, DROPPED = 1000, 1001, 1002, 1005, 1006
BAD_DATA, TOO_BIG = 1007, 1009

MOST_CONTROL_BYTES = 125
"""Of a ping, a pong or a close (RFC 6455, section 5.5)."""

MOST_MESSAGE_BYTES = 16 << 20
"""Of one message, unpacked. Servers and clients bound theirs at 1 to 100 MiB."""


class Message(NamedTuple):
    """A whole message, or a control frame. began_ns: when its first byte came."""

    opcode: int
    payload: bytes
    began_ns: int


class BrokenRule(ValueError):
    """What came is against the rules. code: what the connection is closed with; str(): the rule, in words of ours."""

    def __init__(self, why: str, code: int = BROKEN_RULES) -> None:
        super().__init__(why)
        self.code = code


def is_code(code: int) -> bool:
    """Whether a close frame may have this code (RFC 6455, section 7.4, and the registry that it made)."""
    return 3000 <= code < 5000 or (1000 <= code <= 1014 and code not in (1004, NO_CODE, DROPPED))
