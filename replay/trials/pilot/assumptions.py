"""What a pilot assumed of each target: every constant behind its figures, with where it is from.

A parameter that the target's file gives is *given*; one that nobody gave is the *default* of the model, of the embedded
planes, or of the price table's vendor.
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from replay.engine.simulation import simulated_plane
from replay.judge.choice.types import Assumption, PilotPlane, WhereFrom, Workload
from replay.judge.phrases import number
from replay.planes.types import Constant, Distribution, Empirical, Lognormal, Mixture
from replay.target import Cost, Target


def assumptions_of(target: Target) -> list[tuple[str, str, str]]:
    """Name, value with its unit, and where it is from (given, default), of one target as its file has it."""
    return _of_plane(target) + _of_cost(target.cost)


def all_assumptions(
    priced: Sequence[Target],
    ours: frozenset[str],
    planes: Sequence[PilotPlane],
    workload: Workload,
    prices: Sequence[dict[str, Any]],
    seed: int,
    bounds: Sequence[str],
    *,
    are_bounds_given: bool,
) -> list[Assumption]:
    """priced: the targets as they were priced. ours: the names of those that the user described nowhere: nothing of
    them is given. planes: their figures. bounds: what a level of load had to keep.
    """
    found = [
        Assumption(name="span of the trace", value=f"{workload.span_s:,.0f}", unit="s", where_from="trace"),
        Assumption(name="seed", value=str(seed), where_from="default" if seed == 1 else "given"),
    ]
    if bounds:
        found.append(
            Assumption(
                name="bounds of a level of load",
                value=", ".join(bounds),
                where_from="given" if are_bounds_given else "default",
            )
        )
    are_all_ours = all(target.name in ours for target in priced)
    for price in prices:
        value = f"{price.get('name')}: {price.get('region')}, of {price.get('date')}"
        unit, chosen = str(price.get("currency")), "default" if are_all_ours else "given"
        found.append(Assumption(name="prices", value=value, unit=unit, where_from=cast("WhereFrom", chosen)))
    for target, plane in zip(priced, planes, strict=True):
        for name, value, where_from in assumptions_of(target):
            source = "default" if target.name in ours and where_from == "given" else where_from
            found.append(
                Assumption(name=name, target=target.name, value=value, where_from=cast("WhereFrom", source))
            )
        found += _measured(plane)
    return found


def _measured(plane: PilotPlane) -> list[Assumption]:
    """What was seen of a plane, and stands where nothing was given."""
    found = []
    if plane.boots is not None and plane.boots.p50_s is not None:
        found.append(("boot, as it came, median", number(plane.boots.p50_s), "s"))
    if plane.keep_alive_s is not None:
        least, most = plane.keep_alive_s
        value = f"more than {number(least)}" if most is None else f"{number(least)} to {number(most)}"
        found.append(("an idle instance stays", value, "s"))
    if plane.capacity_rps is not None:
        found.append(("a machine carries", number(plane.capacity_rps), "requests/s"))
    if plane.machines is not None:
        found.append(("machines priced", str(plane.machines), ""))
    return [
        Assumption(name=name, target=plane.target, value=value, unit=unit, where_from="measured")
        for name, value, unit in found
    ]


def _of_plane(target: Target) -> list[tuple[str, str, str]]:
    if target.simulate is None:
        return []
    spec = simulated_plane(target)
    plane, table = spec.plane, target.simulate.get("plane", {})
    instances = target.simulate.get("instances", {})

    def of_plane(key: str) -> str:
        return "given" if key in table else "default"

    slots = f"{plane.concurrency} requests" if plane.concurrency else "unlimited"
    found = [
        ("plane", plane.kind, of_plane("kind")),
        ("at once in an instance", slots, of_plane("concurrency")),
        ("instances at most", str(plane.max_instances), of_plane("max_instances")),
    ]
    if plane.kind == "serverless":
        found += [
            ("instances at least", str(plane.min_instances), of_plane("min_instances")),
            ("idle lifetime", f"{plane.idle_lifetime_s:g} s", of_plane("idle_lifetime_s")),
        ]
    found += [
        ("boot", _said(spec.instances.boot), "given" if "boot" in instances else "default"),
        (
            "answers take",
            "as long as the recording says" if spec.as_recorded else "what the model draws",
            "trace" if spec.as_recorded else "given",
        ),
    ]
    return found


def _said(boot: Distribution) -> str:
    match boot:
        case Constant(ms=ms):
            return f"{number(ms / 1000)} s"
        case Lognormal(p50_ms=p50_ms, p99_ms=p99_ms):
            return f"{number(p50_ms / 1000)} s in the median, {number(p99_ms / 1000)} s at p99 (lognormal)"
        case Empirical(values_ms=values_ms):
            return f"{number(min(values_ms) / 1000)} to {number(max(values_ms) / 1000)} s, as was seen"
        case Mixture(parts=parts):
            return "one of: " + "; ".join(_said(part) for part in parts)


def _of_cost(cost: Cost | None) -> list[tuple[str, str, str]]:
    if cost is None:
        return []
    # A field that is not written is left out, and stands for its default.
    written = msgspec.to_builtins(cost)

    def given(key: str) -> str:
        return "given" if key in written else "default"

    if cost.machine is not None:
        return [
            ("machine", cost.machine, "given"),
            ("machines now", str(cost.machines), given("machines")),
            ("kept free at the peak", f"{cost.headroom_percent:g} %", given("headroom_percent")),
        ]
    return [
        ("vCPU of an instance", f"{cost.vcpu:g}", given("vcpu")),
        ("memory of an instance", f"{cost.memory_gib:g} GiB", given("memory_gib")),
        ("billed by", cost.billing, given("billing")),
        ("kept warm", f"{cost.min_instances} instances", given("min_instances")),
    ]
