"""No recording yet? A trace from a recipe, and one that is ten times as long in the likeness of a recording."""

from pathlib import Path

import replay

HERE = Path(__file__).parent
RECORDED = HERE.parent / "traces" / "support-agent.jsonl"

made = replay.synth("lookups.jsonl", recipe=HERE / "lookups.toml", duration_s=60)
alike = replay.synth("support-agent-like.jsonl.zst", like=RECORDED, duration_s=650, seed=7)

for path in (made.path, RECORDED, alike.path):
    profile = replay.open_trace(path).profile
    print(
        f"{path.name}: {profile.sessions} sessions, {profile.steps} steps,"
        f" {profile.sessions_per_min:.0f} sessions a minute, {profile.load.pattern.name}"
    )
