"""The `replay` command: its groups, and how errors become a sentence and an exit code."""

import os
import sys

import click

from replay import __version__
from replay.cli.ceiling import ceiling
from replay.cli.coldstart import coldstart
from replay.cli.compare import compare
from replay.cli.cost import cost
from replay.cli.explain import explain
from replay.cli.failures import failure_of
from replay.cli.gate import gate
from replay.cli.outlets import guard_outlets
from replay.cli.pilot import pilot
from replay.cli.plane import plane
from replay.cli.report import report
from replay.cli.run import run
from replay.cli.trace import trace
from replay.report.words import printable


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="replay")
def cli() -> None:
    """Replay recorded AI-agent workloads at precise times against any HTTP endpoint."""


for command in (run, gate, compare, ceiling, coldstart, cost, pilot, trace, explain, report, plane):
    cli.add_command(command)


def main() -> None:
    """Run the command line; never ends in a traceback for what a user or a target did."""
    guard_outlets()
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        failure = failure_of(error)
        if failure.is_ours and os.environ.get("REPLAY_DEBUG"):
            raise
        _tell(error, failure.sentence)
        sys.exit(failure.exit_code)


def _tell(error: BaseException, sentence: str) -> None:
    """Say what went wrong; who pressed Ctrl-C knows."""
    if isinstance(error, click.ClickException):
        error.show()
    elif not isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        click.echo("replay: " + printable(sentence, keep="\n"), err=True)
