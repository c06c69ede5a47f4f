"""Which version of the Model Context Protocol a target's servers are spoken to in, and where."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Version = Literal["as-recorded", "2026-07-28", "2025-11-25", "2025-06-18"]


class Mcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How steps with mcp become requests to a server of the Model Context Protocol, over HTTP."""

    version: Annotated[
        Version,
        Meta(
            description=(
                "The version of the protocol. 2026-07-28 has no sessions; for an earlier one each session of the trace "
                "opens its own first. as-recorded: what the step says, or 2025-11-25."
            )
        ),
    ] = "as-recorded"
    path: Annotated[str, Meta(description="Where the server takes messages, below the URL.")] = "/mcp"

    def __post_init__(self) -> None:
        if (
            not self.path.startswith("/")
            or not self.path.isascii()
            or not self.path.isprintable()
            or " " in self.path
        ):
            raise ValueError("path must begin with / and hold no spaces")
