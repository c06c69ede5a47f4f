import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.trace.types import Edge, Session, Step

HEADER = {"format": "replay-trace", "version": 1, "name": "t"}


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
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("REPLAY_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no published recordings at {folder}; set REPLAY_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def walked_starts_ms() -> Callable[[Session], dict[str, float]]:
    return _walked_starts_ms


def _walked_starts_ms(session: Session) -> dict[str, float]:
    """When every step of a session is due if each takes what was recorded: the file's rule, told plainly."""
    steps = {step.id: step for step in session.steps}
    starts: dict[str, float] = {}

    def anchor_ms(edge: Edge) -> float:
        parent = steps[edge.step]
        start_ms = start_of(parent)
        if edge.anchor == "start":
            return start_ms
        if edge.anchor == "first_byte":
            assert parent.recorded is not None
            assert parent.recorded.ttft_ms is not None
            return start_ms + parent.recorded.ttft_ms
        return start_ms + (parent.took_ms or 0.0)

    def start_of(step: Step) -> float:
        if step.id not in starts:
            starts[step.id] = max((anchor_ms(edge) + edge.delay_ms for edge in step.after), default=step.at_ms)
        return starts[step.id]

    for step in session.steps:  # recorded order, so parents come first and this does not recurse deeply
        start_of(step)
    return starts
