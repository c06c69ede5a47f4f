"""May this change go out? A test that replays a trace against the application in its own process.

    pytest test_the_agent.py -rs

The fixture `replay_gate` comes with the package. The test fails where an SLO does not hold, and is skipped, with the
reason, where there is too little evidence for a verdict.
"""

import asyncio
from pathlib import Path

import replay

RECIPE = Path(__file__).with_name("lookups.toml")


async def app(scope, receive, send):
    """The application that is tested; any ASGI application will do."""
    if scope["type"] != "http":
        return
    await asyncio.sleep(0.010)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"found"})


def test_the_agent_stays_fast(replay_gate, tmp_path):
    trace = replay.synth(tmp_path / "lookups.jsonl", recipe=RECIPE, sessions=80, per_min=2_000).path

    replay_gate(trace, target=app, slos=["p90 < 500ms", "errors < 5%"])
