"""Would a faster search be felt? The same trace on two versions of a plane, in virtual time, and the difference judged.

Targets that are really there are compared in one call; each session then goes to both at once:

    replay.compare(trace, ["https://old.example.com", "https://new.example.com"], metric="p50(makespan)")
"""

from pathlib import Path

import replay

RECIPE = Path(__file__).with_name("lookups.toml")
VERSION = """
url = "http://127.0.0.1"  # nothing is sent there
plane = "serverless"

[simulate.plane]
min_instances = 1

[simulate.instances.by_path]
"/tools/search" = {{ of = "lognormal", p50_ms = {search_ms}, p99_ms = 300 }}
"/tools/*" = {{ of = "lognormal", p50_ms = 40, p99_ms = 120 }}
"""

trace = replay.synth("lookups.jsonl", recipe=RECIPE, sessions=400).path

runs = []
for version, search_ms in (("before", 150), ("after", 60)):
    target = Path(f"{version}.toml")
    target.write_text(VERSION.format(search_ms=search_ms))
    runs.append(replay.simulate(trace, target).directory)

verdict = replay.compare(runs=runs, metric="p50(makespan)").verdict

print(f"{verdict.metric}: {verdict.verdict}")
for found in verdict.differences:
    if found.name is None and found.delta_ms is not None:
        change = f"{found.delta_ms:+.1f} ms, {found.delta_percent:+.0f}%"
        print(f"{found.metric:>4} {found.series:<8} {change:>18}  {found.verdict}")
