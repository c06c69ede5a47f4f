"""What a level's requests asked of the target in all, tries included, and whether refusals are what gave way.

A target that sheds load answers 429, 503 or 529, and a gRPC call RESOURCE_EXHAUSTED or UNAVAILABLE. Where such steps
are tried again they end well, only later, and more often than not it is a latency SLO that breaks. What limits is told
by taking them away: steps that were never refused hold the SLO, or the steps that were refused are as many as answers
are missing.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.gate.judging import judge_gate, keeps
from replay.judge.measures.slo import Slo
from replay.judge.types import Check
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence


class Tries(NamedTuple):
    """Of the steps of a level. sent: tries, the last ones included. refused: those of them that were answered so."""

    sent: int
    refused: int


def tries(columns: Columns, rows: Flags) -> Tries:
    last = int(np.count_nonzero(rows))
    before = 0 if columns.refused_before is None else int(columns.refused_before[rows].sum())
    refused = int(np.count_nonzero(columns.flags("refused")[rows])) + before
    return Tries(last + int(columns.sent_before[rows].sum()), refused)


def were_refused(columns: Columns) -> Flags:
    """Steps of which any try was refused."""
    last = columns.flags("refused")
    return last if columns.refused_before is None else last | (columns.refused_before > 0)


def holds_without_refused(slo: Slo, run: Evidence, rows: Flags) -> bool:
    """Whether the figure of an SLO that broke keeps it among those of these steps that were never refused."""
    refused = were_refused(run.columns)
    if not (refused & rows).any():
        return False
    others = msgspec.structs.replace(run, columns=run.columns.where(~refused))
    (check,) = judge_gate([slo], others, least_fidelity=0.0).checks
    return check.verdict == "pass" or (check.verdict == "inconclusive" and not breaks(check, slo))


def breaks(check: Check, slo: Slo, late_ms: float = 0.0) -> bool:
    """Whether the figure itself, without its interval, breaks the limit; a time, even if it is so much too long."""
    observed, limit = (
        (check.observed_ms, check.limit_ms) if check.unit == "ms" else (check.observed, check.limit)
    )
    if observed is not None and check.unit == "ms":
        observed -= late_ms
    return observed is not None and limit is not None and not keeps(slo.operator, observed, limit)
