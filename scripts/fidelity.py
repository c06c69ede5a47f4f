"""Simulated planes beside closed forms, published figures and observed behaviour: the table of docs/planes.md.

Every row is a whole run of `replay plane simulate`: a trace is written, replayed in virtual time, and what is
compared is read from the run directory.
"""

import argparse
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from replay.engine.types import RunOptions
from replay.simulation.simulation import simulate_trace
from replay.target.target import Target

ON_DEMAND = {"policy": "request", "windows_s": [], "keep_instances": None}
INSTANT = {"of": "constant", "ms": 0.001}


class Row(NamedTuple):
    what: str
    reference: str
    source: str
    here: str
    agrees: bool


class Run(NamedTuple):
    summary: Any
    steps: list[dict[str, Any]]
    instances: list[dict[str, Any]]


def simulated(
    sessions: list[tuple[float, list[dict[str, Any]]]], plane: dict[str, Any], boot: dict[str, Any]
) -> Run:
    """Write a trace of these sessions, replay it against this plane, and read what the run left."""
    with tempfile.TemporaryDirectory() as folder:
        trace, out = Path(folder) / "trace.jsonl", Path(folder) / "run"
        with trace.open("w") as file:
            file.write('{"format":"replay-trace","version":1,"name":"fidelity"}\n')
            for n, (start_ms, steps) in enumerate(sessions):
                file.write(json.dumps({"id": f"s-{n}", "start_ms": start_ms, "steps": steps}) + "\n")
        target = Target(
            url="http://nowhere",
            name="plane",
            simulate={"plane": plane, "instances": {"boot": boot}, "as_recorded": True},
        )
        summary = simulate_trace(trace, target, RunOptions(), out).summary
        return Run(
            summary,
            [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()],
            [json.loads(line) for line in (out / "instances.jsonl").read_text().splitlines()],
        )


def call(took_ms: float, step_id: str = "a", after: str | None = None) -> dict[str, Any]:
    step = {
        "id": step_id,
        "kind": "http",
        "name": "call",
        "took_ms": took_ms,
        "request": {"method": "GET", "path": "/"},
    }
    return {**step, "after": [{"step": after}]} if after else step


def poisson(rate_rps: float, n: int, draw: random.Random) -> Iterator[float]:
    now_s = 0.0
    for _ in range(n):
        now_s += draw.expovariate(rate_rps)
        yield now_s * 1000


def simfaas() -> list[Row]:
    draw = random.Random(1)
    n = 100_000
    sessions = [(at, [call(draw.expovariate(1 / 1.991) * 1000)]) for at in poisson(0.9, n, draw)]
    run = simulated(
        sessions,
        {
            "concurrency": 1,
            "max_instances": 1000,
            "idle_lifetime_s": 600,
            "router": "most_recently_used",
            "scaling": ON_DEMAND,
        },
        INSTANT,
    )
    span_ns = max(step["end_ns"] for step in run.steps)
    cold = len(run.instances) / n
    running = sum(life["request_ns"] for life in run.instances) / span_ns
    alive = sum((life.get("gone_ns") or span_ns) - life["requested_ns"] for life in run.instances) / span_ns
    what = "one request an instance, Poisson 0.9/s, service 1.991 s, lifetime 600 s"
    source = "pacslab/simfaas, README"
    return [
        Row(f"{what}: P(cold)", "0.0014", source, f"{cold:.4f}", abs(cold - 0.0014) < 0.0003),
        Row(f"{what}: instances running", "1.788", source, f"{running:.3f}", abs(running - 1.788) < 0.04),
        Row(f"{what}: instances in all", "7.66", source, f"{alive:.2f}", abs(alive - 7.66) < 0.3),
    ]


def silence(gap_s: float) -> Row:
    draw = random.Random(2)
    sessions = [(at, [call(2000.0)]) for at in poisson(1 / gap_s, 20_000, draw)]
    run = simulated(
        sessions, {"concurrency": 0, "max_instances": 1, "idle_lifetime_s": 900, "scaling": ON_DEMAND}, INSTANT
    )
    expected = math.exp(-(2.0 + 900.0) / gap_s)
    cold = len(run.instances) / 20_000
    error = 3 * math.sqrt(expected * (1 - expected) / 20_000)
    return Row(
        f"a request every {gap_s:.0f} s on average, service 2 s, lifetime 900 s: P(cold) = exp(-λ(S+T))",
        f"{expected:.4f}", "closed form", f"{cold:.4f}", abs(cold - expected) < error,
    )  # fmt: skip


