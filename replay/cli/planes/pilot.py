"""`replay pilot`: every experiment on every plane, and which of them fits."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from replay.choice.questionnaire import Answers
from replay.cli.asking import ANSWERS_FILE, ask
from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.options import dealt_options, read_only_option, to_origin_option, workers_options
from replay.cli.paths import PATH
from replay.cli.pilot_report import material_of
from replay.cli.planes.months import month_options
from replay.cli.slos import read_slos, slo_options
from replay.engine.types import Knobs, RunOptions
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.live.live import open_view
from replay.money.calendar import Calendar
from replay.report.pilot_files import leave_report
from replay.report.terminal.pilot import print_pilot, stage_line
from replay.target.target import Target
from replay.trials.aborting import dealing_runs
from replay.trials.endings import broken_off, concluded
from replay.trials.pilot.aims import aims_of
from replay.trials.pilot.answers import read_answers
from replay.trials.pilot.carrying import Stage
from replay.trials.pilot.judging import Told
from replay.trials.pilot.trial import run_pilot
from replay.trials.pilot.workload.phases import LIVE, QUICK, SIMULATED
from replay.trials.pilot.workload.shape import shape_of


@click.command(
    cls=Command,
    parts={
        "Target": ("targets", "simulate", "commands", "read_only", "to_origin"),
        "Load": ("month", "requests_per_day", "seed", "workers", "listen", "cluster"),
        "Time": ("quick",),
        "Verdict": ("slos", "slo_files", "answers_file", "is_asking"),
        "Output": ("out", "has_assumptions", "as_json"),
    },
    examples=(
        "replay pilot traces/support-agent.jsonl --quick --month office-hours",
        "replay pilot traces/support-agent.jsonl --slo 'p95 < 3s' \\\n    -t targets/cloud-run.toml -t targets/vm.toml",
    ),
    ends={"done": "a plane is recommended", "inconclusive": "", "not_carried_out": "", "interrupted": ""},
)
@click.argument("trace", type=PATH)
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    help="A target file that names its plane, or PLANE=URL, for example vm=http://10.0.0.5:8080. Give one of "
    "each. Without any: two planes on this machine.",
)
@slo_options
@click.option("--quick", is_flag=True, help="Take minutes instead of the better part of an hour.")
@click.option(
    "--simulate",
    is_flag=True,
    help="Run in virtual time, from the targets' [simulate] tables; nothing is sent.",
)
@click.option(
    "--fail",
    "commands",
    multiple=True,
    metavar="TARGET=COMMAND",
    help="Shell command that takes down an instance of that target, for example vm='ssh vm-1 sudo systemctl kill app'.",
)
@month_options
@click.option(
    "--answers",
    "answers_file",
    type=PATH,
    help="Answers to what no trace can tell: state in memory, sockets, local tools, compliance, upkeep (TOML).",
)
@click.option(
    "--ask",
    "is_asking",
    is_flag=True,
    help=f"Ask these questions first, one by one, and keep the answers in that file.  [default: {ANSWERS_FILE}]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Random seed.")
@workers_options
@read_only_option
@to_origin_option
@click.option(
    "--out",
    type=PATH,
    help="Output folder; an interrupted pilot found there is resumed.  [default: runs/...]",
)
@click.option(
    "--assumptions",
    "has_assumptions",
    is_flag=True,
    help="Also print every assumption and where it comes from.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the verdict as JSON on stdout, and nothing else there."
)
@click.pass_context
def pilot(
    ctx: click.Context,
    /,
    trace: Path,
    targets: tuple[str, ...],
    slos: tuple[str, ...],
    slo_files: tuple[Path, ...],
    quick: bool,
    simulate: bool,
    commands: tuple[str, ...],
    month: Calendar | None,
    requests_per_day: float | None,
    answers_file: Path | None,
    is_asking: bool,
    seed: int,
    workers: int,
    listen: str | None,
    cluster: str | None,
    read_only: bool,
    to_origin: bool,
    out: Path | None,
    has_assumptions: bool,
    as_json: bool,
) -> None:
    """Find out which plane fits TRACE: serverless, VMs or both; and leave a report with the reasons.

    Each plane gets representative traffic, bursts, idle and wake, long chains, a failure, and a search for its ceiling;
    then come what a month costs there, and where the bills cross.
    """
    if quick and simulate:
        raise click.UsageError("--quick and --simulate exclude each other: virtual time needs no hurry.")
    plan = SIMULATED if simulate else QUICK if quick else LIVE
    is_quiet = as_json and not sys.stderr.isatty()
    shape = shape_of(trace)
    answers = _answers(answers_file, is_asking=is_asking)
    dealt = dealt_options(workers, listen, cluster)
    if simulate and dealt.is_dealt:
        raise click.UsageError("--simulate sends nothing, so there is nothing for --workers to share.")
    with (
        aims_of(targets, shape, plan) as aims,
        open_view(is_quiet=True) as view,
        dealing_runs(dealt) as replay,
    ):
        bounds = read_slos(slos, slo_files, aims.slos) if slos or slo_files or aims.slos else []
        outcome = run_pilot(
            trace,
            aims.targets,
            bounds,
            shape,
            plan,
            RunOptions(knobs=Knobs(seed=seed), to_origin=to_origin, read_only=read_only),
            aims.fault(_commands(commands, aims.targets), plan),
            imagined=aims.imagined,
            told=Told(month, requests_per_day, answers),
            out=out,
            on_stage=_quiet if is_quiet else _say,
            on_progress=view.show,
            replay=replay,
        )
    verdict = outcome.verdict
    if verdict is None:
        conclusion = concluded(outcome.status)
        why = "interrupted" if conclusion == "interrupted" else broken_off(conclusion, outcome.broken_in)
        click.echo(f"replay: {why}. Resume with the same command and --out {outcome.directory}", err=True)
        ctx.exit(EXIT_CODES[conclusion])
    if as_json:
        print_json(verdict)
    shown = material_of(verdict, outcome.directory, outcome.material)
    where = leave_report(verdict, shown, outcome.directory)
    if not as_json:
        print_pilot(verdict, outcome.directory, has_assumptions=has_assumptions)
        click.echo(f"report: {where}")
    answer: Conclusion = "inconclusive" if verdict.verdict == "inconclusive" else "done"
    ctx.exit(EXIT_CODES[concluded(outcome.status, answer)])


def _answers(path: Path | None, *, is_asking: bool) -> Answers | None:
    """To what no trace can tell: asked now, or from a file, or none."""
    if is_asking:
        return ask(path or ANSWERS_FILE)
    return None if path is None else read_answers(path)


def _say(stage: Stage) -> None:
    click.echo(stage_line(stage.phase, stage.target, stage.number, stage.of, stage.left_s), err=True)


def _quiet(_: Stage) -> None:
    pass


def _commands(written: Sequence[str], aims: Sequence[Target]) -> dict[str, str]:
    """By target: what makes an instance of it go away."""
    commands: dict[str, str] = {}
    known = [aim.name for aim in aims]
    for text in written:
        name, equals, command = text.partition("=")
        if not equals or not command.strip() or name not in known:
            raise click.BadParameter(
                f"{text!r} is not TARGET=COMMAND with one of the targets {', '.join(known)}.",
                param_hint="'--fail'",
            )
        commands[name] = command
    return commands
