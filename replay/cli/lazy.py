"""A group of commands of which each is imported when it is asked for.

All commands together take seconds to import, most of them for statistics and drawing. So what help lists of a command
stands beside its name, in words for a list; its own help says the rest.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from replay.cli.command import DONE, Ends, write_examples, write_exit_codes
from replay.engine.hosting.ownership import owns_signals
from replay.system.interrupts import ending_at_once


class Member(NamedTuple):
    """Where a command is, as `module:name`, and a sentence about it."""

    where: str
    short_help: str


class LazyGroup(click.Group):
    """members: under the heading of each part of the list, in the order in which help shows them."""

    def __init__(
        self,
        *args: Any,
        members: Mapping[str, Mapping[str, Member]],
        examples: Sequence[str] = (),
        ends: Ends = DONE,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.ends = ends
        self._parts = members
        self._members = {name: member for part in members.values() for name, member in part.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._members)

    def summary_of(self, name: str) -> str:
        """What the list says of a command."""
        return self._members[name].short_help

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        member = self._members.get(cmd_name)
        if member is None:
            return None
        module, _, name = member.where.partition(":")
        with ending_at_once() if owns_signals() else nullcontext():
            command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As a group does, with the name that was probably meant where there is no such command."""
        name = args[0]
        near = get_close_matches(name, self._members, 1)
        if name not in self._members and near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As a group does, which would import every command for a line of its help."""
        commands = [
            CompletionItem(name, help=member.short_help)
            for name, member in self._members.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self._members))
        for heading, part in self._parts.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), member.short_help) for name, member in part.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)
        write_exit_codes(self.ends, formatter)
