"""SLOs on the command line: the options that take them, and reading them from there, from files and from targets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from replay.cli.paths import PATH
from replay.judge.measures.slo import Slo, parse_slo, parse_slo_file
from replay.judge.measures.slo_tokens import SloError
from replay.system.files import read_small

_SLO_FILE_BYTES = 1 << 20
_Command = TypeVar("_Command", bound=Callable[..., Any])


def slo_options(command: _Command) -> _Command:
    """`slos` and `slo_files`, for read_slos."""
    command = click.option(
        "--slo-file",
        "slo_files",
        multiple=True,
        type=PATH,
        help="A file with one SLO per line; # starts a comment.",
    )(command)
    return click.option(
        "--slo",
        "slos",
        multiple=True,
        metavar="SLO",
        help="A bound, for example 'p99 < 800ms', 'p95(ttft, llm) < 1.2s', 'errors < 0.1%'. May be repeated.  "
        "[default: the slo list of the target file]",
    )(command)


def read_slos(texts: tuple[str, ...], files: tuple[Path, ...], of_target: tuple[str, ...]) -> list[Slo]:
    """The SLOs of the command line and of files; those of the target file where neither is given."""
    found: list[Slo] = []
    option = "--slo"
    try:
        for text in texts or (() if files else of_target):
            found.append(parse_slo(text))
        option = "--slo-file"
        for file in files:
            found += parse_slo_file(_text(file), str(file))
    except SloError as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error
    if not found:
        raise click.UsageError("there is no SLO to judge by. Write one, for example --slo 'p99 < 800ms'.")
    return list(dict.fromkeys(found))


def _text(file: Path) -> str:
    try:
        return read_small(file, _SLO_FILE_BYTES).decode()
    except OSError as error:
        raise SloError(f"{file}: cannot be read ({(error.strerror or str(error)).lower()}).") from error
    except UnicodeDecodeError as error:
        raise SloError(f"{file}: is not UTF-8 text.") from error
