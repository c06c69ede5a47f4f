"""From the columns of a run to the values that a verdict is about: a measure, of some steps, in some window.

Response times count as in summary.json: of every step's last attempt that was sent, and of those that a time limit
ended, at the limit. Service time, first byte and first token need a request that was sent. Shares of errors are of
all steps that were tried.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.sample import Floats, Sample, moments_of
from replay.judge.slo import Selector, SloWindow
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.histogram import Int64s

_NS = 1_000_000_000
_RAMP_RATIO = 0.1


class Measured(NamedTuple):
    """sample: in ms. censored_ms: the least value that is a time limit and not an end; None: there is none."""

    sample: Sample
    censored_ms: float | None = None


def rows_of(columns: Columns, selector: Selector, window: SloWindow) -> Flags:
    """The steps that the selector names and that were intended in the window."""
    rows = np.ones(columns.n, np.bool_)
    if selector != Selector():
        wanted = np.array([selector.matches(kind, name) for kind, name in columns.series_names], np.bool_)
        rows &= wanted[columns.series] if len(wanted) else False
    if window != SloWindow() and columns.n:
        rows &= _inside(columns, window)
    return rows


def _inside(columns: Columns, window: SloWindow) -> Flags:
    intended = columns.intended_ns
    inside = np.ones(columns.n, np.bool_)
    if window.after_s is not None:
        inside &= intended >= int(window.after_s * _NS)
    if window.before_s is not None:
        inside &= intended < int(window.before_s * _NS)
    if window.is_steady:
        first, last = int(intended.min()), int(intended.max())
        ramp_ns = int((last - first) * _RAMP_RATIO)
        inside &= (intended >= first + ramp_ns) & (intended < last - ramp_ns)
    if window.is_steady or window.without_warmup:
        inside &= ~columns.warmup
    return inside


def measured(columns: Columns, measure: str, rows: Flags) -> Measured:
    """The values of this measure, in ms, of these rows; for makespan, of the sessions in which they are."""
    if measure == "makespan":
        sessions = np.unique(columns.session[rows])
        return Measured(Sample(_ms(columns.makespan_ns[sessions]), sessions.astype(np.int32)))
    intended, sent, end = columns.intended_ns, columns.sent_ns, columns.end_ns
    was_sent = rows & (sent != ABSENT_NS)
    if measure == "response":
        counted, values = (was_sent | (rows & columns.censored)), end - intended
    elif measure == "service":
        counted, values = was_sent, end - sent
    elif measure == "lag":
        counted, values = was_sent, sent - intended
    elif measure == "ttfb":
        counted, values = was_sent & (columns.first_byte_ns != ABSENT_NS), columns.first_byte_ns - sent
    elif measure == "ttft":
        counted, values = was_sent & (columns.first_token_ns != ABSENT_NS), columns.first_token_ns - sent
    elif measure == "tpot":
        counted = was_sent & (columns.first_token_ns != ABSENT_NS) & (columns.tokens > 1)
        values = (end - columns.first_token_ns) // np.maximum(1, columns.tokens - 1)
    else:
        raise ValueError(f"no measure is called {measure}")
    censored = counted & columns.censored
    least = (
        float(values[censored].min()) / 1e6 if measure in ("response", "service") and censored.any() else None
    )
    return Measured(sample_of(columns, _ms(values[counted]), counted), least)


def sample_of(columns: Columns, values: Floats, rows: Flags) -> Sample:
    """These values of these rows, with the sessions and the moments that they come from."""
    return Sample(values, columns.session[rows], moments_of(columns.intended_ns[rows]))


def _ms(values_ns: Int64s) -> Floats:
    return np.asarray(values_ns, np.float64) / 1e6
