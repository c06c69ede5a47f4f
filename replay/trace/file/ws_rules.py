"""What a step on a WebSocket must keep to, so that it can be sent. Pure."""

import msgspec

from replay.trace.errors import shown
from replay.trace.types import Until, WsCall
from replay.websocket.types import is_code

MOST_PROTOCOLS = 100
MOST_MESSAGES = 1_000_000

_MESSAGE = ("text", "json", "base64", "message_bytes")


def ws_problem(call: WsCall) -> tuple[str, str] | None:
    """The field that breaks a rule and how, to follow the step's name; None where nothing but its request can."""
    given = [field for field in _MESSAGE if getattr(call, field) not in (None, msgspec.Raw(b""))]
    if call.action == "message":
        if len(given) != 1:
            said = "has more than one" if given else "has none"
            return "ws", f"{said} of ws.text, ws.json, ws.base64 and ws.message_bytes; a message is one of them"
        if call.until is not None and (found := _until_problem(call.until)) is not None:
            return found
    elif given or call.until is not None:
        field = f"ws.{(given or ['until'])[0]}"
        return field, f"has {field}, which goes with a message and not with ws.action {call.action}"
    if call.code is not None and (call.action != "close" or not is_code(call.code)):
        if call.action != "close":
            return "ws.code", "has ws.code, which goes with ws.action close"
        return (
            "ws.code",
            f"has ws.code {call.code}, which no close frame may have; 1000 and 3000 to 4999 are usual",
        )
    if call.connection is not None and not 0 < len(call.connection) <= 1_000:
        return "ws.connection", "has ws.connection of no or more than 1,000 characters"
    if len(call.protocols) > MOST_PROTOCOLS:
        return "ws.protocols", f"has more than {MOST_PROTOCOLS} ws.protocols"
    return None


def _until_problem(until: Until) -> tuple[str, str] | None:
    if until.json is not None and until.json and not until.json.startswith("/"):
        return (
            "ws.until.json",
            f"has the pointer {shown(until.json)} in ws.until.json, which does not begin with /",
        )
    if until.equals is not msgspec.UNSET and until.json is None:
        return "ws.until.equals", "has ws.until.equals without ws.until.json, which says where the value is"
    if not 1 <= until.messages <= MOST_MESSAGES:
        text = f"has ws.until.messages {until.messages:,}; it must lie between 1 and {MOST_MESSAGES:,}"
        return "ws.until.messages", text
    return None
