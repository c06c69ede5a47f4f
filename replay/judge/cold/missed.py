"""What a run in which no cold start was found could not have shown: how much a boot has to add to be found in it.

The run is given boots, of one length after another, before the waves that came after its longest idle times, and looked
at again: the shortest that is found then is what this run shows. Of how long its target stays warm nothing is known, so
that these waves are an assumption, which is told.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.cold.finding import find_cold
from replay.judge.cold.waves import Waves, find_waves
from replay.results.columns import ABSENT_NS, Columns, Flags

_FEWEST_WAVES = 10
_FEWEST_COLD, _COLD_SHARE = 5, 0.1
_SHORTEST_MS, _LONGEST_MS = 10.0, 60_000.0
# Each boot that is tried is another look at the run.
_MOST_STEPS = 100_000


class Missed(NamedTuple):
    """found_from_ms: the least that boots after idle times of at_least_s add where they are found; None: no boot is."""

    at_least_s: float
    found_from_ms: float | None


def what_is_missed(columns: Columns, sent: Flags, waves: Waves) -> Missed | None:
    """None where the run has too many steps to look at it so often. An idle time of infinity: it has hardly any."""
    if columns.n > _MOST_STEPS:
        return None
    rows = np.flatnonzero(sent & waves.is_first)
    if len(rows) < _FEWEST_WAVES:
        return Missed(float("inf"), None)
    longest = rows[np.argsort(waves.idle_ns[rows], kind="stable")]
    longest = longest[-max(_FEWEST_COLD, round(_COLD_SHARE * len(rows))) :]
    at_least_s = float(waves.idle_ns[longest[0]]) / 1e9
    boot_ms = _SHORTEST_MS
    while boot_ms <= _LONGEST_MS:
        booting = _with_boots(columns, sent, waves, longest, round(boot_ms * 1e6))
        is_cold = find_cold(booting, sent, find_waves(booting, sent))[0]
        if np.count_nonzero(is_cold[longest]) > len(longest) / 2:
            return Missed(at_least_s, boot_ms)
        boot_ms *= 2
    return Missed(at_least_s, None)


def _with_boots(columns: Columns, sent: Flags, waves: Waves, first_rows: np.ndarray, boot_ns: int) -> Columns:
    """The run, had these waves met a target that boots for so long; who came into a boot waited for the rest of it."""
    is_of = sent & np.isin(waves.first_row, first_rows)
    since_ns = columns.sent_ns - np.where(waves.first_row >= 0, columns.sent_ns[waves.first_row], 0)
    added_ns = np.where(is_of, np.maximum(0, boot_ns - since_ns), 0)
    has_byte = columns.first_byte_ns != ABSENT_NS
    return columns._replace(
        end_ns=columns.end_ns + added_ns,
        first_byte_ns=np.where(has_byte, columns.first_byte_ns + added_ns, ABSENT_NS),
    )
