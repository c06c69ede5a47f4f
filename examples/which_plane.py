"""Which plane fits this agent: serverless or a machine? Both are tried in virtual time, and priced for a month.

With how="live", or "quick", targets that are really there are tried; then their files say where, and nothing of
[simulate].
"""

from pathlib import Path

import replay

SERVERLESS = """
url = "http://127.0.0.1"
plane = "serverless"

[simulate]
as_recorded = true  # a request takes as long as it was recorded

[simulate.plane]
concurrency = 8
max_instances = 4

[simulate.instances.boot]
of = "lognormal"
p50_ms = 1500
p99_ms = 3000

[cost]
price = "cloud-run-us-central1"
"""
MACHINE = """
url = "http://127.0.0.1"
plane = "vm"

[simulate]
as_recorded = true

[simulate.plane]
concurrency = 8
min_instances = 1
max_instances = 1

[cost]
price = "gce-e2-us-central1"
machine = "e2-medium"
"""

trace = replay.synth("documents.jsonl", preset="steady", sessions=100).path
Path("serverless.toml").write_text(SERVERLESS)
Path("machine.toml").write_text(MACHINE)

outcome = replay.pilot(
    trace, ["serverless.toml", "machine.toml"], how="simulated", slos=["p95 < 3s"], month="office-hours"
)

verdict = outcome.verdict
assert verdict is not None  # nobody interrupted it
print(verdict.answer)
for name, of_planes in verdict.headline:
    print(f"  {name}: {', '.join(f'{plane} {value}' for plane, value in of_planes.items())}")
for doubt in verdict.doubts[:3]:
    print(f"  in doubt: {doubt}")
