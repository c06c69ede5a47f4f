"""The events of one session of GitHub Copilot's agents, as turns of its agents. Pure.

An event has `type`, `data`, `timestamp`, and the `agentId` of a sub-agent whose event it is. What is read of them:

- `assistant.message` ends a model call: the last input before it, of the same agent, began it (`user.message`,
  `assistant.turn_start`, `model.call_start`, the end of a tool). A piece that was streamed before stands for the
  first byte. Messages with the same `apiCallId` are one call.
- `outputTokens` are the message's; what it took in is told by `assistant.usage` only, which is printed and not kept.
  Where `session.shutdown` has a model's totals, each of its calls is taken to have had their mean.
- `tool.execution_start` and `tool.execution_complete` are a tool's call; one that `subagent.started` names is that
  agent's.
- `session.compaction_complete` is a model call, from `session.compaction_start`, or for as long as it says.
"""

from collections.abc import Callable

import msgspec

from replay.assembly.recorded_sessions import Counts
from replay.assembly.tool_requests import as_arguments
from replay.importers.agents.logged_turns import LoggedTool, Turn
from replay.reading.json_items import Item
from replay.reading.timestamps import unix_ns
from replay.trace.file.rules import MOST_TOKENS

_PIECES = (
    "assistant.message_delta",
    "assistant.reasoning_delta",
    "assistant.tool_call_delta",
    "assistant.streaming_delta",
)
_INPUTS = ("user.message", "assistant.turn_start", "model.call_start", "tool.execution_complete")
_UUID_LENGTH = 36
MEAN_INPUT = (
    "model call(s) of which the input is not recorded have their model's mean, by its totals of the session"
)


class _Agent(msgspec.Struct):
    """key: its id, or that of the call that set it to work. input_ns: the last input. first_ns: of what was streamed
    since. call: the id of the last turn's call. unused: what a call took that has no turn yet.
    """

    key: str
    turns: list[Turn] = []
    input_ns: int | None = None
    first_ns: int | None = None
    call: str | None = None
    unused: tuple[int, int, int] | None = None


