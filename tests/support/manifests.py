"""The manifest of a run that is over, for summaries whose lines are what a test is about."""

from replay.results.manifest_types import Generator, Manifest, TargetFacts, TraceFacts

MANIFEST = Manifest(
    schema="replay.run/1",
    status="finished",
    version="0",
    started_at="2026-01-01T00:00:00Z",
    trace=TraceFacts(name="t", sha256="0", sessions=1, steps=3),
    target={},
    target_facts=TargetFacts(name="x", url="http://x"),
    options={},
    seed=1,
    host={},
    clock={},
    generator=Generator(verdict="ok", reasons=[]),
)
