"""`replay cost --tables` and `--table NAME`: which price tables there are, and what one of them holds."""

import datetime
from collections.abc import Callable
from typing import Any, TypeVar

import click

from replay.report.terminal.prices import print_table, print_tables
from replay.trials.prices import price_table, shipped_prices

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _list(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        print_tables({name: price_table(name) for name in shipped_prices()}, _today())
        ctx.exit()


def _show(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    if name is not None and not ctx.resilient_parsing:
        print_table(name, price_table(name), _today())
        ctx.exit()


def price_table_options(command: _Command) -> _Command:
    """Have a command list the price tables, or show one, and end."""
    tables = click.option(
        "--tables",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list,
        help="List the price tables in the package, with their sources, and exit.",
    )
    table = click.option(
        "--table",
        metavar="TABLE",
        is_eager=True,
        expose_value=False,
        callback=_show,
        help="Show a price table's machines, commitments, and what it does not price, and exit.",
    )
    return tables(table(command))
