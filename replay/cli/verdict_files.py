"""The files that a verdict is written to for CI, and what they hold where there is none.

A CI system shows them whatever the exit code was, and a file of the last run would pass for this one's answer. So they
say that there is no verdict from before the command does anything, a misspelt option included, until there is one.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from replay.cli.command import Command
from replay.cli.failures import failure_of
from replay.cli.paths import OUTPUT_FILE
from replay.report.ci.junit import error_junit
from replay.report.ci.markdown import error_markdown
from replay.system.files import write_whole

_NOT_OVER = "the command did not finish; it was killed, or is still running."
_FILES = "replay.verdict_files"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class VerdictFiles(NamedTuple):
    """Where the verdict of a command goes, beside what it prints."""

    junit: Path | None = None
    markdown: Path | None = None


def verdict_file_options(command: _Command) -> _Command:
    """`--junit` and `--markdown`, for a command that is a VerdictCommand; it finds them with verdict_files."""
    for option, what in (("markdown", "Markdown"), ("junit", "JUnit XML")):
        command = click.option(
            f"--{option}",
            type=OUTPUT_FILE,
            callback=_keep,
            expose_value=False,
            help=f"Write the verdict as {what} to this file.",
        )(command)
    return command


def _keep(ctx: click.Context, option: click.Parameter, path: Path | None) -> None:
    ctx.meta[_FILES] = verdict_files(ctx)._replace(**{str(option.name): path})


def verdict_files(ctx: click.Context) -> VerdictFiles:
    """Those that the command line names."""
    found: VerdictFiles = ctx.meta.get(_FILES, VerdictFiles())
    return found


class VerdictCommand(Command):
    """A command with those options: no file of before outlives its call, however that ends."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            lenient = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
            with contextlib.suppress(click.ClickException):
                understood = super().make_context(info_name, given, parent, **extra, **lenient)
                _write_error(understood, error.format_message())
            raise

    def invoke(self, ctx: click.Context) -> Any:
        _write_error(ctx, _NOT_OVER, is_last_word=False)
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            _write_error(ctx, failure_of(error).sentence)
            raise


def leave_verdict_files(ctx: click.Context, junit: str, markdown: str, broken_off: str | None = None) -> None:
    """Write the verdict to the files that were asked for, or, where it broke off, why there is none after all.

    Raises OSError.
    """
    texts = (junit, markdown) if broken_off is None else _error_texts(ctx, broken_off)
    for path, text in zip(verdict_files(ctx), texts, strict=True):
        if path is not None:
            write_whole(path, text)


def _write_error(ctx: click.Context, why: str, *, is_last_word: bool = True) -> None:
    """Have the files say that there is no verdict. What cannot be written must not cost the answer of an hour's run."""
    for path, text in zip(verdict_files(ctx), _error_texts(ctx, why), strict=True):
        # A pipe or a terminal keeps nothing of before, and shows whatever it is sent.
        if path is not None and (is_last_word or path.is_file() or not path.exists()):
            with contextlib.suppress(OSError):
                write_whole(path, text)


def _error_texts(ctx: click.Context, why: str) -> tuple[str, str]:
    command, why = ctx.command.name or "replay", " ".join(why.split())
    return error_junit(command, why), error_markdown(command, why)
