"""What would make a command quicker, said before it takes its time."""

from pathlib import Path

import click

from replay.results.tables.cache import missed


def hint_at_columns(*run_dirs: Path) -> None:
    """Say it where a long run is read as text, for want of the extra that would keep its columns."""
    for run_dir in run_dirs:
        if (sentence := missed(run_dir)) is not None:
            click.echo(f"replay: {sentence}", err=True)
            return
