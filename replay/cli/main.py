"""The `replay` command: its groups, and how errors become a sentence and an exit code."""

import contextlib
import os
import sys

import click

from replay import __version__
from replay.cli.failures import failure_of
from replay.cli.lazy import LazyGroup, Member
from replay.cli.outlets import guard_outlets
from replay.engine.hosting.ownership import owning_signals
from replay.words.names import printable

_MEMBERS = {
    "Replay": {
        "run": Member(
            "replay.cli.replaying.run:run", "Replay a trace against a target, and record every latency."
        ),
        "worker": Member(
            "replay.cli.replaying.worker:worker", "Do a share of a run that another machine conducts."
        ),
    },
    "Judge": {
        "gate": Member("replay.cli.replaying.gate:gate", "Hold a target, or a run, to SLOs: pass or fail."),
        "compare": Member("replay.cli.compare:compare", "Say which target is faster, and how sure that is."),
        "ceiling": Member("replay.cli.replaying.ceiling:ceiling", "Find the highest load that a target bears."),
        "coldstart": Member(
            "replay.cli.replaying.coldstart:coldstart", "Find cold starts, or how long a target stays warm."
        ),
    },
    "Explain": {
        "explain": Member("replay.cli.explain:explain", "Say what the tail of a run is made of."),
        "report": Member("replay.cli.report:report", "Show a run or a verdict again, as text or as a page."),
        "schema": Member("replay.cli.schema:schema", "Print the JSON Schema of a file."),
    },
    "Traces": {
        "trace": Member("replay.cli.traces.trace:trace", "Record, import, make, inspect and change traces."),
    },
    "Planes": {
        "pilot": Member(
            "replay.cli.planes.pilot:pilot", "Find out which plane fits a trace: serverless, VMs or both."
        ),
        "cost": Member("replay.cli.planes.cost:cost", "Say what a run's load costs a month."),
        "plane": Member("replay.cli.planes.plane:plane", "Serve or simulate a plane on this machine."),
    },
    "Set up": {
        "init": Member("replay.cli.setup.init:init", "Write a target file, and a CI job that gates by it."),
        "doctor": Member(
            "replay.cli.setup.doctor:doctor", "Say what this machine can send, and how precisely."
        ),
        "completion": Member("replay.cli.setup.completion:completion", "Print what completes commands on TAB."),
        "man": Member("replay.cli.setup.man:man", "Write manual pages, one for each command."),
    },
}


@click.group(
    cls=LazyGroup,
    members=_MEMBERS,
    examples=(
        "replay run traces/support-agent.jsonl -t http://127.0.0.1:8080",
        "replay gate traces/support-agent.jsonl -t targets/staging.toml --scale 10 \\\n    --slo 'p99 < 800ms'",
    ),
    ends={
        "done": "done, or the verdict is pass",
        "fail": "the verdict is fail",
        "inconclusive": "the verdict is inconclusive: too little was seen to tell",
        "not_carried_out": "",
        "interrupted": "",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="replay")
def cli() -> None:
    """Replay recorded AI-agent workloads at precise times against any HTTP endpoint, and judge what came of it.

    A trace is a recorded workload; a target is a URL or a target file. `replay COMMAND --help` says more.
    """


def main() -> None:
    """Run the command line; never ends in a traceback for what a user or a target did."""
    guard_outlets()
    try:
        with owning_signals():
            code = cli.main(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        failure = failure_of(error)
        if failure.is_ours and os.environ.get("REPLAY_DEBUG"):
            raise
        # Where nothing can be said, the exit code is left.
        with contextlib.suppress(OSError):
            _tell(error, failure.sentence)
        sys.exit(failure.exit_code)


def _tell(error: BaseException, sentence: str) -> None:
    """Say what went wrong; who pressed Ctrl-C knows."""
    if isinstance(error, click.ClickException):
        error.show()
    elif not isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        click.echo("replay: " + printable(sentence, keep="\n"), err=True)
