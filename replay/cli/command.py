"""The help of a command: what it does and takes, examples that can be pasted, and the exit codes it may end with.

Where a command takes many options, they stand in parts, each under a heading that says what it settles.
"""

import contextlib
import gc
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from replay.cli.paths import is_stdout_a_file, refuse_lost_files
from replay.exit_codes import BAD_INPUT, EXIT_BAD_INPUT, EXIT_CODES, MEANINGS, Conclusion

Ends = Mapping[Conclusion, str]
"""What a command may conclude, with what that means there; empty: what it means everywhere."""

Parts = Mapping[str, Sequence[str]]
"""Headings, with the names of the options under each; an option is under the first that names it."""

OTHERS = "Other"
# What the file system's encoding could not decode (PEP 383).
_UNDECODED = re.compile("[\udc80-\udcff]")
_PATHS_TOO = ("target", "targets", "sources")
DONE: Ends = {"done": "", "not_carried_out": "", "interrupted": ""}


class Command(click.Command):
    """examples: command lines, with line ends of their own where they are long. ends: those beside bad input.

    parts: how its options are grouped; those that none names are listed last.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        ends: Ends = DONE,
        parts: Parts | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.ends = ends
        self.parts: Parts = parts or {}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the command line. Raises InputError where it would lose a file."""
        ctx = super().make_context(info_name, args, parent, **extra)
        self._refuse_bytes(ctx)
        refuse_lost_files(ctx)
        return ctx

    def _refuse_bytes(self, ctx: click.Context) -> None:
        """Raises BadParameter for a text of bytes that are no text here. A path may be of any, and may be a target."""
        for param in self.params:
            if isinstance(param.type, click.Path) or param.name in _PATHS_TOO:
                continue
            value = ctx.params.get(param.name or "")
            for text in value if isinstance(value, tuple | list) else (value,):
                if isinstance(text, str) and _UNDECODED.search(text):
                    raise click.BadParameter("holds bytes that are not UTF-8.", ctx, param)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry it out. From now on garbage is looked for, but not in what is there: see entry.py."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        if not is_stdout_a_file(ctx):
            return super().invoke(ctx)
        with contextlib.redirect_stdout(sys.stderr):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Under the headings of the parts, in their order; within one, in the order of the command's options."""
        if not self.parts:
            super().format_options(ctx, formatter)
            return
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*self.parts, OTHERS)}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                rows[self._heading_of(param)].append(record)
        for heading, listed in rows.items():
            if listed:
                with formatter.section(f"{heading} options"):
                    formatter.write_dl(listed)

    def _heading_of(self, param: click.Parameter) -> str:
        return next((heading for heading, names in self.parts.items() if param.name in names), OTHERS)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)
        write_exit_codes(self.ends, formatter)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """As they are: a command line that is wrapped cannot be pasted."""
    if not examples:
        return
    with formatter.section("Examples" if len(examples) > 1 else "Example"):
        for example in examples:
            for line in example.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def write_exit_codes(ends: Ends, formatter: click.HelpFormatter) -> None:
    found: dict[int, list[str]] = {EXIT_BAD_INPUT: [BAD_INPUT]}
    for conclusion, meaning in ends.items():
        found.setdefault(EXIT_CODES[conclusion], []).append(meaning or MEANINGS[conclusion])
    with formatter.section("Exit codes"):
        formatter.write_dl([(f"{code:<4}", "; ".join(found[code])) for code in sorted(found)])
