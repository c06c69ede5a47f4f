"""`replay init`: a target file and a CI job to begin with."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click
import msgspec

from replay.cli.command import Command
from replay.cli.paths import PATH, shown_folder
from replay.cli.setup.starters import JOBS, NEXT, PACKAGE, Ci, Wish, gate_command, job_text, target_text
from replay.cli.slos import read_slos
from replay.engine.types import Knobs, RunOptions
from replay.judge.measures.slo import Slo
from replay.results.forecast_types import Forecast
from replay.system.files import write_whole
from replay.target.auth import Auth
from replay.target.file import load_target
from replay.target.target import Plane, Target
from replay.trace.errors import shown_path
from replay.trace.redaction.shown_urls import shown_url
from replay.trials.forecasting import foresee_with_slos
from replay.words.phrases import counted

_TARGET_FILE = "target.toml"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# More copies of a short trace than this are another workload.
_MOST_SCALE = 1000


class _Plain(click.ParamType[str]):
    """Text that can stand in a file: of one line, and with nothing that a CI system would fill in."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or not value.isprintable():
            self.fail("is empty, or holds what cannot be printed.", param, ctx)
        if "${{" in value:
            self.fail("holds ${{, which a CI system would fill in.", param, ctx)
        return value


class _Variable(click.ParamType[str]):
    """The name of an environment variable."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _VARIABLE.fullmatch(value):
            self.fail(
                "has to be the name of an environment variable, such as STAGING_TOKEN; never give the secret itself.",
                param,
                ctx,
            )
        return value


_PLAIN = _Plain()


@click.command(
    cls=Command,
    examples=(
        "replay init https://staging.example.com --plane serverless",
        "replay init https://staging.example.com --token-env STAGING_TOKEN \\\n"
        "    --trace traces/support-agent.jsonl --slo 'p99 < 800ms' --ci github",
    ),
)
@click.argument("url", type=_PLAIN)
@click.option("--plane", type=click.Choice(get_args(Plane)), help="What execution plane it is.")
@click.option(
    "--slo", "slos", multiple=True, metavar="SLO", type=_PLAIN, help="A bound to hold it to. May be repeated."
)
@click.option(
    "--token-env",
    metavar="VARIABLE",
    type=_Variable(),
    help="The environment variable that holds a bearer token for it.",
)
@click.option("--trace", type=PATH, help="The trace that the CI job replays, in the folder or below it.")
@click.option(
    "--ci", type=click.Choice(list(JOBS)), help="Also write a job for this CI system, which gates by TRACE."
)
@click.option(
    "--package",
    type=_PLAIN,
    default=PACKAGE,
    show_default=True,
    help="What the job gives to pip install.",
)
@click.option(
    "--folder", type=PATH, default=".", show_default=True, help="Where to write: the root of your repository."
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def init(
    url: str,
    plane: str | None,
    slos: tuple[str, ...],
    token_env: str | None,
    trace: Path | None,
    ci: Ci | None,
    package: str,
    folder: Path,
    force: bool,
) -> None:
    """Write a target file for URL, and a CI job that replays a trace against it and gates by its SLOs.

    What is written was loaded and, with a trace, tried as a dry run before. Nothing is sent.
    """
    if ci is not None and (trace is None or not slos):
        raise click.UsageError("--ci needs the --trace that the job replays, and an --slo that it is to hold.")
    bounds = read_slos(slos, (), ()) if slos else ()
    wish = Wish(url, plane, slos, token_env, None if trace is None else _below(folder, trace), package=package)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{shown_url(url)} is not a URL: it has to begin with http:// or https://.")
    # What is wrong with the URL is said of the URL, not of a file that nobody has seen.
    load_target(url)
    target = _loaded(target_text(wish))
    if trace is not None:
        wish = wish._replace(scale=_scale(trace, target, bounds))
    texts = {folder / _TARGET_FILE: target_text(wish)}
    if ci is not None:
        texts[folder / JOBS[ci]] = job_text(wish, ci)
    _refuse_present(list(texts), force=force)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        click.echo(f"{shown_path(path)} written")
    if token_env is not None:
        click.echo(f"next: put a token into {token_env}, here and in the settings of your CI")
    if ci is not None:
        click.echo(f"next: {NEXT[ci]}")
        if package == PACKAGE:
            click.echo(
                "next: put where you keep agent-replay in the place of YOUR-ORG, or name it with --package"
            )
    where = "" if folder == Path() else f", in {shown_path(folder)}"
    click.echo(f"try it{where}: {gate_command(wish) if trace is not None and slos else _first_run(trace)}")


def _below(folder: Path, trace: Path) -> str:
    """The path of a trace as a job names it, which begins at the root of the repository."""
    try:
        return trace.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError as cause:
        raise click.UsageError(
            f"{shown_path(trace)} is not below {shown_folder(folder)}, so a job would not find it. Copy it there first."
        ) from cause


def _loaded(text: str) -> Target:
    """The target as it will be read. Raises TargetError."""
    with tempfile.TemporaryDirectory(prefix="replay-init-") as folder:
        path = Path(folder) / _TARGET_FILE
        write_whole(path, text)
        return load_target(str(path))


def _scale(trace: Path, target: Target, bounds: Sequence[Slo]) -> int:
    """How often each session has to be replayed for the SLOs to be settled at all. Raises what a dry run does."""
    # The token need not be here yet.
    target = msgspec.structs.replace(target, auth=Auth())

    def forecast(scale: int) -> Forecast:
        return foresee_with_slos(trace, target, RunOptions(knobs=Knobs(scale=scale)), bounds)

    scale = max((need.scale or 1 for need in forecast(1).needs), default=1)
    if scale > _MOST_SCALE:
        raise click.UsageError(
            f"{shown_path(trace)} has so few steps that the SLOs need {counted(scale, 'copy', 'copies')} of each "
            "session. Record more of them, or bound a lower percentile."
        )
    if scale > 1:
        forecast(scale)
    return scale


def _refuse_present(paths: Sequence[Path], *, force: bool) -> None:
    present = [shown_path(path) for path in paths if path.exists()]
    if present and not force:
        raise click.UsageError(f"{' and '.join(present)} would be replaced. Add --force to do that.")


def _first_run(trace: Path | None) -> str:
    return f"replay run {'TRACE' if trace is None else trace} -t {_TARGET_FILE} --check"
