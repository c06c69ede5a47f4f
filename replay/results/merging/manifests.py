"""run.json of several workers as one: how the run went as a whole. Pure.

The worst self-check is the run's, for one worker that could not keep up has sent another load than was asked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from replay.results.manifest_types import (
    Ended,
    Generator,
    GeneratorVerdict,
    Manifest,
    RunStatus,
    Spent,
    WorkerFacts,
)
from replay.results.merging.advice import Used, workers_advised
from replay.results.merging.steps import Tally
from replay.words.numbers import number

_WORST: tuple[RunStatus, ...] = ("failed", "running", "incomplete", "interrupted", "finished")
_VERDICTS: tuple[GeneratorVerdict, ...] = ("saturated", "suspect", "ok")


def merged_manifest(top: Manifest, parts: Mapping[int, Manifest], tallies: Mapping[int, Tally]) -> Manifest:
    """The manifest of the whole. top: as it was written first, with the workers that there were to be; parts: what each
    wrote itself, by its number; tallies: what its record adds up to.
    """
    workers = [
        _settled(worker, parts.get(worker.index), tallies.get(worker.index, Tally())) for worker in top.workers
    ]
    known = [parts[worker.index] for worker in workers if worker.index in parts]
    status = _status(workers)
    elapsed = [part.elapsed_s for part in known if part.elapsed_s is not None]
    finished = [part.finished_at for part in known if part.finished_at is not None]
    return msgspec.structs.replace(
        top,
        status=status,
        finished_at=max(finished, default=None) if status != "running" else None,
        elapsed_s=max(elapsed, default=None),
        trace=msgspec.structs.replace(
            top.trace,
            sessions=sum(worker.sessions for worker in workers),
            steps=sum(worker.steps for worker in workers),
        ),
        generator=_generator(workers, tallies),
        plane=next((part.plane for part in known if part.plane is not None), None),
        removed_s=_removed_s(known),
        connections=dict(sum((Counter(part.connections) for part in known), Counter())),
        notes=[*_notes(workers, parts), *_timeline_notes(workers)],
        data=next((part.data for part in known if part.data is not None), None),
        error=top.error or _error(workers, parts),
        ended=top.ended or _ended(known),
        spent=_spent(known),
        workers=workers,
    )


def _settled(worker: WorkerFacts, part: Manifest | None, tally: Tally) -> WorkerFacts:
    status: RunStatus = "running" if part is None else part.status
    if worker.lost is not None:
        status = "incomplete"
    sessions, steps = worker.sessions, worker.steps
    if part is not None:
        sessions, steps = part.trace.sessions, part.trace.steps
    return msgspec.structs.replace(
        worker,
        sessions=sessions,
        steps=steps,
        status=status,
        generator=None if part is None else part.generator,
        lost_steps=0 if worker.lost is None else max(0, steps - tally.settled),
    )


def _status(workers: Sequence[WorkerFacts]) -> RunStatus:
    statuses = {worker.status for worker in workers}
    return next(status for status in _WORST if status in statuses or status == "finished")


def _generator(workers: Sequence[WorkerFacts], tallies: Mapping[int, Tally]) -> Generator | None:
    """The worst of all, with what each says of itself."""
    checked = [(worker, worker.generator) for worker in workers if worker.generator is not None]
    lost = [worker for worker in workers if worker.lost is not None]
    if not checked and not lost:
        return None
    found = {check.verdict for _, check in checked} | ({"suspect"} if lost else set())
    verdict = next(each for each in _VERDICTS if each in found or each == "ok")
    reasons = [f"{name_of(worker)} was lost: {worker.lost}" for worker in lost]
    for worker, check in checked:
        reasons += [f"{name_of(worker)}: {reason}" for reason in check.reasons]
    if verdict == "saturated" and (advice := _advice(workers, tallies)) is not None:
        reasons.append(advice)
    late = [check.late_ms for _, check in checked if check.verdict == "suspect"]
    cpu = [check.cpu_percent for _, check in checked if check.cpu_percent is not None]
    stalls = [check.max_loop_stall_ms for _, check in checked if check.max_loop_stall_ms is not None]
    known_late = [late_ms for late_ms in late if late_ms is not None]
    return Generator(
        verdict=verdict,
        reasons=reasons,
        cpu_percent=max(cpu, default=None),
        max_loop_stall_ms=max(stalls, default=None),
        late_ms=max(known_late) if known_late and len(known_late) == len(late) and not lost else None,
    )


def _advice(workers: Sequence[WorkerFacts], tallies: Mapping[int, Tally]) -> str | None:
    used = []
    for worker in workers:
        if worker.generator is None or worker.generator.cpu_percent is None:
            return None
        tally = tallies.get(worker.index, Tally())
        behind = tally.sent_ns / tally.intended_ns if tally.intended_ns else 1.0
        used.append(Used(worker.generator.cpu_percent, behind))
    return workers_advised(used)


def name_of(worker: WorkerFacts) -> str:
    """A worker, as people read it."""
    return f"worker {worker.index}" + (f" on {worker.host}" if worker.host else "")


def _notes(workers: Sequence[WorkerFacts], parts: Mapping[int, Manifest]) -> list[str]:
    """What the workers note, once where all say the same."""
    said: dict[str, list[WorkerFacts]] = {}
    for worker in workers:
        for note in parts[worker.index].notes if worker.index in parts else ():
            said.setdefault(note, []).append(worker)
    return [
        note if len(by) == len(workers) else f"{', '.join(map(name_of, by))}: {note}"
        for note, by in said.items()
    ]


# Beyond what a step may be late without a doubt, sessions of different workers are not in a certain order.
_SURE_MS = 1.0


def _timeline_notes(workers: Sequence[WorkerFacts]) -> list[str]:
    unsure = [worker.uncertainty_ms for worker in workers if worker.uncertainty_ms is not None]
    if not unsure or max(unsure) <= _SURE_MS:
        return []
    return [
        f"workers began together to within {number(max(unsure))} ms, so what happened on different ones stands "
        "that far apart at most; latencies are not touched by it"
    ]


def _error(workers: Sequence[WorkerFacts], parts: Mapping[int, Manifest]) -> str | None:
    for worker in workers:
        if worker.index in parts and parts[worker.index].error is not None:
            return f"{name_of(worker)}: {parts[worker.index].error}"
    return None


def _ended(parts: Sequence[Manifest]) -> Ended | None:
    return next((part.ended for part in parts if part.ended is not None), None)


def _removed_s(parts: Sequence[Manifest]) -> dict[str, float]:
    """Arrivals are of the span of all sessions, which every worker has nearly whole; the others are sums."""
    removed: dict[str, float] = {}
    for part in parts:
        for knob, seconds in part.removed_s.items():
            if knob == "arrivals":
                removed[knob] = max(removed.get(knob, seconds), seconds, key=abs)
            else:
                removed[knob] = round(removed.get(knob, 0.0) + seconds, 6)
    return removed


def _spent(parts: Sequence[Manifest]) -> Spent | None:
    spent = [part.spent for part in parts if part.spent is not None]
    if not spent:
        return None
    return Spent(
        amount=round(sum(each.amount for each in spent), 9),
        budget=round(sum(each.budget for each in spent), 9),
        currency=spent[0].currency,
        calls=sum(each.calls for each in spent),
        counted=sum(each.counted for each in spent),
        assumed=sum(each.assumed for each in spent),
        input_tokens=sum(each.input_tokens for each in spent),
        output_tokens=sum(each.output_tokens for each in spent),
    )
