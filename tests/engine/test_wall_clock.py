"""A wall clock that is set while a run goes on changes no figure: it names instants for people, and times nothing."""

import ast
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from replay.engine import manifest
from replay.engine.records import recorder
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.hlog import read_hlog
from replay.results.types import HLOG_FILE, STEPS_FILE
from replay.target.target import Target

PACKAGE = Path(__file__).parent.parent.parent / "replay"
# Who asks what time it is in the world, and what for.
ASKED_BY = {
    "cli/planes/price_tables.py": "the age of prices",
    "cli/traces/trace_import.py": "whether a trace is from the future",
    "engine/forecast/dryrun.py": "the value of {{now}} in requests",
    "engine/manifest.py": "when a run began and ended, for people",
    "engine/records/recorder.py": "when a run began, in the head of latency.hlog",
    "engine/users/casting.py": "the value of {{now}} in requests",
    "recording/recording.py": "when a recording began, for people",
    "results/rundir.py": "the name of a run's directory",
    "trials/check/checking.py": "whether an answer's date tells that the clocks differ",
    "trials/check/reaching.py": "how long a certificate is still valid",
    "trials/cost.py": "the age of prices",
    "trials/doctor.py": "whether the time of day is set while a machine is looked at",
    "trials/pilot/pricing/money.py": "the age of prices",
    "trials/pilot/judging.py": "when a pilot was made, for people",
    "wire/answers.py": "a Retry-After that names a date",
    "wire/signin/commands.py": "how long keys last whose end is a date",
    "wire/signin/google.py": "how long a token lasts whose end is a date",
    "wire/signin/sigv4.py": "the date in a signature",
}


def asks_the_wall(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    bare = any(
        isinstance(node, ast.ImportFrom) and node.module == "time" and any(name.name in ("time", "time_ns") for name in node.names)
        for node in ast.walk(tree)
    )  # fmt: skip
    return bare or any(
        isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("time.time", "time.time_ns", "datetime.now", "datetime.datetime.now", "datetime.utcnow")
        for node in ast.walk(tree)
    )  # fmt: skip


def test_the_wall_clock_is_asked_where_it_is_told_to_people_and_nowhere_else():
    asked = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if asks_the_wall(path)}
    assert asked == ASKED_BY.keys()


@pytest.fixture
def wall(monkeypatch):
    """A wall clock that stands at another time of some years whenever it is asked."""
    chance = random.Random(5)

    def jumping(zone=UTC):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=chance.uniform(-4000, 4000))

    class Jumping(datetime):
        now = staticmethod(jumping)

    monkeypatch.setattr(recorder, "time", lambda: jumping().timestamp())
    monkeypatch.setattr(manifest, "datetime", Jumping)


@pytest.mark.usefixtures("wall")
def test_a_wall_clock_that_jumps_changes_no_figure(write_trace, tmp_path, monkeypatch):
    module = ModuleType("replay_app_of_any_day")

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    module.app = app
    monkeypatch.setitem(sys.modules, module.__name__, module)
    trace = write_trace(
        *[(n * 10.0, [write_trace.get("a"), write_trace.get("b", after=["a"])]) for n in range(10)]
    )

    outcome = replay_trace(
        trace, Target(url=f"asgi:{module.__name__}:app", transport="httpx"), RunOptions(), tmp_path / "run"
    )

    summary = outcome.summary
    assert (summary.status, summary.counts.ok, summary.counts.unsent) == ("finished", 20, 0)
    assert 0.09 <= summary.elapsed_s < 3_000
    lines = [json.loads(line) for line in (tmp_path / "run" / STEPS_FILE).read_text().splitlines()]
    assert all(0 <= line["intended_ns"] <= line["sent_ns"] <= line["end_ns"] < 3e12 for line in lines)
    assert all(0.0 <= interval.start_s < 3_000 for interval in read_hlog(tmp_path / "run" / HLOG_FILE))
