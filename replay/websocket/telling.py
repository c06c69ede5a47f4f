"""An extension of ours: before a message a client tells how that was recorded, and what ends the step. Pure.

A run offers it whose target file has send_recorded_ms, and modelled planes agree to it; other servers pass over an
offer that they do not know (RFC 6455, section 9.1). Where it is agreed on, a frame with an opcode that the standard
leaves to extensions (section 5.8) goes before each message of the client. Its payload are header lines, as the requests
of such a run have them: a message is then told as a request is.
"""

import re

EXTENSION = "x-replay-recorded"
TOLD = 0x3
"""The opcode of a frame that tells of the message after it."""
MOST_TOLD_BYTES = 64 * 1024

_is_told = re.compile(rb"(?:x-replay-recorded-[a-z]+|traceparent):", re.IGNORECASE).match


def told_in(head: bytes) -> bytes:
    """What such a frame tells of a message whose opening would have this head; each line after the end of one."""
    return b"".join(b"\r\n" + line for line in head.split(b"\r\n") if _is_told(line))
