"""The help of a command: what it does and takes, examples that can be pasted, and the exit codes it may end with."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from replay.exit_codes import BAD_INPUT, EXIT_BAD_INPUT, EXIT_CODES, MEANINGS, Conclusion

Ends = Mapping[Conclusion, str]
"""What a command may conclude, with what that means there; empty: what it means everywhere."""

DONE: Ends = {"done": "", "not_carried_out": "", "interrupted": ""}


class Command(click.Command):
    """examples: command lines, with line ends of their own where they are long. ends: those beside bad input."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), ends: Ends = DONE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.ends = ends

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
