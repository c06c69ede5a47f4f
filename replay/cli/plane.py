"""`replay plane`: an execution plane on this machine."""

import ipaddress
import signal
import sys
from typing import NoReturn

import anyio
import click

from replay.cli.units import FACTOR
from replay.planes.modelled import modelled_server
from replay.planes.types import ServiceModel

_DEFAULTS = ServiceModel()
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130


@click.group()
def plane() -> None:
    """Run an execution plane on this machine."""


@plane.command()
@click.option("--modelled", is_flag=True, help="Answer every request after a modelled time.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one."
)
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Seed of the modelled times.")
@click.option(
    "--speed", type=FACTOR, default=_DEFAULTS.speed, show_default=True, help="Answer this many times as fast."
)
@click.option(
    "--error-rate",
    type=click.FloatRange(0.0, 1.0),
    default=_DEFAULTS.error_ratio,
    show_default=True,
    help="Answer this share of requests with 503.",
)
@click.pass_context
def serve(
    ctx: click.Context, modelled: bool, host: str, port: int, seed: int, speed: float, error_rate: float
) -> None:
    """Serve a target that needs nothing else, until it is interrupted.

    Example: replay plane serve --modelled --port 8080
    """
    if not modelled:
        _refuse(ctx, "say what to serve: --modelled answers every request after a modelled time.")
    address = _loopback(host)
    if address is None:
        _refuse(
            ctx,
            f"--host {host} is not a loopback address; this target is for this machine only. Use 127.0.0.1.",
        )
    service = ServiceModel(speed=speed, error_ratio=error_rate, seed=seed)
    try:
        stopped_by = anyio.run(
            _serve, service, address, port, backend_options={"use_uvloop": sys.platform != "win32"}
        )
    except OSError as error:
        _refuse(
            ctx, f"cannot listen on {host} port {port}: {error.strerror or error}. Try another --port, or 0."
        )
    ctx.exit(_EXIT_INTERRUPTED if stopped_by == signal.SIGINT else 0)


async def _serve(service: ServiceModel, host: str, port: int) -> signal.Signals:
    """Serve until a signal comes; returns it."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with modelled_server(service, host, port) as url:
            click.echo(f"listening on {url}", err=True)
            return await anext(aiter(signals))


def _loopback(host: str) -> str | None:
    """Return the loopback address that host stands for; None if it stands for any other."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return host if address.is_loopback else None


def _refuse(ctx: click.Context, why: str) -> NoReturn:
    click.echo(f"replay: {why}", err=True)
    ctx.exit(_EXIT_BAD_INPUT)
