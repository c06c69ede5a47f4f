"""Observations out of batches as Langfuse's older SDKs send them to its ingestion API.

The layout is that of Langfuse's API reference, `POST /api/public/ingestion`: events in `batch`, each with a `type` as
`generation-create` or `span-update` and, in its `body`, what that says of an observation or a trace. Later events add
to what earlier ones of the same id said, in later batches and files, too. So observations come once all is read.
Events of scores, of data sets and of the SDK's own log are counted.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.reading.damage import Damage
from replay.reading.departures import Departures
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError

_EVENT = re.compile(r"(?P<of>[a-z]{1,40}(?:-[a-z]{1,40}){0,9})-(?:create|update|log)").fullmatch
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

    def __init__(self, damage: Damage, departures: Departures) -> None:
        self._damage = damage
        self._departures = departures
        self._observations: dict[str, Item] = {}
        self._traces: dict[str, Item] = {}

    def items(self, file: Path) -> Iterator[Item]:
        """Those of a file that stand there whole."""
        for item in read_items(file, _ARRAYS, self._damage):
            try:
                found = _EVENT(item.plain("type") or "")
                if found is not None:
                    self._take(found["of"], item)
            except TraceError as error:
                self._damage.lose(error)
                continue
            if found is None:
                yield item

    def rest(self) -> Iterator[Item]:
        """Those out of events, once all files are read, each with its trace around it."""
        for item in self._observations.values():
            try:
                trace_id = item.plain("traceId") or item.plain("trace_id") or ""
            except TraceError as error:
                self._damage.lose(error)
                continue
            yield item.within(self._traces.get(trace_id))

    def _take(self, kind: str, event: Item) -> None:
        """What an event says, if it is of an observation or a trace. Raises TraceError."""
        if kind != "trace" and kind not in _OBSERVATIONS:
            self._departures.drop("event(s) that tell of no observation")
            return
        body = event.inner("body")
        if body is None:
            raise event.error("body", "no object")
        if kind == "trace":
            self._join(self._traces, body)
        else:
            told = {} if kind == "observation" else {"type": msgspec.Raw(msgspec.json.encode(kind.upper()))}
            self._join(self._observations, body.with_fields_of(Item(told, body.place)))

    def _join(self, others: dict[str, Item], body: Item) -> None:
        name = body.plain("id") or f"unnamed {len(others)}"
        known = others.get(name)
        others[name] = body if known is None else known.with_fields_of(body)
