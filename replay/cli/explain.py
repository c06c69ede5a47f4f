"""`replay explain`: what a run's tail is made of, the critical path of its sessions, and drift."""

from pathlib import Path

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.paths import PATH
from replay.cli.units import Number
from replay.live.working import working
from replay.report.terminal.explain import print_explain
from replay.trials.explaining import explain_directory


@click.command(
    cls=Command,
    examples=(
        "replay explain runs/today",
        "replay explain runs/today --session support-17",
    ),
)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--quantile",
    type=Number(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Where the tail begins.",
)
@click.option("--session", metavar="ID", help="Show the critical path of this session, step by step.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def explain(run_dir: Path, quantile: float, session: str | None, as_json: bool) -> None:
    """Say what the tail of RUN is made of, what its sessions waited for, and whether the target grew slower."""
    hint_at_columns(run_dir)
    with working(f"explaining {run_dir}", run_dir):
        verdict = explain_directory(run_dir, quantile, session)
    if as_json:
        print_json(verdict)
    else:
        print_explain(verdict)
