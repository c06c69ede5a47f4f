"""Runs whose steps are not independent: of one or more workers with a queue, of sessions alike, drifting, two-humped.

Every maker takes a generator and n, and gives response times in ms, in order of arrival, with the arrivals in ms. Times
are of a mean service of 10 ms. Queues begin empty (Lindley's recursion); their long-run figures are known.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from replay.results.columns import ABSENT_NS, Columns
from replay.results.evidence import Evidence
from tests.support.runs import summary

Floats = npt.NDArray[np.float64]
SERVICE_MS = 10.0
MS = 1_000_000


class Made(NamedTuple):
    """One run. session: of each step; None: each step is a session."""

    at_ms: Floats
    response_ms: Floats
    session: npt.NDArray[np.int32] | None = None


def arrivals(rng, n, load, workers=1):
    """Poisson arrivals, at which so many workers are busy for that share of the time."""
    return np.cumsum(rng.exponential(SERVICE_MS / load / workers, n))


def one_worker(rng, n, load, at_ms=None):
    """M/M/1 from empty: waits by Lindley's recursion, as the distance of a random walk from its least value."""
    at_ms = arrivals(rng, n, load) if at_ms is None else at_ms
    service = rng.exponential(SERVICE_MS, n)
    walk = np.concatenate([[0.0], np.cumsum(service[:-1] - np.diff(at_ms))])
    return Made(at_ms, walk - np.minimum.accumulate(walk) + service)


def workers(rng, n, load, count=4):
    """M/M/k from empty, by the instants at which each worker is free."""
    at_ms = arrivals(rng, n, load, count)
    service = rng.exponential(SERVICE_MS, n)
    free = [0.0] * count
    response = np.empty(n)
    for i, (at, takes) in enumerate(zip(at_ms.tolist(), service.tolist(), strict=True)):
        first = min(range(count), key=free.__getitem__)
        free[first] = max(at, free[first]) + takes
        response[i] = free[first] - at
    return Made(at_ms, response)


def independent(rng, n):
    return Made(arrivals(rng, n, 0.5), SERVICE_MS * np.exp(rng.normal(0, 0.5, n)))


def clustered(rng, n, steps=5):
    """Some agents are slow in all that they do; sessions one after the other."""
    sessions = n // steps
    times = np.exp(rng.normal(0, 0.4, (sessions, 1)) + rng.normal(0, 0.4, (sessions, steps)))
    session = np.repeat(np.arange(sessions, dtype=np.int32), steps)
    return Made(arrivals(rng, sessions * steps, 0.5), SERVICE_MS * times.ravel(), session)


def overlapping(rng, n, steps=5):
    """The same agents, but their steps lie far apart, between those of others."""
    made = clustered(rng, n, steps)
    order = np.argsort(made.session / 20 + rng.random(len(made.session)) * 5, kind="stable")
    return Made(made.at_ms, made.response_ms[order], made.session[order])


def drifting(rng, n, growth=0.3):
    """Times grow by this share from the start to the end of the run, the same in each."""
    made = independent(rng, n)
    return made._replace(response_ms=made.response_ms * np.linspace(1, 1 + growth, n))


def in_spells(rng, n, steps=20, share=0.06, factor=8.0):
    """A target that is slow for spells of so many steps on average, which are this share of all."""
    slow = np.zeros(n, np.bool_)
    at, is_slow = 0, rng.random() < share
    while at < n:
        lasts = rng.geometric(1 / (steps if is_slow else steps * (1 - share) / share))
        slow[at : at + lasts] = is_slow
        at, is_slow = at + lasts, not is_slow
    made = independent(rng, n)
    return made._replace(response_ms=np.where(slow, factor, 1.0) * made.response_ms)


def slow_as_a_whole(rng, n, steps=20, share=0.06, factor=8.0):
    """Some sessions are slow from their first step to their last, and lie between others."""
    made = overlapping(rng, n, steps)
    slow = rng.random(n // steps) < share
    times = SERVICE_MS * np.exp(rng.normal(0, 0.5, n))
    return made._replace(response_ms=np.where(slow[made.session], factor, 1.0) * times)


def bimodal(rng, n):
    """Two steps of a hundred wait for a boot."""
    made = independent(rng, n)
    is_cold = rng.random(n) < 0.02
    return made._replace(response_ms=made.response_ms + np.where(is_cold, rng.normal(2000, 100, n), 0.0))


def queue_quantile(load, q):
    """The long-run q quantile of M/M/1: response times are exponential with mean service / (1 - load)."""
    return -np.log(1 - q) * SERVICE_MS / (1 - load)


def evidence_of(made, name="run", ok=None):
    """A run of these steps, straight as columns."""
    n = len(made.at_ms)
    session = np.arange(n, dtype=np.int32) if made.session is None else made.session.astype(np.int32)
    intended = (made.at_ms * MS).astype(np.int64)
    end = intended + (made.response_ms * MS).astype(np.int64)
    is_ok = np.ones(n, np.bool_) if ok is None else np.asarray(ok, np.bool_)
    sessions = int(session.max()) + 1
    first, last = np.full(sessions, np.iinfo(np.int64).max), np.full(sessions, -1)
    np.minimum.at(first, session, intended)
    np.maximum.at(last, session, end)
    absent = np.full(n, ABSENT_NS, np.int64)
    no, none = np.zeros(n, np.bool_), np.full(n, -1, np.int32)
    columns = Columns(
        sessions=[f"s-{code}" for code in range(sessions)],
        series_names=[("tool", "search")],
        errors=["status_5xx"],
        instances=[],
        step=[str(code) for code in range(n)],
        session=session,
        series=np.zeros(n, np.int32),
        ok=is_ok,
        error=np.where(is_ok, -1, 0).astype(np.int32),
        status=np.where(is_ok, 200, 503).astype(np.int32),
        intended_ns=intended,
        sent_ns=intended,
        first_byte_ns=end,
        first_token_ns=absent,
        end_ns=end,
        request_bytes=absent,
        response_bytes=absent,
        tokens=absent,
        connect_ns=absent,
        tls_ns=absent,
        dns_ns=absent,
        new_connection=no,
        instance=none,
        cold=none,
        censored=no,
        warmup=no,
        answered=np.ones(n, np.bool_),
        attempts=np.ones(n, np.int32),
        sent_before=np.zeros(n, np.int32),
        retried_ns=np.zeros(n, np.int64),
        makespan_ns=last - first,
        unsent={},
        unreadable=0,
    )
    facts = summary(failed=int(np.count_nonzero(~is_ok)), elapsed_s=float(made.at_ms[-1]) / 1e3)
    return Evidence(facts, columns, name)
