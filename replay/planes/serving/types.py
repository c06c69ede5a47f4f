"""A plane that is served: how an instance is a process, and where the plane listens."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an instance is a process. command: run without a shell; `$PORT` in it is the instance's port.

    health_path: answers with 200 or 204 when the instance is ready; None: it is ready when its port accepts.
    boot_timeout_s: Cloud Run gives a container 4 minutes to listen. grace_s: from SIGTERM to SIGKILL; Cloud Run
    gives 10 s. Source of both: Cloud Run, Container runtime contract.
    """

    command: str
    health_path: str | None = None
    boot_timeout_s: float = 240.0
    grace_s: float = 10.0


class Served(NamedTuple):
    """Where a plane listens. control_url: of its control address, with its token in the path, or None.

    deploy: call it on the plane's loop to begin a rolling deploy. is_booting: whether an instance boots now.
    """

    url: str
    control_url: str | None
    deploy: Callable[[], None]
    is_booting: Callable[[], bool]
