"""What every importer takes and gives."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from replay.trace.types import Header, Responses, Session

# Where a sub-agent entry's own `t` stands: at its spawn, as the format's specification says, or at its end.
SubagentT = Literal["spawn", "end"]


DEFAULT_BLOCK_SIZE = 512
"""Tokens in a prefix block, where neither the recording nor the user says how many."""


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may choose. An importer ignores what its format has no use for.

    name: of the trace; from the input's name where None. arrivals: as replay/trace/arrivals.py reads it.
    block_size: tokens in a prefix block, where the recording does not say. stream: whether calls are streamed,
    where the recording does not say. subagent_t: see SubagentT. session_by: the field or header whose value names
    the session, for formats without sessions of their own; None: the importer's own rule. idle_gap_s: where
    sessions are told by client and time alone, a client that was silent for longer begins a new one. responses:
    whether responses' headers and small JSON bodies are kept, without secrets, for formats that have them. strict:
    whether the first line that cannot be read ends the import. log_format: a format string of nginx or Apache. keys:
    which keys of a JSON log tell what, as replay/importers/logs/named_keys.py reads it. workers: how many processes may
    share the work on a long log.
    """

    name: str | None = None
    arrivals: str | None = None
    seed: int = 1
    block_size: int | None = None
    stream: bool = True
    subagent_t: SubagentT = "spawn"
    session_by: str | None = None
    idle_gap_s: float = 300.0
    responses: Responses = "drop"
    strict: bool = False
    log_format: str | None = None
    keys: str | None = None
    workers: int = 1


Pack = Callable[[bytes], bytes]
"""Makes of lines what stands for them in a file; see WholeFile.pack. Processes hand it to one another."""


class SessionLines(msgspec.Struct, frozen=True, gc=False):
    """Sessions as a trace's file has them, by an importer that makes none but valid ones, without secrets.

    text: JSON, each with its line break, and packed. starts_ms: of each, ascending. steps: how many they have. long:
    those of the lines that have a step that took more than a day.
    """

    text: bytes
    starts_ms: Sequence[float]
    steps: int
    long: Sequence[bytes] = ()


class ImportResult(msgspec.Struct, frozen=True):
    """A recording as a trace.

    header: complete, with what was inferred and dropped in its attributes. sessions: in order of start_ms;
    iterating reads the input, and may raise TraceError. notes: the same facts as sentences, for people. lines: the same
    sessions, many at a time, where the importer has them as lines, packed for the file that they go to.
    """

    header: Header
    sessions: Callable[[], Iterator[Session]]
    notes: tuple[str, ...] = ()
    lines: Callable[[Pack], Iterator[SessionLines]] | None = None


class Importer(Protocol):
    """One foreign format. Importing reads the input twice: once to count and check, once to convert."""

    @property
    def name(self) -> str:
        """The format's name on the command line."""

    @property
    def describe(self) -> str:
        """One line that says what the format is."""

    def sniff(self, first_bytes: bytes) -> bool:
        """Whether a file that begins with these bytes is of this format."""

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        """Import these files, or the files in these folders. Raises TraceError."""
