"""`replay run`: replay one trace against one target."""

import sys
from pathlib import Path

import click
import msgspec

from replay.cli.units import DURATION, FACTOR, FACTOR_OR_ZERO
from replay.engine.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.report.live import open_view
from replay.report.terminal import print_dry_run, print_summary
from replay.target import load_target

_DEFAULTS = RunOptions()


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("-t", "--target", required=True, help="A URL or a target file (TOML).")
@click.option(
    "--timing",
    type=click.Choice(["causal", "recorded"]),
    default=_DEFAULTS.timing,
    show_default=True,
    help="causal: steps follow their parents' real responses. recorded: every step at its recorded time.",
)
@click.option(
    "--speed", type=FACTOR, default=1.0, show_default=True, help="Run everything this many times as fast."
)
@click.option(
    "--arrivals",
    type=FACTOR,
    default=1.0,
    show_default=True,
    help="Let sessions arrive this many times as fast.",
)
@click.option(
    "--think",
    type=FACTOR_OR_ZERO,
    default=1.0,
    show_default=True,
    help="Multiply think times (edge delays) by this.",
)
@click.option("--idle-cap", type=DURATION, help="Cut every delay to at most this, for example 30s.")
@click.option(
    "--scale",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Replay each session this many times.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of everything random in the run.")
@click.option("--duration", type=DURATION, help="Send nothing later than this into the run, for example 60s.")
@click.option("--sessions", type=click.IntRange(1), help="Replay only the first so many sessions.")
@click.option(
    "--max-in-flight",
    type=click.IntRange(1),
    help="Have at most so many steps in flight; the rest wait, and the wait is charged.",
)
@click.option(
    "--on-error",
    type=click.Choice(["continue", "skip-rest"]),
    default=_DEFAULTS.on_error,
    show_default=True,
    help="After a failed step: go on with the session, or leave the rest of it unsent.",
)
@click.option(
    "--late",
    type=click.Choice(["catch-up", "skip"]),
    default=_DEFAULTS.late,
    show_default=True,
    help="A step found late: send it at once and charge the lateness, or leave it unsent.",
)
@click.option(
    "--late-limit",
    type=DURATION,
    default="100ms",
    show_default=True,
    help="With --late skip: how late is too late.",
)
@click.option(
    "--warmup",
    type=DURATION,
    default="0s",
    show_default=True,
    help="Mark the steps of this first part as warm-up.",
)
@click.option(
    "--grace",
    type=DURATION,
    default="5s",
    show_default=True,
    help="After Ctrl-C: wait this long for responses in flight.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run directory.  [default: runs/<UTC time>-<trace>-<target>]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout, and nothing else there."
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    trace: Path,
    target: str,
    timing: str,
    speed: float,
    arrivals: float,
    think: float,
    idle_cap: float | None,
    scale: int,
    seed: int,
    duration: float | None,
    sessions: int | None,
    max_in_flight: int | None,
    on_error: str,
    late: str,
    late_limit: float,
    warmup: float,
    grace: float,
    out: Path | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Replay TRACE against a target at precise times, and record every latency.

    Example: replay run traces/support-agent.jsonl --target http://127.0.0.1:8080 --speed 4
    """
    options = RunOptions(
        timing=timing,  # type: ignore[arg-type]
        knobs=Knobs(speed, arrivals, think, idle_cap, scale, seed),
        duration_s=duration,
        sessions=sessions,
        max_in_flight=max_in_flight,
        on_error=on_error,  # type: ignore[arg-type]
        late=late,  # type: ignore[arg-type]
        late_limit_s=late_limit,
        warmup_s=warmup,
        grace_s=grace,
    )
    aim = load_target(target)
    if dry_run:
        forecast = foresee(trace, aim, options)
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(forecast)).decode())
        else:
            print_dry_run(forecast)
        return
    with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
        outcome = replay_trace(trace, aim, options, out, view.show)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(outcome.summary)).decode())
    else:
        print_summary(outcome.summary, outcome.directory)
    ctx.exit({"finished": 0, "interrupted": 130}.get(outcome.summary.status, 4))
