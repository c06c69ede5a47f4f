"""Options that several commands share, so that they mean the same everywhere."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from replay.cli.command import Parts
from replay.cli.paths import PATH
from replay.cli.units import ABORT, DURATION, FACTOR, FACTOR_OR_ZERO, MONEY, RATIO, WORKERS, WholeNumber
from replay.engine.types import Knobs, RunOptions
from replay.results.fidelity import LEAST_FIDELITY

_DEFAULTS = RunOptions()
_Command = TypeVar("_Command", bound=Callable[..., Any])

fidelity_option = click.option(
    "--least-fidelity",
    type=RATIO,
    default=LEAST_FIDELITY,
    show_default=True,
    help="How faithful to the recording a replay must be for its times to be judged; 0 always judges them.",
)

REPLAYING: Parts = {
    "Target": ("target", "mcp", "targets", "run_dir", "run_dirs", "recorded", "aa", "mode", "phase"),
    "Load": (
        "arrivals",
        "scale",
        "sessions",
        "duration",
        "repeat",
        "data",
        "data_order",
        "references",
        "seed",
        "max_in_flight",
        "workers",
        "listen",
        "cluster",
    ),
    "Time": ("timing", "speed", "think", "idle_cap", "late", "late_limit", "warmup", "grace"),
    "Verdict": (
        "slos",
        "slo_files",
        "baselines",
        "any_baseline",
        "keep",
        "keep_last",
        "early",
        "metric",
        "margin",
        "confidence",
        "least_fidelity",
        "strict",
        "answers",
        "answers_margin",
        "answers_again",
        "fail_if_different",
        "fail_if_slower",
    ),
    "Safety": ("is_check", "dry_run", "read_only", "to_origin", "on_error", "aborts", "budget"),
    "Fault": ("commands", "faults"),
    "Output": ("out", "as_json", "junit", "markdown"),
}
"""How the options of a command that replays a trace are grouped in its help."""

_RUN_OPTIONS = [
    click.option(
        "--timing",
        type=click.Choice(["causal", "recorded"]),
        default=_DEFAULTS.timing,
        show_default=True,
        help="causal: steps follow their parents' real responses. recorded: every step at its recorded time.",
    ),
    click.option(
        "--speed",
        type=FACTOR,
        default=1.0,
        show_default=True,
        help="Replay everything this many times as fast.",
    ),
    click.option(
        "--arrivals",
        type=FACTOR,
        default=1.0,
        show_default=True,
        help="Start sessions this many times as fast.",
    ),
    click.option(
        "--think",
        type=FACTOR_OR_ZERO,
        default=1.0,
        show_default=True,
        help="Multiply think times (edge delays) by this.",
    ),
    click.option("--idle-cap", type=DURATION, help="Shorten longer delays to this, for example 30s."),
    click.option(
        "--scale",
        type=WholeNumber(1, 100_000),
        default=1,
        show_default=True,
        help="Replay each session this many times.",
    ),
    click.option(
        "--seed", type=int, default=1, show_default=True, help="Seed of everything random in the run."
    ),
    click.option("--duration", type=DURATION, help="Stop sending after this long, for example 60s."),
    click.option("--repeat", is_flag=True, help="Start the trace over when it ends, until --duration is over."),
    click.option(
        "--data",
        type=PATH,
        help="A CSV file of users: each session takes a row, and {{row.NAME}} in a request is its column NAME.",
    ),
    click.option(
        "--data-order",
        type=click.Choice(["sequential", "random"]),
        default=_DEFAULTS.data_order,
        show_default=True,
        help="Take the rows in file order, or in an order drawn by --seed.",
    ),
    click.option(
        "--references/--no-references",
        default=True,
        help="Fill in {{copy}}, {{session}}, {{uuid}}, {{now}} and {{row.NAME}} in requests, or send them as they are.",
    ),
    click.option("--sessions", type=WholeNumber(1), help="Replay only this many sessions, the first ones."),
    click.option(
        "--max-in-flight",
        type=WholeNumber(1),
        help="Have at most this many steps in flight; the others wait, and their wait counts as response time.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["continue", "skip-rest"]),
        default=_DEFAULTS.on_error,
        show_default=True,
        help="After a failed step: continue the session, or leave the rest of it unsent.",
    ),
    click.option(
        "--late",
        type=click.Choice(["catch-up", "skip"]),
        default=_DEFAULTS.late,
        show_default=True,
        help="When a step is late: send it at once and count the lateness, or leave it unsent.",
    ),
    click.option(
        "--late-limit",
        type=DURATION,
        default="100ms",
        show_default=True,
        help="With --late skip: leave steps unsent that are later than this.",
    ),
    click.option(
        "--warmup",
        type=DURATION,
        default="0s",
        show_default=True,
        help="Mark the steps of this first part of the run as warm-up.",
    ),
    click.option(
        "--grace",
        type=DURATION,
        default="5s",
        show_default=True,
        help="After Ctrl-C: wait this long for responses in flight.",
    ),
]

to_origin_option = click.option(
    "--to-origin", is_flag=True, help="Replay even against the place where the trace was recorded."
)
read_only_option = click.option(
    "--read-only",
    is_flag=True,
    help="Send only GET, HEAD, OPTIONS and TRACE; all other steps, model calls too, become waits of their "
    "recorded length.",
)
budget_option = click.option(
    "--budget",
    type=MONEY,
    help="End the run, as a fail, before its model calls cost more than this by the target's [cost], for example 5USD.",
)
_SAFETY_OPTIONS = [
    read_only_option,
    to_origin_option,
    click.option(
        "--abort",
        "aborts",
        multiple=True,
        type=ABORT,
        metavar="'SLO over WINDOW'",
        help="End the run, as a fail, as soon as this holds, for example 'errors > 20% over 10s'. May be repeated.",
    ),
]

_OUTPUT_OPTIONS = [
    click.option(
        "--out",
        type=PATH,
        help="The run directory.  [default: runs/<UTC time>-<trace>-<target>]",
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON document on stdout, and nothing else there: a run's summary, or the verdict.",
    ),
]


def run_options(command: _Command) -> _Command:
    """How a trace is replayed. The command takes them as `**chosen`, for `options_from`."""
    return _with(_RUN_OPTIONS, command)


def safety_options(command: _Command) -> _Command:
    """What keeps a replay from doing harm, for commands that send one; options_from takes them, but for `aborts`."""
    return _with(_SAFETY_OPTIONS, command)


def output_options(command: _Command) -> _Command:
    """Where the result goes: `out` and `as_json`."""
    return _with(_OUTPUT_OPTIONS, command)


_WORKERS_OPTIONS = [
    click.option(
        "--workers",
        type=WORKERS,
        default=1,
        show_default=True,
        help="Deal the sessions to this many processes, or auto: one for each core but one.",
    ),
    click.option(
        "--listen",
        metavar="HOST:PORT",
        help="Wait here for the workers, which are `replay worker` on other machines; REPLAY_CLUSTER_TOKEN holds the "
        "secret that all share.",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Have the workers on those of a Dask cluster; the address of its scheduler, for example "
        "tcp://scheduler:8786 (extra: cluster).",
    ),
]


def workers_options(command: _Command) -> _Command:
    """How many processes a run is dealt to, and where they are."""
    return _with(_WORKERS_OPTIONS, command)


answers_option = click.option(
    "--answers",
    type=click.Choice(["shape", "values"]),
    is_flag=False,
    flag_value="shape",
    help="Compare answers too: status, size, structure of JSON, finish reasons, tool names. Their content is not "
    "recorded; `values` adds keyed digests of it. Put it last, or name the choice: --answers shape.",
)


def dealt_options(workers: int, listen: str | None, cluster: str | None) -> RunOptions:
    """The usual options of a run that so many workers do, from what `workers_options` gave a command."""
    if listen is not None and cluster is not None:
        raise click.UsageError("--listen waits for workers and --cluster starts them: choose one of them.")
    return RunOptions(workers=workers, listen=listen, cluster=cluster)


def options_from(chosen: dict[str, Any]) -> RunOptions:
    """The options of a run from what `run_options` gave a command."""
    if chosen["repeat"] and chosen["duration"] is None:
        raise click.UsageError("--repeat repeats without end; set an end with --duration, for example 10m.")
    dealt = dealt_options(chosen.get("workers", 1), chosen.get("listen"), chosen.get("cluster"))
    if chosen["data"] is not None and not chosen["references"]:
        raise click.UsageError("--data gives values to references, and --no-references leaves them alone.")
    return RunOptions(
        timing=chosen["timing"],
        knobs=Knobs(
            speed=chosen["speed"],
            arrivals=chosen["arrivals"],
            think=chosen["think"],
            idle_cap_s=chosen["idle_cap"],
            scale=chosen["scale"],
            seed=chosen["seed"],
        ),
        duration_s=chosen["duration"],
        sessions=chosen["sessions"],
        max_in_flight=chosen["max_in_flight"],
        on_error=chosen["on_error"],
        late=chosen["late"],
        late_limit_s=chosen["late_limit"],
        warmup_s=chosen["warmup"],
        grace_s=chosen["grace"],
        repeat=chosen["repeat"],
        references=chosen["references"],
        data=None if chosen["data"] is None else str(chosen["data"]),
        data_order=chosen["data_order"],
        to_origin=chosen.get("to_origin", False),
        read_only=chosen.get("read_only", False),
        budget=chosen.get("budget"),
        workers=dealt.workers,
        listen=dealt.listen,
        cluster=dealt.cluster,
    )


def _with(options: Sequence[Callable[[Any], Any]], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command
