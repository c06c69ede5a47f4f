"""What a command takes to read a long run: a real run's lines, again and again, each time later and under other ids.

The text is read once, by the gate, which leaves a column file where the extra `parquet` is installed; all others read
that.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.machine import run
from benchmarks.peers.ours import PROGRAM, replay
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import nginx
from benchmarks.table import Row, verdict
from benchmarks.work import WORKS, even_starts_ms, steps_of, write_trace
from replay.results.record import read_steps
from replay.results.types import StepRecord

CHAINS = WORKS[1]
_REAL_SESSIONS = 200
_REAL_RPS = 500
_GIB = 1 << 30
# What the goals are for.
_STEPS = 10_000_000
_PASS, _FAIL, _INCONCLUSIVE = 0, 1, 3


class Command(NamedTuple):
    """what: as the table says it. words: `{run}` and `{folder}` stand for the run and for a folder of ours."""

    what: str
    words: Sequence[str]
    most_s: float
    most_gib: float


GATE = ("gate", "--run", "{run}", "--slo", "p99 < 800ms", "--slo", "errors < 1%")
COMMANDS = (
    Command("gate --run, from text", GATE, 120, 2),
    Command("gate --run, from columns", GATE, 10, 2),
    Command("report", ("report", "{run}"), 60, 4),
    Command("report --html", ("report", "{run}", "--html", "{folder}/page.html"), 60, 4),
    Command("explain", ("explain", "{run}"), 60, 4),
    Command("coldstart --run", ("coldstart", "--run", "{run}"), 60, 4),
    Command("compare of it with itself", ("compare", "--run", "{run}", "--run", "{run}"), 60, 4),
    Command("cost", ("cost", "{run}", "--price", "cloud-run-us-central1"), 60, 4),
)


def measure(setting: Setting) -> Measured:
    folder = setting.folder / "long"
    folder.mkdir()
    steps = round(setting.steps * setting.share)
    made = write_long_run(folder, steps)
    rows, figures = [], {}
    for command in COMMANDS:
        words = [word.format(run=made, folder=folder) for word in command.words]
        ran = run([PROGRAM, *words], is_fine=(_PASS, _FAIL, _INCONCLUSIVE), timeout_s=900)
        is_full = steps == _STEPS
        is_met = ran.wall_s <= command.most_s and ran.peak_bytes <= command.most_gib * _GIB
        rows.append(
            Row(
                f"{command.what}, {steps:,} steps",
                f"{ran.wall_s:.1f} s, {ran.peak_bytes / _GIB:.2f} GiB",
                f"{ran.cpu_s:.1f} s",
                f"at most {command.most_s:g} s, {command.most_gib:g} GiB" if is_full else "",
                verdict(is_met) if is_full else "",
            )
        )
        figures[command.what] = {"wall_s": ran.wall_s, "cpu_s": ran.cpu_s, "peak_bytes": ran.peak_bytes}
    shutil.rmtree(folder)
    return Measured(rows, figures)


def write_long_run(folder: Path, steps: int) -> Path:
    """A run directory of so many steps, or a few more."""
    real, made = folder / "real", folder / "run"
    per_session = CHAINS.per_session
    trace = folder / "chains.jsonl"
    sessions = min(_REAL_SESSIONS, -(-steps // per_session))
    write_trace(trace, steps_of(CHAINS), even_starts_ms(sessions, _REAL_RPS / per_session))
    with nginx() as server:
        replay(trace, server.url, real)
    records = list(read_steps(real / "steps.jsonl"))
    copies = -(-steps // len(records))
    shutil.copytree(real, made)
    manifest = json.loads((real / "run.json").read_text())
    span_ns = 1 + max(record.end_ns or 0 for record in records)
    for name, n in (("sessions", sessions), ("steps", len(records))):
        manifest["trace"][name] = copies * n
    manifest["elapsed_s"] *= copies
    (made / "run.json").write_text(json.dumps(manifest))
    encode = msgspec.json.Encoder().encode_lines
    with (made / "steps.jsonl").open("wb") as lines:
        for copy in range(copies):
            lines.write(encode([_later(record, copy, copy * span_ns) for record in records]))
    return made


def _later(record: StepRecord, copy: int, by_ns: int) -> StepRecord:
    instants = {
        name: at_ns + by_ns
        for name in ("intended_ns", "sent_ns", "first_byte_ns", "end_ns")
        if (at_ns := getattr(record, name)) is not None
    }
    return msgspec.structs.replace(record, session=f"{record.session}~{copy + 2}", **instants)
