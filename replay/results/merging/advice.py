"""How many workers would do, by what each of a saturated run used of its core and how far it fell behind. Pure."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from replay.words.phrases import counted

# A core of which more is used than this leaves too little for what comes unevenly.
_COMFORTABLE_PERCENT = 70.0
_FULL_PERCENT = 90.0


class Used(NamedTuple):
    """What one process used. behind: the time that it took over the time that it had, at least 1."""

    cpu_percent: float
    behind: float


def workers_advised(used: Sequence[Used]) -> str | None:
    """In words; None where it was no core that was short, so that more of them would not help."""
    if not used or max(each.cpu_percent for each in used) < _FULL_PERCENT:
        return None
    # Behind by a third of the time that it had, it would have needed a third more of its core.
    needed_percent = sum(each.cpu_percent * max(1.0, each.behind) for each in used)
    enough = max(len(used) + 1, ceil(needed_percent / _COMFORTABLE_PERCENT))
    return f"{counted(enough, 'worker')} would do (--workers {enough}), each with a core of its own"
