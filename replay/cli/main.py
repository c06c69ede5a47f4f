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
from replay.cli.gate import gate
from replay.cli.pilot import pilot
from replay.cli.plane import plane
from replay.cli.report import report
from replay.cli.run import run
from replay.cli.trace import trace
from replay.judge.money.cost import CostError
from replay.judge.money.price_table import PriceTableError
from replay.results.rundir import RunDirError
from replay.target import TargetError
from replay.trace.errors import TraceError
from replay.trials.coldstart import ProbeFailed
from replay.wire.errors import TargetUnreachable

EXIT_BAD_INPUT = 2
EXIT_NOT_CARRIED_OUT = 4
EXIT_INTERRUPTED = 130

# Whose fault it is decides the exit code: the user's input, or a run that could not be carried out.
_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (TraceError, EXIT_BAD_INPUT),
    (TargetError, EXIT_BAD_INPUT),
    (RunDirError, EXIT_BAD_INPUT),
    (PriceTableError, EXIT_BAD_INPUT),
    (CostError, EXIT_BAD_INPUT),
    (TargetUnreachable, EXIT_NOT_CARRIED_OUT),
    (ProbeFailed, EXIT_NOT_CARRIED_OUT),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="replay")
def cli() -> None:
    """Replay recorded AI-agent workloads at precise times against any HTTP endpoint."""


for command in (run, gate, compare, ceiling, coldstart, cost, pilot, trace, explain, report, plane):
    cli.add_command(command)


def main() -> None:
    """Run the command line; never ends in a traceback for what a user or a target did."""
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"replay: {where}{error.strerror or error}", err=True)
        sys.exit(EXIT_NOT_CARRIED_OUT)
    except tuple(kind for kind, _ in _EXIT_CODES) as error:
        click.echo(f"replay: {error}", err=True)
        sys.exit(next(code for kind, code in _EXIT_CODES if isinstance(error, kind)))
    except Exception as error:
        if os.environ.get("REPLAY_DEBUG"):
            raise
        click.echo(
            f"replay: a fault of the program itself: {error!r}. Please report it, with what REPLAY_DEBUG=1 prints.",
            err=True,
        )
        sys.exit(EXIT_NOT_CARRIED_OUT)
