"""A hybrid taken apart: what stays on its own plane and what its routes send elsewhere, as a target and a run each.

So each part is priced by the rules for a target of its kind, and the bill of the hybrid is both together. Pure.
"""

from math import ceil
from typing import NamedTuple

import msgspec
import numpy as np

from replay.choice.standing import MOST_FAILED
from replay.choice.types import Bucket
from replay.engine.requests.router import Router
from replay.money.cost import CostError
from replay.money.month_load import peak_in_flight, peak_rps
from replay.results.columns import ABSENT_NS, Flags
from replay.results.types import ELSEWHERE, OWN, Part
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trials.pilot.pricing.levels import Measured
from replay.trials.pilot.workload.shape import Shape

_MS = 1_000_000


class HybridPart(NamedTuple):
    """One part of a hybrid: a target of its own, the run of the steps that went there, and the shape of their load."""

    target: Target
    cost: Cost
    measured: Measured
    shape: Shape


def parts_of(target: Target, cost: Cost, measured: Measured, shape: Shape) -> tuple[HybridPart, HybridPart]:
    """What stays, billed as serverless, and what is sent elsewhere, on machines. Raises CostError where nothing says
    which machines, or one of both got no step.
    """
    if cost.machine is None:
        raise CostError("a hybrid's [cost] needs machine, and machine_price if that is in another table")
    bare = msgspec.structs.replace(
        cost, machine_price=None, staff_hours=0.0, call_price=0.0, token_price_million=0.0
    )
    own_cost = msgspec.structs.replace(bare, machine=None, rps=None, slots=None)
    machines = msgspec.structs.replace(bare, price=cost.machine_price or cost.price)
    own = msgspec.structs.replace(target, plane="serverless", routes=(), cost=own_cost)
    elsewhere = msgspec.structs.replace(
        target, plane="vm", routes=(), cost=machines, simulate=(target.simulate or {}).get("elsewhere")
    )
    stays = stays_of(target, measured)
    return (
        HybridPart(own, own_cost, *_of(OWN, stays, measured, shape)),
        HybridPart(elsewhere, machines, *_of(ELSEWHERE, ~stays, measured, shape)),
    )


def stays_of(target: Target, measured: Measured) -> Flags:
    """The steps of a run that go to the target's own URL, in the order of its columns."""
    columns, router = measured.run.columns, Router(target)
    by_series = np.array([router.place(kind, name) == 0 for kind, name in columns.series_names], np.bool_)
    return by_series[columns.series]


def elsewhere_p95_ms(target: Target, measured: Measured) -> float | None:
    """The p95 of the response times of what a hybrid sends elsewhere, in the run of any target; None without any, and
    where too many of them failed, which may be those that take the longest.
    """
    columns = measured.run.columns
    asked = ~stays_of(target, measured) & (columns.end_ns != ABSENT_NS)
    rows = asked & columns.ok
    if not rows.any() or np.count_nonzero(asked & ~rows) > MOST_FAILED * np.count_nonzero(asked):
        return None
    return float(np.quantile(columns.end_ns[rows] - columns.intended_ns[rows], 0.95)) / _MS


def _of(part: Part, rows: Flags, measured: Measured, shape: Shape) -> tuple[Measured, Shape]:
    run = measured.run
    sent = run.columns.sent_ns != ABSENT_NS
    share = int(np.count_nonzero(sent & rows)) / max(1, int(np.count_nonzero(sent)))
    if not share:
        where = "stays on its own plane" if part == OWN else "is sent elsewhere"
        raise CostError(f"no step {where}, so this is not a hybrid")
    figures = run.summary.plane
    if figures is not None and figures.parts:
        figures = figures.parts[part]
    elif part == ELSEWHERE:
        # Of a live run only the plane at the target's own URL tells anything.
        figures = None
    columns = run.columns.where(rows)
    failed = int(np.count_nonzero(~columns.ok & (columns.end_ns != ABSENT_NS)))
    counts = msgspec.structs.replace(run.summary.counts, failed=failed)
    alone = msgspec.structs.replace(
        run,
        summary=msgspec.structs.replace(run.summary, plane=figures, counts=counts),
        columns=columns,
    )
    lives = tuple(one for one in measured.instances if one.part == part)
    found = measured._replace(run=alone, instances=lives)
    workload = msgspec.structs.replace(
        shape.workload,
        peak_rps=peak_rps(alone, float(shape.workload.window_s)) * shape.peak_level,
        peak_in_flight=ceil(round(peak_in_flight(alone) * shape.peak_level, 6)),
        buckets=_shared(shape.workload.buckets, share),
    )
    return found, shape._replace(workload=workload, recorded=tuple(_shared(shape.recorded, share)))


def _shared(buckets: list[Bucket] | tuple[Bucket, ...], share: float) -> list[Bucket]:
    """Load levels with so much of their requests."""
    return [
        msgspec.structs.replace(
            bucket,
            requests_per_s=bucket.requests_per_s * share,
            requests_month=bucket.requests_month * share,
        )
        for bucket in buckets
    ]
