"""The instances of a plane of our own, as a run's files tell of them: simulated ones exactly, others as polled."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.choice.boots import Life
from replay.results.types import PLANE_FILE
from replay.trials.evidence import read_instances
from replay.trials.faults import read_events

_NS = 1_000_000_000


class Polled(msgspec.Struct):
    """One line of plane.jsonl, as far as it matters here."""

    at_s: float
    instances: dict[str, int]
    alive: list["_Alive"] = []


class _Alive(msgspec.Struct):
    instance: str
    age_s: float
    boot_s: float | None = None
    memory_bytes: int | None = None


def lives_of(run_dir: Path) -> list[Life]:
    """Every instance; nothing for a plane that does not tell. Polled once a second, an instance is gone when it was
    last seen, and one that lived between two polls was not seen.
    """
    records = read_instances(run_dir)
    if records is not None:
        return [
            Life(record.requested_ns / _NS, _seconds(record.ready_ns), _seconds(record.gone_ns))
            for record in records
        ]
    lives: dict[str, Life] = {}
    last_s = 0.0
    for polled in read_polled(run_dir):
        last_s = polled.at_s
        for one in polled.alive:
            first = lives.get(one.instance)
            requested_s = polled.at_s - one.age_s if first is None else first.requested_s
            ready_s = None if one.boot_s is None else requested_s + one.boot_s
            lives[one.instance] = Life(requested_s, ready_s, polled.at_s)
    return [life._replace(gone_s=None) if life.gone_s == last_s else life for life in lives.values()]


def memory_peak_bytes(run_dir: Path) -> int | None:
    """The most resident memory that one instance was seen to have; None where the plane does not tell."""
    seen = [one.memory_bytes for polled in read_polled(run_dir) for one in polled.alive if one.memory_bytes]
    return max(seen, default=None)


def has_struck(run_dir: Path, at_ns: int) -> bool | None:
    """Whether the fault of a run met an instance of a plane of our own; None where a plane does not tell."""
    for event in read_events(run_dir):
        try:
            return msgspec.json.decode(event.answer or "", type=_Struck).instance is not None
        except msgspec.DecodeError:
            continue
    records = read_instances(run_dir)
    return None if records is None else any(record.gone_ns == at_ns for record in records)


class _Struck(msgspec.Struct):
    """What the control address answers to a fault."""

    instance: str | None


def read_polled(run_dir: Path) -> Iterator[Polled]:
    """What a plane of our own told when it was polled; nothing for others."""
    try:
        lines = (run_dir / PLANE_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Polled)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue


def instances_over_time(run_dir: Path) -> list[tuple[float, float]]:
    """How many instances a plane of our own had, as it was polled or as it was simulated; nothing for others."""
    polled = [(told.at_s, float(sum(told.instances.values()))) for told in read_polled(run_dir)]
    return polled or _simulated_instances(run_dir)


def _simulated_instances(run_dir: Path) -> list[tuple[float, float]]:
    lives = read_instances(run_dir) or []
    changes = [(life.requested_ns, 1) for life in lives]
    changes += [(life.gone_ns, -1) for life in lives if life.gone_ns is not None]
    found: list[tuple[float, float]] = []
    there = 0
    for at_ns, change in sorted(changes):
        there += change
        found.append((at_ns / _NS, float(there)))
    return found


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / _NS
