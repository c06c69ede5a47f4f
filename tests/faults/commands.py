"""The commands that faults are put in the way of: short ones, each with all the files that it can leave."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SESSIONS = 30
STEPS = 2
SPAN_MS = 1_200.0
IMPORTED = 20_000

_ROOT = Path(__file__).parent.parent.parent
_SLOS = ("--slo", "p50 < 30s", "--slo", "errors < 90%")
_FILES = ("--junit", "out/junit.xml", "--markdown", "out/verdict.md")
# What a plane of machines takes in virtual time is known at once; short phases keep a pilot to seconds.
_PILOT_TARGETS = ("simulated", "vm")


class Command(NamedTuple):
    """arguments: given the target's URL. files: globs of what it writes, of which one may be full. traffic: requests
    have to come from outside.
    """

    name: str
    arguments: Callable[[str], tuple[str, ...]]
    files: tuple[str, ...]
    traffic: bool = False


_RUN_FILES = ("steps.jsonl", "latency.hlog", ".run.json*", ".summary.json*", "*")

COMMANDS = {
    command.name: command
    for command in (
        Command("run", lambda url: ("run", "trace.jsonl", "-t", url, "--abort", "errors > 99% over 30s", "--grace", "1s", "--out", "out/run"), _RUN_FILES),
        Command(
            "workers",
            lambda url: ("run", "trace.jsonl", "-t", url, "--workers", "2", "--abort", "errors > 99% over 30s", "--grace", "1s", "--out", "out/run"),
            (*_RUN_FILES, "*workers*"),
        ),
        Command(
            "gate",
            lambda url: ("gate", "trace.jsonl", "-t", url, *_SLOS, "--grace", "1s", "--out", "out/run", *_FILES),
            (*_RUN_FILES, "*verdict.json*", "*junit.xml*", "*verdict.md*"),
        ),
        Command(
            "compare",
            lambda url: ("compare", "trace.jsonl", "-t", url, "-t", f"{url}/b", "--grace", "1s", "--out", "out/cmp", *_FILES),
            (*_RUN_FILES, "*verdict.json*", "*junit.xml*"),
        ),
        Command(
            "ceiling",
            lambda url: (
                "ceiling", "trace.jsonl", "-t", url, *_SLOS, "--level", "1s", "--most", "4", "--budget", "6s",
                "--no-recovery", "--precision", "50%", "--out", "out/ceiling",
            ),
            (*_RUN_FILES, "*verdict.json*"),
        ),
        Command(
            "pilot",
            lambda url: ("pilot", "long.jsonl", "--simulate", "-t", "simulated.toml", "-t", "vm.toml", "--out", "out/pilot"),
            (*_RUN_FILES, "*pilot.json*", "*verdict.json*", "*report.html*", "*report.md*", "*.jsonl*"),
        ),
        Command(
            "record",
            lambda url: ("trace", "record", "--listen", "127.0.0.1:0", "--upstream", url, "--duration", "1500ms", "-o", "out/rec.jsonl"),
            ("rec.jsonl.journal", ".rec.jsonl*", "*"),
            traffic=True,
        ),
        Command(
            "import",
            lambda url: ("trace", "import", "vegeta", "big.txt", "--arrivals", "every:10ms", "-o", "out/imported.jsonl"),
            (".imported.jsonl*",),
        ),
    )
}  # fmt: skip


def prepare(folder: Path) -> None:
    """The inputs that the commands name, and an `out` with a file of before in it."""
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "junit.xml").write_text('<testsuites tests="1" failures="0"/>')
    (folder / "trace.jsonl").write_text("".join(_trace(SESSIONS, SPAN_MS)))
    (folder / "long.jsonl").write_text("".join(_trace(40, 120_000.0)))
    (folder / "big.txt").write_text("".join(f"GET http://x/{n}\n\n" for n in range(IMPORTED)))
    (folder / "simulated.toml").write_text((_ROOT / "targets" / "simulated.toml").read_text())
    (folder / "vm.toml").write_text('url = "http://127.0.0.1:1"\nplane = "vm"\n' + _VM)


_VM = """
[simulate.plane]
kind = "vm"
max_instances = 2
concurrency = 8
startup_boost = false
cpu_when_idle = "full"
[cost]
price = "gce-us-central1"
machine = "e2-small"
"""


def _trace(sessions: int, span_ms: float) -> list[str]:
    lines = [
        json.dumps({"format": "replay-trace", "version": 1, "name": "faults", "resolution_ms": 1.0}) + "\n"
    ]
    for n in range(sessions):
        steps = [
            {"id": "a", "kind": "tool", "name": "a", "at_ms": 0.0, "took_ms": 20.0, "request": {"method": "GET", "path": "/a"}},
            {
                "id": "b", "kind": "tool", "name": "b", "at_ms": 30.0, "took_ms": 20.0, "after": [{"step": "a", "delay_ms": 10.0}],
                "request": {"method": "POST", "path": "/b", "json": {"n": n}},
            },
        ]  # fmt: skip
        lines.append(json.dumps({"id": f"s-{n}", "start_ms": n * span_ms / sessions, "steps": steps}) + "\n")
    return lines
