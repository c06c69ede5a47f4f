"""An experiment on a live target: leave it alone for a while, ask again, and see whether it had gone cold.

What is cold is told by the target's cold header or instance header where its file names one; else by a service time
far above those of the warm requests that begin the experiment.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from replay import __version__
from replay.engine.attempt import Attempt
from replay.engine.hosting.event_loop import Host, run_to_end
from replay.engine.manifest import ended_by, host_facts, now_utc
from replay.engine.prober import Prober
from replay.errors import ReplayError
from replay.judge.statistics.probing import IdleSearch
from replay.judge.tail.coldstart import Burst, Cold, ColdVerdict, Tail, bucket, quantiles_of
from replay.judge.types import VERDICT_SCHEMA
from replay.results.rundir import RunDir
from replay.results.types import Manifest, TargetFacts, TraceFacts
from replay.target.secrets import redacted
from replay.target.target import Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.types import Step
from replay.trials.evidence import write_verdict
from replay.words.numbers import seconds

_WARM_REQUESTS = 10
_LEAST_ADDED_NS = 10_000_000
_RATIO = 1.5
_DEVIATIONS = 8

OnWait = Callable[[float, str], None]


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
        """The longest that it can take, but for the requests themselves."""
        return self.search().most_wait_s() + len(self.bursts) * 1.2 * self.most_s


class ProbeOutcome(NamedTuple):
    verdict: ColdVerdict
    directory: Path


class _Probe(NamedTuple):
    idle_s: float
    is_cold: bool
    service_ms: float


def probe_coldstart(
    target: Target,
    step: Step,
    plan: ProbePlan = ProbePlan(),  # noqa: B008 - a NamedTuple, so no call can change it
    *,
    out: Path | None = None,
    on_wait: OnWait | None = None,
) -> ProbeOutcome:
    """Find how long a target stays warm, and what a cold start adds; verdict.json is left in `out`.

    step: what is sent. on_wait: told how long it will now wait, and why. Raises TargetError, RunDirError, and
    TargetUnreachable.
    """
    directory = RunDir.create(out, "coldstart", target.name)
    facts = TargetFacts(name=target.name, url=redacted(target)["url"], plane=target.plane)
    manifest = Manifest(
        schema="replay.run/1",
        status="running",
        version=__version__,
        started_at=now_utc(),
        trace=TraceFacts(name="coldstart", sha256="", sessions=0, steps=0),
        target=redacted(target),
        target_facts=facts,
        options={"first_s": plan.first_s, "most_s": plan.most_s, "bursts": list(plan.bursts)},
        seed=0,
        host=host_facts(),
        clock={"source": "CLOCK_MONOTONIC"},
    )
    directory.write_manifest(manifest)
    experiment = _Experiment(target, step, plan, directory.path, on_wait or (lambda *_: None))
    try:
        run_to_end(experiment.run)
        manifest.status = "finished"
    except BaseException as cause:
        ended_by(manifest, cause)
        raise
    finally:
        manifest.finished_at = now_utc()
        manifest.trace.sessions = manifest.trace.steps = experiment.sent
        directory.write_manifest(manifest)
    verdict = experiment.verdict()
    write_verdict(directory.path, verdict)
    return ProbeOutcome(verdict, directory.path)


class _Experiment:
    """Warm requests, then idle times as the search asks for them, then bursts."""

    def __init__(self, target: Target, step: Step, plan: ProbePlan, directory: Path, on_wait: OnWait) -> None:
        self._target, self._step, self._plan = target, step, plan
        self._directory, self._on_wait = directory, on_wait
        self._search = plan.search()
        self._warm_ns: list[int] = []
        self._seen: set[str] = set()
        self._probes: list[_Probe] = []
        self._bursts: list[Burst] = []
        self.sent = 0

    async def run(self, host: Host) -> None:
        host.has_guest = self._target.url.startswith(ASGI_PREFIX)
        async with Prober(self._target, self._directory, secrets.token_hex(8)) as prober:
            for n in range(_WARM_REQUESTS + 1):
                (attempt,) = await self._ask(prober, 1)
                # The first may have woken it.
                if n:
                    self._warm_ns.append(attempt.end_ns - attempt.sent_ns)
            while (idle_s := self._search.next_s()) is not None:
                self._on_wait(idle_s, f"idle for {seconds(idle_s)}")
                await asyncio.sleep(idle_s)
                (attempt,) = await self._ask(prober, 1)
                is_cold = self._is_cold(attempt)
                self._probes.append(_Probe(idle_s, is_cold, (attempt.end_ns - attempt.sent_ns) / 1e6))
                self._search.tell("cold" if is_cold else "warm")
            if self._search.cold_s is not None:
                for size in self._plan.bursts:
                    await self._burst(prober, size, 1.2 * self._search.cold_s)

    async def _burst(self, prober: Prober, size: int, idle_s: float) -> None:
        self._on_wait(idle_s, f"idle for {seconds(idle_s)}, then a burst of {size}")
        await asyncio.sleep(idle_s)
        attempts = await self._ask(prober, size)
        times = sorted((attempt.end_ns - attempt.sent_ns) / 1e6 for attempt in attempts)
        instances = {attempt.instance for attempt in attempts} - {None}
        self._bursts.append(
            Burst(
                size=size,
                cold=sum(self._is_cold(attempt) for attempt in attempts),
                slowest_ms=round(times[-1], 3),
                median_ms=round(float(np.median(times)), 3),
                instances=len(instances) or None,
            )
        )

    async def _ask(self, prober: Prober, size: int) -> Sequence[Attempt]:
        await prober.connect(size)
        self.sent += size
        attempts = await prober.send([self._step] * size)
        for attempt in attempts:
            if attempt.sent_ns == 0:
                raise ProbeFailed(f"a probe could not be sent ({attempt.error}); the experiment is over.")
            if attempt.error is not None or attempt.status >= 400:
                what = attempt.error or f"status {attempt.status}"
                raise ProbeFailed(
                    f"a probe was answered with {what}; choose another --path that always succeeds."
                )
        return attempts

    def _is_cold(self, attempt: Attempt) -> bool:
        if attempt.cold is not None:
            return attempt.cold
        median = float(np.median(self._warm_ns))
        spread = float(np.median(np.abs(np.asarray(self._warm_ns) - median)))
        limit = max(_RATIO * median, median + _DEVIATIONS * spread, median + _LEAST_ADDED_NS)
        return attempt.end_ns - attempt.sent_ns > limit

    def verdict(self) -> ColdVerdict:
        """What the probes showed."""
        cold = np.array([probe.service_ms for probe in self._probes if probe.is_cold])
        warm = np.array([ns / 1e6 for ns in self._warm_ns])
        says = self._target.cold_header is not None
        search = self._search
        notes = []
        if search.cold_s is None:
            notes.append(f"it was still warm after {seconds(search.warm_s)}; look further with --max-idle")
        if not search.is_sharp:
            notes.append("the same idle time left it warm once and cold once: there is no sharp limit")
        return ColdVerdict(
            schema=VERDICT_SCHEMA,
            command="coldstart",
            cold=Cold(
                method="header" if says else "inferred",
                confidence="certain" if says else "high" if len(cold) else "low",
                count=len(cold),
                share=round(len(cold) / max(1, len(self._probes)), 4),
                why="the target says so" if says else "service time far above that of warm requests",
                latency_ms=quantiles_of(cold),
                warm_ms=quantiles_of(warm),
                added_ms=round(float(np.median(cold) - np.median(warm)), 3) if len(cold) else None,
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
            run=self._directory.name,
            notes=notes,
        )

    def _by_idle_time(self) -> dict[float, list[bool]]:
        found: dict[float, list[bool]] = {}
        for probe in self._probes:
            found.setdefault(probe.idle_s, []).append(probe.is_cold)
        return found


class ProbeFailed(ReplayError):
    """The target did not answer a probe as it must for the experiment to mean anything; str() is the message."""
