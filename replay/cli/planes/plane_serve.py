"""`replay plane serve`: an execution plane on this machine that answers requests."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import click

from replay.cli.command import Command
from replay.cli.paths import PATH
from replay.cli.planes.asked import Asked
from replay.cli.planes.recorded import left_out, told_at_the_end
from replay.cli.units import DURATION, FACTOR, Number, WholeNumber, typed_duration
from replay.errors import InputError
from replay.exit_codes import EXIT_CODES
from replay.http.control import TOKEN_HEADER, TOKEN_VARIABLE
from replay.planes.core.types import DRAIN_S, PENDING_LIMITS, PLATFORM_TIMEOUT_S, PlaneSpec
from replay.planes.modelled.distributions import parse_distribution
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.time_types import Distribution
from replay.planes.modelled.types import ModelSpec, ServiceModel
from replay.planes.profiles import PROFILES
from replay.planes.recorded.reading import read_recording
from replay.planes.recorded.recording import Recording
from replay.planes.serving.processes import CommandError
from replay.planes.serving.series import SeriesError
from replay.planes.serving.serving import plane_server
from replay.planes.serving.types import ProcessSpec
from replay.system.shortage import check_room_for_loop

_MODEL = ServiceModel()
_SPEC = PlaneSpec()
_PROCESS = ProcessSpec(command="-")
_DEPLOY_SIGNALS = (signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()


class _Time(click.ParamType[Distribution]):
    """A time or a distribution of times, in the short form."""

    name = "time|dist"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Distribution:
        if isinstance(value, Distribution):
            return value
        try:
            return parse_distribution(str(value))
        except ValueError as fault:
            self.fail(f"{fault}")


_TIME = _Time()


@click.command(
    cls=Command,
    parts={
        "Answer": ("modelled", "command", "trace", "host", "port"),
        "Plane": (
            "kind",
            "profile",
            "concurrency",
            "min_instances",
            "max_instances",
            "idle_lifetime",
            "pending_limit",
            "request_timeout",
            "router",
        ),
        "Instance": ("health_path", "boot_timeout", "grace", "drain"),
        "Model": (
            "boot",
            "service",
            "model_file",
            "startup_boost",
            "cpu_when_idle",
            "seed",
            "speed",
            "error_rate",
        ),
        "Output": ("tells", "control_port", "series"),
    },
    examples=(
        "replay plane serve --modelled --port 8080",
        "replay plane serve --modelled --boot lognormal:800ms,2s --service 120ms",
        "replay plane serve --command 'python -m app --port $PORT' \\\n    --concurrency 8 --max-instances 4 "
        "--idle-lifetime 30s",
        "replay plane serve --trace traces/support-agent.jsonl",
    ),
)
@click.option("--modelled", is_flag=True, help="Answer every request after a modelled time.")
@click.option(
    "--command", help="Shell command that starts an instance, for example 'python -m app --port $PORT'."
)
@click.option(
    "--trace",
    type=PATH,
    help="Answer every request as this trace has recorded it: status, times, tokens, sizes; without limits of a plane, "
    "unless options give it some.",
)
@click.option(
    "--plane",
    "kind",
    type=click.Choice(["serverless", "vm", "group"]),
    default=_SPEC.kind,
    show_default=True,
    help="serverless: instances come and go with requests. vm: --max-instances workers, always on. group: machines "
    "that scale with the load over minutes.",
)
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    help="Rules of a known platform; other options override them.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--concurrency",
    type=WholeNumber(0),
    default=_SPEC.concurrency,
    show_default=True,
    help="Requests that one instance handles at once; 0 for any number.",
)
@click.option(
    "--min-instances",
    type=WholeNumber(0),
    default=_SPEC.min_instances,
    show_default=True,
    help="Instances that are always on.",
)
@click.option(
    "--max-instances",
    type=WholeNumber(1),
    default=4,
    show_default=True,
    help="Most instances; with --plane vm, the number of workers.",
)
@click.option(
    "--idle-lifetime",
    type=DURATION,
    default=typed_duration(_SPEC.idle_lifetime_s),
    show_default=True,
    help="How long an instance stays up without requests.",
)
@click.option(
    "--pending-limit",
    type=click.Choice(list(PENDING_LIMITS)),
    help="How many requests wait for an instance, and how long.  [default: startup; for machines 2048, without limit]",
)
@click.option(
    "--request-timeout",
    type=DURATION,
    help=f"Answer 504 to a request after this.  [default: {typed_duration(PLATFORM_TIMEOUT_S)}; none for machines]",
)
@click.option(
    "--router",
    type=click.Choice(["most_recently_used", "least_loaded", "round_robin"]),
    default=_SPEC.router,
    show_default=True,
    help="How an instance is chosen for a request.",
)
@click.option(
    "--health-path",
    help="An instance is ready when this path answers 200 or 204.  [default: when its port accepts]",
)
@click.option(
    "--boot-timeout",
    type=DURATION,
    default=typed_duration(_PROCESS.boot_timeout_s),
    show_default=True,
    help="Give up on a boot after this.",
)
@click.option(
    "--grace",
    type=DURATION,
    default=typed_duration(_PROCESS.grace_s),
    show_default=True,
    help="Time from SIGTERM to SIGKILL.",
)
@click.option(
    "--drain",
    type=DURATION,
    help="How long requests may still run in an instance that is replaced or stopped.  "
    f"[default: {typed_duration(DRAIN_S)}; as long as they take with --plane group]",
)
@click.option(
    "--headers/--no-headers",
    "tells",
    default=True,
    show_default=True,
    help="Say in each response which instance served it, and whether it was cold.",
)
@click.option(
    "--control-port",
    type=WholeNumber(0, 65535),
    help="Serve /state and /metrics on this port, and /kill, /drain and /deploy to holders of the token, which "
    "is printed "
    f"unless the environment variable {TOKEN_VARIABLE} sets it; 0 takes a free port.",
)
@click.option(
    "--series",
    type=PATH,
    help="Append the state to this file, a line of JSON a second.",
)
@click.option(
    "--boot",
    type=_TIME,
    help="With --modelled: instances behind a gateway, with this boot time: 800ms, or lognormal:800ms,2s.",
)
@click.option(
    "--service",
    type=_TIME,
    help="With --modelled: instances behind a gateway, with this service time (of a stream: to its first token).",
)
@click.option(
    "--model",
    "model_file",
    type=PATH,
    help="With --modelled: instances behind a gateway, modelled by this TOML file: times, sharing, memory, faults.",
)
@click.option(
    "--startup-boost/--no-startup-boost",
    default=_SPEC.startup_boost,
    show_default=True,
    help="With --modelled: more CPU during the boot and for 10 s after it.",
)
@click.option(
    "--cpu-when-idle",
    type=click.Choice(["throttled", "full"]),
    default=_SPEC.cpu_when_idle,
    show_default=True,
    help="With --modelled: the CPU of an instance without requests.",
)
@click.option(
    "--seed",
    type=int,
    default=_MODEL.seed,
    show_default=True,
    help="With --modelled: random seed of the modelled times.",
)
@click.option(
    "--speed",
    type=FACTOR,
    default=_MODEL.speed,
    show_default=True,
    help="With --modelled: answer this many times as fast.",
)
@click.option(
    "--error-rate",
    type=Number(0.0, 1.0),
    default=_MODEL.error_ratio,
    show_default=True,
    help="With --modelled: answer this share with 503.",
)
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Serve a target until it is interrupted: modelled, recorded, or real processes that scale to zero.

    --modelled alone is one server without instances; with --boot, --service, --model or --plane it is a gateway
    with modelled instances, to which the options of planes apply. --trace answers from a recording, so that an
    application under test has its model and its tools; at the end it tells what was answered, and what was not found.
    SIGUSR1 begins a rolling deploy: each instance is replaced by one that boots, and ends with its last request.
    """
    asked = Asked(given=_given(ctx), **options)
    asked.refuse_contradictions()
    instances = asked.instances()
    recording = None if asked.trace is None else read_recording(asked.trace)
    if recording is not None and recording.bodies_left_out:
        click.echo(f"replay: {left_out(recording)}", err=True)
    check_room_for_loop()
    try:
        stopped_by = anyio.run(
            _until_signal, asked, instances, recording, backend_options={"use_uvloop": sys.platform != "win32"}
        )
    except (CommandError, SeriesError, ValueError) as error:
        raise InputError(f"{error}") from None
    if recording is not None:
        click.echo(told_at_the_end(recording), err=True)
    ctx.exit(EXIT_CODES["interrupted"] if stopped_by == signal.SIGINT else 0)


