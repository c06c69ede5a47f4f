"""What can go wrong with a target before any step is sent. What goes wrong later is data, not an exception."""

from typing import ClassVar

from replay.errors import ReplayError
from replay.exit_codes import EXIT_BAD_INPUT


class WireError(ReplayError):
    """Requests cannot be sent to this target; str() is the whole message."""


class TargetUnreachable(WireError):
    """The target did not answer when the run was about to start."""


class TargetMiswritten(TargetUnreachable):
    """Nor can it, since what is said of it cannot be used: a file, a proxy, a command. The user can mend that."""

    exit_code: ClassVar[int] = EXIT_BAD_INPUT
