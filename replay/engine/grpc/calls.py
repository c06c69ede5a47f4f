"""A gRPC call as the request that it is over HTTP/2. Pure."""

import base64

from replay.dialects.grpc import ACCEPTED_CODINGS, CONTENT_TYPE, filler, framed, timeout_text
from replay.engine.grpc.descriptors import descriptors_at
from replay.target.grpc import Grpc
from replay.trace.types import GrpcCall, Request


class GrpcCalls:
    """Calls of one target. Raises TargetError where its descriptors cannot be used."""

    def __init__(self, grpc: Grpc) -> None:
        self._codes = descriptors_at(grpc.descriptors)

    def __repr__(self) -> str:
        return f"<GrpcCalls by {self._codes!r}>"

    def request_of(self, call: GrpcCall) -> Request:
        """The request without its body."""
        headers = {"content-type": CONTENT_TYPE, "grpc-accept-encoding": ACCEPTED_CODINGS}
        if call.timeout_ms is not None:
            headers["grpc-timeout"] = timeout_text(call.timeout_ms)
        if call.metadata:
            headers |= call.metadata
        return Request("POST", f"/{call.method}", headers)

    def body_of(self, call: GrpcCall) -> bytes:
        """The message, framed. Raises Unfit."""
        if call.message:
            return framed(self._codes.encoded(call.method, bytes(call.message)))
        if call.message_base64 is not None:
            return framed(base64.b64decode(call.message_base64))
        return framed(filler(call.message_bytes or 0))
