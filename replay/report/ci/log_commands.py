"""Text for a log in which a CI system looks for commands: what would be one is broken, and stays readable.

GitHub's runner obeys a line that begins with `::`, whatever is printed before it that has no width, and `##[` anywhere
in a line; Azure Pipelines `##vso[`, TeamCity `##teamcity[`. A name out of somebody's trace may hold all of these, and a
narrow table puts it at the beginning of a line. So a backslash goes in before the character that would complete a
command. It is not a character of no width, because the runner compares by culture, which passes over those.

Source: src/Runner.Common/ActionCommand.cs of https://github.com/actions/runner, and
https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands.
"""

import os
import re
from collections.abc import Mapping

# Set by the systems that read commands out of a log; Gitea's and Forgejo's Actions set GitHub's.
_READERS = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
_COLOUR = r"\x1b\[[0-9;]*m"
_UNSEEN = rf"(?:{_COLOUR}|[^ -~\r\n])*"
_COMMAND = re.compile(
    rf"(?:\A|(?<=[\r\n]))(?:{_COLOUR}|[^!-~\r\n])*:{_UNSEEN}(?=:)"
    rf"|#{_UNSEEN}#{_UNSEEN}(?:vso|teamcity)?{_UNSEEN}(?=\[)"
)
_LINE_ENDS = re.compile(r"[\r\n]")
_KEPT = 4096


def is_read_for_commands(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a CI system looks for commands in what is printed here."""
    found = os.environ if environ is None else environ
    return any(found.get(name) for name in _READERS)


def without_commands(text: str) -> str:
    """Lines of text, none of which is a command."""
    return _COMMAND.sub(r"\g<0>\\", text)


class CommandBreaker:
    """without_commands, for text that comes in parts that need not end with a line."""

    def __init__(self) -> None:
        self._line = ""

    def broken(self, text: str) -> str:
        """The next part of the text."""
        before = self._line
        # Whatever would complete a command is in the new part: what went before was broken when it came.
        told = without_commands(before + text)
        line = _LINE_ENDS.split(told)[-1]
        self._line = line if len(line) <= _KEPT else "." + line[-_KEPT:]
        return told[len(before) :]
