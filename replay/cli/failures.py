"""What ends a command before it has an answer, as an exit code and a sentence."""

import errno
from pathlib import Path
from typing import NamedTuple

import click

from replay.errors import ReplayError
from replay.exit_codes import EXIT_BAD_INPUT, EXIT_CODES
from replay.system.shortage import shortage_of, starved_of
from replay.trace.errors import shown_path

# What the user named is there, and not the user's to read or write.
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Failure(NamedTuple):
    """is_ours: a fault of the program, of which a developer wants the traceback."""

    exit_code: int
    sentence: str
    is_ours: bool = False


def failure_of(error: BaseException) -> Failure:
    """The exit code and the sentence for whatever a command raised, but for an Exit of click, which is no failure."""
    while isinstance(error, BaseExceptionGroup):
        # What ended a group of tasks; the others of it were cancelled for that.
        error = error.exceptions[0]
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return Failure(EXIT_CODES["interrupted"], "the run was interrupted")
    if (shortage := starved_of(error)) is not None:
        return Failure(EXIT_CODES["not_carried_out"], f"{shortage}.")
    if isinstance(error, click.ClickException):
        return Failure(error.exit_code, error.format_message())
    if isinstance(error, OSError) and (shortage := shortage_of(error)) is not None:
        return Failure(EXIT_CODES["not_carried_out"], f"{shortage}.")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return Failure(EXIT_BAD_INPUT, f"{shown_path(Path(error.filename or ''))}: the name is too long.")
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED and error.filename:
        why = (error.strerror or str(error)).lower()
        return Failure(
            EXIT_BAD_INPUT, f"{shown_path(Path(error.filename))}: {why}. Name another place, or allow it."
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(EXIT_CODES["not_carried_out"], f"{where}{error.strerror or error}")
    if isinstance(error, ReplayError):
        return Failure(error.exit_code, str(error))
    said = f"a fault of the program itself: {error!r}. Please report it, with what REPLAY_DEBUG=1 prints."
    return Failure(EXIT_CODES["not_carried_out"], said, is_ours=True)
