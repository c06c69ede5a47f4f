"""What an importer doubts of the recording that it made a trace of, kept in the trace's header. Pure.

Headers come from anywhere: of what they say only so much is told, and only as text.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from replay.trace.errors import shortened
from replay.trace.types import Header

MOST_DOUBTS = 10
LONGEST_DOUBT = 300

_IMPORT, _DOUBTS = "import", "doubts"


def with_import_doubts(header: Header, doubts: Sequence[str]) -> Header:
    """The header of a trace that was imported, with these, each a noun and how often: `2 steps that ...`."""
    told = header.attributes.get(_IMPORT)
    kept = [doubt[:LONGEST_DOUBT] for doubt in doubts[:MOST_DOUBTS]]
    imported: dict[str, Any] = {**(told if isinstance(told, dict) else {}), _DOUBTS: kept}
    return msgspec.structs.replace(header, attributes={**header.attributes, _IMPORT: imported})


def import_doubts(header: Header) -> list[str]:
    """What was doubted when the trace was imported, each as a clause, without control characters."""
    told = header.attributes.get(_IMPORT)
    doubts = told.get(_DOUBTS) if isinstance(told, dict) else None
    texts = (
        [doubt for doubt in doubts if isinstance(doubt, str) and doubt.strip()]
        if isinstance(doubts, list)
        else []
    )
    return [f"the trace's importer found {shortened(doubt, LONGEST_DOUBT)}" for doubt in texts[:MOST_DOUBTS]]
