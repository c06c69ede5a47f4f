"""A pilot of two planes with every part that a report shows; its names can be made to attack the page."""

import numpy as np

from replay.choice.types import (
    Boots,
    Bucket,
    Dimension,
    Hybrid,
    PhaseFigures,
    PilotPlane,
    PilotVerdict,
    PlannedRoute,
    Recovered,
    Rule,
    StepClass,
    TriedSplit,
    Workload,
)
from replay.judge.cold.types import Cold, ColdVerdict, IdleBucket, Tail
from replay.judge.load.types import Ceiling, CeilingVerdict, Knee, Level
from replay.money.types import BreakEvenFound, Sensitive
from replay.report.page.lanes import RecordedStep
from replay.report.page.pilot import PilotMaterial
from replay.results.columns import columns_of
from replay.results.manifest_types import Manifest, TraceFacts
from replay.results.summary_types import Quantiles
from tests.support.runs import Evidence, step, summary


def pilot_verdict(nasty="", **changes):
    """nasty: added to every name that comes from a trace, a target or a price table."""
    a, b = f"serverless{nasty}", f"vm{nasty}"
    fields = {
        "schema": "replay.verdict/1",
        "command": "pilot",
        "verdict": "vm",
        "answer": f"Run it on VMs: {b} 30.11, {a} 121.16 USD a month.",
        "reasons": ["cost"],
        "doubts": [f"the instance seconds behind {a}'s cost are simulated, not measured"],
        "planes": [_serverless(a, nasty), _vm(b, nasty)],
        "break_even": [
            BreakEvenFound(
                between=(a, b),
                by="utilisation",
                unit="active instances",
                at=0.43,
                ci=(0.31, 0.62),
                now=1.53,
                text=f"{b} is cheaper at 1.53 active instances; both cost the same at 0.43",
                curve=[(0.1 * n, 79.0 * 0.1 * n, 30.11) for n in range(1, 40)],
            ),
            BreakEvenFound(
                between=(a, b), by="concurrency", reason=f"concurrency was not measured{nasty}", text=""
            ),
        ],
        "rules": [
            Rule(
                name=f"cost{nasty}",
                favours="vm",
                evidence={"cost_month": {a: 121.16, b: 30.11}, "currency": f"USD{nasty}"},
                text=f"{b} 30.11, {a} 121.16 USD a month",
                flips_at={"cost_month": 101.0},
                decides=True,
                source="a quarter cheaper for certain",
            ),
            Rule(name="local needs", favours="neither", evidence={}, text="no step is bound to a machine"),
        ],
        "buckets": [
            _bucket(name, weight, a, b) for name, weight in (("idle", 0.1), ("normal", 0.2), ("peak", 0.7))
        ],
        "workload": Workload(
            trace=f"support{nasty}",
            sessions=40,
            steps=320,
            span_s=65.0,
            pattern="steady state",
            pattern_rule="0% of the windows empty",
            window_s=10,
            mean_rps=4.93,
            peak_rps=5.9,
            longest_session_s=24.6,
            series=[
                StepClass(kind="tool", name=f"search{nasty}", steps=40, p50_ms=120.0, needs=f"disk{nasty}")
            ],
        ),
        "phases": [
            PhaseFigures(phase="representative", target=a, run=f"representative/{a}", steps=320, p50_ms=248.0)
        ],
        "headline": [
            ("p99 response time", {a: "2.61 s", b: "2.57 s"}),
            ("a month at this load", {a: "121.16 USD", b: "30.11 USD"}),
            ("throughput ceiling, requests/s", {a: "130", b: "45.1"}),
        ],
        "dimensions": [
            Dimension(name="latency", by_plane={a: f"p99 2.61 s{nasty}", b: "p99 2.57 s"}, better="even")
        ],
        "routes": [PlannedRoute(kind="tool", name=f"search{nasty}", to="vm", why=f"needs disk{nasty}")],
        "sensitivity": [
            Sensitive(
                input="the load as a whole", value=425_000.0, unit="requests a day", flips_at_factor=0.28
            ),
            Sensitive(input="machine prices", flips_at_factor=4.1),
            Sensitive(input="memory of an instance", elasticity=0.17),
        ],
        "effort": [f"{a}: 4 requests failed"],
        "rollback": f"Keep {a} deployed.",
        "check_again": "Ask again by 2027-02-21.",
        "how": "quick",
        "made_at": "2026-11-23T13:45:16Z",
        "slos": ["p99 < 3s"],
        "prices": [
            {
                "name": f"cloud{nasty}",
                "provider": f"A cloud{nasty}",
                "region": "r",
                "date": "2026-08-03",
                "source": f"its pricing page{nasty}",
            }
        ],
        "notes": ["a quick look"],
        "hybrid": Hybrid(
            serverless=a,
            vm=b,
            text=f"a split does not pay: simulated with tool:search{nasty} on 1 machine and the rest serverless it is 33.20",
            tried=[
                TriedSplit(
                    steps=[f"tool:search{nasty}"],
                    machines=1,
                    estimated_month=32.9,
                    cost_month=33.2,
                    currency="USD",
                    p99_ms=2570.0,
                    out=f"broke p99 < 3s{nasty}",
                )
            ],
        ),
    }
    return PilotVerdict(**(fields | changes))


