"""Whether a replay meant the same as its recording: a fold over steps.jsonl, and its shortfalls in words.

A figure is about the recorded workload only as far as that was what the target had to do. A model server that gives
half of the tokens asked for is quick, and says nothing of how fast it is.
"""

from array import array
from collections.abc import Mapping, Sequence

import numpy as np

from replay.results.histogram import Int64s
from replay.results.types import Fidelity, Manifest, StepRecord, is_transient

LEAST_FIDELITY = 0.9
"""Below this, verdicts are inconclusive unless another level was asked for."""

_NS = 1_000_000_000
_ON_TIME_NS = 50_000_000
# Left out because the user said so: no shortfall.
_BY_CHOICE = ("duration", "read_only")
# Left out because a step of the session failed, which its makespan tells.
_BY_FAILURE = "skip-rest"

SHORTFALLS = {
    "sessions": "only {} of the sessions were replayed whole",
    "steps": "only {} of the steps were tried",
    "statuses": "only {} of the answers have the recorded status",
    "output_tokens": "of the numbers of output tokens, counted and recorded, the smaller is {} of the larger",
    "input_tokens": "of the numbers of prompt tokens, counted and recorded, the smaller is {} of the larger",
    "streams": "only {} of the model calls were streamed as in the recording",
    "arrivals": "only {} of the steps were ready to be sent when they were due",
    "made_up_bodies": "only {} of the requests have the recorded body; the others were filled to its size",
}
"""What each ratio says where it falls short, its value standing for {}."""

_TOKENS = {"output_tokens": "output tokens", "input_tokens": "prompt tokens"}


class _Ratio:
    """So many of so many."""

    __slots__ = ("of", "part")

    def __init__(self) -> None:
        self.part = self.of = 0

    def add(self, is_part: bool) -> None:
        self.of += 1
        self.part += is_part

    def value(self) -> float | None:
        return _rounded(self.part / self.of) if self.of else None


class _Tokens:
    """Tokens that were counted, and those of the recording."""

    __slots__ = ("counted", "recorded")

    def __init__(self) -> None:
        self.counted = self.recorded = 0

    def add(self, counted: int, recorded: int) -> None:
        self.counted += counted
        self.recorded += recorded

    def value(self) -> float | None:
        most = max(self.counted, self.recorded)
        return _rounded(min(self.counted, self.recorded) / most) if self.recorded else None


class FidelityFold:
    """Told of every record that ends a step: `add` for those that were tried or were waits, `unsent` for the others."""

    def __init__(self, manifest: Manifest) -> None:
        trace = manifest.trace
        self._trace = trace
        self._on_time_ns = max(_ON_TIME_NS, int((trace.resolution_ms or 0.0) * 1_000_000))
        self._tried, self._left_out, self._cut = array("q"), array("q"), array("q")
        self._statuses, self._streams = _Ratio(), _Ratio()
        self._output, self._input = _Tokens(), _Tokens()
        self._sent = self._made_up = self._first_attempts = self._late = self._kept_back = 0

    def unsent(self, record: StepRecord) -> None:
        self._kept_back += record.error == "read_only"
        if record.error != _BY_FAILURE:
            self._cut.append(hash(record.session))
        if record.error not in _BY_CHOICE:
            self._left_out.append(hash(record.session))

    def add(self, record: StepRecord) -> None:
        """Called for every line, so it counts plainly what every line has."""
        self._tried.append(hash(record.session))
        self._kept_back += record.withheld
        sent_ns, intended_ns = record.sent_ns, record.intended_ns
        if sent_ns is None or intended_ns is None:
            return
        self._sent += 1
        if record.made_up:
            self._made_up += 1
        if record.attempt == 1:
            self._first_attempts += 1
            if sent_ns - intended_ns > self._on_time_ns and self._is_late(record, sent_ns - intended_ns):
                self._late += 1
        if record.outcome == "ok":
            self._add_answer(record)

    def _is_late(self, record: StepRecord, lag_ns: int) -> bool:
        """What waiting for a connection took is the target's: it has all that are allowed, or is slow to accept one."""
        opening_ns = (record.dns_ns or 0) + (record.connect_ns or 0) + (record.tls_ns or 0)
        return lag_ns - max(opening_ns, record.waited_ns or 0) > self._on_time_ns

    def _add_answer(self, record: StepRecord) -> None:
        status = record.recorded_status
        if status is not None and not is_transient(status):
            self._statuses.add(status == record.status)
        asked, prompt = record.recorded_output_tokens, record.recorded_input_tokens
        if asked is None and prompt is None:
            return
        if record.stream or record.streamed or not record.recorded_stream:
            # Else none was asked for, as in a simulation, which knows of no streams.
            self._streams.add(record.streamed == record.recorded_stream)
        counted = record.output_tokens if record.output_tokens is not None else record.tokens
        if asked is not None and counted is not None:
            self._output.add(counted, asked)
        if prompt is not None and record.input_tokens is not None:
            self._input.add(record.input_tokens, prompt)

    def result(self, unsent_reasons: Mapping[str, int], sent_ns: Int64s, end_ns: Int64s) -> Fidelity:
        """The figures. unsent_reasons: every step that was not tried, by reason. sent_ns, end_ns: of those sent."""
        by_choice = sum(n for reason, n in unsent_reasons.items() if reason in _BY_CHOICE)
        steps = self._trace.steps - by_choice
        span_ns = int(end_ns.max() - sent_ns.min()) if len(sent_ns) else 0
        made_up = 0 if self._trace.synthetic else self._made_up
        found = Fidelity(
            sessions=self._whole_sessions(),
            steps=_rounded(min(1.0, len(self._tried) / steps)) if steps > 0 else None,
            statuses=self._statuses.value(),
            output_tokens=self._output.value(),
            input_tokens=self._input.value(),
            streams=self._streams.value(),
            arrivals=_rounded(1 - self._late / self._first_attempts) if self._first_attempts else None,
            made_up_bodies=_rounded(1 - made_up / self._sent) if made_up else None,
            requests=_rounded(self._sent / (self._sent + self._kept_back)) if self._kept_back else None,
            in_flight=round(float((end_ns - sent_ns).sum()) / span_ns, 3) if span_ns > 0 else None,
            recorded_in_flight=self._trace.recorded_in_flight,
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

    def cut_sessions(self) -> int:
        """Sessions that were begun and of which a step was left out for another reason than a failure."""
        cut = np.unique(np.frombuffer(self._cut, np.int64)) if self._cut else np.empty(0, np.int64)
        tried = np.frombuffer(self._tried, np.int64) if self._tried else np.empty(0, np.int64)
        return int(np.count_nonzero(np.isin(cut, tried)))

    def _whole_sessions(self) -> float | None:
        """Sessions that were begun and have no step left out, of those planned."""
        tried = np.unique(np.frombuffer(self._tried, np.int64)) if self._tried else np.empty(0, np.int64)
        cut = np.frombuffer(self._left_out, np.int64) if self._left_out else np.empty(0, np.int64)
        whole = len(tried) - int(np.count_nonzero(np.isin(tried, cut)))
        planned = self._trace.sessions
        return _rounded(min(1.0, whole / planned)) if planned > 0 else None


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
    return SHORTFALLS[name].format(f"{100 * value:.3g}%")


def _rounded(ratio: float) -> float:
    return round(ratio, 6)
