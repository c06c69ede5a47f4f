"""`replay coldstart`: cold starts of a run, or of a live target by probing it."""

import sys
from pathlib import Path

import click

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.options import dealt_options, output_options, workers_options
from replay.cli.paths import PATH
from replay.cli.units import DURATION_ABOVE_ZERO, PERCENT, WholeNumber, typed_duration
from replay.judge.cold.coldstart import judge_coldstart
from replay.live.working import working
from replay.report.terminal.load import print_coldstart
from replay.results.evidence import read_evidence
from replay.target.file import load_target
from replay.trace.redaction.requests import clean_path
from replay.trace.types import Request, Step
from replay.trials.coldstart.experiment import ProbePlan
from replay.trials.coldstart.probing import probe_coldstart
from replay.trials.evidence import verdict_left_in
from replay.words.numbers import percent, seconds

_PLAN = ProbePlan()


@click.command(
    cls=Command,
    parts={
        "Target": ("run_dir", "target", "path", "method"),
        "Probing": ("min_idle", "max_idle", "precision", "bursts", "yes"),
        "Workers": ("workers", "listen", "cluster"),
        "Output": ("out", "as_json"),
    },
    examples=(
        "replay coldstart --run runs/today",
        "replay coldstart -t http://127.0.0.1:8080 --max-idle 20s --burst 8",
    ),
)
@click.option("--run", "run_dir", metavar="DIR", type=PATH, help="Judge this run.")
@click.option("-t", "--target", help="Probe this target: a URL or a target file (TOML).")
@click.option("--path", default="/", show_default=True, help="Path that probes request.")
@click.option("--method", default="GET", show_default=True, help="Method of the probes.")
@click.option(
    "--min-idle",
    type=DURATION_ABOVE_ZERO,
    default=typed_duration(_PLAN.first_s),
    show_default=True,
    help="Shortest idle time to try.",
)
@click.option(
    "--max-idle",
    type=DURATION_ABOVE_ZERO,
    default=typed_duration(_PLAN.most_s),
    show_default=True,
    help="Longest idle time to try.",
)
@click.option(
    "--precision",
    type=PERCENT,
    default=percent(_PLAN.precision),
    show_default=True,
    help="Relative precision of the idle time found.",
)
@click.option(
    "--burst",
    "bursts",
    multiple=True,
    type=WholeNumber(2, 1000),
    help="Then wake it with this many requests at once. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Start without asking, however long it may take.")
@workers_options
@output_options
def coldstart(
    run_dir: Path | None,
    target: str | None,
    path: str,
    method: str,
    min_idle: float,
    max_idle: float,
    precision: float,
    bursts: tuple[int, ...],
    yes: bool,
    workers: int,
    listen: str | None,
    cluster: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say which steps of a run were cold starts and what they add, or find how long a target stays warm."""
    if (run_dir is None) == (target is None):
        raise click.UsageError("name a run with --run, or a target to probe with --target.")
    if min_idle > max_idle:
        raise click.UsageError(
            "--min-idle is the shortest idle time that is tried, and --max-idle the longest."
        )
    options = dealt_options(workers, listen, cluster)
    if run_dir is not None:
        hint_at_columns(run_dir)
        with verdict_left_in(out) as leave, working(f"judging {run_dir}", run_dir):
            verdict = judge_coldstart(read_evidence(run_dir))
            leave(verdict)
        directory: Path | None = run_dir
    else:
        assert target is not None
        aim = load_target(target)
        plan = ProbePlan(min_idle, max_idle, precision / 100, bursts)
        again = (
            ""
            if aim.cold_header
            else ", and longer where its answers vary so much that one has to be asked for again"
        )
        most = f"this takes at most {seconds(plan.most_wait_s)}; less, if it goes cold sooner{again}"
        click.echo(most, err=True)
        if plan.most_wait_s > 600 and not yes and sys.stdin.isatty():
            click.confirm("start?", default=True, abort=True, err=True)
        step = Step("probe", "http", f"{method} {clean_path(path)}", request=Request(method, path))
        verdict, directory = probe_coldstart(aim, step, plan, out=out, on_wait=_say, options=options)
    if as_json:
        print_json(verdict)
    else:
        print_coldstart(verdict, directory)


def _say(_: float, why: str) -> None:
    click.echo(f"  {why} ...", err=True)
