"""Answers of a recording, found for requests. No I/O; some microseconds a request, whatever the recording's size.

A row is a step. What every row has stands in arrays, and what it is looked up by in sorted ones: some 150 bytes a step.
"""

import math
import os
from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from replay.planes.recorded.kept import KeptBodies, KeptEndings
from replay.planes.recorded.keys import (
    Keys,
    is_preparing,
    model_asked,
    model_recorded,
    names_asked,
    names_recorded,
    possible_ids,
    recorded_body,
    tool_called,
)
from replay.planes.recorded.types import Question, RecordedAnswer, Way
from replay.trace.told_tokens import told_tokens
from replay.trace.types import Kind, Session, Step
from replay.trace.values.sockets import as_request

_KINDS: tuple[Kind, ...] = ("llm", "tool", "mcp", "http", "ws", "grpc")
_STREAM, _REQUEST, _FAILED, _OPENING = 1, 2, 4, 8
_SWITCHED = 101
ON_SOCKET, OPENING = b"WS", b"WS-OPEN"
"""What stands for a method where a message on a WebSocket is looked up, and where the opening of one is."""
_UNKNOWN = -1
# As a list that an agent is given; what else is called is there, and unlisted.
_MOST_TOOLS = 1_000


class Rows:
    """The steps of a recording, as they are read."""

    def __init__(self) -> None:
        self.keys = Keys(os.urandom(16))
        self.at_ms, self.took_ms, self.first_ms = array("d"), array("d"), array("d")
        self.status, self.kind, self.flags = array("H"), array("B"), array("B")
        self.body_bytes, self.input_tokens, self.output_tokens = array("q"), array("q"), array("q")
        self.name = array("L")
        self.names: dict[str, int] = {}
        self.kept = KeptBodies()
        self.endings = KeptEndings()
        self.tools: dict[str, None] = {}
        self.found_by: dict[Way, tuple[array[int], array[int]]] = {
            way: (array("Q"), array("L")) for way in ("step", "body", "path", "name")
        }

    def __repr__(self) -> str:
        return f"<Rows {len(self)}>"

    def __len__(self) -> int:
        return len(self.at_ms)

    def add(self, session: Session) -> None:
        for step in session.steps:
            self._add(session, step)

    def _add(self, session: Session, step: Step) -> None:
        recorded, llm = step.recorded, step.llm
        status = None if recorded is None else recorded.status
        if step.is_wait and step.kind == "http":
            return  # time that passed, without a call
        if step.ws is not None and step.ws.action in ("ping", "close"):
            return  # of these any WebSocket is a recording
        row = len(self)
        is_on_socket = step.kind in ("ws", "llm") and status == _SWITCHED
        has_failed = ("fault" in step.attributes) if status is None else not 200 <= status <= 599
        has_failed = has_failed and not is_on_socket
        first_ms = None if recorded is None else recorded.ttft_ms
        took_ms = first_ms if step.took_ms is None else step.took_ms
        is_stream = step.attributes.get("stream") == "true" if llm is None else llm.stream
        self.at_ms.append(session.start_ms + step.at_ms)
        self.took_ms.append(took_ms or 0.0)
        self.first_ms.append(math.nan if first_ms is None else first_ms)
        self.status.append(status if status and not has_failed else 200)
        self.kind.append(_KINDS.index(step.kind))
        is_opening = step.ws is not None and step.ws.action == "open"
        self.flags.append(
            _STREAM * is_stream + _REQUEST * (not step.is_wait) + _FAILED * has_failed + _OPENING * is_opening
        )
        size = None if recorded is None else recorded.response_bytes
        self.body_bytes.append(_UNKNOWN if size is None else max(0, min(size, 1 << 62)))
        self.input_tokens.append(_tokens(step, "input_tokens", None if llm is None else llm.input_tokens))
        self.output_tokens.append(_tokens(step, "output_tokens", None if llm is None else llm.output_tokens))
        self.name.append(self.names.setdefault(step.name, len(self.names)))
        if recorded is not None:
            self.kept.add(row, recorded)
        if step.ws is not None and not is_opening:
            self.endings.add(row, step.ws.until)
        if step.kind == "mcp" and len(self.tools) < _MOST_TOOLS and (tool := tool_called(step)) is not None:
            self.tools[tool] = None
        self._add_keys(row, session, step)

    def _add_keys(self, row: int, session: Session, step: Step) -> None:
        keys = self.keys
        for name in names_recorded(step):
            self._found(row, "name", keys.of_name(step.kind, name))
        if step.is_wait:
            return
        self._found(row, "step", keys.of_step((session.id, step.id)))
        if step.kind == "llm":
            # By its model, and by being a call of some model.
            model = model_recorded(step)
            if model:
                self._found(row, "name", keys.of_model(model))
            self._found(row, "name", keys.of_model(""))
        request = step.request
        if step.ws is not None:
            request = as_request(step.ws)
            request.method = (OPENING if step.ws.action == "open" else ON_SOCKET).decode()
        if request is None:
            return
        method = request.method.encode("latin-1", "replace")
        target = request.path.partition("#")[0].encode("utf-8", "surrogatepass")
        self._found(row, "path", keys.of_path(method, target))
        if method != OPENING and (body := recorded_body(request)) is not None:
            self._found(row, "body", keys.of_body(method, target, body))

    def _found(self, row: int, way: Way, key: int) -> None:
        keys, rows = self.found_by[way]
        keys.append(key)
        rows.append(row)


