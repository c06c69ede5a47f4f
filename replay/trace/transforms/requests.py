"""What requests say: their paths and headers."""

import re
from collections.abc import Iterator

import msgspec

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.trace.errors import shown
from replay.trace.transforms.types import Tally, TransformError
from replay.trace.types import Request, Session
from replay.trace.values.patterns import Pattern, PatternProblem, Replacement, compiled, replaced

# Between two matches a search may look at the rest of a path, so that all of them take time with its square.
_LONGEST_PATH = 2_048


def _requests(session: Session) -> Iterator[Request]:
    return (step.request for step in session.steps if step.request is not None)


class RewritePath(msgspec.Struct, frozen=True):
    """Every match of a regular expression in a path (with its query) replaced; \\1 stands for a group.

    Paths of more than 2,048 characters stay as they are, so that no recording can make a pattern run for long.
    """

    pattern: Pattern
    replacement: Replacement

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            for request in _requests(session):
                if len(request.path) > _LONGEST_PATH:
                    tally[f"paths longer than {_LONGEST_PATH:,} characters left as they were"] += 1
                    continue
                path = replaced(self.pattern, self.replacement, request.path)
                tally["paths rewritten"] += path != request.path
                request.path = path
            yield session


class SetHeader(msgspec.Struct, frozen=True):
    """A header set on every request, in place of any of that name; value None removes it."""

    name: str
    value: str | None

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        lower = self.name.lower()
        for session in sessions:
            for request in _requests(session):
                headers = {name: value for name, value in request.headers.items() if name.lower() != lower}
                if self.value is not None:
                    headers[self.name] = self.value
                tally["requests with headers changed"] += headers != request.headers
                request.headers = headers
            yield session


def parse_rewrite(text: str) -> RewritePath:
    """REGEX=>TEXT. Raises TransformError."""
    regex, arrow, replacement = text.partition("=>")
    if not arrow or not regex:
        raise TransformError(f"{shown(text)}: write REGEX=>TEXT, for example '^/v1/=>/v2/'.")
    try:
        pattern = compiled(regex)
        return RewritePath(pattern, Replacement(replacement, pattern))
    except PatternProblem as problem:
        raise TransformError(f"{shown(text)} {problem}.") from problem


def parse_header(text: str) -> SetHeader:
    """A header as `name: value`. Raises TransformError."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or is_not_for_value(value):
        raise TransformError(f"{shown(text)} is not a valid header. Write 'name: value'.")
    if name.lower() in NOT_OF_A_TRACE:
        raise TransformError(
            f"{shown(name)} would have no effect, since a run writes it for its own target and connection. "
            "Headers of a target are set in [headers] of its file."
        )
    return SetHeader(name, value.strip())
