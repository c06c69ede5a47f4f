"""How long a command takes before it does anything: until it has printed, or until its first request has arrived."""

import os
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.machine import run
from benchmarks.peers import k9
from benchmarks.peers.ours import PROGRAM, replay
from benchmarks.peers.types import PYTHON
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.servers import arrivals
from benchmarks.table import Row, spread, verdict
from benchmarks.work import WORKS, even_starts_ms, steps_of, write_trace

SINGLE = WORKS[0]
_SMALL_SESSIONS = 20


class Command(NamedTuple):
    """what: as the table says it. seconds(setting): how long it took once. most_s: the goal; None for a peer's."""

    what: str
    seconds: Callable[[Setting], float]
    most_s: float | None = None


def _prints(command: Sequence[str], **env: str) -> Callable[[Setting], float]:
    return lambda setting: run([word.format(folder=setting.folder) for word in command], env).wall_s


def _ours_until_first(setting: Setting) -> float:
    with arrivals() as server:
        out = setting.folder / f"start-{os.urandom(4).hex()}"
        ran, _ = replay(setting.folder / "small.jsonl", server.url, out)
    # The connection that shows that the target is there sends nothing.
    return (min(server.came_ns) - ran.began_ns) / 1e9


def _k9_until_first(setting: Setting) -> float:
    with arrivals() as server:
        steps = k9.flow(SINGLE, server.url)
        ran = k9.run_plan({"vus": 1, "iterations": 1}, steps, setting.folder)
    return (min(server.came_ns) - ran.began_ns) / 1e9


COMMANDS = (
    Command("replay --version", _prints([PROGRAM, "--version"]), 0.3),
    Command("replay --help", _prints([PROGRAM, "--help"]), 0.3),
    Command(
        "a TAB after `replay r`",
        _prints([PROGRAM], _REPLAY_COMPLETE="bash_complete", COMP_WORDS="replay r", COMP_CWORD="1"),
        0.3,
    ),
    Command(
        f"replay trace validate, {_SMALL_SESSIONS} sessions",
        _prints([PROGRAM, "trace", "validate", "{folder}/small.jsonl"]),
        0.3,
    ),
    Command("replay run until the first request arrives", _ours_until_first, 0.5),
)
PEERS = {
    "k9, a plan": (
        Command("  beside k9 --version", _prints([str(k9.PROGRAM), "--version"])),
        Command("  beside k9 run until the first request arrives", _k9_until_first),
    ),
    "Locust FastHttpUser": (
        Command("  beside locust --version", _prints([str(PYTHON), "-m", "locust", "--version"])),
    ),
}


def measure(setting: Setting) -> Measured:
    write_trace(setting.folder / "small.jsonl", steps_of(SINGLE), even_starts_ms(_SMALL_SESSIONS, 1000))
    commands = [*COMMANDS]
    for peer in setting.peers:
        commands += PEERS.get(peer.name, ())
    seen: dict[str, list[float]] = {}
    for _ in range(setting.rounds):
        for command in commands:
            seen.setdefault(command.what, []).append(command.seconds(setting))
    return Measured([_row(command, seen[command.what]) for command in commands], dict(seen))


def _row(command: Command, seconds: list[float]) -> Row:
    most = command.most_s
    return Row(
        command.what,
        spread(seconds, lambda value: f"{value:.2f} s"),
        goal="" if most is None else f"at most {most:g} s",
        verdict="" if most is None else verdict(statistics.median(seconds) <= most),
    )
