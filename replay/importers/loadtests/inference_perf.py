"""The `inference-perf` format: what inference-perf of kubernetes-sigs replays, and what it did.

- Spans that it replays (`data.type: otel_trace_replay`) are calls of sessions, as those of `otlp` are
  (replay/importers/tracing/layouts/plain_spans.py).
- Its report of single requests (`per_request_lifecycle_metrics.json`, of `report.request_lifecycle.per_request`) has an
  object for each: start and end in s of a clock that counts from no date, what was asked, how many tokens, and
  when each of these came, as its classes RequestLifecycleMetric and InferenceInfo say. Each is a model call by
  its counts and a session of its own: which requests belonged together is not in it. Tokens are those that the server
  counted, and else those that inference-perf did. Prompts and answers are not kept.

Reports that sum up (`summary_lifecycle_metrics.json`, `stage_N_lifecycle_metrics.json`) tell of no single request.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.call_steps import model_step
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.logged_requests import RequestLog
from replay.importers.tracing.layouts.plain_spans import BYTES_A_TOKEN, PlainTraces, is_plain, read_plain
from replay.importers.tracing.otlp import Otlp, SpanLayout
from replay.reading.inputs import first_bytes as start_of
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError, shown_path
from replay.trace.redaction.secrets import without_secrets
from replay.trace.types import LlmCall, Recorded, Step

_TELLING_BYTES = 1 << 16
# A request and an answer may be longer than what is looked at.
_IS_REPORT = re.compile(
    rb"""\s*+\[\s*+\{\s*+"start_time"\s*+:\s*+[\d.eE+\-]{1,30}\s*+,\s*+"end_time"\s*+:\s*+[\d.eE+\-]{1,30}\s*+,
    \s*+"request"\s*+:\s*+"\s*+\{(?:[^"\\]|\\.)*+(?:\\?\Z|"\s*+,
    \s*+"response"\s*+:\s*+(?:"(?:[^"\\]|\\.)*+\\?\Z|(?:null|"(?:[^"\\]|\\.)*+")\s*+,
    \s*+"info"\s*+:\s*+\{[^{}]{0,200}?"(?:request_metrics|response_metrics|input_tokens)"\s*+:))""",
    re.DOTALL | re.VERBOSE,
).match
_LATEST_S = 4e9
_STATUS = re.compile(r"([1-5]\d\d)(?!\d)").match
_SESSION = "Each request is a session: which ones belonged together is not in the report."
_EXPLAINED = (
    "Times count from a start that is not recorded. Calls are known by their tokens, without their prompts.",
)
_BY_LENGTH = (
    f"Inferred: calls without token counts are told by the length of their messages, {BYTES_A_TOKEN} bytes a token, "
    "which inference-perf counts by its target's tokenizer."
)
_NO_REQUEST = "not a request of inference-perf's report."


class InferencePerf:
    """The importer; see the head of this module."""

    name = "inference-perf"
    describe = "spans that inference-perf replays, and its reports of single requests"

    def sniff(self, first_bytes: bytes) -> bool:
        return is_plain(first_bytes) or _IS_REPORT(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = [file for path in paths for file in input_files([path], ".json*")]
        if not any(map(_is_report, files)):
            return self._of_spans(paths, options)
        log = RequestLog(self.name, paths, options, session_is=_SESSION, is_dated=False)
        if len(files) > 1 and sum(map(_is_report, files)) > 1:
            text = "counts its times from a start that it does not tell. Import one report at a time."
            raise TraceError(f"{shown_path(files[0])}: {text}")
        for n, item in enumerate(log.damage.of_files(files, lambda file: read_items(file, (), log.damage)), 1):
            try:
                start_us, step = _request(item)
            except TraceError as error:
                log.damage.lose(error)
                continue
            took_us = None if step.took_ms is None else round(step.took_ms * 1_000)
            log.add_step(step, start_us, took_us, client=str(n), user_agent=None, session=str(n), host="")
        return log.result(_EXPLAINED)

    def _of_spans(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        traces = PlainTraces()

        def spans(path: Path, wanted: Any, damage: Any) -> Iterator[Any]:
            return read_plain(path, wanted, damage, traces)

        result = Otlp(SpanLayout(self.name, self.describe, is_plain, spans)).read(paths, options)
        return (
            msgspec.structs.replace(result, notes=(*result.notes, _BY_LENGTH))
            if traces.has_no_counts
            else result
        )


def _is_report(file: Path) -> bool:
    try:
        return _IS_REPORT(start_of(file, _TELLING_BYTES)) is not None
    except TraceError:  # said when it is read
        return False


def _request(item: Item) -> tuple[int, Step]:
    """When a request began, in us, and what it was. Raises TraceError."""
    start_s, end_s = item.value(float, "start_time"), item.value(float, "end_time")
    if start_s is None or end_s is None or not 0 <= start_s < _LATEST_S or not start_s <= end_s < _LATEST_S:
        raise TraceError(f"{item.place}: {_NO_REQUEST}")
    info, error = item.inner("info"), item.inner("error")
    if info is None or item.raw("request") is None:
        raise TraceError(f"{item.place}: {_NO_REQUEST}")
    asked = item.parsed("request")
    metrics = info.inner("response_metrics")
    usage = None if metrics is None else metrics.inner("server_usage")
    sizes = info.inner("request_metrics")
    text = None if sizes is None else sizes.inner("text")
    times = () if metrics is None else metrics.value(list[float], "output_token_times", "chunk_times") or ()
    first_s = next((each for each in times if start_s <= each <= end_s), None)
    model = None if asked is None else asked.plain("model")
    is_streamed = bool(times) or (asked is not None and asked.raw("stream") == b"true")
    llm = LlmCall(
        _count((usage, "prompt_tokens"), (text, "input_tokens"), (info, "input_tokens")),
        _count((usage, "completion_tokens"), (metrics, "output_tokens")),
        without_secrets(model) if model else None,
        is_streamed,
    )
    start_ns, end_ns = round(start_s * 1e9), round(end_s * 1e9)
    first_ns = None if first_s is None else round(first_s * 1e9)
    step = model_step(llm.model or "model", start_ns, end_ns, first_ns, llm, {})
    told = None if error is None else _STATUS(error.plain("error_type") or "")
    if told is not None:
        step.recorded = msgspec.structs.replace(step.recorded or Recorded(), status=int(told[1]))
    if error is not None:
        kind = without_secrets((error.plain("error_type") or "")[:100])
        step.attributes = {"error": kind} if kind else {}
    return start_ns // 1_000, step


def _count(*places: tuple[Item | None, str]) -> int:
    """The first of these counts that is there; 0 where none is."""
    for item, name in places:
        raw = None if item is None else item.raw(name)
        if raw is not None and raw.isdigit() and len(raw) < 16:
            return int(raw)
    return 0
