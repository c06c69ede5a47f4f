"""What can go wrong with a target before any step is sent. What goes wrong later is data, not an exception."""

from replay.errors import ReplayError


class WireError(ReplayError):
    """Requests cannot be sent to this target; str() is the whole message."""


class TargetUnreachable(WireError):
    """The target did not answer when the run was about to start."""
