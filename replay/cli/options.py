"""Options that several commands share, so that they mean the same everywhere."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from replay.cli.slos import ABORT
from replay.cli.units import DURATION, FACTOR, FACTOR_OR_ZERO, MONEY, RATIO
from replay.engine.types import Knobs, RunOptions
from replay.results.fidelity import LEAST_FIDELITY

_DEFAULTS = RunOptions()
_Command = TypeVar("_Command", bound=Callable[..., Any])

fidelity_option = click.option(
    "--least-fidelity",
    type=RATIO,
    default=LEAST_FIDELITY,
    show_default=True,
    help="How like the recording a replay has to be for its times to be judged; 0 judges them whatever it was.",
)

_RUN_OPTIONS = [
    click.option(
        "--timing",
        type=click.Choice(["causal", "recorded"]),
        default=_DEFAULTS.timing,
        show_default=True,
        help="causal: steps follow their parents' real responses. recorded: every step at its recorded time.",
    ),
    click.option(
        "--speed", type=FACTOR, default=1.0, show_default=True, help="Run everything this many times as fast."
    ),
    click.option(
        "--arrivals",
        type=FACTOR,
        default=1.0,
        show_default=True,
        help="Let sessions arrive this many times as fast.",
    ),
    click.option(
        "--think",
        type=FACTOR_OR_ZERO,
        default=1.0,
        show_default=True,
        help="Multiply think times (edge delays) by this.",
    ),
    click.option("--idle-cap", type=DURATION, help="Cut every delay to at most this, for example 30s."),
    click.option(
        "--scale",
        type=click.IntRange(1, 100_000),
        default=1,
        show_default=True,
        help="Replay each session this many times.",
    ),
    click.option(
        "--seed", type=int, default=1, show_default=True, help="Seed of everything random in the run."
    ),
    click.option(
        "--duration", type=DURATION, help="Send nothing later than this into the run, for example 60s."
    ),
    click.option(
        "--repeat", is_flag=True, help="Begin the trace again when it ends, until --duration is over."
    ),
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        help="A CSV file of users: each session takes a row, and {{row.NAME}} in a request is its column NAME.",
    ),
    click.option(
        "--data-order",
        type=click.Choice(["sequential", "random"]),
        default=_DEFAULTS.data_order,
        show_default=True,
        help="Take the rows in the order of the file, or in one drawn by --seed.",
    ),
    click.option(
        "--references/--no-references",
        default=True,
        help="Fill in {{copy}}, {{session}}, {{uuid}}, {{now}} and {{row.NAME}} in requests, or send them as they are.",
    ),
    click.option("--sessions", type=click.IntRange(1), help="Replay only the first so many sessions."),
    click.option(
        "--max-in-flight",
        type=click.IntRange(1),
        help="Have at most so many steps in flight; the rest wait, and the wait is charged.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["continue", "skip-rest"]),
        default=_DEFAULTS.on_error,
        show_default=True,
        help="After a failed step: go on with the session, or leave the rest of it unsent.",
    ),
    click.option(
        "--late",
        type=click.Choice(["catch-up", "skip"]),
        default=_DEFAULTS.late,
        show_default=True,
        help="A step found late: send it at once and charge the lateness, or leave it unsent.",
    ),
    click.option(
        "--late-limit",
        type=DURATION,
        default="100ms",
        show_default=True,
        help="With --late skip: how late is too late.",
    ),
    click.option(
        "--warmup",
        type=DURATION,
        default="0s",
        show_default=True,
        help="Mark the steps of this first part as warm-up.",
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
    "--to-origin", is_flag=True, help="Replay even against a target where the trace was recorded."
)
read_only_option = click.option(
    "--read-only",
    is_flag=True,
    help="Send GET, HEAD, OPTIONS and TRACE only; let all else, model calls too, be a wait of its recorded length.",
)
budget_option = click.option(
    "--budget",
    type=MONEY,
    help="End the run, as failed, before its model calls cost more than this by the target's [cost], for example 5USD.",
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
        help="End the run, as failed, once this holds, for example 'errors > 20% over 10s'. May be repeated.",
    ),
]

_OUTPUT_OPTIONS = [
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="The run directory.  [default: runs/<UTC time>-<trace>-<target>]",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout, and nothing else there."
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


answers_option = click.option(
    "--answers",
    type=click.Choice(["shape", "values"]),
    is_flag=False,
    flag_value="shape",
    help="Look at answers too: status, size, the shape of JSON, finish reasons, tool names. Nothing that they say is "
    "recorded; with `values`, digests by a key that is not. Put it last, or say which: --answers shape.",
)


def options_from(chosen: dict[str, Any]) -> RunOptions:
    """The options of a run from what `run_options` gave a command."""
    if chosen["repeat"] and chosen["duration"] is None:
        raise click.UsageError("--repeat goes on for ever; say until when with --duration, for example 10m.")
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
    )


def _with(options: Sequence[Callable[[Any], Any]], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def personal_option(command: _Command) -> _Command:
    """`--redact-personal`, for what writes a trace of what people sent."""
    return click.option(
        "--redact-personal",
        is_flag=True,
        help="Replace e-mail addresses, card and phone numbers, and IBANs, as far as their form tells them.",
    )(command)
