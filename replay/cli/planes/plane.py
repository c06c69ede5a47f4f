"""`replay plane`: an execution plane on this machine."""

import click

from replay.cli.lazy import LazyGroup, Member


@click.group(
    cls=LazyGroup,
    members={
        "Commands": {
            "serve": Member(
                "replay.cli.planes.plane_serve:serve", "Serve modelled answers, or processes booted on demand."
            ),
            "simulate": Member(
                "replay.cli.planes.plane_simulate:simulate", "Replay a trace against a plane in virtual time."
            ),
        }
    },
)
def plane() -> None:
    """Run an execution plane on this machine."""
