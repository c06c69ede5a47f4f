"""An experiment on a live target: leave it alone for a while, ask again, and see whether it had gone cold. Pure: it
says what to ask and when, and is told what was answered.

What is cold is told by the target's cold header where its file names one; else by service times beside those of warm
requests (replay/judge/cold/probed.py): ten begin the experiment, and others follow where ten tell too little.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from replay.errors import ReplayError
from replay.judge.cold.added import Added, Kind, added_by, independent
from replay.judge.cold.coldstart import quantiles_of
from replay.judge.cold.idle_times import bucket
from replay.judge.cold.probed import Told, WarmAnswers
from replay.judge.cold.types import Burst, Cold, ColdVerdict, Tail
from replay.judge.statistics.probing import IdleSearch
from replay.judge.types import VERDICT_SCHEMA
from replay.target.target import Target
from replay.words.numbers import milliseconds, seconds

_WARM_REQUESTS, _MOST_WARM_REQUESTS = 10, 30
_SAYS = "the target says so"
_FAR_ABOVE = "service time far above that of warm requests"
_NOT_ABOVE = "no service time far above that of warm requests"


class ProbePlan(NamedTuple):
    """first_s, most_s: the shortest and the longest idle time. precision: of the keep-alive time. bursts: sizes of
    bursts that are sent to the target once it has gone cold.
    """

    first_s: float = 1.0
    most_s: float = 1_200.0
    precision: float = 0.1
    bursts: tuple[int, ...] = ()

    def search(self) -> IdleSearch:
        return IdleSearch(self.first_s, self.most_s, self.precision)

    @property
    def most_wait_s(self) -> float:
        """The longest that it can take, but for the requests themselves, and idle times that are asked for again."""
        return self.search().most_wait_s() + len(self.bursts) * 1.2 * self.most_s


class Ask(NamedTuple):
    """Leave the target alone for idle_s, then send so many requests: all at once, or one after another.

    why: the wait in words, empty where there is none.
    """

    requests: int
    is_at_once: bool = True
    idle_s: float = 0.0
    why: str = ""


class Answer(NamedTuple):
    """What came of one request. sent_ns, end_ns: on one clock for the whole experiment; sent_ns 0: it was not sent.
    cold, instance: what the target says, if it does. idle_since_ns: when a login ended before its idle time, if there
    was one.
    """

    sent_ns: int
    end_ns: int
    status: int
    error: str | None = None
    cold: bool | None = None
    instance: str | None = None
    idle_since_ns: int | None = None

    @property
    def service_ns(self) -> int:
        return self.end_ns - self.sent_ns

    @property
    def why_useless(self) -> str | None:
        """Why it says nothing of how long an answer takes; None where it does."""
        if self.sent_ns == 0:
            return f"a probe could not be sent ({self.error}); the experiment is over."
        if self.error is not None or self.status >= 400:
            what = self.error or f"status {self.status}"
            return f"a probe was answered with {what}; choose another --path that always succeeds."
        return None


class ProbeFailed(ReplayError):
    """The target did not answer a probe as it must for the experiment to mean anything; str() is the message."""


class _Probe(NamedTuple):
    idle_s: float
    is_cold: bool
    service_ms: float


class Experiment:
    """Warm requests, then idle times as the search asks for them, then bursts. sent: requests so far."""

    def __init__(self, target: Target, plan: ProbePlan) -> None:
        self._target, self._plan = target, plan
        self._search = plan.search()
        self._warm = WarmAnswers()
        self._probes: list[_Probe] = []
        self._bursts: list[Burst] = []
        self._ended_ns = 0
        self._was_idle_s: float | None = None
        self._most_excess_s = 0.0
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Experiment {self._search!r}, {self.sent} requests>"

    def asks(self) -> Generator[Ask, Sequence[Answer], None]:
        """What to send, in turn; it is sent the answers. Raises ProbeFailed for one that says nothing."""
        _, *warm = yield from self._asked(Ask(_WARM_REQUESTS + 1, is_at_once=False))
        # The first may have woken it.
        self._warm.add([answer.service_ns for answer in warm])
        while (idle_s := self._search.next_s()) is not None:
            is_cold, was_s = yield from self._probed(idle_s)
            self._search.tell("cold" if is_cold else "warm", was_s)
        if self._search.cold_s is not None:
            for size in self._plan.bursts:
                idle_s = 1.2 * self._search.cold_s
                why = f"idle for {seconds(idle_s)}, then a burst of {size}"
                answers = yield from self._asked(Ask(size, idle_s=idle_s, why=why))
                self._bursts.append(self._burst(answers))

    def _probed(self, idle_s: float) -> Generator[Ask, Sequence[Answer], tuple[bool, float]]:
        """Whether an idle time leaves the target cold, by as many probes as that takes; and how long it was."""
        why, found = f"idle for {seconds(idle_s)}", list[tuple[float, int]]()
        while True:
            (answer,) = yield from self._asked(Ask(1, idle_s=idle_s, why=why))
            found.append((idle_s if self._was_idle_s is None else self._was_idle_s, answer.service_ns))
            told = self._told(answer, [service_ns for _, service_ns in found])
            if told != "again":
                break
            why = f"idle for {seconds(idle_s)} again, since the answer was slow"
            if len(self._warm.took_ns) < _MOST_WARM_REQUESTS:
                answers = yield from self._asked(Ask(_WARM_REQUESTS, is_at_once=False))
                self._warm.add([answer.service_ns for answer in answers])
        is_cold = told == "cold"
        self._probes += [_Probe(was_s, is_cold, service_ns / 1e6) for was_s, service_ns in found]
        return is_cold, found[-1][0]

    def _told(self, answer: Answer, took_ns: Sequence[int]) -> Told:
        if answer.cold is not None:
            return "cold" if answer.cold else "warm"
        return self._warm.tells(
            took_ns, [round(probe.service_ms * 1e6) for probe in self._probes if probe.is_cold]
        )

    def _asked(self, ask: Ask) -> Generator[Ask, Sequence[Answer], Sequence[Answer]]:
        answers = yield ask
        self.sent += len(answers)
        for answer in answers:
            if (why := answer.why_useless) is not None:
                raise ProbeFailed(why)
        self._was_idle_s = None
        if ask.idle_s:
            since_ns = max(self._ended_ns, *(answer.idle_since_ns or 0 for answer in answers))
            idle_s = (min(answer.sent_ns for answer in answers) - since_ns) / 1e9
            excess_s = idle_s - ask.idle_s
            # What is less than the answer is to be precise changes nothing.
            if excess_s > self._plan.precision * ask.idle_s:
                self._was_idle_s = round(idle_s, 3)
                self._most_excess_s = max(self._most_excess_s, excess_s)
        self._ended_ns = max(answer.end_ns for answer in answers)
        return answers

    def _burst(self, answers: Sequence[Answer]) -> Burst:
        times = sorted(answer.service_ns / 1e6 for answer in answers)
        instances = {answer.instance for answer in answers} - {None}
        return Burst(
            size=len(answers),
            cold=sum(self._is_cold(answer) for answer in answers),
            slowest_ms=round(times[-1], 3),
            median_ms=round(float(np.median(times)), 3),
            instances=len(instances) or None,
        )

    def _is_cold(self, answer: Answer) -> bool:
        """Of a burst, which has one answer each: what takes longer may wait for the others of it."""
        return answer.cold if answer.cold is not None else self._warm.is_far_slower(answer.service_ns)

    def verdict(self, run: str) -> ColdVerdict:
        """What the probes showed. run: the name of the experiment's directory."""
        cold = np.array([probe.service_ms for probe in self._probes if probe.is_cold])
        warm = np.array([ns / 1e6 for ns in self._warm.took_ns])
        says = self._target.cold_header is not None
        added = added_by([Kind(cold, independent(warm), is_alone=True)]) if len(cold) else Added(None)
        search = self._search
        return ColdVerdict(
            schema=VERDICT_SCHEMA,
            command="coldstart",
            cold=Cold(
                method="header" if says else "inferred",
                confidence="certain" if says else "high" if len(cold) else "low",
                count=len(cold),
                share=round(len(cold) / max(1, len(self._probes)), 4),
                why=_SAYS if says else _FAR_ABOVE if len(cold) else _NOT_ABOVE,
                latency_ms=quantiles_of(cold),
                warm_ms=quantiles_of(warm),
                added_ms=added.ms,
                added_ci_ms=added.ci_ms,
                added_of=added.of,
                waves=len(self._probes),
            ),
            tail=Tail(),
            idle_curve=[
                bucket(idle_s, idle_s, len(told), sum(told))
                for idle_s, told in sorted(self._by_idle_time().items())
            ],
            keep_alive_s=(round(search.warm_s, 3), None if search.cold_s is None else round(search.cold_s, 3)),
            bursts=self._bursts,
            probes=len(self._probes),
            target=self._target.name,
            run=run,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        search = self._search
        notes = []
        if search.cold_s is None and self._target.cold_header is None:
            notes.append(
                f"a boot that adds less than {milliseconds(self._warm.told_from_ns / 1e6)} could not be told from how "
                "long warm requests take; a path that always does the same work shows smaller ones, and a cold_header "
                "in a target file all"
            )
            notes.append(
                f"idle times of up to {seconds(search.warm_s)} were tried; look further with --max-idle"
            )
        elif search.cold_s is None:
            notes.append(
                f"it was still warm after {seconds(search.warm_s)}, unless someone else kept it so; look further with "
                "--max-idle"
            )
        if not search.is_sharp:
            notes.append("the same idle time left it warm once and cold once: there is no sharp limit")
        if self._most_excess_s:
            excess = milliseconds(self._most_excess_s * 1000)
            notes.append(
                f"an idle time was {excess} longer than was asked for, since the probe after it was not ready sooner: "
                "it is told as long as it was"
            )
        return notes

    def _by_idle_time(self) -> dict[float, list[bool]]:
        found: dict[float, list[bool]] = {}
        for probe in self._probes:
            found.setdefault(probe.idle_s, []).append(probe.is_cold)
        return found
