"""Who is told what is found in captured packets, and how much of it is kept."""

from collections.abc import Callable
from typing import NamedTuple

from replay.importers.captures.packets.types import Content, Exchange, SocketEnd
from replay.trace.model_calls import is_model_path
from replay.trace.redaction.responses import MOST_RESPONSE_BYTES
from replay.trace.socket_steps import SocketMessage

MOST_BODY_BYTES = 1 << 20
"""Of a request; longer ones are known by their size."""

_MOST_MODEL_BYTES = 16 << 20


class Found(NamedTuple):
    """Who is told what is found: requests whose answers are over, or do not come; WebSockets; what is to be counted."""

    exchange: Callable[[Exchange], None]
    socket: Callable[[Exchange, list[SocketMessage], SocketEnd | None], None]
    loss: Callable[[str], None]


def body_asked(target: str) -> Content:
    """What takes the body of a request: as much as it is kept by, or, where a model is asked, counted by."""
    return Content(_MOST_MODEL_BYTES if is_model_path(target) else MOST_BODY_BYTES)


def body_answered(target: str) -> Content:
    """What takes the body of the answer to it: as much as may be kept, or tells the counts of a model."""
    return Content(_MOST_MODEL_BYTES if is_model_path(target) else MOST_RESPONSE_BYTES)
