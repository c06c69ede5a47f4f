"""How fast is this endpoint for the agent that we run?"""

from pathlib import Path

from serving import a_plane

import replay

TRACE = Path(__file__).parents[1] / "traces" / "support-agent.jsonl"

# A target is a URL, or a file as in targets/. Both are twenty times as fast as life, so that this takes seconds.
with a_plane("--speed", "20") as target:
    outcome = replay.run(TRACE, target, speed=20, sessions=25)

counts, times = outcome.summary.counts, outcome.summary.latency_ms
print(f"{counts.ok} of {counts.steps} steps were answered as expected")
print(f"service time:  p50 {times['service'].p50:.1f} ms, p99 {times['service'].p99:.1f} ms: the target's part")
print(
    f"response time: p50 {times['response'].p50:.1f} ms, p99 {times['response'].p99:.1f} ms: what the agent waited"
)
print(f"the record is in {outcome.directory}")
