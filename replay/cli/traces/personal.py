"""`--redact-personal` and `--redact-names`, for commands that write a trace of what people sent."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from replay.cli.paths import PATH
from replay.trace.redaction.people import read_people
from replay.trace.redaction.personal import PersonalData

PERSONAL = "personal"
"""What `--redact` may say in place of `--redact-personal`."""

# In the environment: what makes the pseudonyms of several files agree. A shorter one could be guessed.
_KEY = "REPLAY_REDACT_KEY"
_SHORTEST_KEY_BYTES = 16

_Command = TypeVar("_Command", bound=Callable[..., Any])


def personal_options(command: _Command) -> _Command:
    redact_personal = click.option(
        "--redact-personal",
        is_flag=True,
        help="Replace e-mail and IP addresses, card and phone numbers, and IBANs, where their form gives them away, by "
        f"pseudonyms; those of files with the same {_KEY} in the environment agree.",
    )
    redact_names = click.option(
        "--redact-names",
        type=PATH,
        metavar="FILE",
        help="Do the same, and replace the names of people that FILE lists, one a line; whole words, in any case.",
    )
    return redact_personal(redact_names(command))


def redact_option(command: _Command) -> _Command:
    """`--redact personal`, as `trace record` takes it beside patterns."""
    return click.option("--redact", type=click.Choice([PERSONAL]), hidden=True)(command)


def personal_data(wanted: bool, names: Path | None) -> PersonalData | None:
    """What finds personal data, or the names alone were given for; None where nothing is to be taken out.

    Raises TraceError or click.UsageError.
    """
    if not wanted and names is None:
        return None
    key = os.environ.get(_KEY, "").encode("utf-8", "surrogateescape")
    if key and len(key) < _SHORTEST_KEY_BYTES:
        text = f"{_KEY} has {len(key)} bytes, and could be guessed by whoever has the trace"
        raise click.UsageError(f"{text}. Take at least {_SHORTEST_KEY_BYTES}, of a random generator.")
    return PersonalData(key or secrets.token_bytes(32), None if names is None else read_people(names))
