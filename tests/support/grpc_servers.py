"""A catalogue on grpcio's own server, on a loopback port; and the descriptors of what it takes and answers."""

import atexit
import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import trustme
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SEARCH = "shop.v1.Catalogue/Search"
WATCH = "shop.v1.Catalogue/Watch"


@cache
def descriptor_set() -> bytes:
    """As `protoc --include_imports --descriptor_set_out` writes it for

    message Query { string text = 1; int32 limit = 2; string fails_with = 3; int32 sleep_ms = 4; int32 pad_bytes = 5; }
    message Found { repeated string names = 1; int32 count = 2; string pad = 3; }
    service Catalogue { rpc Search(Query) returns (Found); rpc Watch(Query) returns (stream Found); }
    """
    field = descriptor_pb2.FieldDescriptorProto
    made = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop.v1", syntax="proto3")
    query = made.message_type.add(name="Query")
    for n, (name, kind) in enumerate(
        (
            ("text", field.TYPE_STRING),
            ("limit", field.TYPE_INT32),
            ("fails_with", field.TYPE_STRING),
            ("sleep_ms", field.TYPE_INT32),
            ("pad_bytes", field.TYPE_INT32),
        ),
        1,
    ):
        query.field.add(name=name, number=n, type=kind, label=field.LABEL_OPTIONAL)
    found = made.message_type.add(name="Found")
    found.field.add(name="names", number=1, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    found.field.add(name="count", number=2, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    found.field.add(name="pad", number=3, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    service = made.service.add(name="Catalogue")
    service.method.add(name="Search", input_type=".shop.v1.Query", output_type=".shop.v1.Found")
    service.method.add(
        name="Watch", input_type=".shop.v1.Query", output_type=".shop.v1.Found", server_streaming=True
    )
    return descriptor_pb2.FileDescriptorSet(file=[made]).SerializeToString()


@cache
def descriptor_file() -> Path:
    """A file of them, for as long as this process lives."""
    folder = tempfile.TemporaryDirectory(prefix="replay-descriptors-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "shop.pb"
    path.write_bytes(descriptor_set())
    return path


@cache
def messages() -> tuple[Any, Any]:
    """The classes of Query and Found."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set()).file:
        pool.Add(file)
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.v1.{name}"))
        for name in ("Query", "Found")
    )  # type: ignore[return-value]


class Asked:
    """What the server was asked. metadata: of each call. deadlines_s: how long each was said to have."""

    def __init__(self) -> None:
        self.queries: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.deadlines_s: list[float | None] = []


def _search(asked: Asked) -> Any:
    _, found_class = messages()

    def search(query: Any, context: grpc.ServicerContext) -> Any:
        asked.queries.append(query)
        asked.metadata.append(dict(context.invocation_metadata()))
        asked.deadlines_s.append(context.time_remaining())
        if query.sleep_ms:
            time.sleep(query.sleep_ms / 1_000)
        if query.fails_with:
            status, _, words = query.fails_with.partition(":")
            context.abort(getattr(grpc.StatusCode, status), words)
        names = [f"{query.text} {n}" for n in range(query.limit)]
        return found_class(names=names, count=len(names), pad="x" * query.pad_bytes)

    return search


@contextlib.contextmanager
def catalogue(
    *, tls_folder: Path | None = None, compression: grpc.Compression | None = None
) -> Iterator[tuple[str, Asked]]:
    """Its URL, and what it was asked. tls_folder: where to put ca.pem, with TLS. compression: of its answers."""
    asked = Asked()
    query_class, found_class = messages()
    handler = grpc.unary_unary_rpc_method_handler(
        _search(asked), query_class.FromString, found_class.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(8), compression=compression)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("shop.v1.Catalogue", {"Search": handler}),)
    )
    if tls_folder is None:
        scheme, port = "http", server.add_insecure_port("127.0.0.1:0")
    else:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(tls_folder / "ca.pem"))
        issued = ca.issue_cert("127.0.0.1")
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        credentials = grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])
        scheme, port = "https", server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"{scheme}://127.0.0.1:{port}", asked
    finally:
        server.stop(None).wait(10)