class Recording:
    """Answers requests. by_way: how many it has, by how they were found; not_found: how many it could not.

    prepared: how many were not found, but any MCP server answers them: they open sessions and the like. steps: that are
    requests, and may be asked for. bodies_left_out: bodies that were not kept, for want of memory. tools: those of MCP
    servers that its steps call.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._names = list(rows.names)
        at_ms = np.frombuffer(rows.at_ms, np.float64)
        self._index: dict[Way, _Index] = {way: _Index(*keyed, at_ms) for way, keyed in rows.found_by.items()}
        self._answered = bytearray(len(rows))
        rows.found_by.clear()
        self.by_way: dict[Way, int] = {"step": 0, "body": 0, "path": 0, "name": 0}
        self.not_found = self.prepared = 0
        self.steps = sum(1 for flags in rows.flags if flags & _REQUEST)
        self.bodies_left_out = rows.kept.left_out
        self.tools = tuple(rows.tools)

    def __repr__(self) -> str:
        return f"<Recording of {len(self._rows)} steps, {sum(self.by_way.values())} answers>"

    @property
    def never_asked(self) -> int:
        """Steps of which no request has had the answer."""
        asked = sum(
            1
            for flags, answered in zip(self._rows.flags, self._answered, strict=True)
            if flags & _REQUEST and answered
        )
        return self.steps - asked

    def answer(self, question: Question) -> RecordedAnswer | None:
        """The answer to a request; None where the recording has none. Counts either."""
        found = self._find(question)
        if found is None:
            if is_preparing(question):
                self.prepared += 1
            else:
                self.not_found += 1
            return None
        way, row = found
        self.by_way[way] += 1
        self._answered[row] = 1
        return self._answer(way, row)

    def opening(self, question: Question) -> RecordedAnswer | None:
        """The recorded opening of the WebSocket that this opens; None where that was no step of its own."""
        index, keys = self._index, self._rows.keys
        way: Way = "step" if question.ids is not None else "path"
        if question.ids is not None:
            rows = (index["step"].first(keys.of_step(ids)) for ids in possible_ids(question.ids))
            row = next((row for row in rows if row is not None), None)
        else:
            row = index["path"].next(keys.of_path(OPENING, question.target), self._answered)
        if row is None or not self._rows.flags[row] & _OPENING:
            return None
        self.by_way[way] += 1
        self._answered[row] = 1
        return self._answer(way, row)

    def opens(self, question: Question) -> bool:
        """Whether the recording has something on the WebSocket that this opens. Counts nothing."""
        index, keys = self._index, self._rows.keys
        if question.ids is not None:
            for ids in possible_ids(question.ids):
                if index["step"].first(keys.of_step(ids)) is not None:
                    return True
        for method in (OPENING, ON_SOCKET):
            if index["path"].first(keys.of_path(method, question.target)) is not None:
                return True
        return any(index["name"].first(key) is not None for key in self._name_keys(question))

    def _find(self, question: Question) -> tuple[Way, int] | None:
        index, keys = self._index, self._rows.keys
        if question.ids is not None:
            for ids in possible_ids(question.ids):
                if (row := index["step"].first(keys.of_step(ids))) is not None:
                    return "step", row
        method, target = question.method, question.target
        if question.body is not None:
            row = index["body"].next(keys.of_body(method, target, question.body), self._answered)
            if row is not None:
                return "body", row
        # All messages to an MCP server have one path: an agent's call is not the answer to what prepares it.
        is_told_apart = method in (b"GET", b"DELETE") or not is_preparing(question)
        row = index["path"].next(keys.of_path(method, target), self._answered) if is_told_apart else None
        if row is not None:
            return "path", row
        for key in self._name_keys(question):
            if (row := index["name"].next(key, self._answered)) is not None:
                return "name", row
        return None

    def _name_keys(self, question: Question) -> Iterable[int]:
        keys = self._rows.keys
        for kind, name in names_asked(question):
            yield keys.of_name(kind, name)
        if question.usual[0] == "llm":
            if model := model_asked(question.body):
                yield keys.of_model(model)
            yield keys.of_model("")

    def _answer(self, way: Way, row: int) -> RecordedAnswer:
        rows = self._rows
        first_ms, flags = rows.first_ms[row], rows.flags[row]
        json, headers = rows.kept.of(row)
        return RecordedAnswer(
            way,
            _KINDS[rows.kind[row]],
            self._names[rows.name[row]],
            None if flags & _FAILED else rows.status[row],
            rows.took_ms[row],
            None if math.isnan(first_ms) else first_ms,
            bool(flags & _STREAM),
            _known(rows.input_tokens[row]),
            _known(rows.output_tokens[row]),
            _known(rows.body_bytes[row]),
            json,
            headers,
            rows.endings.of(row),
        )


class _Index:
    """Rows by key; those of one key in order of their time."""

    def __init__(self, keys: "array[int]", rows: "array[int]", at_ms: npt.NDArray[np.float64]) -> None:
        all_keys = np.frombuffer(keys, np.uint64) if keys else np.empty(0, np.uint64)
        all_rows = np.array(rows, np.uint32)
        order = np.lexsort((all_rows, at_ms[all_rows], all_keys))
        self._keys, self._rows = all_keys[order], all_rows[order]
        self._taken = np.zeros(len(order), np.uint32)  # of a key, at its first place

    def __repr__(self) -> str:
        return f"<_Index {len(self._keys)} rows>"

    def first(self, key: int) -> int | None:
        at, end = self._range(key)
        return int(self._rows[at]) if at < end else None

    def next(self, key: int, answered: bytearray) -> int | None:
        """The next row of a key: each once, without those that were found by another way, then all over again."""
        begin, end = self._range(key)
        n = end - begin
        if not n:
            return None
        taken = int(self._taken[begin])
        while taken < n and answered[self._rows[begin + taken]]:
            taken += 1
        row = int(self._rows[begin + taken % n])
        taken += 1
        self._taken[begin] = taken if taken < 2 * n else n
        return row

    def _range(self, key: int) -> tuple[int, int]:
        wanted = np.uint64(key)  # of the array's own type, or it would be converted as a whole
        begin, end = np.searchsorted(self._keys, wanted), np.searchsorted(self._keys, wanted, "right")
        return int(begin), int(end)


def _tokens(step: Step, name: str, counted: int | None) -> int:
    """A count of tokens as the step has it, or as its attributes tell it."""
    if counted:
        return counted
    told = told_tokens(step.attributes, name)
    return _UNKNOWN if told is None else told


def _known(value: int) -> int | None:
    return None if value == _UNKNOWN else value
