"""What is measured, a module each, and the table of it."""

from functools import partial

from benchmarks.scenarios import (
    http2,
    imports,
    lag,
    long_runs,
    memory,
    noise,
    reading,
    startup,
    throughput,
    workers,
)
from benchmarks.scenarios.types import Scenario
from benchmarks.work import WORKS

# By the name that chooses it, in the order of the table.
SCENARIOS: dict[str, Scenario] = {
    "noise": noise.measure,
    **{work.name.split()[0]: partial(throughput.measure, work) for work in WORKS},
    "http2": http2.measure,
    "workers": workers.measure,
    "lag": lag.measure,
    "start": startup.measure,
    "memory": memory.measure,
    "reading": reading.measure,
    "imports": imports.measure,
    "long": long_runs.measure,
}
