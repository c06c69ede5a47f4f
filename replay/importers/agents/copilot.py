"""Coding agents' sessions of the `copilot` format: the events that GitHub Copilot CLI keeps, a file each session.

The layout is that of `session-state/ID/events.jsonl`, of the transcripts of Copilot Chat in an editor, and of what
`copilot -p --output-format json` prints: JSON Lines of events, as replay/importers/agents/copilot_log.py reads them.
What becomes what:

- A model call is an `llm` step, from the input before it to its message. First bytes, and tokens of the input, are in
  what is printed only. Calls are taken to be streamed unless `stream` is False.
- A tool's call is a `tool` step with its arguments, from its start to its end, approval included; one of an MCP server
  an `mcp` step. A tool that set an agent to work is that agent's lane.
- Events that another log has, too, are history: they are dropped and counted, by their ids.
- Edges are inferred as replay/assembly/agent_runs.py says. Texts and results are not imported.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.agent_runs import Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.copilot_log import CopilotLog
from replay.importers.agents.logged_turns import TurnsBuilder
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import read_all_items
from replay.trace.errors import TraceError

_EVENT = re.compile(
    rb'"type"\s*:\s*"(?:session\.(?:start|resume)|user\.message|assistant\.(?:message|turn_start)|tool\.execution_start)"'
).search
_EXPLAINED = (
    "A model call starts at the input before it, and ends with its message.",
    "A tool's time is as Copilot states it, approval included.",
)


class Copilot:
    """The importer; see the head of this module."""

    name = "copilot"
    describe = "sessions of GitHub Copilot CLI (events.jsonl), a file each"

    def sniff(self, first_bytes: bytes) -> bool:
        lines = (line for line in first_bytes.splitlines() if line.lstrip().startswith(b"{"))
        return any(_EVENT(line) and b'"data"' in line and b'"timestamp"' in line for line in lines)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        logs: dict[int, CopilotLog] = {}
        seen: dict[str, int] = {}
        for n, event in read_all_items(input_files(paths, ".jsonl"), (), counts.damage):
            log = logs.setdefault(n, CopilotLog(counts))
            try:
                log.take(event, lambda name, n=n: seen.setdefault(name, n) != n)  # type: ignore[misc]
            except TraceError as error:
                counts.damage.lose(error)
        told = [(log, agents) for log in logs.values() if any((agents := log.agents()).values())]

        def load(unit: int, counts: Counts) -> Run:
            log, agents = told[unit]
            zero_ns = min(turn.start_ns for turns in agents.values() for turn in turns)
            builder = RunBuilder(zero_ns, counts)
            prompts = SessionPrompts(unit, options.block_size)
            lane = TurnsBuilder(builder, agents, prompts, options.stream, counts).lane()
            return Run(log.id, zero_ns, lane, {"agent": Copilot.name, "version": log.version})

        return imported_runs(self.name, paths, options, len(told), load, _EXPLAINED, counts)
