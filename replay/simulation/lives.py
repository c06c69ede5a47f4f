"""What the lives of simulated instances come to: their records, and the figures of a plane. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from replay.planes.core.types import InstanceLife
from replay.results.manifest_types import PlaneFigures
from replay.results.types import InstanceRecord, Part

_NS = 1_000_000_000


class Tallies(NamedTuple):
    """What a plane did that the lives of its instances do not tell."""

    boots: int
    cold: int
    refused: int
    timed_out: int


def record_of(life: InstanceLife, part: Part, name: str, start_ns: int) -> InstanceRecord:
    """What one instance did; instants count from start_ns."""

    def since(at_ns: int | None) -> int | None:
        return None if at_ns is None else at_ns - start_ns

    return InstanceRecord(
        instance=name,
        requested_ns=life.requested_ns - start_ns,
        ready_ns=since(life.ready_ns),
        first_request_ns=since(life.first_request_ns),
        gone_ns=since(life.gone_ns),
        served=life.served,
        busy_ns=life.busy_ns,
        request_ns=life.request_ns,
        part=part,
    )


def figures_of(lives: Sequence[InstanceLife], tallies: Tallies, now_ns: int) -> PlaneFigures:
    """What a plane did, for the summary."""
    return PlaneFigures(
        instances=tallies.boots,
        most_instances=most_at_once(lives, now_ns),
        cold=tallies.cold,
        refused=tallies.refused,
        timed_out=tallies.timed_out,
        busy_s=round(sum(life.busy_ns for life in lives) / _NS, 3),
        booting_s=round(sum(_booted(life, now_ns) - life.requested_ns for life in lives) / _NS, 3),
        instance_s=round(sum(_gone(life, now_ns) - life.requested_ns for life in lives) / _NS, 3),
    )


def together(parts: Mapping[Part, PlaneFigures], lives: Sequence[InstanceLife], now_ns: int) -> PlaneFigures:
    """What the planes of a run did in all, with the parts of it where there are several. lives: of all of them."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    summed = {
        name: round(sum(getattr(figures, name) for figures in parts.values()), 3)
        for name in PlaneFigures.__struct_fields__
        if name not in ("most_instances", "parts")
    }
    return PlaneFigures(most_instances=most_at_once(lives, now_ns), parts=dict(parts), **summed)


def most_at_once(lives: Sequence[InstanceLife], now_ns: int) -> int:
    """The most instances that were there at one instant; one that goes makes room for one that comes then."""
    changes = sorted(change for life in lives for change in ((life.requested_ns, 1), (_gone(life, now_ns), -1)))
    most = there = 0
    for _, change in changes:
        there += change
        most = max(most, there)
    return most


def _gone(life: InstanceLife, now_ns: int) -> int:
    """When it was gone, or now; an instant of 0 is one."""
    return now_ns if life.gone_ns is None else life.gone_ns


def _booted(life: InstanceLife, now_ns: int) -> int:
    """When it had booted, or was given up, or now."""
    return _gone(life, now_ns) if life.ready_ns is None else life.ready_ns
