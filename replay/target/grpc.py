"""How a target's gRPC messages are known."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Grpc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How steps with grpc become calls, and their answers JSON."""

    descriptors: Annotated[
        str | None,
        Meta(
            description=(
                "The path of a file that describes messages, as protoc --include_imports --descriptor_set_out writes "
                "it. Messages in JSON need it, and so do JSON pointers into answers."
            )
        ),
    ] = None
