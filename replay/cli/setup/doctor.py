"""`replay doctor`: what this machine can send, and how precisely."""

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.exit_codes import EXIT_CODES
from replay.report.terminal.doctor import print_doctor
from replay.trials.doctor import examine


@click.command(
    cls=Command,
    examples=("replay doctor", "replay doctor --json"),
    ends={
        "done": "this machine can replay",
        "not_carried_out": "it cannot; the findings say why",
        "interrupted": "",
    },
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what this machine can send and how precisely, and what to do about what stands in the way.

    Takes a few seconds. It sends to a server of its own on 127.0.0.1, and leaves nothing behind.
    """
    report = examine()
    if as_json:
        print_json(report)
    else:
        print_doctor(report)
    ctx.exit(EXIT_CODES["done" if report.verdict == "ok" else "not_carried_out"])
