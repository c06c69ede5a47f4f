"""Logs of agents' sessions, a file each, whose entries tell of turns one after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.logged_turns import LoggedTool, Turn, TurnsBuilder
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.trace.errors import TraceError
from replay.trace.file.rules import MOST_TOKENS


class TurnLog(msgspec.Struct):
    """What was read of one session. input_ns: when the model was last told something. tools: by the ids of calls."""

    id: str = ""
    turns: list[Turn] = []
    input_ns: int | None = None
    tools: dict[str, LoggedTool] = {}


Seen = Callable[[str], bool]
"""Whether an entry of this name came in a log before: history, which forks copy."""

Take = Callable[[Item, TurnLog, Seen, Counts], None]
"""Takes one entry of a log in. Raises TraceError for one that is damaged."""


def imported_turns(
    name: str, paths: Sequence[Path], options: ImportOptions, take: Take, explained: Sequence[str]
) -> ImportResult:
    """The trace of these logs. name: the format's."""
    counts = Counts(damage=Damage(is_refused=options.strict))
    found: dict[int, TurnLog] = {}
    first_in: dict[str, int] = {}
    for n, entry in read_all_items(input_files(paths, ".jsonl"), (), counts.damage):
        log = found.setdefault(n, TurnLog())
        try:
            take(entry, log, lambda entry_name, n=n: first_in.setdefault(entry_name, n) != n, counts)  # type: ignore[misc]
        except TraceError as error:
            counts.damage.lose(error)
    logs = [log for log in found.values() if log.turns]

    def load(unit: int, counts: Counts) -> Run:
        log = logs[unit]
        zero_ns = min(turn.start_ns for turn in log.turns)
        builder = RunBuilder(zero_ns, counts)
        prompts = SessionPrompts(unit, options.block_size)
        lane = TurnsBuilder(builder, {"": log.turns}, prompts, options.stream, counts).lane()
        return Run(log.id, zero_ns, lane, {"agent": name})

    return imported_runs(name, paths, options, len(logs), load, explained, counts)


def token_count(told: Item, name: str) -> int:
    """A count of tokens; 0 where there is none, or none that can be."""
    return int(min(max(told.value(float, name) or 0.0, 0.0), MOST_TOKENS))
