"""`replay plane simulate`: a replay in virtual time."""

from pathlib import Path
from typing import Any

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.options import REPLAYING, options_from, output_options, run_options
from replay.cli.paths import PATH
from replay.exit_codes import EXIT_CODES
from replay.report.terminal.run import print_summary
from replay.simulation.simulation import simulate_trace
from replay.target.file import load_target


@click.command(
    cls=Command,
    parts=REPLAYING,
    examples=(
        "replay plane simulate traces/triage-burst.jsonl -t targets/simulated.toml",
        "replay plane simulate traces/triage-burst.jsonl -t targets/simulated.toml \\\n    --arrivals 4 --seed 7",
    ),
)
@click.argument("trace", type=PATH)
@click.option("-t", "--target", required=True, help="A target file with a [simulate] table.")
@run_options
@output_options
@click.pass_context
def simulate(
    ctx: click.Context, /, trace: Path, target: str, out: Path | None, as_json: bool, **chosen: Any
) -> None:
    """Replay TRACE against a simulated plane in virtual time: no sockets, no waiting, the same summary."""
    outcome = simulate_trace(trace, load_target(target), options_from(chosen), out)
    if as_json:
        print_json(outcome.summary)
    else:
        print_summary(outcome.summary, outcome.directory)
    ctx.exit(EXIT_CODES["done" if outcome.summary.status == "finished" else "not_carried_out"])