def pilot_material(nasty=""):
    """Runs of both planes: the serverless one has cold starts, its sessions have three steps, one after the other."""
    names = [f"serverless{nasty}", f"vm{nasty}"]
    rng = np.random.default_rng(7)
    runs = {name: {"representative": _run(name, nasty, rng, is_cold=name == names[0])} for name in names}
    recorded = {
        f"s-{n}{nasty}": {
            "0": RecordedStep(0.0, 200.0),
            "wait": RecordedStep(200.0, 30.0, ("0",)),
            "1": RecordedStep(230.0, 200.0, ("wait",)),
            "2": RecordedStep(430.0, 200.0, ("1",)),
        }
        for n in range(100)
    }
    series = [(float(at_s), float(1 + at_s // 20)) for at_s in range(-1, 60)]
    return PilotMaterial(
        runs,
        {name: _ceiling() for name in names},
        {names[0]: _wake(5), names[1]: _wake(0)},
        dict.fromkeys(names, series),
        [_manifest(name) for name in names],
        recorded,
    )


def _serverless(name, nasty):
    return PilotPlane(
        target=name,
        plane="serverless",
        p50_ms=248.0,
        p95_ms=2080.0,
        p99_ms=2605.0,
        p99_ci_ms=(2220.0, None),
        cold_share=0.031,
        cold_added_ms=1400.0,
        boots=Boots(
            count=12,
            finished=11,
            p50_s=1.4,
            p95_s=2.2,
            longest_s=2.4,
            woken_by={f"requests to none{nasty}": 9, "load beside others": 3},
            waited=10,
            wait_p50_ms=36.8,
            wait_longest_ms=2380.0,
        ),
        cold_tail_ms=412.0,
        memory_peak_bytes=187_000_000,
        keep_alive_s=(2.7, 4.0),
        ceiling_rps=2326.0,
        ceiling_verdict="at_least",
        ceiling_reason=f"the search found 61.2 requests/s, but 2,326 were carried{nasty}",
        limited_by="throughput",
        utilisation=1.53,
        cost_month=121.16,
        cost_ci=(82.1, 173.6),
        currency="USD",
        cost_basis="simulated",
        cost_lines=[
            {
                "name": f"vCPU time{nasty}",
                "quantity": 4_207_098.0,
                "unit": "vCPU-s",
                "unit_price": 2.4e-05,
                "amount": 121.16,
                "free": 180_000.0,
                "inputs": f"1 vCPU x 4,100,322 s{nasty}",
            }
        ],
        errors=4,
        sessions_lost=4,
        recovery=Recovered(target=name, what="the busiest instance was killed", detect_s=0.1, failed=4),
        steps=320,
    )


def _vm(name, nasty):
    return PilotPlane(
        target=name,
        plane="vm",
        p50_ms=248.0,
        p99_ms=2568.0,
        cold_share=0.0,
        machines=1,
        ceiling_rps=45.1,
        cost_month=30.11,
        currency="USD",
        cost_basis="simulated",
        generator=f"ok{nasty}",
        steps=320,
    )


def _bucket(name, weight, a, b):
    return Bucket(
        name=name,
        weight=weight,
        requests_share=weight,
        requests_per_s=5.0,
        requests_month=1e6 * weight,
        mean_took_ms=700.0,
        cost_month={a: 121.16 * weight, b: 30.11 * weight},
    )


def _run(name, nasty, rng, *, is_cold):
    records = []
    for session in range(100):
        at_ms = session * 500.0
        for n in range(3):
            took_ms = float(rng.gamma(4, 50)) + (900.0 if is_cold and session % 25 == 0 else 0.0)
            records.append(
                step(
                    f"s-{session}{nasty}",
                    took_ms,
                    n,
                    name=f"search{nasty}",
                    at_ms=at_ms,
                    cold=session % 25 == 0,
                )
            )
            at_ms += took_ms + 30
    said = summary()
    said.trace.name = said.target.name = name
    return Evidence(said, columns_of([records]), name)


def _ceiling():
    levels = [
        Level(
            scale=float(n),
            offered_rps=10.0 * n,
            achieved_rps=10.0 * n,
            sessions_per_s=1.0,
            p99_ms=500.0 + 30.0 * n**3,
            verdict="pass" if n < 5 else "fail",
        )
        for n in range(1, 8)
    ]
    return CeilingVerdict(
        schema="replay.verdict/1",
        command="ceiling",
        verdict="found",
        reasons=[],
        ceiling=Ceiling(
            scale=4.0,
            rps=40.0,
            sessions_per_s=4.0,
            in_flight=12.0,
            ci_scale=(4.0, 5.0),
            limited_by="throughput",
        ),
        levels=levels,
        knee=Knee(3.0, 30.0, 9.0, 600.0),
    )


def _wake(cold):
    return ColdVerdict(
        schema="replay.verdict/1",
        command="coldstart",
        cold=Cold(
            count=cold,
            share=cold / 100,
            method="header",
            confidence="certain",
            why="it says so",
            latency_ms=Quantiles(n=cold),
            warm_ms=Quantiles(n=100 - cold),
        ),
        tail=Tail(),
        idle_curve=[
            IdleBucket(0.5, 2.0, 20, 0, 0.0, (0.0, 0.17)),
            IdleBucket(2.0, 8.0, 10, min(cold, 5), min(cold, 5) / 10, (0.19, 0.81)),
        ],
    )


def _manifest(name):
    return Manifest(
        schema="replay.run/1",
        status="finished",
        version="0",
        started_at="now",
        trace=TraceFacts(name=name, sha256="0", sessions=1, steps=1),
        target={},
        options={"x": name},
        seed=1,
        host={"system": name},
        clock={},
    )
