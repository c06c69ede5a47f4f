"""Clients numbered from 1 by their first requests, as their sessions come in order of the starts. Pure.

Where no request has the name of a session, all sessions of a client are in one run, and the first of them begins with
its first request. So clients are numbered as they come, and a session that is not its client's first has the number of
that one: four bytes a session, where a table of all clients takes some hundred for each. Where sessions have names, a
client may be in many of them, and first in the midst of one, so that there is no way around the table.
"""

from typing import Protocol

import numpy as np

from replay.assembly.requests.types import Ints, Rows


class ClientNumbers(Protocol):
    """Numbers of clients."""

    def of(self, heads: Rows, places: Ints, firsts: Ints) -> Ints:
        """Those of the next sessions. heads: as HEAD. places, firsts: of them and of their clients' first sessions.

        These places are counted over all sessions, run after run.
        """


class NumbersOfFirstSessions:
    """Numbers where no request has the name of a session. sessions: how many there are."""

    def __init__(self, sessions: int) -> None:
        self._numbers = np.zeros(sessions, np.int32)
        self._clients = 0

    def of(self, heads: Rows, places: Ints, firsts: Ints) -> Ints:
        fresh = places[places == firsts]
        self._numbers[fresh] = np.arange(1, len(fresh) + 1) + self._clients
        self._clients += len(fresh)
        return self._numbers[firsts].astype(np.int64)


class NumbersOfFirstRequests:
    """Numbers where requests have names. firsts: the first request of each client, as FIRST, by client."""

    def __init__(self, firsts: Rows) -> None:
        self._clients = np.ascontiguousarray(firsts["client"])
        self._numbers = np.empty(len(firsts), np.int64)
        self._numbers[np.lexsort((firsts["place"], firsts["start_us"]))] = np.arange(1, len(firsts) + 1)

    def of(self, heads: Rows, places: Ints, firsts: Ints) -> Ints:
        return self._numbers[np.searchsorted(self._clients, heads["client"])]
