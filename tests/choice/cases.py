"""Made-up evidence for a choice of plane: a workload, its steps, and planes; each figure can be changed by its name."""

from typing import Any

from replay.choice.case import Case
from replay.choice.types import Bucket, PilotPlane, StepClass, Workload
from replay.judge.statistics.proportion import share_bounds
from replay.judge.statistics.sample import Worth


def workload(**changed: Any) -> Workload:
    known: dict[str, Any] = {
        "trace": "t",
        "sessions": 200,
        "steps": 1000,
        "span_s": 600.0,
        "pattern": "interactive",
        "pattern_rule": "by its think times",
        "window_s": 60,
        "mean_rps": 1.7,
        "peak_rps": 4.0,
        "mean_in_flight": 1.0,
        "peak_in_flight": 9,
        "idle_share": 0.2,
        "longest_ms": 900.0,
        "series": [step("tool", "search", 100.0, 0.4), step("llm", "answer", 900.0, 0.6)],
        "buckets": [Bucket(name="peak", weight=0.1, cost_month={"s": 5.0, "v": 3.0})],
    }
    return Workload(**(known | changed))


def step(kind: str, name: str, p50_ms: float, busy: float, **changed: Any) -> StepClass:
    known: dict[str, Any] = {"steps": 500, "longest_ms": 2 * p50_ms, "busy_share": busy, "in_flight": busy}
    return StepClass(kind=kind, name=name, p50_ms=p50_ms, **(known | changed))


def plane(target: str, kind: Any, **changed: Any) -> PilotPlane:
    known: dict[str, Any] = {
        "steps": 1000,
        "answered": 1500,
        "error_share": 0.0,
        "p99_ms": 900.0,
        "p99_ci_ms": (850.0, 950.0),
        "cost_month": 30.0,
        "currency": "USD",
        "cost_basis": "measured",
        "ceiling_rps": 50.0,
        "ceiling_verdict": "found",
    }
    known |= changed
    if known["error_share"] is not None:
        known.setdefault("error_share_ci", each_by_itself(known["error_share"], known["steps"]))
    return PilotPlane(target=target, plane=kind, **known)


def each_by_itself(share: float, steps: int) -> tuple[float, float]:
    """The interval of a share of failures that come one by one."""
    low, high = share_bounds(share, Worth(float(steps), 1.0, "value"), 0.95)
    assert low is not None
    assert high is not None
    return low, high


def case(
    serverless: dict[str, Any] | None = None,
    vm: dict[str, Any] | None = None,
    *,
    load: Workload | None = None,
    split: PilotPlane | None = None,
    **changed: Any,
) -> Case:
    """split: a hybrid that was tried beside the two."""
    planes = [plane("s", "serverless", **(serverless or {})), plane("v", "vm", **(vm or {}))]
    planes += [] if split is None else [split]
    return Case(workload=load or workload(), planes=planes, **changed)
