"""Conversations of OpenHands: a folder each, or a document or row that holds all events of one.

The software agent SDK and the command line keep a conversation as `base_state.json` and `events/event-N-ID.json`, with
sub-agents' below `subagents/`; `openhands --json` prints one as lines. Versions before 1.0 keep `events/N.json` (and
pages of the same events in `event_cache/`), save a trajectory as one JSON array, and answer with one under
`trajectory`. Evaluations write a row for each task, with `history` and `metrics`. The layout is that of their source;
replay/importers/agents/openhands_events.py and openhands_turns.py say what
becomes of events.

- `base_state.json`, and the metrics of a row, have each model call's latency and tokens, whether calls were streamed,
  and how many tools run at a time.
- A sub-agent stands in the place of the tool call (`task`, `delegate`) in which it began.
- A fork holds a copy of what it was forked from: each call counts once, where its metrics are.
- Times have no zone, and are taken as UTC.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from replay.assembly.agent_runs import Run, RunBuilder, imported_runs
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.logged_turns import LoggedTool, Turn, TurnsBuilder
from replay.importers.agents.openhands_events import Event, event_of
from replay.importers.agents.openhands_turns import LoggedTurn, Metrics, turns_of
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_all_items
from replay.trace.errors import TraceError

_AROUND = ("trajectory", "history")
_STATE = "base_state.json"
_EVENT_FILE = re.compile(r"(?:event[-_])?\d{1,12}(?:[-_][\w-]{1,80})?\.json(?:\.gz|\.zst)?", re.ASCII).fullmatch
_EVENT_FOLDERS = ("events", "event_cache")
_SUBAGENTS = "subagents"
_SPAWNING = ("task", "delegate")

_BEGINS = re.compile(
    rb'[\s\[]{0,50}(?:\{\s{0,50}"trajectory"\s{0,5}:[\s\[]{0,50})?\{\s{0,50}"id"\s{0,5}:\s{0,5}'
    rb'(?:"[0-9A-Za-z-]{8,64}"|\d{1,9})\s{0,5},\s{0,50}'
    rb'(?:"timestamp"\s{0,5}:\s{0,5}"\d{4}-\d\d-\d\dT[^"]{5,40}"\s{0,5},\s{0,50}'
    rb'"source"\s{0,5}:\s{0,5}"(?:agent|user|environment|hook)"|"agent"\s{0,5}:\s{0,5}\{)'
).match
_NAMES = (b'"kind"', b'"action"', b'"observation"', b'"llm"', b'"acp_command"')
_IS_ROW = re.compile(rb'\{\s{0,50}"instance_id"\s{0,5}:').match
_NAMES_OF_ROWS = (b'"agent_class"', b'"history"')
_EXPLAINED = (
    "A model call ends when its answer was written down, and took as long as the metrics of the conversation say.",
    "Times have no zone, and are taken as UTC.",
)


class _Conversation(msgspec.Struct):
    """id: "" where it has none. parent: the key of that which set it to work."""

    id: str
    parent: str | None = None
    events: dict[str, Event] = {}
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    model: str | None = None
    is_streamed: bool | None = None
    is_parallel: bool = False
    turns: list[LoggedTurn] = []


class OpenHands:
    """The importer; see the head of this module."""

    name = "openhands"
    describe = "conversations of OpenHands, its trajectories and evaluations, a folder or file each"

    def sniff(self, first_bytes: bytes) -> bool:
        text = first_bytes.removeprefix(b"\xef\xbb\xbf")
        if _IS_ROW(text) is not None:
            return any(name in text for name in _NAMES_OF_ROWS)
        return _BEGINS(text) is not None and any(name in text for name in _NAMES)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts = Counts(damage=Damage(is_refused=options.strict))
        conversations = _conversations(paths, counts)
        for each in conversations.values():
            each.turns = turns_of(each.events.values(), each.metrics, each.is_parallel, counts)
            each.events = {}
        _refuse_copies(conversations, counts)
        sessions = _sessions(conversations)

        def load(unit: int, counts: Counts) -> Run:
            first, agents = sessions[unit]
            zero_ns = min(turn.start_ns for turns in agents.values() for turn in turns)
            prompts = SessionPrompts(unit, options.block_size)
            is_streamed = options.stream if first.is_streamed is None else first.is_streamed
            builder = TurnsBuilder(RunBuilder(zero_ns, counts), agents, prompts, is_streamed, counts)
            return Run(first.id, zero_ns, builder.lane(), {"agent": self.name})

        return imported_runs(self.name, paths, options, len(sessions), load, _EXPLAINED, counts)


def _conversations(paths: Sequence[Path], counts: Counts) -> Mapping[str, _Conversation]:
    """All that these files hold, by where they lie."""
    found: dict[str, _Conversation] = {}
    files = input_files(paths, ".json*", is_deep=True)
    for n, item in read_all_items(files, _AROUND, counts.damage):
        file = files[n]
        try:
            if file.name.startswith(_STATE):
                _state(item, _conversation_of(file, item, found))
            elif (event := event_of(item, counts)) is not None:
                _conversation_of(file, item, found).events.setdefault(event.id, event)
        except TraceError as error:
            counts.damage.lose(error)
    return found


def _conversation_of(file: Path, item: Item, found: dict[str, _Conversation]) -> _Conversation:
    home = file.absolute().parent
    if _EVENT_FILE(file.name) is None and not file.name.startswith(_STATE):
        row = item.outer
        key = str(file) if row is None else f"{file} {row.place}"
        if key not in found:
            found[key] = _Conversation("" if row is None else row.plain("instance_id") or "")
            metrics = None if row is None else row.inner("metrics")
            if metrics is not None:
                found[key].metrics.add(metrics)
        return found[key]
    if home.name in _EVENT_FOLDERS:
        home = home.parent
    if str(home) not in found:
        is_subagent = home.parent.name == _SUBAGENTS
        found[str(home)] = _Conversation(home.name, str(home.parent.parent) if is_subagent else None)
    return found[str(home)]


def _state(item: Item, conversation: _Conversation) -> None:
    """Take in what `base_state.json` says of a conversation."""
    stats, agent = item.inner("stats"), item.inner("agent")
    uses = None if stats is None else stats.inner("usage_to_metrics")
    if uses is not None:
        for metrics in filter(None, map(uses.inner, uses.names())):
            conversation.metrics.add(metrics)
    if agent is not None:
        conversation.is_parallel = (agent.value(float, "tool_concurrency_limit") or 1) > 1
        model = agent.inner("llm")
        if model is not None:
            conversation.model = model.plain("model")
            conversation.is_streamed = model.value(bool, "stream")


def _refuse_copies(conversations: Mapping[str, _Conversation], counts: Counts) -> None:
    """Leave each turn to one conversation: that of which the metrics have it, or else the first."""
    owners: dict[str, tuple[bool, str]] = {}
    for key, each in conversations.items():
        for turn in each.turns:
            owner = (not turn.is_measured, key)
            owners[turn.id] = min(owners.get(turn.id, owner), owner)
    told: set[str] = set()
    for key, each in conversations.items():
        own = [turn for turn in each.turns if owners[turn.id][1] == key]
        counts.drop("model call(s) that another conversation has, too", len(each.turns) - len(own))
        counts.infer(
            "model call(s) start at the event before them, since how long they took is not recorded",
            sum(not turn.is_measured for turn in own),
        )
        told.update(turn.response for turn in each.turns)
        each.turns = own
    measured = {response for each in conversations.values() for response in each.metrics.responses}
    counts.drop("model call(s) that only the metrics have, without a time", len(measured - told))


def _sessions(
    conversations: Mapping[str, _Conversation],
) -> list[tuple[_Conversation, Mapping[str, Sequence[Turn]]]]:
    """Each conversation that nobody set to work, with the turns of its agents, by their ids; its own under ""."""
    agents: dict[str, dict[str, list[Turn]]] = {}
    for key, each in conversations.items():
        root = _root(key, conversations)
        turns = [logged.turn for logged in each.turns]
        for turn in turns:
            turn.model = turn.model or each.model
        if turns:
            agents.setdefault(root, {})["" if root == key else each.id] = turns
    for of_session in agents.values():
        _place(of_session)
    return [(conversations[root], of_session) for root, of_session in agents.items()]


def _root(key: str, conversations: Mapping[str, _Conversation]) -> str:
    """The key of the conversation from which one was set to work, by way of others too."""
    while (parent := conversations[key].parent) is not None and parent in conversations:
        key = parent
    return key


def _place(agents: Mapping[str, Sequence[Turn]]) -> None:
    """Say of tool calls which agent they set to work: the one that began while they went on."""
    spawning = sorted(_spawning(agents), key=lambda each: each[1].start_ns)
    for key, turns in sorted(agents.items(), key=lambda each: each[1][0].start_ns):
        began_ns = turns[0].start_ns
        for spawner, tool in spawning if key else ():
            is_going_on = tool.start_ns <= began_ns and (tool.end_ns is None or began_ns <= tool.end_ns)
            if is_going_on and tool.agent is None and spawner != key:
                tool.agent = key
                break


def _spawning(agents: Mapping[str, Sequence[Turn]]) -> Iterator[tuple[str, LoggedTool]]:
    for key, turns in agents.items():
        for turn in turns:
            for tool in turn.tools:
                if tool.name in _SPAWNING:
                    yield key, tool
