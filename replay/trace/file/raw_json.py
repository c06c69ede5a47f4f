"""JSON that steps hold as it came, made fit to stand in a line of a file.

Bodies, arguments and messages are kept as the bytes that were sent. Where there are none, msgspec leaves the field out
only if its value is the default itself: any other that is empty would be written as nothing after a colon, which no
reader takes. Those that were laid out for people have ends of lines in them.
"""

import msgspec

from replay.trace.types import GrpcCall, McpCall, Request, Step, WsCall

_NO_JSON = Request("GET", "/").json
_NO_ARGUMENTS, _NO_PARAMS = McpCall("").arguments, McpCall("").params
_NO_MESSAGE, _NO_CALL = WsCall("").json, GrpcCall("").message


def leave_out_empty(step: Step) -> None:
    """Have the step's JSON left out wherever it has none. To be done before a step is encoded."""
    if step.request is not None and not step.request.json:
        step.request.json = _NO_JSON
    if step.mcp is not None:
        step.mcp.arguments = step.mcp.arguments or _NO_ARGUMENTS
        step.mcp.params = step.mcp.params or _NO_PARAMS
    if step.ws is not None and not step.ws.json:
        step.ws.json = _NO_MESSAGE
    if step.grpc is not None:
        step.grpc.message = step.grpc.message or _NO_CALL


def in_one_line(encoded: bytes) -> bytes:
    """The same JSON without ends of lines, which only what is kept as it came can have."""
    if b"\n" in encoded or b"\r" in encoded:
        return msgspec.json.format(encoded, indent=-1)
    return encoded
