"""Connections that sessions hold: an instance is busy with a WebSocket from its opening until its end, whatever is said
on it in between.

A record has the messages. A session's connection is taken to be held from each of them to its next, and from the last
one to the end of the session, which closes what it holds; where a plane tells how long its instances were busy, that
bounds it.
"""

import numpy as np
import numpy.typing as npt

from replay.results.columns import ABSENT_NS, Columns

_ON_SOCKETS = "ws"


def until_let_go(columns: Columns) -> Columns:
    """The same, where a step on a WebSocket ends when its connection is needed next, or its session is over."""
    rows = _on_sockets(columns)
    if not len(rows):
        return columns
    order = rows[np.lexsort((columns.sent_ns[rows], columns.session[rows]))]
    session, sent_ns = columns.session[order], columns.sent_ns[order]
    over_ns = np.zeros(len(columns.sessions), np.int64)
    np.maximum.at(over_ns, columns.session, columns.end_ns)
    is_last = np.concatenate((session[1:] != session[:-1], [True]))
    next_ns = np.where(is_last, over_ns[session], np.concatenate((sent_ns[1:], [0])))
    end_ns = columns.end_ns.copy()
    end_ns[order] = np.maximum(end_ns[order], next_ns)
    return columns._replace(end_ns=end_ns)


def _on_sockets(columns: Columns) -> npt.NDArray[np.intp]:
    """The rows of steps that were sent on WebSockets."""
    held = np.array([kind == _ON_SOCKETS for kind, _ in columns.series_names], np.bool_)
    if not held.any():
        return np.zeros(0, np.intp)
    return np.flatnonzero(held[columns.series] & (columns.sent_ns != ABSENT_NS))
