"""`replay pilot`: every experiment on every plane, and which of them fits."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from replay.choice.questionnaire import Answers
from replay.cli.asking import ANSWERS_FILE, ask
from replay.cli.documents import print_json
from replay.cli.options import read_only_option, to_origin_option
from replay.cli.pilot_report import material_of
from replay.cli.planes.months import month_options
from replay.cli.slos import read_slos, slo_options
from replay.engine.types import Knobs, RunOptions
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.live.live import open_view
from replay.money.calendar import Calendar
from replay.report.pilot_files import leave_report
from replay.report.terminal.pilot import print_pilot, stage_line
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.target import Target
from replay.trials.endings import broken_off, concluded
from replay.trials.pilot.answers import read_answers
from replay.trials.pilot.carrying import Stage
from replay.trials.pilot.embedded import embedded_targets, served
from replay.trials.pilot.faults import Commands, Fault, KillInstance
from replay.trials.pilot.judging import Told
from replay.trials.pilot.trial import check_targets, run_pilot
from replay.trials.pilot.workload.phases import LIVE, QUICK, SIMULATED, Plan
from replay.trials.pilot.workload.shape import Shape, shape_of

_PLANES = ("serverless", "vm", "hybrid")


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    help="A target file that says what plane it is, or PLANE=URL, for example vm=http://10.0.0.5:8080. Name one of "
    "each. Without any: two planes of this machine.",
)
@slo_options
@click.option("--quick", is_flag=True, help="Minutes instead of the better part of an hour.")
@click.option(
    "--simulate", is_flag=True, help="In virtual time, from the targets' [simulate] tables: nothing is sent."
)
@click.option(
    "--fail",
    "commands",
    multiple=True,
    metavar="TARGET=COMMAND",
    help="What makes an instance of that target go away, for example vm='ssh vm-1 sudo systemctl kill app'.",
)
@month_options
@click.option(
    "--answers",
    "answers_file",
    type=click.Path(path_type=Path),
    help="Answers to what no trace can tell: state in memory, sockets, local tools, compliance, upkeep (TOML).",
)
@click.option(
    "--ask",
    "is_asking",
    is_flag=True,
    help=f"Ask for them first, one by one, and keep them in that file.  [default: {ANSWERS_FILE}]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything random in it.")
@read_only_option
@to_origin_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Its folder. One that holds a pilot that was interrupted: go on with that.  [default: runs/...]",
)
@click.option(
    "--assumptions", "has_assumptions", is_flag=True, help="Also print all that was assumed, and where from."
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
    read_only: bool,
    to_origin: bool,
    out: Path | None,
    has_assumptions: bool,
    as_json: bool,
) -> None:
    """Find out which plane fits TRACE: serverless, VMs or both. Leaves a report with the reasons.

    \b
    Representative traffic, bursts, idle and wake, long chains, a failure, and the ceiling, on each plane; what a month
    costs there, and where the bills cross.

    \b
    Examples:
      replay pilot traces/support-agent.jsonl --quick --month office-hours
      replay pilot traces/support-agent.jsonl -t targets/cloud-run.toml -t targets/vm.toml --slo 'p95 < 3s'
    """
    if quick and simulate:
        raise click.UsageError("--quick and --simulate exclude each other: virtual time needs no hurry.")
    plan = SIMULATED if simulate else QUICK if quick else LIVE
    is_quiet = as_json and not sys.stderr.isatty()
    shape = shape_of(trace)
    answers = _answers(answers_file, is_asking=is_asking)
    with _aims(targets, shape, plan) as (aims, imagined), open_view(is_quiet=True) as view:
        named = tuple(dict.fromkeys(text for aim in aims for text in aim.slo))
        bounds = read_slos(slos, slo_files, named) if slos or slo_files or named else []
        outcome = run_pilot(
            trace,
            aims,
            bounds,
            shape,
            plan,
            RunOptions(knobs=Knobs(seed=seed), to_origin=to_origin, read_only=read_only),
            _fault(commands, aims, plan, are_ours=not targets),
            imagined=imagined,
            told=Told(month, requests_per_day, answers),
            out=out,
            on_stage=_quiet if is_quiet else _say,
            on_progress=view.show,
        )
    verdict = outcome.verdict
    if verdict is None:
        conclusion = concluded(outcome.status)
        why = "interrupted" if conclusion == "interrupted" else broken_off(conclusion, outcome.broken_in)
        click.echo(f"replay: {why}. Go on with the same command and --out {outcome.directory}", err=True)
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


@contextmanager
def _aims(named: Sequence[str], shape: Shape, plan: Plan) -> Iterator[tuple[list[Target], list[Target]]]:
    """The targets, and the same as planes to be simulated where a live pilot has use for them."""
    if not named:
        ours = embedded_targets(shape.workload, plan.how)
        if plan.how == "simulated":
            yield ours, []
            return
        with served(ours) as serving:
            yield serving, embedded_targets(shape.workload, "simulated")
        return
    aims = [_named(target) for target in named]
    check_targets(aims)
    if plan.how == "simulated":
        for aim in aims:
            if aim.simulate is None:
                raise TargetError(f"{aim.name}: has no [simulate] table, so it cannot be simulated. Add one.")
    yield aims, []


def _named(written: str) -> Target:
    """`serverless=URL` or `vm=FILE` says what plane it is; else the file does."""
    found = re.fullmatch(rf"({'|'.join(_PLANES)})=(.+)", written)
    if found is None:
        return load_target(written)
    target = load_target(found[2])
    name = found[1] if "://" in found[2] else target.name
    return msgspec.structs.replace(target, plane=found[1], name=name)


def _fault(written: Sequence[str], aims: Sequence[Target], plan: Plan, *, are_ours: bool) -> Fault:
    """What makes instances go away: ours and simulated ones die, others by the user's commands."""
    if not written:
        return KillInstance(plan.how) if are_ours or plan.how == "simulated" else Commands({})
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
    return Commands(commands)
