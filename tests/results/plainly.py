"""The columns and the counts of a run, told record by record: what those made a block at a time are held to."""

from collections import Counter

import numpy as np

from replay.results.columns import ABSENT_NS, Columns
from replay.results.tables.table import Names
from replay.results.types import INTERRUPTED, is_transient

_NUMBERS = (
    "intended_ns",
    "sent_ns",
    "first_byte_ns",
    "first_token_ns",
    "end_ns",
    "request_bytes",
    "response_bytes",
    "tokens",
    "connect_ns",
    "tls_ns",
    "dns_ns",
    "last_token_ns",
    "input_tokens",
    "output_tokens",
    "hidden_tokens",
    "recorded_status",
    "recorded_bytes",
    "recorded_input_tokens",
    "recorded_output_tokens",
)
_MILLISECONDS = {
    "recorded_ns": "recorded_ms",
    "recorded_at_ns": "recorded_at_ms",
    "recorded_ttft_ns": "recorded_ttft_ms",
}
_FLAGS = ("censored", "warmup", "stream", "streamed", "recorded_stream", "made_up", "emptied")


def _is_refused(record):
    return record.status in (429, 503, 529) or record.grpc_status in ("RESOURCE_EXHAUSTED", "UNAVAILABLE")


def plain_columns(blocks):
    """What `columns_of` is to give."""
    sessions, series, errors, instances, checks, whys = (Names() for _ in range(6))
    numbers = {name: [] for name in (*_NUMBERS, *_MILLISECONDS)}
    codes = {name: [] for name in ("session", "series", "error", "status", "instance", "cold", "check", "why")}
    flags = {name: [] for name in ("ok", "new_connection", "answered", "refused", *_FLAGS)}
    steps = []
    tries = []
    led = Counter()
    sent = Counter()
    refused = Counter()
    asked = []
    turned_away = []
    retried = []
    unsent = {}
    earlier = {}
    cut = set()
    first_ns = []
    last_ns = []
    for records in blocks:
        rows, since, of_rows, before, shed = [], [], [], [], []
        for record in records:
            if record.end_ns is not None and record.intended_ns is not None:
                code = sessions.code(record.session)
                if code == len(first_ns):
                    first_ns.append(record.intended_ns)
                    last_ns.append(record.end_ns)
                else:
                    first_ns[code] = min(first_ns[code], record.intended_ns)
                    last_ns[code] = max(last_ns[code], record.end_ns)
            if record.outcome == "unsent" or record.error == INTERRUPTED:
                cut.add(record.session)
            if record.outcome == "unsent":
                reason = record.error or "unknown"
                unsent[reason] = unsent.get(reason, 0) + 1
            elif not record.final:
                if record.error != "stale":
                    earlier.setdefault((record.session, record.step), record.intended_ns or 0)
                    if record.outcome == "ok":
                        led[record.session, record.step] += 1
                    elif record.sent_ns is not None:
                        sent[record.session, record.step] += 1
                        if _is_refused(record):
                            refused[record.session, record.step] += 1
            elif (
                record.end_ns is not None
                and record.intended_ns is not None
                and record.error != INTERRUPTED
                and (record.sent_ns is not None or record.outcome == "failed")
            ):
                rows.append(record)
                waited_ns, hops, sent_before, refused_before = 0, 0, 0, 0
                if record.attempt > 1:
                    due_ns = earlier.pop((record.session, record.step), record.intended_ns)
                    waited_ns = 0 if record.sent_ns is None else record.sent_ns - due_ns
                    hops = led.pop((record.session, record.step), 0)
                    sent_before = sent.pop((record.session, record.step), 0)
                    refused_before = refused.pop((record.session, record.step), 0)
                before.append(sent_before)
                shed.append(refused_before)
                since.append(waited_ns)
                of_rows.append(record.attempt - hops)
        for name in _NUMBERS:
            values = [getattr(row, name) for row in rows]
            numbers[name].append(
                np.array([ABSENT_NS if value is None else value for value in values], np.int64)
            )
        for name, in_ms in _MILLISECONDS.items():
            times = [getattr(row, in_ms) for row in rows]
            numbers[name].append(
                np.array([ABSENT_NS if ms is None else round(ms * 1_000_000) for ms in times], np.int64)
            )
        for name in _FLAGS:
            flags[name].append(np.array([getattr(row, name) for row in rows], np.bool_))
        codes["session"].append(np.array([sessions.code(row.session) for row in rows], np.int32))
        codes["series"].append(np.array([series.code((row.kind, row.name)) for row in rows], np.int32))
        codes["error"].append(np.array([errors.code(row.error) for row in rows], np.int32))
        codes["instance"].append(np.array([instances.code(row.instance) for row in rows], np.int32))
        codes["check"].append(np.array([checks.code(row.check) for row in rows], np.int32))
        codes["why"].append(np.array([whys.code(row.why) for row in rows], np.int32))
        codes["status"].append(np.array([row.status or 0 for row in rows], np.int32))
        codes["cold"].append(np.array([-1 if row.cold is None else int(row.cold) for row in rows], np.int32))
        flags["refused"].append(np.array([_is_refused(row) for row in rows], np.bool_))
        flags["ok"].append(np.array([row.outcome == "ok" for row in rows], np.bool_))
        flags["new_connection"].append(np.array([row.connection == "new" for row in rows], np.bool_))
        flags["answered"].append(
            np.array(
                [row.outcome == "ok" or (row.status is not None and row.phase is None) for row in rows],
                np.bool_,
            )
        )
        tries.append(np.array(of_rows, np.int32))
        asked.append(np.array(before, np.int32))
        turned_away.append(np.array(shed, np.int32))
        retried.append(np.array(since, np.int64))
        steps += [row.step for row in rows]
    return Columns(
        sessions=sessions.values,
        series_names=series.values,
        errors=errors.values,
        instances=instances.values,
        checks=checks.values,
        whys=whys.values,
        step=steps,
        attempts=_joined(tries, np.int32),
        sent_before=_joined(asked, np.int32),
        refused_before=_joined(turned_away, np.int32),
        retried_ns=_joined(retried, np.int64),
        cut=np.array([session in cut for session in sessions.values], np.bool_),
        makespan_ns=np.array(last_ns, np.int64) - np.array(first_ns, np.int64),
        unsent=unsent,
        unreadable=0,
        **{name: _joined(parts, np.int64) for name, parts in numbers.items()},
        **{name: _joined(code_parts, np.int32) for name, code_parts in codes.items()},
        **{name: _joined(flag_parts, np.bool_) for name, flag_parts in flags.items()},
    )


