"""What a client of the benchmark is, and what it says that it did."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import Ran
from benchmarks.work import Work

PEERS_FOLDER = Path(__file__).parents[3] / ".venv-bench"
PYTHON = PEERS_FOLDER / "bin/python"


class Load(NamedTuple):
    """What a client did, by its own word. after_s: from its last answer to the end of the command; None if untold."""

    requests: int
    rps: float
    ran: Ran
    after_s: float | None = None


class Peer(NamedTuple):
    """A client. install: how it comes onto a machine. knows_sessions: it can send several requests at once and wait.

    load(work, url, seconds, folder): have it send this work for so long; folder is for its files.
    """

    name: str
    install: str
    is_here: Callable[[], bool]
    knows_sessions: bool
    load: Callable[[Work, str, float, Path], Load]

    def does(self, work: Work) -> bool:
        return self.knows_sessions or work.is_line
