"""What a pilot assumed: each parameter of its planes and their prices, and where it is from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from replay.choice.types import Assumption, PilotPlane, WhereFrom, Workload
from replay.planes.core.types import ACCEPT_QUEUE, PlaneKind
from replay.planes.modelled.time_types import USUAL_BOOTS, Constant, Lognormal
from replay.planes.modelled.types import USUAL_CPU_SHARES
from replay.planes.profiles import MODELS
from replay.planes.types import SimulatedPlane
from replay.simulation.simulation import simulated_plane
from replay.target.target import Target
from replay.words.numbers import exact, milliseconds, number

_OF_PLATFORMS = ("idle_lifetime_s", "binding", "startup_boost", "boost_after_ready_s")
# What has no meaning for a kind of plane: fixed machines neither come nor go.
_WITHOUT_MEANING: Mapping[PlaneKind, tuple[str, ...]] = {
    "serverless": (),
    "vm": (*_OF_PLATFORMS, "min_instances", "scaling"),
    "group": _OF_PLATFORMS,
}
_A_WEBSOCKET = (
    "a request of its plane from its opening to the session's end: a slot of one instance, active time, and one fee "
    "per request unless the price table says otherwise (socket_is)"
)
_CHOSEN, _PROFILE = "chosen: ", "profile "
_GIVEN, _PRICED = "given", "given in [cost]"
# Which answers are given after the recorded time; then no time is drawn.
_DRAWN = ("service", "by_path", "by_kind", "between_tokens", "default_tokens", "token_limit", "speed")


class Parameter(NamedTuple):
    """name: of the parameter, as a target file has it (plane.concurrency). where_from: given, a profile, a default of
    ours, or chosen with the reason.
    """

    name: str
    value: str
    where_from: str


def assumptions_of(target: Target) -> list[Parameter]:
    """Every parameter of the plane that a target is simulated or emulated by, then the size it is priced by.

    Empty for the plane's part where a target has no [simulate] table: nothing is assumed of it. Raises TargetError.
    """
    found: list[Parameter] = []
    if target.simulate is not None:
        spec = simulated_plane(target)
        found += _of_plane(target.simulate, spec)
        if spec.elsewhere is not None:
            elsewhere = _of_plane(target.simulate["elsewhere"], spec.elsewhere)
            found += [one._replace(name=f"elsewhere.{one.name}") for one in elsewhere]
    cost = target.cost
    if cost is not None:
        found.append(Parameter("cost.price", cost.price, _PRICED))
        if cost.machine is None or target.plane == "hybrid":
            found.append(Parameter("cost.vcpu", exact(cost.vcpu), _PRICED))
            found.append(Parameter("cost.memory_gib", exact(cost.memory_gib), _PRICED))
            found.append(Parameter("cost.billing", cost.billing, _PRICED))
        if cost.machine is not None:
            found.append(Parameter("cost.machine", cost.machine, _PRICED))
            found.append(Parameter("cost.headroom_percent", exact(cost.headroom_percent), _PRICED))
    return found


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
        Assumption(name="span of the trace", value=number(workload.span_s), unit="s", where_from="trace"),
        Assumption(name="seed", value=str(seed), where_from="default" if seed == 1 else "given"),
    ]
    if any(one.kind == "ws" for one in workload.series):
        found.append(Assumption(name="a WebSocket", value=_A_WEBSOCKET, where_from="default"))
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
        unit = str(price.get("currency"))
        chosen: WhereFrom = "default" if are_all_ours else "given"
        found.append(Assumption(name="prices", value=value, unit=unit, where_from=chosen))
    for target, plane in zip(priced, planes, strict=True):
        found += [_told(one, target.name, is_ours=target.name in ours) for one in assumptions_of(target)]
        found += _measured(plane)
    return found


def _told(one: Parameter, target: str, *, is_ours: bool) -> Assumption:
    """A parameter as an assumption of that target. is_ours: the user described it nowhere, so nothing is given."""
    where_from: WhereFrom
    where_from, why = "default", ""
    if one.where_from.startswith(_GIVEN):
        where_from = "default" if is_ours else "given"
    elif one.where_from.startswith(_PROFILE):
        where_from, why = "profile", one.where_from.removeprefix(_PROFILE)
    elif one.where_from.startswith(_CHOSEN):
        where_from, why = "chosen", one.where_from.removeprefix(_CHOSEN)
    return Assumption(name=one.name, target=target, value=one.value, where_from=where_from, why=why)


def _measured(plane: PilotPlane) -> list[Assumption]:
    """What was seen of a plane, and stands where nothing was given."""
    found = []
    if plane.boots is not None and plane.boots.p50_s is not None:
        found.append(("boot, as it came, median", number(plane.boots.p50_s), "s"))
    if plane.keep_alive_s is not None:
        least, most = plane.keep_alive_s
        value = f"more than {number(least)}" if most is None else f"{number(least)} to {number(most)}"
        found.append(("an idle instance stays", value, "s"))
    if plane.capacity_rps is not None and plane.plane != "hybrid":
        found.append(("a machine carries", number(plane.capacity_rps), "requests/s"))
    if plane.machines is not None:
        found.append(("machines priced", str(plane.machines), ""))
    return [
        Assumption(name=name, target=plane.target, value=value, unit=unit, where_from="measured")
        for name, value, unit in found
    ]


def _of_plane(table: Mapping[str, Any], spec: SimulatedPlane) -> Iterator[Parameter]:
    yield Parameter("as_recorded", _shown(spec.as_recorded), _origin("as_recorded", table, spec))
    for name, value in _plane_values(spec):
        if name.partition(".")[0] not in _WITHOUT_MEANING[spec.plane.kind]:
            yield Parameter(f"plane.{name}", _shown(value), _origin(f"plane.{name}", table, spec))
    for name, value in _model_values(spec):
        yield Parameter(f"instances.{name}", _shown(value), _origin(f"instances.{name}", table, spec))


def _plane_values(spec: SimulatedPlane) -> Iterator[tuple[str, Any]]:
    """The rules of the plane, those that follow from its kind as what they come to."""
    plane = spec.plane
    for field in msgspec.structs.fields(plane):
        if field.name == "scaling":
            rules = plane.scaling
            yield "scaling.policy", rules.__struct_config__.tag
            for rule in msgspec.structs.fields(rules):
                yield f"scaling.{rule.name}", getattr(rules, rule.name)
        elif field.name == "request_timeout_s":
            yield field.name, "none" if plane.request_limit_s is None else plane.request_limit_s
        elif field.name == "drain_s":
            yield field.name, "none" if plane.drain_limit_s is None else plane.drain_limit_s
        elif field.name == "pending_limit":
            queue = "an accept queue of 2048" if plane.queue == ACCEPT_QUEUE else plane.queue
            yield field.name, queue if plane.pending_limit is None else plane.pending_limit
        else:
            yield field.name, getattr(plane, field.name)


def _model_values(spec: SimulatedPlane) -> Iterator[tuple[str, Any]]:
    model = spec.instances
    for field in msgspec.structs.fields(model):
        name, value = field.name, getattr(model, field.name)
        if name == "as_recorded" or (spec.as_recorded and name in _DRAWN):
            continue
        if name == "boot":
            yield name, USUAL_BOOTS[spec.plane.kind] if value is None else value
        elif name == "vcpu":
            yield name, spec.plane.vcpu if value is None else value
        elif name == "cpu_by_kind":
            usual = USUAL_CPU_SHARES if spec.as_recorded and model.sharing == "processor" else {}
            yield name, {**usual, **value}
        elif name == "boot_most_vcpu":
            if model.boot_cpu is not None:
                yield name, value
        else:
            yield name, value


def _origin(name: str, table: Mapping[str, Any], spec: SimulatedPlane) -> str:
    """Where a value is from: the table's reason or the table itself, before the profile, before our defaults."""
    if name in spec.why:
        return _CHOSEN + spec.why[name]
    inner: Any = table
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    if inner is not None:
        return _GIVEN
    part, _, field = name.partition(".")
    if spec.profile is not None and (part == "plane" or field in MODELS.get(spec.profile, {})):
        return _PROFILE + spec.profile
    return "default"


def _shown(value: Any) -> str:
    """A value as a reader takes it in at a glance."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one) for one in value) or "none"
    if isinstance(value, Lognormal):
        return f"{milliseconds(value.p50_ms)} in the median, {milliseconds(value.p99_ms)} at p99 (lognormal)"
    if isinstance(value, Constant):
        return milliseconds(value.ms)
    if isinstance(value, msgspec.Struct):
        changed = msgspec.to_builtins(value)
        return ", ".join(f"{key} {_shown(one)}" for key, one in changed.items()) or "none"
    return str(value)
