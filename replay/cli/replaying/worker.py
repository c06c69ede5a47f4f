"""`replay worker`: do a share of a run that another machine conducts."""

import click

from replay.cli.command import Command
from replay.cli.units import WholeNumber
from replay.scale.meeting import address_of
from replay.scale.serving import serve


@click.command(
    cls=Command,
    examples=(
        "replay worker --conductor conductor.example:7077 --index 3",
        "replay worker --conductor 10.0.0.5:7077 --index 0",
    ),
    ends={"done": "", "not_carried_out": "no conductor in time"},
)
@click.option("--conductor", required=True, metavar="HOST:PORT", help="Where `--listen` waits for workers.")
@click.option(
    "--index",
    type=WholeNumber(0),
    required=True,
    envvar="JOB_COMPLETION_INDEX",
    show_envvar=True,
    help="This worker's number, from 0.",
)
def worker(conductor: str, index: int) -> None:
    """Do a share of the runs that a conductor deals out, until it has gone.

    The environment variable REPLAY_CLUSTER_TOKEN holds the secret that it shares with the conductor.
    """
    serve(address_of(conductor), index)
