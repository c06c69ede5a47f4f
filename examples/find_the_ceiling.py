"""Where does it break? The load is raised until the SLO no longer holds, and the highest that holds is closed in on."""

from pathlib import Path

from serving import a_plane

import replay

RECIPE = Path(__file__).with_name("lookups.toml")

trace = replay.synth("lookups.jsonl", recipe=RECIPE, sessions=30).path

# Two requests at once, 15 ms each: it cannot answer more than 133 a second.
with a_plane("--boot", "1ms", "--service", "15ms", "--concurrency", "2", "--max-instances", "1") as target:
    verdict = replay.ceiling(
        trace,
        target,
        slos=["p95 < 200ms"],
        first_scale=2,
        # Rough, so that it takes seconds: to within a factor of two, and with half a second of each load.
        precision=1.0,
        level_s=0.5,
        most_s=4,
        shows_recovery=False,
    ).verdict

for level in verdict.levels:
    held = "holds" if level.verdict == "pass" else level.reason
    print(f"{level.scale:6.1f}x {level.offered_rps:8.1f} requests/s  p99 {level.p99_ms or 0:7.1f} ms  {held}")
if verdict.ceiling:
    print(f"ceiling: {verdict.ceiling.scale:.1f} times the recorded load")
