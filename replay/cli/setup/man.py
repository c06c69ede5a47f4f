"""`replay man`: the help of every command as a manual page."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from replay import __version__
from replay.cli.command import Command
from replay.cli.lazy import LazyGroup
from replay.cli.paths import PATH
from replay.errors import InputError
from replay.system.files import write_whole
from replay.trace.errors import shown_path
from replay.words.phrases import counted


class _RoffFormatter(click.HelpFormatter):
    """Takes what a command writes as its help, and makes man(7) of it."""

    def __init__(self) -> None:
        super().__init__()
        self._has_description = False

    def write(self, string: str) -> None:
        """A line as it is, such as one of an example."""
        self.buffer.append(f".nf\n{_escaped(string.rstrip()[self.current_indent :])}\n.fi\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self.buffer.append(f".SH SYNOPSIS\n.B {_escaped(prog)}\n{_escaped(args)}\n")

    def write_heading(self, heading: str) -> None:
        self.buffer.append(f'.SH "{_escaped(heading.upper())}"\n')

    def write_paragraph(self) -> None:
        """Nothing: headings keep their distance by themselves."""

    def write_text(self, text: str) -> None:
        if not self._has_description:
            self._has_description = True
            self.write_heading("Description")
        paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
        self.buffer.append("\n.PP\n".join(map(_escaped, paragraphs)) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        for term, told in rows:
            self.buffer.append(f".TP\n.B {_escaped(term.strip())}\n{_escaped(' '.join(told.split()))}\n")


def _escaped(text: str) -> str:
    """Text as roff takes it: no escapes, no requests, and hyphens that can be copied as options."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def page_of(ctx: click.Context, summary: str) -> str:
    """The manual page of the command of a context."""
    name = ctx.command_path.replace(" ", "-")
    formatter = _RoffFormatter()
    ctx.command.format_help(ctx, formatter)
    title = f'.TH "{_escaped(name.upper())}" 1 "" "agent\\-replay {__version__}" "User Commands"\n'
    told = f".SH NAME\n{_escaped(name)} \\- {_escaped(summary)}\n"
    # Lines of an example that follow one another are one block.
    text = formatter.getvalue().replace(".fi\n.nf\n", "")
    return title + told + text + _see_also(ctx)


def _see_also(ctx: click.Context) -> str:
    """The pages one up and one down from here."""
    near = [ctx.parent.command_path] if ctx.parent is not None else []
    if isinstance(ctx.command, click.Group):
        near += [f"{ctx.command_path} {name}" for name in ctx.command.list_commands(ctx)]
    named = ", ".join(f"{_escaped(path.replace(' ', '-'))}(1)" for path in near)
    return f'.SH "SEE ALSO"\n{named}\n'


def pages(ctx: click.Context, summary: str) -> Iterator[tuple[str, str]]:
    """The file names and texts of the manual pages of a command and of all below it."""
    yield f"{ctx.command_path.replace(' ', '-')}.1", page_of(ctx, summary)
    if isinstance(ctx.command, LazyGroup):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            below = click.Context(command, info_name=name, parent=ctx)
            yield from pages(below, ctx.command.summary_of(name).rstrip("."))


@click.command(
    cls=Command, examples=("replay man ~/.local/share/man/man1", "replay man man && man ./man/replay-run.1")
)
@click.argument("folder", type=PATH)
@click.pass_context
def man(ctx: click.Context, folder: Path) -> None:
    """Write manual pages into FOLDER, one for each command: what --help says, for man."""
    command = ctx.find_root().command
    root = click.Context(command, info_name="replay", **command.context_settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{shown_path(folder)}: is not a folder, and none can be made there. Name another."
        ) from error
    written = 0
    for name, text in pages(root, "replay recorded AI-agent workloads against HTTP endpoints"):
        write_whole(folder / name, text)
        written += 1
    click.echo(f"{shown_path(folder)}: {counted(written, 'page')}")