def clients(plane: dict[str, Any], seconds: int) -> Run:
    """50 clients in a closed loop on a handler of 1 s, for so many seconds."""
    chain = [call(1000.0, f"c{n}", f"c{n - 1}" if n else None) for n in range(seconds)]
    return simulated([(n * 20.0, chain) for n in range(50)], plane, {"of": "constant", "ms": 584.0})


def fifty_clients() -> list[Row]:
    run = clients({"concurrency": 10, "max_instances": 10}, 300)
    last_ns = max(step["end_ns"] for step in run.steps)
    active = len({step["instance"] for step in run.steps if step["end_ns"] > last_ns - 10_000_000_000})
    source = "a service that was watched live, 2026-08-19: 9 active, 1 idle"
    return [
        Row(
            "50 clients at concurrency 10, handler of 1 s: active instances",
            "9",
            source,
            str(active),
            active == 9,
        )
    ]


def retention() -> list[Row]:
    burst = [(n * 1.0, [call(1000.0)]) for n in range(50)]
    probe = (20 * 60_000.0, [call(1000.0)])
    run = simulated([*burst, probe], {"concurrency": 10, "max_instances": 10}, {"of": "constant", "ms": 584.0})
    gone_min = max(life["gone_ns"] for life in run.instances if "gone_ns" in life) / 60e9
    source = "the same service: alive after 13 min, gone after 16"
    return [
        Row(
            "the last idle instance is gone after, min",
            "13 to 16",
            source,
            f"{gone_min:.1f}",
            13 < gone_min < 16,
        )
    ]


def knative() -> list[Row]:
    run = clients(
        {"concurrency": 10, "max_instances": 50, "scaling": {"policy": "window"}, "pending_limit": "knative"},
        200,
    )
    last_ns = max(step["end_ns"] for step in run.steps)
    active = len({step["instance"] for step in run.steps if step["end_ns"] > last_ns - 10_000_000_000})
    source = "knative/serving at 98e5ef90: ceil(50 / (0.7 * 10))"
    return [Row("Knative, 50 in flight at target 10: instances", "8", source, str(active), active == 8)]


def erlang() -> list[Row]:
    draw = random.Random(7)
    n, slots, load = 60_000, 4, 3.0
    sessions = [(at, [call(draw.expovariate(1.0) * 1000)]) for at in poisson(load, n, draw)]
    run = simulated(
        sessions, {"kind": "vm", "concurrency": 2, "max_instances": 2, "pending_limit": "unlimited"}, INSTANT
    )
    first = sum(load**k / math.factorial(k) for k in range(slots))
    last = load**slots / math.factorial(slots) * slots / (slots - load)
    chance = last / (first + last)
    took_s = sum(life["request_ns"] for life in run.instances) / n / 1e9
    wait_s = run.summary.latency_ms["service"].mean / 1000 - took_s
    expected_s = chance / (slots - load)
    return [
        Row(
            "a VM of 2 workers with 2 slots at a load of 3 (M/M/4): mean wait, s", f"{expected_s:.3f}", "Erlang C",
            f"{wait_s:.3f}", abs(wait_s - expected_s) < 0.1 * expected_s,
        )
    ]  # fmt: skip


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("simulating some minutes; a row stands here as soon as it is known ...", file=sys.stderr)
    print("| what | reference | source | here | |")
    print("|---|---|---|---|---|", flush=True)
    for row in _rows():
        agrees = "agrees" if row.agrees else "DIFFERS"
        print(f"| {row.what} | {row.reference} | {row.source} | {row.here} | {agrees} |", flush=True)


def _rows() -> Iterator[Row]:
    yield from simfaas()
    yield silence(300.0)
    yield silence(900.0)
    for of in (fifty_clients, retention, knative, erlang):
        yield from of()


if __name__ == "__main__":
    main()
