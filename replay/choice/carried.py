"""What a plane was seen to carry: the fullest stretch of a run in which it kept its bounds. Pure."""

from collections.abc import Sequence

import numpy as np

from replay.judge.gate.judging import CONFIDENCE, keeps
from replay.judge.measures.figures import figure_of
from replay.judge.measures.slo import Slo
from replay.results.columns import ABSENT_NS, Flags
from replay.results.evidence import Evidence

_NS = 1_000_000_000
_MOST_FAILED = 0.01
# The fullest stretches are looked at one by one; a plane that breaks its bounds in so many of them carries less.
_MOST_LOOKED_AT = 20


def most_carried(run: Evidence, window_s: float, bounds: Sequence[Slo]) -> float | None:
    """Requests a second that came in one window and were answered in it, the most of any window in which the figures
    keep the bounds and no more than 1 % failed; None where the run shows no such window.

    A burst that was still being worked off when its window ended counts for what was answered by then: what is
    carried is what flows through. A run shorter than a window is one.
    """
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if not sent.any():
        return None
    window_ns = int(window_s * _NS)
    last_ns = int(columns.end_ns[sent].max())
    count = max(1, last_ns // window_ns)
    length_s = window_s if last_ns >= window_ns else max(last_ns, 1) / _NS
    came = np.minimum(columns.intended_ns // window_ns, count)
    ended = np.minimum(columns.end_ns // window_ns, count)
    # With one window only, what comes and ends after it is none of it; a shorter run is all in it.
    if last_ns < window_ns:
        came, ended = np.zeros_like(came), np.zeros_like(ended)
    arrived = np.bincount(came[sent], minlength=count + 1)[:count]
    answered = np.bincount(ended[sent & columns.ok], minlength=count + 1)[:count]
    flows = np.minimum(arrived, answered)
    for window in np.argsort(-flows, kind="stable")[:_MOST_LOOKED_AT].tolist():
        if not flows[window]:
            return None
        inside = sent & (came == window)
        if _keeps(run, inside, bounds):
            return round(float(flows[window]) / length_s, 6)
    return None


def _keeps(run: Evidence, rows: Flags, bounds: Sequence[Slo]) -> bool:
    failed = np.count_nonzero(rows & ~run.columns.ok) / np.count_nonzero(rows)
    if failed > _MOST_FAILED and not any(slo.statistic == "errors" for slo in bounds):
        return False
    part = Evidence(run.summary, run.columns.where(rows), run.name)
    for slo in bounds:
        if slo.statistic == "rate" or slo.needs_baseline or slo.needs_recording:
            # A bound on the whole run, or beside another; one window tells nothing of it.
            continue
        observed = figure_of(slo, part, CONFIDENCE).observed
        if observed is not None and not keeps(slo.operator, observed, slo.limit.value):
            return False
    return True
