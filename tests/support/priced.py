"""Runs, shapes and planes to be priced, made of values alone."""

from typing import Any

import numpy as np

from replay.choice.types import Bucket, Workload
from replay.money.calendar_file import named_calendar
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.results.manifest_types import PlaneFigures
from replay.target.cost import Cost
from replay.trials.pilot.pricing.month import in_month
from replay.trials.pilot.workload.shape import Shape
from tests.support.runs import step, summary

MACHINE = Cost(price="gce-e2-us-central1", machine="e2-medium")
# 730 h x 0.033506, a disk and an address.
E2_MEDIUM = 730 * 0.033506 + 2.00 + 3.65


def a_shape(peak_rps: float = 1.0, in_flight: int = 2, windows: int = 10) -> Shape:
    """Ten windows of ten seconds, of one load."""
    bucket = Bucket(name="normal", weight=1.0, requests_per_s=1.0)
    workload = Workload(
        trace="t",
        sessions=100,
        steps=100,
        span_s=100.0,
        pattern="bursty background",
        pattern_rule="",
        window_s=10,
        mean_rps=1.0,
        peak_rps=peak_rps,
        peak_in_flight=in_flight,
        buckets=[bucket],
    )
    return Shape(workload, np.zeros(windows, np.int8))


def a_run(instances: int = 1, *, failed: int = 0, per_s: int = 1, **fields: Any) -> Evidence:
    """A hundred seconds, so many requests of half a second in each, dealt to so many instances."""
    steps = [
        step(f"s-{n}-{k}", 500, at_ms=1000 * n, instance=f"i-{(n * per_s + k) % instances}", **fields)
        for n in range(100)
        for k in range(per_s)
    ]
    facts = summary(elapsed_s=100.0, failed=failed)
    facts.plane = PlaneFigures(
        instances=instances,
        most_instances=instances,
        cold=0,
        refused=0,
        timed_out=0,
        instance_s=100.0 * instances,
        busy_s=50.0 * per_s,
        booting_s=0.0,
    )
    return Evidence(facts, columns_of([steps]), "run")


SERVERLESS = Cost(price="cloud-run-us-central1", memory_gib=2.0)


DAYTIME = {"policy": "group", "schedule": [{"from_h": 8, "until_h": 18, "machines": 3}], "starts_at_h": 9}


def in_calendar(name: str) -> Shape:
    """The shape of a run in a month that looks so."""
    return in_month(a_shape(), named_calendar(name))
