"""What is wrong with a target, said in a sentence."""

from replay.errors import InputError


class TargetError(InputError):
    """A target cannot be used as it is written; str() is the whole message."""