class CopilotLog:
    """What the events so far tell. id: of the session. version: of the agent."""

    def __init__(self, counts: Counts) -> None:
        self.id = ""
        self.version = ""
        self._counts = counts
        self._agents: dict[str, _Agent] = {}
        self._tools: dict[str, LoggedTool] = {}
        self._spawns: dict[str, str] = {}
        self._compacting_ns: int | None = None
        self._model: str | None = None
        self._totals: dict[str, tuple[int, int]] = {}

    def take(self, event: Item, seen: Callable[[str], bool]) -> None:
        """Raises TraceError for an event without a time. seen: whether another log had an event of this id."""
        kind, data = event.plain("type") or "", event.inner("data")
        if data is None:
            return
        name = event.plain("id") or ""
        if len(name) == _UUID_LENGTH and seen(name):
            self._counts.drop("event(s) that another log has, too")
            return
        take = _TAKES.get(kind)
        if take is None and kind not in _INPUTS:
            return
        at_ns = unix_ns(event.plain("timestamp") or "")
        if at_ns is None:
            raise event.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
        key = event.plain("agentId") or data.plain("parentToolCallId") or ""
        agent = self._agent(key)
        if take is not None:
            take(self, agent, data, at_ns)
        if kind in _INPUTS:
            agent.input_ns = max(at_ns, agent.input_ns or at_ns)
            agent.first_ns = None

    def _agent(self, key: str) -> _Agent:
        return self._agents.setdefault(key, _Agent(key))

    def agents(self) -> dict[str, list[Turn]]:
        """The turns of each agent, the main one's under "", once all events were taken."""
        for key, agent in self._agents.items():
            tool = self._tools.get(self._spawns.get(key, key))
            if key and tool is not None:
                tool.agent = key
            self._add_mean_input(agent)
        return {key: agent.turns for key, agent in self._agents.items()}

    def _add_mean_input(self, agent: _Agent) -> None:
        for turn in agent.turns:
            calls, total = self._totals.get(turn.model or "", (0, 0))
            if calls and turn.tokens is not None and turn.tokens[0] < 0:
                turn.tokens = (total // calls, 0, turn.tokens[2])
                self._counts.infer(MEAN_INPUT)
            elif turn.tokens is not None and turn.tokens[0] < 0:
                turn.tokens = (0, 0, turn.tokens[2])
                self._counts.drop("count(s) of tokens of the input, which are not recorded")

    def _started(self, agent: _Agent, data: Item, at_ns: int) -> None:
        self.id = data.plain("sessionId") or self.id
        self.version = data.plain("copilotVersion") or self.version
        self._model = data.plain("selectedModel") or self._model

    def _changed(self, agent: _Agent, data: Item, at_ns: int) -> None:
        self._model = data.plain("newModel") or self._model

    def _streamed(self, agent: _Agent, data: Item, at_ns: int) -> None:
        agent.first_ns = at_ns if agent.first_ns is None else agent.first_ns

    def _answered(self, agent: _Agent, data: Item, at_ns: int) -> None:
        call = data.plain("apiCallId")
        if call is not None and call == agent.call and agent.turns:
            turn = agent.turns[-1]
            turn.end_ns = max(turn.end_ns, at_ns)
        else:
            before_ns = agent.turns[-1].end_ns if agent.turns else at_ns
            start_ns = min(max(agent.input_ns or before_ns, before_ns if agent.turns else 0), at_ns)
            output = _count(data, "outputTokens")
            tokens = agent.unused or (None if output is None else (-1, 0, output))
            model = data.plain("model") or self._model
            turn = Turn(start_ns, at_ns, model=model, first_ns=agent.first_ns, tokens=tokens)
            agent.turns.append(turn)
            agent.call, agent.first_ns, agent.unused = call, None, None
        for request in data.objects("toolRequests"):
            name = request.plain("toolCallId") or ""
            if name not in self._tools:
                tool = LoggedTool(
                    request.plain("name") or "", at_ns, arguments=as_arguments(request.raw("arguments"))
                )
                self._tools[name] = tool
                turn.tools.append(tool)

    def _used(self, agent: _Agent, data: Item, at_ns: int) -> None:
        told = (_count(data, "inputTokens"), _count(data, "cacheReadTokens"), _count(data, "outputTokens"))
        tokens = (told[0] or 0, told[1] or 0, told[2] or 0)
        last = agent.turns[-1] if agent.turns else None
        if last is not None and (last.tokens is None or last.tokens[0] < 0):
            last.tokens = tokens
        else:
            agent.unused = tokens

    def _began(self, agent: _Agent, data: Item, at_ns: int) -> None:
        name = data.plain("toolCallId") or ""
        tool = self._tools.get(name)
        if tool is None:
            tool = LoggedTool("", at_ns)
            self._tools[name] = tool
            if agent.turns:
                agent.turns[-1].tools.append(tool)
            else:
                self._counts.drop("tool call(s) without a model call")
        server, own = data.plain("mcpServerName"), data.plain("mcpToolName")
        called = f"mcp__{server}__{own}" if server and own else data.plain("toolName")
        tool.start_ns = at_ns
        tool.name = called or tool.name
        tool.arguments = as_arguments(data.raw("arguments")) or tool.arguments

    def _completed(self, agent: _Agent, data: Item, at_ns: int) -> None:
        tool = self._tools.get(data.plain("toolCallId") or "")
        if tool is None:
            self._counts.drop("tool result(s) without a tool call")
            return
        tool.end_ns = at_ns
        tool.is_error = data.raw("success") == b"false"

    def _spawned(self, agent: _Agent, data: Item, at_ns: int) -> None:
        """The agent is the new one where the event has its id; else it goes by the id of the call."""
        name = data.plain("toolCallId") or ""
        self._spawns[agent.key or name] = name
        self._agent(agent.key or name).input_ns = at_ns

    def _compacts(self, agent: _Agent, data: Item, at_ns: int) -> None:
        self._compacting_ns = at_ns

    def _compacted(self, agent: _Agent, data: Item, at_ns: int) -> None:
        used = data.inner("compactionTokensUsed")
        lasted_ms = None if used is None else _count(used, "duration")
        begun_ns = None if lasted_ms is None else at_ns - lasted_ms * 1_000_000
        start_ns, self._compacting_ns = self._compacting_ns or begun_ns, None
        if start_ns is None or used is None:
            self._counts.drop("compaction(s) of which neither a start nor tokens are recorded")
            return
        told = (_count(used, "inputTokens", "input"), _count(used, "cacheReadTokens", "cachedInput"))
        tokens = (told[0] or 0, told[1] or 0, _count(used, "outputTokens", "output") or 0)
        model = used.plain("model") or self._model
        agent.turns.append(Turn(min(start_ns, at_ns), at_ns, "compaction", model, tokens=tokens))
        agent.input_ns = at_ns

    def _shut(self, agent: _Agent, data: Item, at_ns: int) -> None:
        metrics = data.parsed("modelMetrics")
        for model in () if metrics is None else metrics.names():
            told = metrics.inner(model) if metrics is not None else None
            requests = None if told is None else told.inner("requests")
            usage = None if told is None else told.inner("usage")
            if requests is not None and usage is not None:
                calls, total = self._totals.get(model, (0, 0))
                self._totals[model] = (
                    calls + (_count(requests, "count") or 0),
                    total + (_count(usage, "inputTokens") or 0),
                )


def _count(told: Item, *names: str) -> int | None:
    value = next((found for name in names if (found := told.value(float, name)) is not None), None)
    return None if value is None else int(min(max(value, 0.0), 1_000.0 * MOST_TOKENS))


_TAKES: dict[str, Callable[[CopilotLog, _Agent, Item, int], None]] = {
    "session.start": CopilotLog._started,
    "session.resume": CopilotLog._started,
    "session.model_change": CopilotLog._changed,
    "assistant.message": CopilotLog._answered,
    "assistant.usage": CopilotLog._used,
    "tool.execution_start": CopilotLog._began,
    "tool.execution_complete": CopilotLog._completed,
    "subagent.started": CopilotLog._spawned,
    "session.compaction_start": CopilotLog._compacts,
    "session.compaction_complete": CopilotLog._compacted,
    "session.shutdown": CopilotLog._shut,
    **dict.fromkeys(_PIECES, CopilotLog._streamed),
}
