"""Messages of gRPC between JSON and bytes, by the descriptors in a file that the target names.

The file is a FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` and `buf build` write it. It is the
user's own; what a target answers is read by it, and is not to be trusted.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from replay.system.files import read_small
from replay.target.errors import TargetError

_MOST_BYTES = 64 << 20
_HOW = "Make it with: protoc --include_imports --descriptor_set_out=FILE ..."
_MISFIT = "the message in the trace does not fit the descriptors"
# What protobuf says of a message that is none, as far as that names no value.
_UNKNOWN_FIELD = re.compile(r'has no field named "(\w{1,100})"').search


class Unfit(ValueError):
    """A call cannot be made as the trace has it; str() says why, in a sentence without values."""


class Codes(Protocol):
    def encoded(self, method: str, message: bytes) -> bytes:
        """A message in JSON as bytes. Raises Unfit."""

    def decoded(self, method: str, message: bytes) -> bytes | None:
        """An answer's message as JSON, fields with their default value included; None where it is none."""


class Descriptors:
    """What one file describes."""

    def __init__(self, path: Path) -> None:
        try:
            # Imported here, since it is an extra, and takes longer than starting a run.
            from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
        except ImportError as cause:
            raise TargetError(
                "gRPC messages in JSON need the extra `grpc`. Install it with: pip install 'agent-replay[grpc]'"
            ) from cause
        self._path = path
        self._json, self._class_of = json_format, message_factory.GetMessageClass
        self._pool: Any = descriptor_pool.DescriptorPool()
        try:
            found = descriptor_pb2.FileDescriptorSet.FromString(read_small(path, _MOST_BYTES))
            for file in found.file:
                self._pool.Add(file)
        except OSError as cause:
            raise TargetError(f"descriptors {path}: cannot be read ({cause.strerror}).") from cause
        except Exception as cause:
            # DecodeError, and TypeError for what is described by files that are not in it.
            raise TargetError(f"descriptors {path}: no whole set of descriptors. {_HOW}") from cause
        if not found.file:
            raise TargetError(f"descriptors {path}: describes nothing. {_HOW}")
        self._methods: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Descriptors {self._path}>"

    def encoded(self, method: str, message: bytes) -> bytes:
        """As in Codes."""
        asked = self._class_of(self._method(method).input_type)()
        name: str = asked.DESCRIPTOR.full_name
        # Some of Google's own types are texts, numbers or lists in JSON; of others the parser takes such for members.
        if message.lstrip()[:1] != b"{" and not name.startswith("google.protobuf."):
            raise Unfit(f"{_MISFIT}: it is no {name}")
        try:
            self._json.Parse(message, asked, descriptor_pool=self._pool)
        except (self._json.ParseError, ValueError, TypeError, RecursionError) as cause:
            field = _UNKNOWN_FIELD(str(cause))
            why = f'{name} has no field "{field[1]}"' if field else f"it is no {name}"
            raise Unfit(f"{_MISFIT}: {why}") from None
        return bytes(asked.SerializeToString(deterministic=True))

    def decoded(self, method: str, message: bytes) -> bytes | None:
        """As in Codes."""
        try:
            said = self._class_of(self._method(method).output_type).FromString(message)
            text: str = self._json.MessageToJson(
                said, descriptor_pool=self._pool, indent=None, always_print_fields_with_no_presence=True
            )
        except Exception:
            # DecodeError; and ValueError, TypeError and others for what JSON cannot say, such as a time in year 10000.
            return None
        return text.encode()

    def _method(self, method: str) -> Any:
        found = self._methods.get(method)
        if found is None:
            service, _, name = method.partition("/")
            try:
                found = self._pool.FindServiceByName(service).methods_by_name[name]
            except KeyError:
                raise Unfit(f"the descriptors have no method {method}") from None
            if found.client_streaming or found.server_streaming:
                raise Unfit(f"{method} is a streaming method; unary calls alone can be made")
            self._methods[method] = found
        return found


class _None:
    """Where a target names no descriptors, messages are bytes."""

    def encoded(self, method: str, message: bytes) -> bytes:
        raise Unfit("a message in JSON needs descriptors under [grpc] of the target")

    def decoded(self, method: str, message: bytes) -> bytes | None:
        return None


@lru_cache(maxsize=16)
def descriptors_at(path: str | None) -> Codes:
    """What is known of messages by this file; None: nothing. Raises TargetError where it cannot be used."""
    return _None() if path is None else Descriptors(Path(path))
