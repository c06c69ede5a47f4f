"""A target that takes long to get ready for: a view is told what is waited for."""

import asyncio

import pytest

from replay.engine import progress
from replay.engine.plan import Planned
from replay.engine.progress import report_opening
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.target.auth import Auth
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable

TRACE = (
    '{"format":"replay-trace","version":1,"name":"t"}\n'
    '{"id":"s-1","start_ms":0,"steps":[{"id":"a","kind":"http","name":"x","request":{"method":"GET","path":"/x"}}]}\n'
)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "_EVERY_S", 0.001)
    monkeypatch.setattr(progress, "_SLOW_S", 0.0)


@pytest.mark.anyio
async def test_a_view_is_told_what_is_waited_for_until_it_has_come(at_once):
    told, waits_for = [], ["auth.command"]
    has_two = asyncio.Event()

    def show(snapshot):
        told.append(snapshot)
        waits_for[0] = "connecting to http://x"
        if len(told) == 2:
            has_two.set()

    telling = asyncio.ensure_future(report_opening("t", "staging", Planned(3, 7), lambda: waits_for[0], show))
    await has_two.wait()
    telling.cancel()

    assert [snapshot.state for snapshot in told[:2]] == ["auth.command", "connecting to http://x"]
    assert (told[0].trace, told[0].target, told[0].sessions, told[0].steps) == ("t", "staging", 3, 7)


def test_a_command_that_prints_no_token_is_told_of_while_it_is_waited_for(tmp_path, at_once):
    (tmp_path / "t.jsonl").write_text(TRACE)
    # It ends as soon as the view has been told that it is waited for.
    told = tmp_path / "told"
    script = tmp_path / "token"
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {told} ]; do sleep 0.01; done\nexit 1\n")
    script.chmod(0o755)
    states = []

    def show(snapshot):
        states.append(snapshot.state)
        told.touch()

    with pytest.raises(TargetUnreachable, match=r"auth\.command failed with exit status 1"):
        replay_trace(
            tmp_path / "t.jsonl",
            Target(url="http://127.0.0.1:9", auth=Auth(command=str(script))),
            RunOptions(),
            tmp_path / "run",
            on_progress=show,
        )

    assert set(states) == {"waiting for auth.command"}
