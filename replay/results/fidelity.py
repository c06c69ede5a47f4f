"""Whether a replay meant the same as its recording: a fold over steps.jsonl, and its shortfalls in words.

A figure is about the recorded workload only as far as that was what the target had to do. A model server that gives
half of the tokens asked for is quick, and says nothing of how fast it is.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from replay.results.histogram import Int64s
from replay.results.instants import Instants
from replay.results.manifest_types import TraceFacts
from replay.results.sizes import SizesFold
from replay.results.summary_types import Fidelity
from replay.results.tables.table import ABSENT, Flags, Table, are_transient, as_int64s
from replay.words.numbers import percent

LEAST_FIDELITY = 0.9
"""Below this, verdicts are inconclusive unless another level was asked for."""

_NS = 1_000_000_000
_ON_TIME_NS = 50_000_000
_NEVER_NS = np.iinfo(np.int64).max
# Left out because the user said so: no shortfall.
_BY_CHOICE = ("duration", "read_only")
# Left out because a step of the session failed, which its makespan tells.
_BY_FAILURE = "skip-rest"
# Layouts of streams differ in the bytes that they take for a token, but not by so much.
_SHRUNKEN, _LEAST_STREAMS, _MOST_WHOLE = 12, 10, 0.5

SHORTFALLS = {
    "sessions": "only {} of the sessions were replayed whole",
    "steps": "only {} of the steps were tried",
    "statuses": "only {} of the answers have the recorded status",
    "output_tokens": "of the numbers of output tokens, counted and recorded, the smaller is {} of the larger",
    "input_tokens": "of the numbers of prompt tokens, counted and recorded, the smaller is {} of the larger",
    "streams": "only {} of the model calls were streamed as in the recording",
    "arrivals": "only {} of the steps were ready to be sent when they were due",
    "made_up_bodies": "only {} of the requests have the recorded body; the others were filled to its size",
    "answer_bodies": "only {} of the answers have a body, or had none when they were recorded; the others are empty",
    "answer_sizes": (
        "only {} of the answers have sizes of their own, as they had when they were recorded; the others are of nearly "
        "one size, whatever was asked for"
    ),
    "stream_sizes": (
        "only {} of the streams have a twelfth of the recorded bytes or more; the others ended well after their first "
        "tokens"
    ),
}
"""What each ratio says where it falls short, its value standing for {}."""

_TOKENS = {"output_tokens": "output tokens", "input_tokens": "prompt tokens"}


class _Ratio:
    """So many of so many."""

    __slots__ = ("of", "part")

    def __init__(self) -> None:
        self.part = self.of = 0

    def add(self, is_part: Flags, of: Flags) -> None:
        self.of += int(np.count_nonzero(of))
        self.part += int(np.count_nonzero(is_part & of))

    def value(self) -> float | None:
        return _rounded(self.part / self.of) if self.of else None


class _Tokens:
    """Tokens that were counted, and those of the recording."""

    __slots__ = ("counted", "recorded")

    def __init__(self) -> None:
        self.counted = self.recorded = 0

    def add(self, counted: Int64s, recorded: Int64s, rows: Flags) -> None:
        """Of those of these rows that have both."""
        rows = rows & (counted != ABSENT) & (recorded != ABSENT)
        self.counted += int(counted[rows].sum())
        self.recorded += int(recorded[rows].sum())

    def value(self) -> float | None:
        most = max(self.counted, self.recorded)
        return _rounded(min(self.counted, self.recorded) / most) if self.recorded else None


class FidelityFold:
    """Told of the lines of a run that end a step, a block at a time. resolution_ms: of the recording's instants."""

    def __init__(self, resolution_ms: float | None) -> None:
        self._on_time_ns = max(_ON_TIME_NS, int((resolution_ms or 0.0) * 1_000_000))
        # Sessions by the hash of their ids, so that a million of them are a few megabytes.
        self._tried: list[Int64s] = []
        self._left_out: list[Int64s] = []
        self._cut: list[Int64s] = []
        self._statuses, self._streams, self._whole_streams = _Ratio(), _Ratio(), _Ratio()
        self._output, self._input = _Tokens(), _Tokens()
        self._sizes = SizesFold()
        self._answered = self._emptied = 0
        self._sent = self._made_up = self._first_attempts = self._late = self._kept_back = self._steps = 0

    def adding(self, table: Table, unsent: Flags, tried: Flags) -> Iterator[None]:
        """In pieces, as SummaryFold does. unsent: lines of steps that were never sent. tried: of those that were, or
        were waits.
        """
        if unsent.any():
            self._kept_back += int(np.count_nonzero(unsent & table.equals("error", "read_only")))
            self._cut.append(_sessions(table, unsent & ~table.equals("error", _BY_FAILURE)))
            by_choice = np.logical_or.reduce([table.equals("error", reason) for reason in _BY_CHOICE])
            self._left_out.append(_sessions(table, unsent & ~by_choice))
            yield
        self._tried.append(_sessions(table, tried))
        yield
        self._steps += int(np.count_nonzero(tried))
        self._kept_back += int(np.count_nonzero(tried & table.flags("withheld")))
        sent = tried & table.has("sent_ns") & table.has("intended_ns")
        self._sent += int(np.count_nonzero(sent))
        self._made_up += int(np.count_nonzero(sent & table.flags("made_up")))
        first = sent & (table.numbers("attempt") == 1)
        self._first_attempts += int(np.count_nonzero(first))
        self._late += int(np.count_nonzero(first & self._are_late(table)))
        yield
        answered = sent & table.equals("outcome", "ok")
        self._answered += int(np.count_nonzero(answered))
        self._emptied += int(np.count_nonzero(answered & table.flags("emptied")))
        self._add_answers(table, answered)
        yield
        self._sizes.add(table, answered)
        yield

    def _are_late(self, table: Table) -> Flags:
        """What waiting for a connection took is the target's: it has all that are allowed, or is slow to accept one."""
        lag_ns = table.numbers("sent_ns") - table.numbers("intended_ns")
        opening_ns, waited_ns = (
            np.add.reduce([np.maximum(table.numbers(name), 0) for name in names])
            for names in (("dns_ns", "connect_ns", "tls_ns"), ("waited_ns",))
        )
        late: Flags = lag_ns - np.maximum(opening_ns, waited_ns) > self._on_time_ns
        return late

    def _add_answers(self, table: Table, answered: Flags) -> None:
        status = table.numbers("recorded_status")
        told = answered & (status != ABSENT) & ~are_transient(status)
        self._statuses.add(status == table.numbers("status"), told)
        asked, prompt = table.numbers("recorded_output_tokens"), table.numbers("recorded_input_tokens")
        calls = answered & ((asked != ABSENT) | (prompt != ABSENT))
        streamed, recorded = table.flags("streamed"), table.flags("recorded_stream")
        stream = table.flags("stream")
        # Else none was asked for, as in a simulation, which knows of no streams.
        known = calls & (stream | streamed | ~recorded)
        # Of a request that the trace has as it was recorded, what it asks for is all that is known.
        self._streams.add(streamed == (recorded | (stream & ~calls)), known | (answered & stream & ~calls))
        output, tokens = table.numbers("output_tokens"), table.numbers("tokens")
        # A stream shows what it brings, so one without a token brought none.
        counted = np.where((tokens == ABSENT) & streamed, 0, tokens)
        self._output.add(np.where(output == ABSENT, counted, output), asked, calls)
        self._input.add(table.numbers("input_tokens"), prompt, calls)
        # Of one that came compressed no token is known, and its size tells nothing.
        here, recorded_bytes = table.numbers("response_bytes"), table.numbers("recorded_bytes")
        sized = answered & streamed & (tokens != ABSENT) & (asked == ABSENT) & (here > 0) & (recorded_bytes > 0)
        self._whole_streams.add(_SHRUNKEN * here >= recorded_bytes, sized)

    def result(self, trace: TraceFacts, unsent_reasons: Mapping[str, int], instants: Instants) -> Fidelity:
        """The figures. trace: what was to be replayed. unsent_reasons: every step that was not tried, by reason."""
        by_choice = sum(n for reason, n in unsent_reasons.items() if reason in _BY_CHOICE)
        steps = trace.steps - by_choice
        sent = instants.sent_ns >= 0
        first_ns = int(instants.sent_ns.min(initial=_NEVER_NS, where=sent))
        span_ns = int(instants.end_ns.max(initial=first_ns, where=sent)) - first_ns
        under_way_ns = int((instants.end_ns - instants.sent_ns).sum(where=sent))
        made_up, emptied = (0, 0) if trace.synthetic else (self._made_up, self._emptied)
        sizes = None if trace.synthetic else self._sizes.ratio()
        found = Fidelity(
            sessions=self._whole_sessions(trace.sessions),
            steps=_rounded(min(1.0, self._steps / steps)) if steps > 0 else None,
            statuses=self._statuses.value(),
            output_tokens=self._output.value(),
            input_tokens=self._input.value(),
            streams=self._streams.value(),
            arrivals=_rounded(1 - self._late / self._first_attempts) if self._first_attempts else None,
            made_up_bodies=_rounded(1 - made_up / self._sent) if made_up else None,
            answer_bodies=_rounded(1 - emptied / self._answered) if emptied else None,
            answer_sizes=None if sizes is None else _rounded(sizes),
            stream_sizes=None if trace.synthetic else self._stream_sizes(),
            requests=_rounded(self._sent / (self._sent + self._kept_back)) if self._kept_back else None,
            in_flight=round(under_way_ns / span_ns, 3) if span_ns > 0 else None,
            recorded_in_flight=trace.recorded_in_flight,
            tokens={
                name: (tokens.counted, tokens.recorded)
                for name, tokens in (("output_tokens", self._output), ("input_tokens", self._input))
                if tokens.recorded
            },
        )
        known = [value for name in SHORTFALLS if (value := getattr(found, name)) is not None]
        found.ratio = min(known) if known else None
        found.reasons = shortfalls(found, LEAST_FIDELITY)
        return found

    def _stream_sizes(self) -> float | None:
        """None where too few are so short: a model may be told to be brief now and then."""
        whole = self._whole_streams
        is_told = whole.of >= _LEAST_STREAMS and whole.part <= _MOST_WHOLE * whole.of
        return whole.value() if is_told else None

    def cut_sessions(self) -> int:
        """Sessions that were begun and of which a step was left out for another reason than a failure."""
        return _common(_distinct(self._cut), _distinct(self._tried))

    def _whole_sessions(self, planned: int) -> float | None:
        """Sessions that were begun and have no step left out, of those planned."""
        tried = _distinct(self._tried)
        whole = len(tried) - _common(tried, _distinct(self._left_out))
        return _rounded(min(1.0, whole / planned)) if planned > 0 else None


