"""Observations out of batches as Langfuse's older SDKs send them to its ingestion API.

The layout is that of Langfuse's API reference, `POST /api/public/ingestion`: events in `batch`, each with a `type` as
`generation-create` or `span-update` and, in its `body`, what that says of an observation or a trace. Later events add
to what earlier ones of the same id said, in later batches and files, too. So observations come once all is read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.reading.damage import Damage
from replay.reading.json_items import Item, read_items

_EVENT = re.compile(r"(?P<of>[a-z]+)-(?:create|update)").fullmatch
_BATCH = re.compile(rb'"type"\s*:\s*"(?:trace|generation|span|observation)-(?:create|update)"').search
_OBSERVATIONS = frozenset(
    {
        "generation",
        "span",
        "event",
        "observation",
        "agent",
        "tool",
        "chain",
        "retriever",
        "embedding",
        "evaluator",
        "guardrail",
    }
)
_ARRAYS = ("observations", "traces", "data", "batch")


def is_batch(first_bytes: bytes) -> bool:
    """Whether a file that begins like this holds such batches."""
    return _BATCH(first_bytes) is not None


class LangfuseObservations:
    """The observations of files: those that stand there whole, and those put together out of events."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._observations: dict[str, Item] = {}
        self._traces: dict[str, Item] = {}

    def items(self, file: Path) -> Iterator[Item]:
        """Those of a file that stand there whole."""
        for item in read_items(file, _ARRAYS, self._damage):
            kind, body = _event_of(item)
            if body is None:
                yield item
            elif kind == "trace":
                self._join(self._traces, body)
            elif kind in _OBSERVATIONS:
                told = {} if kind == "observation" else {"type": msgspec.Raw(msgspec.json.encode(kind.upper()))}
                self._join(self._observations, body.with_fields_of(Item(told, body.place)))

    def rest(self) -> Iterator[Item]:
        """Those out of events, once all files are read, each with its trace around it."""
        for item in self._observations.values():
            trace_id = item.text("traceId", "trace_id")
            yield item.within(self._traces.get(trace_id or ""))

    def _join(self, others: dict[str, Item], body: Item) -> None:
        name = body.plain("id") or f"unnamed {len(others)}"
        known = others.get(name)
        others[name] = body if known is None else known.with_fields_of(body)


def _event_of(item: Item) -> tuple[str, Item | None]:
    """What an event is of, and its body; no body for what is no event."""
    found = _EVENT(item.plain("type") or "")
    return ("", None) if found is None else (found["of"], item.inner("body"))
