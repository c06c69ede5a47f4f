"""A trace's session once more, its bodies any JSON: msgspec cannot describe a default that is a `msgspec.Raw`.

All else is inherited, and so is what it means.
"""

from typing import Annotated, Any, get_type_hints

import msgspec

from replay.trace import types


def _meaning(kind: type[msgspec.Struct], field: str) -> msgspec.Meta:
    found: msgspec.Meta = get_type_hints(kind, include_extras=True)[field].__metadata__[0]
    return found


class Request(types.Request, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.Request.__doc__

    json: Annotated[Any, _meaning(types.Request, "json")] = msgspec.UNSET


class McpCall(types.McpCall, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.McpCall.__doc__

    arguments: Annotated[dict[str, Any], _meaning(types.McpCall, "arguments")] = msgspec.UNSET  # type: ignore[assignment]
    params: Annotated[dict[str, Any], _meaning(types.McpCall, "params")] = msgspec.UNSET  # type: ignore[assignment]


class WsCall(types.WsCall, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.WsCall.__doc__

    json: Annotated[Any, _meaning(types.WsCall, "json")] = msgspec.UNSET


class GrpcCall(types.GrpcCall, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.GrpcCall.__doc__

    message: Annotated[Any, _meaning(types.GrpcCall, "message")] = msgspec.UNSET


class Step(types.Step, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.Step.__doc__

    request: Annotated[Request | None, _meaning(types.Step, "request")] = None
    mcp: Annotated[McpCall | None, _meaning(types.Step, "mcp")] = None
    ws: Annotated[WsCall | None, _meaning(types.Step, "ws")] = None
    grpc: Annotated[GrpcCall | None, _meaning(types.Step, "grpc")] = None


class Session(types.Session, omit_defaults=True, forbid_unknown_fields=True):
    __doc__ = types.Session.__doc__

    steps: Annotated[list[Step], _meaning(types.Session, "steps")]  # type: ignore[assignment]