def _sessions(table: Table, rows: Flags) -> Int64s:
    """The hashes of the sessions of these lines."""
    hashes = as_int64s(list(map(hash, table.texts("session"))))
    are_there = np.bincount(table.codes("session")[rows] + 1, minlength=len(hashes) + 1)[1:] > 0
    found: Int64s = hashes[are_there]
    return found


def _distinct(sessions: list[Int64s]) -> Int64s:
    """Each once. np.unique makes a table of them, which takes several times as long for millions."""
    ordered = np.sort(np.concatenate(sessions)) if sessions else np.empty(0, np.int64)
    distinct: Int64s = ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
    return distinct


def _common(some: Int64s, others: Int64s) -> int:
    """How many are among both, each of which has everything once."""
    return len(np.intersect1d(some, others, assume_unique=True)) if len(some) and len(others) else 0


def shortfalls(fidelity: Fidelity, least: float, passed_over: Sequence[str] = ()) -> list[str]:
    """Each ratio below this level, in words, the least first. passed_over: names of ratios that are of no account."""
    short = [
        (value, name)
        for name in SHORTFALLS
        if name not in passed_over and (value := getattr(fidelity, name)) is not None and value < least
    ]
    return [shortfall(fidelity, name, value) for value, name in sorted(short, key=lambda pair: pair[0])]


def shortfall(fidelity: Fidelity, name: str, value: float) -> str:
    """One ratio in words; of tokens the numbers themselves, where they are known."""
    if name in fidelity.tokens:
        counted, recorded = fidelity.tokens[name]
        return f"the answers count {counted:,} {_TOKENS[name]}, and the recording {recorded:,}"
    return SHORTFALLS[name].format(percent(value))


def _rounded(ratio: float) -> float:
    return round(ratio, 6)
