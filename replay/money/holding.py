"""Connections that sessions hold: an instance is busy with a WebSocket from its opening until its end, whatever is said
on it in between.

A record has the messages, and which of them opened a connection. A session's connection is taken to be held from each
of them to its next, and from the last one to the end of the session, which closes what it holds; where a plane tells
how long its instances were busy, that bounds it.
"""

import numpy as np
import numpy.typing as npt

from replay.results.columns import ABSENT_NS, Columns, Flags

_ON_SOCKETS = "ws"
_SWITCHED = 101


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


def on_open_sockets(columns: Columns) -> Flags:
    """Which steps went by a WebSocket that an earlier one had opened, so that they asked the plane for nothing new."""
    found = np.zeros(len(columns.sent_ns), np.bool_)
    found[_on_sockets(columns)] = True
    return found & ~columns.new_connection


def _on_sockets(columns: Columns) -> npt.NDArray[np.intp]:
    """The rows of steps that were sent on WebSockets, model calls among them."""
    held = np.array([kind == _ON_SOCKETS for kind, _ in columns.series_names], np.bool_)
    is_held = columns.status == _SWITCHED
    if held.any():
        is_held |= held[columns.series]
    return np.flatnonzero(is_held & (columns.sent_ns != ABSENT_NS))
