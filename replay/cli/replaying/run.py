"""`replay run`: replay one trace against one target.

What a plain run has no use for is imported where it is used, so that the first request goes out sooner.
"""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.options import (
    REPLAYING,
    answers_option,
    budget_option,
    options_from,
    output_options,
    run_options,
    safety_options,
    workers_options,
)
from replay.cli.paths import PATH
from replay.cli.units import DURATION, FAULT_AT
from replay.engine.types import At, FaultKind, RunOptions
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.live.live import open_view
from replay.results.answer_types import AnswersKept
from replay.target.file import load_target
from replay.target.target import Target
from replay.trials.aborting import replay_one
from replay.trials.endings import concluded


@click.command(
    cls=Command,
    parts=REPLAYING,
    examples=(
        "replay run traces/support-agent.jsonl -t http://127.0.0.1:8080 --speed 4",
        "replay run trace.jsonl -t targets/staging.toml --dry-run",
    ),
    ends={
        "done": "",
        "inconclusive": "a worker was lost",
        "fail": "ended by --abort or --budget",
        "not_carried_out": "",
        "interrupted": "",
    },
)
@click.argument("trace", type=PATH)
@click.option("-t", "--target", required=True, help="A URL or a target file (TOML).")
@run_options
@workers_options
@safety_options
@budget_option
@output_options
@click.option(
    "--at",
    "commands",
    nargs=2,
    multiple=True,
    type=(DURATION, str),
    metavar="TIME COMMAND",
    help="Run a shell command this long after the start, and judge the recovery from it, for example 30s "
    "'kubectl delete pod web-1'.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=FAULT_AT,
    metavar="FAULT@TIME",
    help="Kill, drain or deploy a local plane whose control address the target file names (observe), for "
    "example kill@30s.",
)
@answers_option
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Send only one session of each sort, and say whether a replay would be meaningful; exit 0 or 4.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    trace: Path,
    target: str,
    out: Path | None,
    as_json: bool,
    answers: AnswersKept | None,
    dry_run: bool,
    is_check: bool,
    commands: tuple[tuple[float, str], ...],
    faults: tuple[tuple[FaultKind, float], ...],
    **chosen: Any,
) -> None:
    """Replay TRACE against a target at precise times, and record every latency."""
    if dry_run and is_check:
        raise click.UsageError("--check sends requests and --dry-run sends none: choose one of them.")
    aim = load_target(target)
    if faults and aim.observe is None:
        raise click.UsageError(
            '--fault asks the plane\'s control address, and the target names none. Add observe = "http://.../state" to '
            "its file."
        )
    if not all(command.strip() for _, command in commands):
        raise click.UsageError("--at names no command. Is a variable unset that should hold it?")
    events = [At(at_s, command=command) for at_s, command in commands]
    events += [At(at_s, fault=fault) for fault, at_s in faults]
    options = msgspec.structs.replace(options_from(chosen), at=tuple(events), answers=answers or "none")
    if options.budget is not None:
        from replay.trials.prices import check_currency

        check_currency(options.budget, [aim])
    if dry_run:
        _show_forecast(trace, aim, options, as_json=as_json)
        return
    if is_check:
        ctx.exit(EXIT_CODES[_check(trace, aim, options, out, as_json=as_json)])
    with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
        outcome = replay_one(trace, aim, options, out, view.show, aborts=chosen["aborts"])
    if as_json:
        print_json(outcome.summary)
    else:
        from replay.report.terminal.run import print_summary

        print_summary(outcome.summary, outcome.directory)
    if events:
        _judge_recovery(outcome.directory, is_quiet=as_json)
    ctx.exit(EXIT_CODES[concluded(outcome.summary.status, ended=outcome.summary.ended)])


def _judge_recovery(directory: Path, *, is_quiet: bool) -> None:
    from replay.report.terminal.recovery import print_recovery
    from replay.trials.faults import judge_faults

    recovery = judge_faults(directory)
    if not is_quiet and recovery is not None:
        print_recovery(recovery)


def _show_forecast(trace: Path, target: Target, options: RunOptions, *, as_json: bool) -> None:
    from replay.cli.replaying.dry_run import show_forecast
    from replay.cli.slos import read_slos

    show_forecast(trace, target, options, read_slos((), (), target.slo) if target.slo else (), as_json=as_json)


def _check(trace: Path, target: Target, options: RunOptions, out: Path | None, *, as_json: bool) -> Conclusion:
    from replay.report.terminal.check import print_check
    from replay.trials.check.checking import check_target

    checked = check_target(trace, target, options, out=out)
    if as_json:
        print_json(checked.report)
    else:
        print_check(checked.report, checked.directory)
    return checked.conclusion
