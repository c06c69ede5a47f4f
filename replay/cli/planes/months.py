"""The options that say what a month looks like; they mean the same for every command that bills one."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from replay.cli.units import Number
from replay.money.calendar import Calendar
from replay.money.calendar_file import NAMED
from replay.trials.calendars import calendar_from

_MOST_A_DAY = 1e12
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Month(click.ParamType[Calendar]):
    """A calendar by its name, or from a file. Raises CalendarError."""

    name = "calendar"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Calendar:
        return value if isinstance(value, Calendar) else calendar_from(str(value))


def month_options(command: _Command) -> _Command:
    """`--month` and `--requests-per-day`, as the arguments month and requests_per_day."""
    asked = click.option(
        "--requests-per-day",
        type=Number(min=0, min_open=True, max=_MOST_A_DAY),
        help="Scale the load to this mean over the month.",
    )(command)
    return click.option(
        "--month",
        type=_Month(),
        metavar="FILE|NAME",
        help=f"How the month looks: {', '.join(NAMED)}, a calendar's TOML file, or a log of counts (CSV, JSON Lines) "
        "to fit one to.",
    )(asked)
