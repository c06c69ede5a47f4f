"""The events of OpenHands' conversations, one by one: which tell of calls, and what. Pure.

Two generations are told apart by the event. Those of the software agent SDK (1.0 and later) have a `kind`; those before
it an `action` or an `observation`. What is read of them:

- What the model answered is an `ActionEvent` for each tool that it calls, or a `MessageEvent` of the agent, with
  `llm_response_id`; before 1.0 an action whose `tool_call_metadata` has the response, or none where tools were called
  in text.
- A tool ends at its observation. Before 1.0 `finish` and messages are no tools: nothing runs.
- A condensation with a summary is a model call named `compaction`.
- What an agent behind the Agent Client Protocol calls has no times of its own: dropped and counted.
"""

import msgspec

from replay.assembly.recorded_sessions import Counts
from replay.assembly.tool_requests import as_arguments
from replay.importers.agents.logged_turns import LoggedTool
from replay.importers.agents.turn_logs import token_count
from replay.reading.json_items import Item
from replay.reading.timestamps import unix_ns

_OF_SDK = frozenset(
    {
        "SystemPromptEvent",
        "MessageEvent",
        "ActionEvent",
        "ObservationEvent",
        "UserRejectObservation",
        "AgentErrorEvent",
        "Condensation",
        "CondensationRequest",
        "HookExecutionEvent",
        "PauseEvent",
    }
)
# Before 1.0, actions by which an agent's model can have answered, and those of them that run nothing.
_OF_MODEL = frozenset(
    {
        "run",
        "run_ipython",
        "read",
        "write",
        "edit",
        "browse",
        "browse_interactive",
        "call_tool_mcp",
        "delegate",
        "think",
        "task_tracking",
        "message",
        "finish",
        "reject",
        "condensation",
    }
)
_RUN_NOTHING = frozenset({"message", "finish", "reject", "condensation"})
# What an action before 1.0 holds beside what the model said.
_NOT_SAID = frozenset({"thought", "hidden", "confirmation_state", "is_confirmed", "security_risk", "blocking"})

Tokens = tuple[int, int, int]
"""Of a model's input, what of that was cached, and its output."""


class Event(msgspec.Struct, gc=False):
    """One event, as far as it tells of calls.

    id: the same in every copy of it. response: the id of the model's answer that it is of, "" where that has none,
    None where it is of none. calls: how many tools that answer calls; None where its events stand in a row. tool: that
    it calls, by the name call_id. answers: the call_id of the tool that it ends. tokens: of the answer. total: of all
    answers up to it.
    """

    id: str
    at_ns: int
    response: str | None = None
    name: str = "main"
    model: str | None = None
    tokens: Tokens | None = None
    total: Tokens | None = None
    calls: int | None = None
    tool: LoggedTool | None = None
    call_id: str = ""
    answers: str | None = None
    is_error: bool = False
    is_rejected: bool = False


def event_of(item: Item, counts: Counts) -> Event | None:
    """What one event tells; None where it tells of no call. Raises TraceError for one without a time."""
    kind = item.plain("kind")
    if kind == "ACPToolCallEvent":
        counts.drop("tool call(s) of an agent behind the Agent Client Protocol, without times of their own")
    if kind == "ConversationErrorEvent":
        counts.drop("error(s) at the end of a run, of which the start is not recorded")
    if kind not in _OF_SDK if kind is not None else not (item.plain("action") or item.plain("observation")):
        return None
    at_ns = unix_ns(item.plain("timestamp") or "")
    if at_ns is None:
        raise item.error("timestamp", "not a time like 2026-01-01T00:00:00.000000")
    return _before_sdk(item, at_ns) if kind is None else _of_sdk(item, kind, at_ns)


def _of_sdk(item: Item, kind: str, at_ns: int) -> Event:
    event = Event(item.plain("id") or str(at_ns), at_ns)
    call_id = item.plain("tool_call_id")
    if kind == "ActionEvent":
        event.response, event.call_id = item.plain("llm_response_id") or "", call_id or event.id
        said = item.inner("tool_call")
        arguments = None if said is None else as_arguments(said.raw("arguments"))
        event.tool = LoggedTool(item.plain("tool_name") or "", at_ns, arguments=arguments)
    elif kind == "MessageEvent" and item.plain("source") == "agent":
        event.response = item.plain("llm_response_id")
    elif kind == "Condensation" and item.plain("summary") is not None:
        event.response, event.name = item.plain("llm_response_id") or "", "compaction"
    elif call_id is not None:
        observed = item.inner("observation")
        event.answers = call_id
        event.is_rejected = kind == "UserRejectObservation"
        event.is_error = kind == "AgentErrorEvent" or (
            observed is not None and observed.raw("is_error") == b"true"
        )
    return event


def _before_sdk(item: Item, at_ns: int) -> Event:
    number = item.plain("id") or ""
    event = Event(f"{at_ns} {number}", at_ns)
    action, observation = item.plain("action"), item.plain("observation")
    if observation is not None:
        event.answers = item.plain("cause")
        event.is_rejected = observation == "user_rejected"
        event.is_error = observation == "error"
        return event
    called, args = item.inner("tool_call_metadata"), item.inner("args")
    if action not in _OF_MODEL or item.plain("source") != "agent":
        return event
    if action == "condensation" and (args is None or args.plain("summary") is None):
        return event
    event.response, event.calls, event.call_id = "", 0, number
    event.name = "compaction" if action == "condensation" else "main"
    metrics = item.inner("llm_metrics")
    so_far = None if metrics is None else metrics.inner("accumulated_token_usage")
    if so_far is not None:
        event.total = tokens_of(so_far)
    name, arguments = action or "", None
    if called is not None:
        name = called.plain("function_name") or name
        event.calls = max(int(called.value(float, "total_calls_in_response") or 1), 1)
        arguments = _answered(event, called)
    if action in _RUN_NOTHING:
        return event
    if arguments is None and args is not None:
        arguments = args.only([each for each in args.names() if each not in _NOT_SAID])
    event.tool = LoggedTool(name, at_ns, arguments=arguments)
    return event


def _answered(event: Event, called: Item) -> bytes | None:
    """Set what the model's response says of itself; the arguments with which it calls the tool."""
    response = called.inner("model_response")
    if response is None:
        return None
    event.response, event.model = response.plain("id") or "", response.plain("model")
    usage = response.inner("usage")
    if usage is not None:
        details = usage.inner("prompt_tokens_details")
        cached = 0 if details is None else token_count(details, "cached_tokens")
        event.tokens = (
            token_count(usage, "prompt_tokens"),
            cached,
            token_count(usage, "completion_tokens"),
        )
    call_id = called.plain("tool_call_id")
    for choice in response.objects("choices"):
        message = choice.inner("message")
        for call in () if message is None else message.objects("tool_calls"):
            function = call.inner("function")
            if call.plain("id") == call_id and function is not None:
                return as_arguments(function.raw("arguments"))
    return None


def tokens_of(told: Item) -> Tokens:
    """Those of one answer or of several, as OpenHands counts them itself."""
    inputs, cached = token_count(told, "prompt_tokens"), token_count(told, "cache_read_tokens")
    # Agents behind the Agent Client Protocol count what was cached beside the prompt.
    whole = inputs if inputs >= cached else inputs + cached
    return whole, cached, token_count(told, "completion_tokens")
