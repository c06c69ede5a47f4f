"""`replay plane`: an execution plane on this machine."""

import click

from replay.cli.lazy import LazyGroup, Member


@click.group(
    cls=LazyGroup,
    members={
        "Planes": {
            "serve": Member(
                "replay.cli.planes.plane_serve:serve", "Serve modelled answers, or processes booted on demand."
            ),
            "simulate": Member(
                "replay.cli.planes.plane_simulate:simulate", "Replay a trace against a plane in virtual time."
            ),
        }
    },
    examples=(
        "replay plane serve --modelled --port 8080",
        "replay plane simulate traces/triage-burst.jsonl -t targets/simulated.toml",
    ),
)
def plane() -> None:
    """Serve an execution plane on this machine, or simulate one in virtual time."""
