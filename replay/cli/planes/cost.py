"""`replay cost`: what a run's load costs a month on planes that have a price."""

import re
from pathlib import Path
from typing import Any

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.paths import PATH
from replay.cli.planes.months import month_options
from replay.cli.planes.price_tables import price_table_options
from replay.cli.units import PERCENT, Number, WholeNumber
from replay.exit_codes import EXIT_CODES
from replay.live.working import working
from replay.money.calendar import Calendar
from replay.money.cost import CostError, Size
from replay.money.month import Beside
from replay.report.terminal.cost import print_cost
from replay.trials.cost import MachineWish, machine_wish, price_run

_NOT_NEGATIVE = Number(min=0)
_POSITIVE = Number(min=0, min_open=True)


class _Machine(click.ParamType[MachineWish]):
    """A price table and a machine in it, written as TABLE:KIND."""

    name = "table:kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MachineWish:
        try:
            return machine_wish(str(value))
        except CostError as error:
            self.fail(str(error))


class _Hours(click.ParamType[tuple[float, ...]]):
    """Hours a month: one figure, or low, mid and high."""

    name = "hours"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            hours = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            hours = ()
        if len(hours) not in (1, 3) or not all(0 <= each < 1e6 for each in hours):
            self.fail(f"{value!r} is not a valid number of hours. Write 4, or low, mid and high as 2,4,8.")
        return hours


class _Rate(click.ParamType[tuple[str, float]]):
    """What one unit of a currency is worth, written as CODE=NUMBER."""

    name = "code=number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        code, _, number = str(value).partition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = 0.0
        if not re.fullmatch("[A-Za-z]{3}", code) or not 0 < rate < float("inf"):
            self.fail(
                f"{value!r} is not a valid rate. Write EUR=1.08 where one euro is worth 1.08 of the bills' currency."
            )
        return code.upper(), rate


@click.command(
    cls=Command,
    parts={
        "Serverless": ("prices", "vcpu", "memory", "min_instances", "billing"),
        "Machine": ("machines", "machine_rps", "machine_slots", "headroom", "discount", "scales"),
        "Load": ("month", "requests_per_day"),
        "Staff and call": ("staff_hours", "staff_rate", "call_price", "token_price"),
        "Price": ("rates", "tables", "table"),
        "Output": ("explain", "as_json"),
    },
    examples=(
        "replay cost runs/today --price cloud-run-us-central1",
        "replay cost runs/today --price cloud-run-us-central1 \\\n    --machine gce-e2-us-central1:e2-medium "
        "--machine-rps 50",
    ),
    ends={
        "done": "",
        "inconclusive": "the run tells too little to say",
        "not_carried_out": "",
        "interrupted": "",
    },
)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="TABLE",
    help="Price it as serverless by this table: a file, or one that --tables lists.",
)
@click.option("--vcpu", type=_POSITIVE, default=1.0, show_default=True, help="vCPUs of a serverless instance.")
@click.option(
    "--memory", type=_POSITIVE, default=0.5, show_default=True, help="Memory of a serverless instance, in GiB."
)
@click.option(
    "--min-instances",
    type=WholeNumber(0),
    default=0,
    show_default=True,
    help="Serverless instances kept warm without requests.",
)
@click.option(
    "--billing",
    type=click.Choice(["request", "instance", "worker-pool"]),
    default="request",
    show_default=True,
    help="What serverless bills for: time with requests, instances' whole lives, or a pool of --min-instances.",
)
@click.option(
    "--machine",
    "machines",
    multiple=True,
    type=_Machine(),
    help="Price it on machines: a table and a machine type in it, for example gce-e2-us-central1:e2-standard-2.",
)
@click.option("--machine-rps", type=_POSITIVE, help="Measured capacity of one machine, in requests/s.")
@click.option(
    "--machine-slots",
    type=_POSITIVE,
    help="Instead of --machine-rps: requests that one machine handles at once.",
)
@click.option(
    "--headroom",
    type=PERCENT,
    default="30%",
    show_default=True,
    help="Spare machine capacity above the peak.",
)
@click.option("--discount", type=PERCENT, help="Discount on machine prices, for a commitment or sustained use.")
@click.option("--scales", is_flag=True, help="Machines come and go with the load, as in an autoscaling group.")
@month_options
@click.option(
    "--staff-hours",
    type=_Hours(),
    default="0",
    help="Staff hours a month, beside the bill: 4, or low, mid and high as 2,4,8.",
)
@click.option("--staff-rate", type=_NOT_NEGATIVE, default=0.0, help="Cost of an hour of staff.")
@click.option("--call-price", type=_NOT_NEGATIVE, default=0.0, help="Price of a model call, beside the bill.")
@click.option(
    "--token-price",
    type=_NOT_NEGATIVE,
    default=0.0,
    help="Price of a million tokens that models write, beside the bill.",
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    type=_Rate(),
    help="Exchange rate to the currency of the bills, for example EUR=1.08.",
)
@price_table_options
@click.option("--explain", is_flag=True, help="Show how each figure was computed, and where prices come from.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the bills as JSON on stdout, and nothing else there."
)
@click.pass_context
def cost(
    ctx: click.Context,
    /,
    run_dir: Path,
    prices: tuple[str, ...],
    vcpu: float,
    memory: float,
    min_instances: int,
    billing: str,
    machines: tuple[MachineWish, ...],
    machine_rps: float | None,
    machine_slots: float | None,
    headroom: float,
    discount: float | None,
    scales: bool,
    month: Calendar | None,
    requests_per_day: float | None,
    staff_hours: tuple[float, ...],
    staff_rate: float,
    call_price: float,
    token_price: float,
    rates: tuple[tuple[str, float], ...],
    explain: bool,
    as_json: bool,
) -> None:
    """Say what RUN's load costs a month by price tables; exit code 3 where the run does not tell enough to say so."""
    if not prices and not machines:
        raise click.UsageError("name a price table with --price, or a machine with --machine.")
    if machine_rps is not None and machine_slots is not None:
        raise click.UsageError("--machine-rps and --machine-slots exclude each other.")
    if discount is not None and discount >= 100:
        raise click.UsageError("--discount must be less than 100%.")
    if any(staff_hours) and not staff_rate:
        raise click.UsageError("--staff-hours needs --staff-rate, what an hour of it costs.")
    if list(staff_hours) != sorted(staff_hours):
        raise click.UsageError("--staff-hours has low, mid and high in this order, for example 2,4,8.")
    hint_at_columns(run_dir)
    with working(f"pricing {run_dir}", run_dir):
        found = price_run(
            run_dir,
            prices,
            machines,
            size=Size(vcpu, memory, min_instances, billing),
            machine_rps=machine_rps,
            machine_slots=machine_slots,
            headroom=headroom / 100,
            discount=(discount or 0.0) / 100,
            scales=scales,
            beside=Beside(staff_hours if any(staff_hours) else (), staff_rate, call_price, token_price),
            requests_a_day=requests_per_day,
            calendar=month,
            rates=dict(rates),
        )
    if as_json:
        print_json(found)
    else:
        print_cost(found, explain=explain)
    if any(plane.bill is None for plane in found.planes):
        ctx.exit(EXIT_CODES["inconclusive"])
