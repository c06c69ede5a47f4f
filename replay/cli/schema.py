"""`replay schema`: the JSON Schema of a file."""

import difflib
from pathlib import Path

import click

from replay.cli.command import Command
from replay.cli.documents import as_json, print_json
from replay.cli.paths import PATH
from replay.keys import quoted
from replay.schemas.files import FILES
from replay.schemas.making import schema_of
from replay.system.files import write_whole


@click.command(cls=Command, examples=("replay schema steps", "replay schema summary -o summary.schema.json"))
@click.argument("name", metavar="[NAME]", required=False)
@click.option("-o", "--out", type=PATH, help="Write it to this file instead of stdout.")
def schema(name: str | None, out: Path | None) -> None:
    """Print the JSON Schema (2020-12) of the file NAME, with what each field means; without NAME, list the names.

    For a file in JSON Lines it is the schema of each line.
    """
    if name is None:
        if out is not None:
            raise click.UsageError("-o needs the NAME of a file.")
        width = max(map(len, FILES))
        for known, file in FILES.items():
            click.echo(f"{known.ljust(width)}  {file.title}")
        return
    if name not in FILES:
        raise click.UsageError(f"no schema is called {quoted(name)}. {_hint(name)}")
    if out is None:
        print_json(schema_of(name))
    else:
        write_whole(out, as_json(schema_of(name)) + "\n")


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, FILES, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known are: {', '.join(FILES)}."
