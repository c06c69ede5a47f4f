"""`replay ceiling`: the highest load that a target bears."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.options import (
    REPLAYING,
    options_from,
    output_options,
    run_options,
    safety_options,
    workers_options,
)
from replay.cli.paths import PATH
from replay.cli.slos import read_slos, slo_options
from replay.cli.units import DURATION_ABOVE_ZERO, FACTOR, PERCENT, typed_duration
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.live.live import open_view
from replay.report.terminal.load import level_line, print_ceiling
from replay.target.file import load_target, mcp_server
from replay.trace.synthesis.presets import PRESETS
from replay.trials.aborting import keeping_workers, replay_one
from replay.trials.bounds import check_slos
from replay.trials.ceiling import CeilingPlan, find_ceiling
from replay.trials.endings import concluded
from replay.trials.shapes import write_calls, write_constant, write_preset
from replay.words.numbers import percent

_PLAN = CeilingPlan()
_ANSWERS: dict[str, Conclusion] = {
    "found": "done",
    "at_least": "done",
    "not_reached": "fail",
    "inconclusive": "inconclusive",
}


def _members(arguments: str) -> bytes:
    """The arguments of a tool, on one line."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise click.UsageError(
            '--arguments is not a JSON object; quote it for the shell: --arguments \'{"q": "x"}\'.'
        ) from None


@click.command(
    cls=Command,
    parts={
        "Target": REPLAYING["Target"],
        "Search": (
            "shape",
            "path",
            "tool",
            "arguments",
            "first",
            "most",
            "precision",
            "level",
            "budget",
            "recovery",
        ),
        **REPLAYING,
    },
    examples=(
        "replay ceiling traces/support-agent.jsonl -t http://127.0.0.1:8080 \\\n    --slo 'p99 < 800ms' --level 5s",
        "replay ceiling --shape constant --path /health -t targets/staging.toml",
        'replay ceiling --mcp http://127.0.0.1:8080/mcp --tool search \\\n    --arguments \'{"q": "x"}\'',
    ),
    ends={
        "done": "the ceiling was found, or lies above --most",
        "fail": "the lowest load breaks the SLOs already",
        "inconclusive": "",
        "not_carried_out": "",
        "interrupted": "",
    },
)
@click.argument("trace", type=PATH, required=False)
@click.option("-t", "--target", help="A URL or a target file (TOML).")
@click.option("--mcp", metavar="URL", help="Instead of a target: the URL of an MCP server, with --tool.")
@slo_options
@click.option(
    "--shape",
    type=click.Choice(["trace", "constant", *PRESETS]),
    default="trace",
    show_default=True,
    help="How sessions arrive: as in the trace, or evenly (without a TRACE: single requests to --path); or, without a "
    "TRACE, sessions of a preset of `replay trace synth`.",
)
@click.option(
    "--path", default="/", show_default=True, help="With --shape constant and no TRACE: the path requested."
)
@click.option("--tool", help="Without a TRACE: sessions that call this tool of an MCP server ten times.")
@click.option("--arguments", metavar="JSON", help="With --tool: its arguments, an object.  [default: {}]")
@click.option(
    "--from",
    "first",
    type=FACTOR,
    default=_PLAN.first_scale,
    show_default=True,
    help="First load to try, as a multiple of the trace's.",
)
@click.option("--most", type=FACTOR, default=_PLAN.most_scale, show_default=True, help="Highest load to try.")
@click.option(
    "--precision",
    type=PERCENT,
    default=percent(_PLAN.precision),
    show_default=True,
    help="Relative precision of the ceiling.",
)
@click.option(
    "--level",
    type=DURATION_ABOVE_ZERO,
    default=typed_duration(_PLAN.level_s),
    show_default=True,
    help="Least duration of each load.",
)
@click.option(
    "--budget",
    type=DURATION_ABOVE_ZERO,
    default=typed_duration(_PLAN.most_s),
    show_default=True,
    help="Longest duration of the whole search.",
)
@click.option(
    "--recovery/--no-recovery",
    default=True,
    show_default=True,
    help="Also measure how the target recovers from an overload.",
)
@run_options
@workers_options
@safety_options
@output_options
@click.pass_context
def ceiling(
    ctx: click.Context,
    /,
    trace: Path | None,
    target: str | None,
    mcp: str | None,
    slos: tuple[str, ...],
    slo_files: tuple[Path, ...],
    shape: str,
    path: str,
    tool: str | None,
    arguments: str | None,
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
    """Find the highest multiple of TRACE's arrivals at which the SLOs hold."""
    if (target is None) == (mcp is None):
        raise click.UsageError("name the target with -t, or an MCP server with --mcp.")
    if tool is None and (mcp is not None or arguments is not None):
        raise click.UsageError("name the tool that is to be called with --tool.")
    if tool is not None and (trace is not None or shape != "trace"):
        raise click.UsageError("--tool brings its own sessions; leave the TRACE and --shape out.")
    if trace is None and tool is None and shape == "trace":
        raise click.UsageError(
            f"name a TRACE, or ask for one of {', '.join(PRESETS)}, or for single requests, with --shape."
        )
    if trace is not None and shape in PRESETS:
        raise click.UsageError(f"--shape {shape} brings its own sessions; leave the TRACE out.")
    if chosen["duration"] is not None or chosen["repeat"]:
        raise click.UsageError(
            "the duration of a load is set by --level, so --duration and --repeat do not apply."
        )
    aim = mcp_server(mcp) if mcp is not None else load_target(target or "")
    bounds = read_slos(slos, slo_files, aim.slo) if slos or slo_files or aim.slo else []
    plan = CeilingPlan(
        first_scale=first,
        most_scale=most,
        precision=precision / 100,
        level_s=level,
        most_s=budget,
        shows_recovery=recovery,
    )
    with tempfile.TemporaryDirectory() as folder:
        if tool is not None:
            trace = write_calls(Path(folder), tool, _members(arguments or "{}"))
        elif shape == "constant":
            trace = write_constant(Path(folder), trace, path)
        elif shape in PRESETS:
            trace = write_preset(Path(folder), shape)
        assert trace is not None
        check_slos(bounds, trace, has_baseline=False)
        is_quiet = as_json and not sys.stderr.isatty()
        options = options_from(chosen)
        with open_view(is_quiet=True) as view, keeping_workers(options) as crew:
            outcome = find_ceiling(
                trace,
                aim,
                bounds,
                options,
                plan,
                out=out,
                on_progress=view.show,
                replay=partial(replay_one, aborts=chosen["aborts"], crew=crew),
                on_level=None if is_quiet else lambda found: click.echo(level_line(found), err=True),
            )
    if as_json:
        print_json(outcome.verdict)
    else:
        print_ceiling(outcome.verdict, outcome.directory)
    ctx.exit(EXIT_CODES[concluded(outcome.status, _ANSWERS[outcome.verdict.verdict], ended=outcome.ended)])
