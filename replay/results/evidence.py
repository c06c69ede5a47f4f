"""A run as evidence: its figures, and its steps as columns."""

import msgspec

from replay.results.columns import Columns
from replay.results.types import Summary


class Evidence(msgspec.Struct, frozen=True):
    """One run: its figures, and its steps."""

    summary: Summary
    columns: Columns
    name: str
