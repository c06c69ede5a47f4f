"""What a gRPC call must keep to."""

import msgspec
import pytest

from replay.trace.file.grpc_rules import grpc_problem
from replay.trace.types import GrpcCall

EMPTY = msgspec.Raw(b"{}")


@pytest.mark.parametrize(
    "call",
    [
        GrpcCall("shop.v1.Catalogue/Search"),
        GrpcCall("Catalogue/Search_2", message=EMPTY),
        GrpcCall("a.B/C", message=msgspec.Raw(b'"1.5s"'), timeout_ms=0.25),
        GrpcCall("a.B/C", message_base64="", metadata={"x-tenant": "a b", "x-id-bin": "AAE="}),
        GrpcCall("a.B/C", message_bytes=0),
        GrpcCall("a.B/C", message_bytes=4),
    ],
)
def test_these_can_be_made(call):
    assert grpc_problem(call) is None


METHOD = "which is not a method such as shop.v1.Catalogue/Search"
OWN = "which a run sets itself; leave it out"


@pytest.mark.parametrize(
    ("call", "field", "text"),
    [
        (GrpcCall(""), "grpc.method", f'has grpc.method "", {METHOD}'),
        (GrpcCall("/a.B/C"), "grpc.method", f'has grpc.method "/a.B/C", {METHOD}'),
        (GrpcCall("a.B.C"), "grpc.method", f'has grpc.method "a.B.C", {METHOD}'),
        (GrpcCall("a.B/C\r\nx: y"), "grpc.method", f'has grpc.method "a.B/C\\r\\nx: y", {METHOD}'),
        (GrpcCall("a.B/C", message=EMPTY, message_bytes=4), "grpc", "has more than one of grpc.message, message_base64 and message_bytes"),
        (GrpcCall("a.B/C", message_bytes=3), "grpc.message_bytes", "has grpc.message_bytes 3; it must be 0, or lie between 4 and 1,073,741,824"),
        (GrpcCall("a.B/C", message_bytes=-1), "grpc.message_bytes", "has grpc.message_bytes -1; it must be 0, or lie between 4 and 1,073,741,824"),
        (GrpcCall("a.B/C", message_base64="AA"), "grpc.message_base64", "has a grpc.message_base64 that is not base64"),
        (GrpcCall("a.B/C", timeout_ms=0.0), "grpc.timeout_ms", "has grpc.timeout_ms 0; it must be above 0, and at most 99,999,999,000"),
        (GrpcCall("a.B/C", metadata={"X-A": "b"}), "grpc.metadata", 'has the metadata "X-A", which is not a name in small letters, digits, _, - and dots'),
        (GrpcCall("a.B/C", metadata={":path": "b"}), "grpc.metadata", 'has the metadata ":path", which is not a name in small letters, digits, _, - and dots'),
        (GrpcCall("a.B/C", metadata={"grpc-timeout": "1S"}), "grpc.metadata", f'has the metadata "grpc-timeout", {OWN}'),
        (GrpcCall("a.B/C", metadata={"te": "x"}), "grpc.metadata", f'has the metadata "te", {OWN}'),
        (GrpcCall("a.B/C", metadata={"content-type": "x"}), "grpc.metadata", f'has the metadata "content-type", {OWN}'),
        (GrpcCall("a.B/C", metadata={"x-bin": "é"}), "grpc.metadata", 'has the metadata "x-bin", whose value is not base64'),
        (GrpcCall("a.B/C", metadata={"x": "a\r\nb"}), "grpc.metadata", 'has the metadata "x", whose value is not printable ASCII; for anything else there are names that end in -bin'),
        (GrpcCall("a.B/C", metadata={"x": "é"}), "grpc.metadata", 'has the metadata "x", whose value is not printable ASCII; for anything else there are names that end in -bin'),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_named(call, field, text):
    assert grpc_problem(call) == (field, text)