def _given(ctx: click.Context) -> frozenset[str]:
    """The names of the options that were typed."""
    is_default = click.core.ParameterSource.DEFAULT
    return frozenset(name for name in ctx.params if ctx.get_parameter_source(name) is not is_default)


async def _until_signal(
    asked: Asked, instances: ProcessSpec | ModelSpec | None, recording: Recording | None
) -> signal.Signals:
    """Serve until a signal says to stop, which is returned; one that says to deploy, and that can, does."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *_DEPLOY_SIGNALS) as signals:
        async with _served(asked, instances, recording) as (url, deploy):
            click.echo(f"listening on {url}", err=True)
            async for number in signals:
                if number not in _DEPLOY_SIGNALS:
                    return number
                if deploy is not None:
                    deploy()
    raise AssertionError("signals do not end")


@asynccontextmanager
async def _served(
    asked: Asked, instances: ProcessSpec | ModelSpec | None, recording: Recording | None
) -> AsyncIterator[tuple[str, Callable[[], None] | None]]:
    """The address that is served, and what begins a rolling deploy: None of a server without instances."""
    if instances is None:
        async with modelled_server(asked.service_model(), asked.address(), asked.port) as url:
            yield url, None
        return
    token = os.environ.get(TOKEN_VARIABLE) or None
    async with plane_server(
        asked.plane(),
        instances,
        asked.address(),
        asked.port,
        control_port=asked.control_port,
        control_token=token,
        tells=asked.tells,
        series=asked.series,
        recording=recording,
    ) as where:
        if where.control_url is not None:
            _tell_control(where.control_url, is_known=token is not None)
        yield where.url, where.deploy


def _tell_control(url: str, is_known: bool) -> None:
    """Say where the control address is, and how it takes orders; a token that the user knows is not shown."""
    plain, _, token = url.rpartition("/token-")
    if is_known:
        click.echo(f"control on {plain}", err=True)
        click.echo(
            f"  {plain}/state and /metrics are for all on this machine. POST /kill, /drain and /deploy need the header "
            f"{TOKEN_HEADER} with what {TOKEN_VARIABLE} holds.",
            err=True,
        )
        return
    click.echo(f"control on {url}", err=True)
    click.echo(
        f"  {plain}/state and /metrics are for all on this machine. To change the plane: curl -X POST {url}/kill (or "
        f"/drain, /deploy), or the header {TOKEN_HEADER}: {token}",
        err=True,
    )
