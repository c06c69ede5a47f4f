"""`replay report`: show a run again, also one that was killed."""

from pathlib import Path

import click
import msgspec

from replay.report.terminal import print_summary
from replay.results.summary import rebuild


@click.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def report(run_dir: Path, as_json: bool) -> None:
    """Show the figures of RUN, a run directory, rebuilt from what was recorded.

    Example: replay report runs/x --json
    """
    summary = rebuild(run_dir)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(summary)).decode())
    else:
        print_summary(summary, run_dir)
