"""Turns of an agent, calls of its model one after the other with the tools that each called, made into a lane. Pure."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from replay.assembly.agent_runs import RESOLUTION_MS, RunBuilder
from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.trace.edges.inference import Call, Lane
from replay.trace.types import LlmCall


class LoggedTool(msgspec.Struct, gc=False):
    """agent: whom the call set to work, by its key; None where it is a tool like any other."""

    name: str
    start_ns: int
    end_ns: int | None = None
    arguments: bytes | None = None
    is_error: bool = False
    agent: str | None = None


class Turn(msgspec.Struct, gc=False):
    """One model call and the tools that it called.

    tokens: of its input, what of that was cached, and its output. is_one_by_one: whether a tool began when the one
    before it had ended, because the agent runs no two at a time.
    """

    start_ns: int
    end_ns: int
    name: str = "main"
    model: str | None = None
    first_ns: int | None = None
    tokens: tuple[int, int, int] | None = None
    tools: list[LoggedTool] = []
    is_error: bool = False
    is_one_by_one: bool = False
    is_end_known: bool = True


class TurnsBuilder:
    """Makes the turns of one session into lanes. agents: those of each agent by its key, the main one's under ""."""

    def __init__(
        self,
        builder: RunBuilder,
        agents: Mapping[str, Sequence[Turn]],
        prompts: SessionPrompts,
        is_streamed: bool,
        counts: Counts,
    ) -> None:
        self._builder = builder
        self._left = {key: turns for key, turns in agents.items() if turns}
        self._prompts = prompts
        self._is_streamed = is_streamed
        self._counts = counts
        self._spawned = 0

    def lane(self) -> Lane:
        """The main agent's lane, with those that it set to work beside its calls."""
        entries = list(self._entries("", self._left.pop("", ()), "main", ""))
        while self._left:
            entries.append(self._subagent(next(iter(self._left)), None))
        return Lane(entries, RESOLUTION_MS)

    def _subagent(self, key: str, tool: LoggedTool | None) -> Lane:
        turns = self._left.pop(key)
        self._spawned += 1
        self._counts.subagents += 1
        began_ns = min(turn.start_ns for turn in turns)
        start_ns = began_ns if tool is None else min(tool.start_ns, began_ns)
        end_ns = None if tool is None else tool.end_ns
        entries = list(self._entries(f"a{self._spawned}.", turns, "subagent", key))
        end_ms = None if end_ns is None else self._builder.ms(end_ns)
        return Lane(entries, RESOLUTION_MS, self._builder.ms(start_ns), end_ms)

    def _entries(self, prefix: str, turns: Sequence[Turn], name: str, key: str) -> Iterator[Call | Lane]:
        for n, turn in enumerate(turns, 1):
            tokens = turn.tokens or (0, 0, 0)
            self._counts.drop("count(s) of tokens, which are not recorded", turn.tokens is None)
            is_streamed = self._is_streamed or turn.first_ns is not None
            llm = LlmCall(tokens[0], tokens[2], turn.model, is_streamed)
            add_prefix(llm, prefix, tokens[1], self._prompts, self._counts)
            told = {"agent": key or None}
            called = name if turn.name == "main" else turn.name
            place = f"{prefix}{n}"
            of_turn = {**told, "error": "true" if turn.is_error else None}
            end_ns = turn.end_ns if turn.is_end_known else None
            yield self._builder.model_call(place, called, turn.start_ns, end_ns, turn.first_ns, llm, of_turn)
            lanes = [self._tool(f"{place}.{k}", tool, told) for k, tool in enumerate(turn.tools, 1)]
            if turn.is_one_by_one and lanes:
                entries = [entry for lane in lanes for entry in lane.entries]
                lanes = [Lane(entries, RESOLUTION_MS, lanes[0].spawned_ms, lanes[-1].end_ms)]
            yield from lanes

    def _tool(self, place: str, tool: LoggedTool, told: Mapping[str, str | None]) -> Lane:
        if tool.agent in self._left:
            return self._subagent(tool.agent, tool)
        failed = {**told, "error": "true" if tool.is_error else None}
        return self._builder.tool_call(place, tool.name, tool.start_ns, tool.end_ns, tool.arguments, failed)
