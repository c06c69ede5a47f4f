"""Which version of the Model Context Protocol a target's servers are spoken to in, and where."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

USUAL_PATH = "/mcp"
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
    path: Annotated[
        str | None,
        Meta(
            description=(
                "Where the server takes messages, below the URL; absent: at the path that the step's server is, or at "
                "/mcp."
            )
        ),
    ] = None
    servers: Annotated[
        dict[str, str],
        Meta(
            description=(
                "Where there are several: by the names that the trace has for them, where each takes messages, below "
                "the URL."
            )
        ),
    ] = {}

    def __post_init__(self) -> None:
        if self.path is not None:
            _check_path("path", self.path)
        for name, path in self.servers.items():
            _check_path(f"servers.{name}", path)

    def path_of(self, server: str | None) -> str:
        """Where messages to this server go, by how a trace calls it; None: the only one."""
        if server is not None:
            known = self.servers.get(server)
            if known is not None:
                return known
            if self.path is None and server.startswith("/"):
                return server
        return self.path or USUAL_PATH


def _check_path(what: str, path: str) -> None:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError(f"{what} must begin with / and hold no spaces")
