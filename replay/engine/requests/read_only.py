"""What a read-only run keeps back: requests that may change something, and what cannot be asked without them. Pure.

A request is safe by its method (RFC 9110, section 9.2.1), and unsafe if a header tells the server to take it for
another one. Model calls are POST requests, and so kept back too. Of messages to MCP servers those that only ask are
sent: lists, resources, prompts; what a tool does nobody knows, nor what a message on a WebSocket or a gRPC call does.
Methods are case-sensitive: what is not spelled as the safe ones are is none of them.
"""

from typing import Any

from replay.dialects.mcp import is_safe
from replay.http.methods import SAFE_METHODS
from replay.trace.types import Request, Step

_OTHER_METHOD = frozenset(("x-http-method-override", "x-http-method", "x-method-override"))


def may_change_something(step: Step) -> bool:
    """Whether sending this step is more than asking; a wait sends nothing."""
    request = step.request
    if step.ws is not None:
        return step.ws.action == "message"
    if request is None:
        return not is_safe(step.mcp.method) if step.mcp is not None else not step.is_wait
    return request.method not in SAFE_METHODS or _names_another_method(request)


def _names_another_method(request: Request) -> bool:
    return "_method=" in request.path or any(name.lower() in _OTHER_METHOD for name in request.headers)


class KeptBack:
    """Of the sessions under way, which values no response will give, since what would give them was kept back."""

    def __init__(self) -> None:
        self._names: dict[Any, set[str]] = {}

    def __repr__(self) -> str:
        return f"<KeptBack in {len(self._names)} sessions>"

    def add(self, walk: Any, step: Step) -> None:
        """A step is not sent."""
        if step.extract:
            self._names.setdefault(walk, set()).update(step.extract)

    def explains(self, walk: Any, name: str) -> bool:
        """Whether a value is missing for that reason."""
        return name in self._names.get(walk, ())

    def forget(self, walk: Any) -> None:
        self._names.pop(walk, None)
