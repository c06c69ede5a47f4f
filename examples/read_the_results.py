"""What is in a run? Its steps as numpy columns, then as a pandas table and a Parquet file where those are installed."""

import importlib.util
from pathlib import Path

import numpy as np
from serving import a_plane

import replay

RECIPE = Path(__file__).with_name("lookups.toml")

trace = replay.synth("lookups.jsonl", recipe=RECIPE, sessions=20).path
with a_plane("--speed", "20") as target:
    run = replay.open_run(replay.run(trace, target).directory)

# One row for each step: instants in ns from the start of the run, names as codes into lists of them.
columns = run.columns
response_ms = (columns.end_ns - columns.intended_ns) / 1e6
for code, (kind, name) in enumerate(columns.series_names):
    of_this = response_ms[columns.series == code]
    print(f"{kind}:{name:<8} n = {len(of_this):>3}, median {np.median(of_this):6.1f} ms")

slowest = int(response_ms.argmax())
print(f"slowest: step {columns.step[slowest]} of session {columns.sessions[columns.session[slowest]]}")

if importlib.util.find_spec("pandas"):
    import pandas

    names = np.array([name for _, name in columns.series_names])
    table = pandas.DataFrame({"name": names[columns.series], "response_ms": response_ms, "ok": columns.ok})
    print(table.groupby("name")["response_ms"].describe())

# Every attempt, retries too, one by one.
print(next(run.steps()))
