"""What the tests of several rooms share: traces written in a line, and a target that knows the truth."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Workers of the suite share the cores. numpy's would each start a thread a core besides, which spin for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
import pytest
from hypothesis import settings

from tests.support.gateway_processes import gateway_processes
from tests.support.walks import walked_starts_ms

# A busy machine is no defect of what is tested.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell ignores SIGINT for what it starts in the background, nohup SIGHUP, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Begun first, or the suite ends with one worker in the middle of one of them and the others idle: each takes a worker
# twenty seconds or more, of whatever few tests.
LONG_FILES = (
    "trials/pilot/test_decisions.py",
    "trials/pilot/test_simulated_pilots.py",
    "system/test_shortage.py",
    "test_pytest_plugin.py",
    "test_tutorials.py",
    "test_real_data.py",
    "fuzz/test_fuzz.py",
    "trials/test_comparing_answers.py",
    "targets/test_app.py",
    "trials/test_coldstart.py",
    "importers/test_every_importer.py",
    "money/test_tries.py",
    "trace/file/test_small_files_that_unfold.py",
    "judge/answers/test_judge_answers.py",
    "faults/test_faults.py",
    "test_benchmarks.py",
    "test_examples.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Workers take files in the order of collection; by itself pytest-xdist begins with those of the most tests."""
    config.option.loadscopereorder = False
    # Nearly all that is imported and collected stays, so to look through it again and again finds nothing.
    gc.disable()


# How a name has the head of gzip, and one without a time (RFC 1952, section 2.3).
_GZIP, _UNTIMED = r"\x1f\x8b\x08", r"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FILES)}
    if missing := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"LONG_FILES of tests/conftest.py has what is not there: {', '.join(missing)}")
    if timed := [item.nodeid for item in items if _GZIP in item.nodeid and _UNTIMED not in item.nodeid]:
        raise pytest.UsageError(
            f"Each worker would name this by its own clock, which gzip writes (mtime=0): {timed[0]}"
        )
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """What was imported and collected stays till the end: it is not looked through for garbage again.

    A run looks through all there is before it begins. With the whole suite collected that took longer than most runs.
    Nor is it looked through here, which took most of a second: to keep the little that is garbage costs nothing.
    """
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """A run that is over has everything looked through the next time, ours as well: put that aside again."""
    before = _full_collections()
    result = yield
    if _full_collections() > before:
        gc.freeze()
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is never closed is told at the end.

    pytest looks through all there is five times then. Of the whole suite that takes a worker more than the five seconds
    after which it is interrupted, in the middle of anything; so it is done here, while the worker is still waited for.
    """
    if session.config.option.collectonly:
        return
    gc.unfreeze()
    for _ in range(2):
        # What is finalised by the first may let go of more.
        gc.collect()
    gc.freeze()


def _full_collections() -> int:
    return gc.get_stats()[2]["collections"]


SUPPORT = Path(__file__).parent / "support"
HEADER = {"format": "replay-trace", "version": 1, "name": "t"}


class Truth:
    """A running truth server. url: where it listens. log(): what it saw; ends it."""

    def __init__(self, process, log_path):
        self._process = process
        self._log_path = log_path
        self._seen = None
        self.url = process.stdout.readline().strip()

    def log(self):
        if self._seen is None:
            self._process.terminate()
            self._process.wait(10)
            self._seen = json.loads(self._log_path.read_text())
        return self._seen

    @property
    def arrivals(self):
        return self.log()["arrivals"]

    def arrival_ns(self, part):
        """When the request arrived whose path has this part."""
        (found,) = [seen["ns"] for seen in self.arrivals if part in seen["path"]]
        return found


@pytest.fixture
def truth(tmp_path) -> Iterator[Truth]:
    log_path = tmp_path / "truth.json"
    process = subprocess.Popen(
        [sys.executable, str(SUPPORT / "truth_server.py"), str(log_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield Truth(process, log_path)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def serve():
    """Starts `replay plane serve` with real instances, as often as it is called."""
    with gateway_processes() as start:
        yield start


def get(step_id, path="/", after=(), **fields):
    """A step that asks for a path."""
    return {
        "id": step_id,
        "kind": "tool",
        "name": fields.pop("name", step_id),
        "after": [{"step": edge} if isinstance(edge, str) else edge for edge in after],
        "request": {"method": fields.pop("method", "GET"), "path": path},
        **fields,
    }


@pytest.fixture
def write_trace(tmp_path):
    """Writes sessions, given as (start in ms, steps), to a trace file; returns its path."""

    def write(*sessions, name="trace", file="trace.jsonl", **header):
        path = tmp_path / file
        lines = [{"format": "replay-trace", "version": 1, "name": name, "resolution_ms": 1.0, **header}]
        lines += [
            {"id": f"s-{n}", "start_ms": start_ms, "steps": steps}
            for n, (start_ms, steps) in enumerate(sessions)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    write.get = get
    return write


@pytest.fixture
def answering() -> Iterator[Callable[[str], str]]:
    """Starts a server with answers that differ in a named way (see answer_server.py); returns its URL."""
    started = []

    def start(way):
        process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "answer_server.py"), way, str(len(started))],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


@pytest.fixture
def trace_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes a trace file of these lines (objects or bytes) below a header."""

    def write(*lines: Any, header: Any = HEADER, name: str = "t.jsonl") -> Path:
        path = tmp_path / name
        encoded = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in (header, *lines)]
        path.write_bytes(b"".join(line + b"\n" for line in encoded))
        return path

    return write


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of published recordings."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("REPLAY_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no published recordings at {folder}; set REPLAY_DATA to their folder")
    return folder


@pytest.fixture(scope="session", name="walked_starts_ms")
def _walked_starts_ms():
    return walked_starts_ms
