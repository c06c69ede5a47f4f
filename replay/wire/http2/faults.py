"""What a peer can do wrong in HTTP/2, by the error codes of RFC 9113, section 7; and how far it reaches."""

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
FLOW_CONTROL_ERROR = 0x3
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB


class Http2Fault(Exception):
    """A breach of RFC 9113 by the target. code: what it is answered with."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class ConnectionFault(Http2Fault):
    """One that ends the connection, and all that is under way on it (section 5.4.1)."""


class StreamFault(Http2Fault):
    """One that ends one stream (section 5.4.2)."""
