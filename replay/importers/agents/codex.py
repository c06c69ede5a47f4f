"""Sessions of the `codex` format: the JSON Lines logs ("rollouts") that the coding agent Codex keeps, one a session.

The logs are no documented format; this reads what versions from 0.30 on write: lines of `timestamp`, `type` and
`payload`. What becomes what:

- A model call is an `llm` step. It starts at the last input (a user's or developer's message, or a tool's result)
  before its first output, and ends at its `token_count` event, which holds its tokens; an interrupted one has none
  and ends at its last output before the turn ends. An item is written once it is complete, so the first output
  stands for the first byte: an upper bound. The model is that of the turn. Its prompt's prefix blocks are inferred
  from the cached tokens as replay/assembly/prompt_blocks.py says.
- A `function_call`, `custom_tool_call` or `local_shell_call` item becomes a `tool` step, from its line to the line
  with its output. What the user took to approve it counts as the tool's time. Arguments are kept as
  replay/assembly/tool_requests.py says. A tool of an MCP server, by its name, its `namespace`, an `mcp_tool_call`
  item or the events of its call, becomes an `mcp` step; one that another tool called while it ran is a step beside
  that. Web searches ran at the model's provider: they are no steps.
- Images go with each later call of their log, by type and size, as the agent sends them again: the latest hundred of
  those that its prompt has room for. A compaction ends that.
- What the log of a fork, or of a sub-agent, repeats of its origin is no work: answers that were written at once when
  the log began are dropped and counted. A compaction (`compacted`) is a model call from the last input to its line;
  what follows it begins with its turn.
- A log that names a parent among the files is a sub-agent of that session: a lane that is spawned at its first
  model call.
- Edges are inferred as replay/assembly/agent_runs.py says. All other lines, and texts, are not imported.
- Sessions start at their recorded times, to the ms; `arrivals` lays them out anew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from replay.assembly.agent_runs import RESOLUTION_MS, Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.codex_log import Log, Usage, meta_of, parent_id_of, read_log
from replay.reading.inputs import input_files
from replay.trace.edges.inference import Call, Lane
from replay.trace.model_calls import as_images, images_held
from replay.trace.types import LlmCall


class Codex:
    """The importer; see the head of this module."""

    name = "codex"
    describe = "Codex's own session logs (rollouts), JSON Lines; a file or a folder of them"

    def sniff(self, first_bytes: bytes) -> bool:
        first_line = first_bytes.split(b"\n", 1)[0]
        kinds = (b'"session_meta"', b'"response_item"', b'"event_msg"')
        return b'"payload"' in first_line and any(kind in first_line for kind in kinds)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        units = _units(input_files(paths, ".jsonl"))

        def load(unit: int, counts: Counts) -> Run | None:
            logs = [read_log(file, counts) for file in units[unit]]
            return _run(logs, SessionPrompts(unit, options.block_size), options, counts)

        explained = (
            "A model call starts at the input before it; its first byte is the end of its first item of output, an "
            "upper bound.",
            "A tool's start is when its call was logged, so approval by the user counts as the tool's time.",
        )
        return imported_runs(self.name, paths, options, len(units), load, explained)


def _units(files: Sequence[Path]) -> list[list[Path]]:
    """The files of each session, its own first, then those of its sub-agents, however deep."""
    metas = {file: meta_of(file) for file in files}
    file_of = {meta.id: file for file, meta in metas.items() if meta.id}
    units: dict[Path, list[Path]] = {file: [file] for file in files}
    for file in files:
        root, seen = file, {file}
        while (parent := file_of.get(parent_id_of(metas[root]) or "")) is not None and parent not in seen:
            root = parent
            seen.add(root)
        if root != file and parent_id_of(metas[root]) not in file_of:
            units[root].append(file)
            del units[file]
    return list(units.values())


def _run(logs: Sequence[Log], prompts: SessionPrompts, options: ImportOptions, counts: Counts) -> Run | None:
    logs = [log for log in logs if log.calls]
    if not logs:
        counts.drop("session(s) without a model call")
        return None
    zero_ns = min(call.start_ns for log in logs for call in log.calls)
    builder = RunBuilder(zero_ns, counts)
    entries: list[Call | Lane] = list(_entries(logs[0], builder, prompts, options, counts, "", "main"))
    for n, log in enumerate(logs[1:], 1):
        counts.subagents += 1
        inner = list(_entries(log, builder, prompts, options, counts, f"a{n}.", "subagent"))
        entries.append(Lane(inner, RESOLUTION_MS, builder.ms(min(call.start_ns for call in log.calls))))
    meta = logs[0].meta
    attributes = {"agent": Codex.name, "version": meta.cli_version or ""}
    return Run(logs[0].id, zero_ns, Lane(entries, RESOLUTION_MS), attributes)


def _entries(
    log: Log,
    builder: RunBuilder,
    prompts: SessionPrompts,
    options: ImportOptions,
    counts: Counts,
    prefix: str,
    name: str,
) -> Iterator[Call | Lane]:
    agent = {"agent": log.id if prefix else None}
    for n, call in enumerate(log.calls, 1):
        usage = call.usage or Usage()
        llm = LlmCall(usage.input_tokens, usage.output_tokens, call.model, options.stream)
        add_prefix(llm, prefix, usage.cached_input_tokens, prompts, counts)
        llm.images = as_images(images_held(call.images, usage.input_tokens), prompts.image_id)
        counts.infer("model call(s) carry the images that came before them, by type and size", bool(llm.images))
        cached = None if usage.cached_input_tokens is None else str(usage.cached_input_tokens)
        attributes = {**agent, "cached_input_tokens": cached}
        place = f"{prefix}{n}"
        called = "compaction" if call.is_compaction else name
        yield builder.model_call(place, called, call.start_ns, call.last_ns, call.first_ns, llm, attributes)
        for k, tool in enumerate(call.tools, 1):
            yield builder.tool_call(
                f"{place}.{k}", tool.name, tool.start_ns, tool.end_ns, tool.arguments, agent
            )
