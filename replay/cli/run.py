"""`replay run`: replay one trace against one target."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from replay.cli.options import options_from, output_options, run_options
from replay.engine.dryrun import foresee
from replay.engine.run import replay_trace
from replay.report.live import open_view
from replay.report.terminal import print_dry_run, print_summary
from replay.target import load_target


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("-t", "--target", required=True, help="A URL or a target file (TOML).")
@run_options
@output_options
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    trace: Path,
    target: str,
    out: Path | None,
    as_json: bool,
    dry_run: bool,
    **chosen: Any,
) -> None:
    """Replay TRACE against a target at precise times, and record every latency.

    Example: replay run traces/support-agent.jsonl --target http://127.0.0.1:8080 --speed 4
    """
    options = options_from(chosen)
    aim = load_target(target)
    if dry_run:
        forecast = foresee(trace, aim, options)
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(forecast)).decode())
        else:
            print_dry_run(forecast)
        return
    with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
        outcome = replay_trace(trace, aim, options, out, view.show)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(outcome.summary)).decode())
    else:
        print_summary(outcome.summary, outcome.directory)
    ctx.exit({"finished": 0, "interrupted": 130}.get(outcome.summary.status, 4))
