"""What ends a command before it has an answer. Whose fault it is decides the exit code."""

from typing import ClassVar

from replay.exit_codes import EXIT_BAD_INPUT, EXIT_CODES


class ReplayError(Exception):
    """str() is the whole message: what, where, what to do. exit_code: what a command ends with for it."""

    exit_code: ClassVar[int] = EXIT_CODES["not_carried_out"]


class InputError(ReplayError):
    """A file or an option of the user's is at fault."""

    exit_code = EXIT_BAD_INPUT
