"""What a scenario is given, and what it gives back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.types import Peer
from benchmarks.table import Row


class Setting(NamedTuple):
    """rounds: how often each client has its turn. seconds: how long a turn is. folder: for files of the measurement.

    peers: those to be measured, this project among them. share: of the size that a full measurement has, for what is
    sized by a count; at most 1. steps: how many the long run has.
    """

    rounds: int
    seconds: float
    folder: Path
    peers: Sequence[Peer]
    share: float = 1.0
    steps: int = 1_000_000


class Measured(NamedTuple):
    """Rows for the table, and the figures of each round for who wants to work on with them."""

    rows: list[Row]
    figures: dict[str, Any]


Scenario = Callable[[Setting], Measured]
