"""What ends a command before it has an answer: each as an exit code and a sentence, in one table for all commands."""

from typing import NamedTuple

import click

from replay.judge.choice.questionnaire import AnswersError
from replay.judge.money.calendar import CalendarError
from replay.judge.money.cost import CostError
from replay.judge.money.price_table import PriceTableError
from replay.results.rundir import RunDirError
from replay.target import TargetError
from replay.trace.errors import TraceError
from replay.trials.coldstart import ProbeFailed
from replay.trials.endings import EXIT_BAD_INPUT, EXIT_CODES
from replay.wire.errors import TargetUnreachable
from replay.wire.shortage import shortage_of, starved_of

# Whose fault it is decides the exit code: the user's input, or a run that could not be carried out.
_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (TraceError, EXIT_BAD_INPUT),
    (TargetError, EXIT_BAD_INPUT),
    (RunDirError, EXIT_BAD_INPUT),
    (PriceTableError, EXIT_BAD_INPUT),
    (CostError, EXIT_BAD_INPUT),
    (CalendarError, EXIT_BAD_INPUT),
    (AnswersError, EXIT_BAD_INPUT),
    (TargetUnreachable, EXIT_CODES["not_carried_out"]),
    (ProbeFailed, EXIT_CODES["not_carried_out"]),
)


class Failure(NamedTuple):
    """is_ours: a fault of the program, of which a developer wants the traceback."""

    exit_code: int
    sentence: str
    is_ours: bool = False


def failure_of(error: BaseException) -> Failure:
    """The exit code and the sentence for whatever a command raised, but for an Exit of click, which is no failure."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return Failure(EXIT_CODES["interrupted"], "the run was interrupted")
    while isinstance(error, BaseExceptionGroup):
        # What ended a group of tasks; the others of it were cancelled for that.
        error = error.exceptions[0]
    if (shortage := starved_of(error)) is not None:
        return Failure(EXIT_CODES["not_carried_out"], f"{shortage}.")
    if isinstance(error, click.ClickException):
        return Failure(error.exit_code, error.format_message())
    if isinstance(error, OSError) and (shortage := shortage_of(error)) is not None:
        return Failure(EXIT_CODES["not_carried_out"], f"{shortage}.")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(EXIT_CODES["not_carried_out"], f"{where}{error.strerror or error}")
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return Failure(code, str(error))
    said = f"a fault of the program itself: {error!r}. Please report it, with what REPLAY_DEBUG=1 prints."
    return Failure(EXIT_CODES["not_carried_out"], said, is_ours=True)
