"""`replay ceiling`: the highest load that a target bears."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from replay.cli.documents import print_json
from replay.cli.options import options_from, output_options, run_options, safety_options
from replay.cli.slos import read_slos, slo_options
from replay.cli.units import DURATION, FACTOR, PERCENT
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.live.live import open_view
from replay.report.terminal.load import level_line, print_ceiling
from replay.target.file import load_target
from replay.trace.synthesis.presets import PRESETS
from replay.trials.aborting import replay_one
from replay.trials.ceiling import CeilingPlan, find_ceiling
from replay.trials.endings import concluded
from replay.trials.shapes import write_constant, write_preset

_PLAN = CeilingPlan()
_ANSWERS: dict[str, Conclusion] = {
    "found": "done",
    "at_least": "done",
    "not_reached": "fail",
    "inconclusive": "inconclusive",
}


@click.command()
@click.argument("trace", type=click.Path(path_type=Path), required=False)
@click.option("-t", "--target", required=True, help="A URL or a target file (TOML).")
@slo_options
@click.option(
    "--shape",
    type=click.Choice(["trace", "constant", *PRESETS]),
    default="trace",
    show_default=True,
    help="How sessions arrive: as in the trace, or evenly (without a TRACE: single requests for --path); or, without a "
    "TRACE, sessions of a preset of `replay trace synth`.",
)
@click.option(
    "--path", default="/", show_default=True, help="With --shape constant and no TRACE: what is asked for."
)
@click.option(
    "--from", "first", type=FACTOR, default=_PLAN.first_scale, show_default=True, help="The first load."
)
@click.option(
    "--most", type=FACTOR, default=_PLAN.most_scale, show_default=True, help="No load beyond this is tried."
)
@click.option(
    "--precision",
    type=PERCENT,
    default=f"{100 * _PLAN.precision:g}%",
    show_default=True,
    help="Of the bracket.",
)
@click.option(
    "--level",
    type=DURATION,
    default=f"{_PLAN.level_s:g}s",
    show_default=True,
    help="How long a load lasts at least.",
)
@click.option(
    "--budget", type=DURATION, default=f"{_PLAN.most_s:g}s", show_default=True, help="When the search is ended."
)
@click.option(
    "--recovery/--no-recovery", default=True, show_default=True, help="See how it recovers from an overload."
)
@run_options
@safety_options
@output_options
@click.pass_context
def ceiling(
    ctx: click.Context,
    /,
    trace: Path | None,
    target: str,
    slos: tuple[str, ...],
    slo_files: tuple[Path, ...],
    shape: str,
    path: str,
    first: float,
    most: float,
    precision: float,
    level: float,
    budget: float,
    recovery: bool,
    out: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Find the highest multiple of TRACE's arrivals at which the SLOs hold.

    Example: replay ceiling traces/support-agent.jsonl -t http://127.0.0.1:8080 --slo 'p99 < 800ms' --level 5s
    """
    if trace is None and shape == "trace":
        raise click.UsageError(
            f"name a TRACE, or ask for one of {', '.join(PRESETS)}, or for single requests, with --shape."
        )
    if trace is not None and shape in PRESETS:
        raise click.UsageError(f"--shape {shape} brings its own sessions; leave the TRACE out.")
    if chosen["duration"] is not None or chosen["repeat"]:
        raise click.UsageError(
            "how long a load lasts is said with --level, so --duration and --repeat do not apply."
        )
    aim = load_target(target)
    bounds = read_slos(slos, slo_files, aim.slo) if slos or slo_files or aim.slo else []
    plan = CeilingPlan(first, most, precision / 100, level, budget, recovery)
    with tempfile.TemporaryDirectory() as folder:
        if shape == "constant":
            trace = write_constant(Path(folder), trace, path)
        elif shape in PRESETS:
            trace = write_preset(Path(folder), shape)
        assert trace is not None
        is_quiet = as_json and not sys.stderr.isatty()
        with open_view(is_quiet=True) as view:
            outcome = find_ceiling(
                trace,
                aim,
                bounds,
                options_from(chosen),
                plan,
                out=out,
                on_progress=view.show,
                replay=partial(replay_one, aborts=chosen["aborts"]),
                on_level=None if is_quiet else lambda found: click.echo(level_line(found), err=True),
            )
    if as_json:
        print_json(outcome.verdict)
    else:
        print_ceiling(outcome.verdict, outcome.directory)
    ctx.exit(EXIT_CODES[concluded(outcome.status, _ANSWERS[outcome.verdict.verdict], ended=outcome.ended)])
