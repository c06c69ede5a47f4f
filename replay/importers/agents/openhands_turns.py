"""The events of one conversation of OpenHands, as turns of its agent. Pure.

- The first event of an answer is the end of a model call. Metrics beside the events have its latency and tokens by the
  answer's id. Where they have not, it starts at the event before; tokens are those of the answer itself, or what the
  accumulated ones grew by.
- A tool goes from its action, or from the end of the one before it where the agent runs one at a time, to its
  observation. What the user or a hook rejected did not run.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from replay.assembly.recorded_sessions import Counts
from replay.importers.agents.logged_turns import LoggedTool, Turn
from replay.importers.agents.openhands_events import Event, Tokens, tokens_of
from replay.reading.json_items import Item

_LONGEST_S = 1e7


class Metrics:
    """What was measured of each answer, by its id; of ids that come again, in order."""

    def __init__(self) -> None:
        self._latencies: dict[str, deque[int]] = {}
        self._usages: dict[str, deque[tuple[str | None, Tokens]]] = {}

    def add(self, metrics: Item) -> None:
        """The metrics of one use of a model, as OpenHands writes them."""
        for told in metrics.objects("response_latencies"):
            latency_s = min(max(told.value(float, "latency") or 0.0, 0.0), _LONGEST_S)
            self._latencies.setdefault(told.plain("response_id") or "", deque()).append(round(latency_s * 1e9))
        for told in metrics.objects("token_usages"):
            known = (told.plain("model"), tokens_of(told))
            self._usages.setdefault(told.plain("response_id") or "", deque()).append(known)

    @property
    def responses(self) -> Iterable[str]:
        return self._latencies.keys()

    def latency_ns(self, response: str) -> int | None:
        """How long the next answer of this id took."""
        known = self._latencies.get(response)
        return known.popleft() if known else None

    def usage(self, response: str) -> tuple[str | None, Tokens] | None:
        """The model and the tokens of the next answer of this id."""
        known = self._usages.get(response)
        return known.popleft() if known else None


class LoggedTurn(msgspec.Struct):
    """A turn, by the id of its first event. is_measured: whether metrics say how long the model took."""

    id: str
    response: str
    is_measured: bool
    turn: Turn


def turns_of(events: Iterable[Event], metrics: Metrics, is_parallel: bool, counts: Counts) -> list[LoggedTurn]:
    """The turns in a conversation's events. is_parallel: whether its agent runs several tools at a time."""
    walk = _Walk(metrics, is_parallel, counts)
    for event in sorted(events, key=lambda each: each.at_ns):
        walk.take(event)
    return walk.end()


class _Walk:
    """Goes through events in order of time."""

    def __init__(self, metrics: Metrics, is_parallel: bool, counts: Counts) -> None:
        self._turns: list[LoggedTurn] = []
        self._metrics = metrics
        self._is_parallel = is_parallel
        self._counts = counts
        self._before_ns: int | None = None
        self._total: Tokens = (0, 0, 0)
        # How many tools the last answer has yet to call; None: any, until something else comes.
        self._calls_left: int | None = 0
        # Tools that go on, by the ids of their calls; those of the last answer, in order; and when the last of these
        # was told to run, while none has ended.
        self._tools: dict[str, LoggedTool] = {}
        self._rejected: set[int] = set()
        self._waiting: deque[LoggedTool] = deque()
        self._called_ns: int | None = None

    def take(self, event: Event) -> None:
        if event.response is not None:
            self._answered(event, event.response)
        else:
            self._calls_left = self._calls_left or 0
            if event.answers is not None:
                self._end(event, event.answers)
        self._before_ns = event.at_ns

    def _answered(self, event: Event, response: str) -> None:
        is_same = bool(response and self._turns) and self._turns[-1].response == response
        if not is_same or self._calls_left == 0:
            self._begin(event, response)
        elif self._calls_left is not None:
            self._calls_left -= 1
        self._total = event.total or self._total
        if event.tool is not None:
            self._turns[-1].turn.tools.append(event.tool)
            self._tools[event.call_id] = event.tool
            self._waiting.append(event.tool)
            self._called_ns = event.at_ns

    def _begin(self, event: Event, response: str) -> None:
        self._calls_left = None if event.calls is None else event.calls - 1
        self._waiting.clear()
        latency_ns = self._metrics.latency_ns(response) if response else None
        measured = self._metrics.usage(response) if response else None
        if latency_ns is not None:
            start_ns = event.at_ns - latency_ns
        else:
            start_ns = event.at_ns if self._before_ns is None else self._before_ns
        model, tokens = measured or (event.model, event.tokens or self._grown(event.total))
        turn = Turn(start_ns, event.at_ns, event.name, model or event.model, tokens=tokens, tools=[])
        turn.is_one_by_one = not self._is_parallel
        self._turns.append(LoggedTurn(event.id, response, latency_ns is not None, turn))

    def _grown(self, total: Tokens | None) -> Tokens | None:
        """By what the accumulated tokens have grown."""
        if total is None or total == self._total:
            return None
        inputs, cached, output = (max(now - before, 0) for now, before in zip(total, self._total, strict=True))
        return (inputs, min(cached, inputs), output)

    def _end(self, event: Event, call_id: str) -> None:
        tool = self._tools.pop(call_id, None)
        if tool is None:
            return
        if self._called_ns is not None:
            # An agent runs nothing before all that it was told to run is known.
            for waiting in self._waiting:
                waiting.start_ns = self._called_ns
            self._called_ns = None
        tool.end_ns, tool.is_error = max(event.at_ns, tool.start_ns), event.is_error
        while self._waiting and self._waiting[0].end_ns is not None:
            self._waiting.popleft()
        if self._waiting and not self._is_parallel:
            self._waiting[0].start_ns = event.at_ns
        if event.is_rejected:
            self._rejected.add(id(tool))

    def end(self) -> list[LoggedTurn]:
        """The turns, without what was rejected."""
        for logged in self._turns if self._rejected else ():
            tools = logged.turn.tools
            logged.turn.tools = [tool for tool in tools if id(tool) not in self._rejected]
        self._counts.drop("tool call(s) that were rejected, and did not run", len(self._rejected))
        return self._turns