def _joined(parts, kind):
    return np.concatenate(parts) if parts else np.empty(0, kind)


class PlainCounts:
    """What a summary counts and times, told plainly."""

    def __init__(self, records):
        self.counts = Counter()
        self.errors, self.unsent, self.series = Counter(), Counter(), Counter()
        self.times = {name: [] for name in ("response", "service", "ttfb", "ttft", "failed", "recorded", "lag")}
        for record in records:
            self._add(record)

    def _add(self, record):
        if not record.final:
            self.counts["followed" if record.outcome == "ok" else "retries"] += 1
            self.counts["stale_connections"] += record.error == "stale"
            return
        if record.outcome == "unsent":
            self.unsent[record.error or "unknown"] += 1
            return
        if record.sent_ns is None and record.outcome == "ok":
            self.counts["waits"] += 1
            self.counts["withheld"] += record.withheld
            self.counts["ok"] += 1
            return
        self.counts[record.outcome] += 1
        if record.outcome == "failed":
            self.errors[record.error or "unknown"] += 1
        self.counts["connections_new"] += record.connection == "new"
        self.counts["connections_reused"] += record.connection == "reused"
        self.counts["connections_shared"] += record.connection == "shared"
        self.series[record.kind, record.name, record.outcome] += 1
        if record.end_ns is None or record.intended_ns is None:
            return
        self.counts["sent"] += record.sent_ns is not None
        if record.error != INTERRUPTED:
            self._time(record)

    def _time(self, record):
        times, response_ns = self.times, record.end_ns - record.intended_ns
        if record.outcome == "failed" and (record.sent_ns is not None or record.censored):
            times["failed"].append(response_ns)
        if record.sent_ns is None:
            return
        if record.attempt == 1:
            times["lag"].append(record.sent_ns - record.intended_ns)
        if record.outcome != "ok":
            return
        times["response"].append(response_ns)
        times["service"].append(record.end_ns - record.sent_ns)
        for name, instant in (("ttfb", record.first_byte_ns), ("ttft", record.first_token_ns)):
            if instant is not None:
                times[name].append(instant - record.sent_ns)
        status = record.recorded_status
        # A WebSocket's opening stands for what was asked by a request.
        self.counts["unlike_recorded"] += (
            status is not None and record.status not in (status, 101) and not is_transient(status)
        )
        is_redirect = 300 <= (record.status or 0) < 400 and record.status != 304
        self.counts["redirected"] += is_redirect and record.status != status
        if record.recorded_ms is not None:
            times["recorded"].append(round(record.recorded_ms * 1_000_000))
