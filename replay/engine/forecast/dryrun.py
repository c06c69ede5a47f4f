"""What a run would send: the whole schedule walked with the durations of the recording, nothing sent.

The same walker and the same knobs as in a run. A step is taken to last as long as it did in the recording,
whatever the speed, since a target does not answer faster because it is asked faster.
"""

import time
from array import array
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path

import numpy as np

from replay.engine.forecast.alike import Alike
from replay.engine.forecast.connections import short_of_descriptors
from replay.engine.forecast.weighing import Weighing
from replay.engine.plan import planned_sessions, read_trace
from replay.engine.requests.call_places import refuse_unspoken
from replay.engine.requests.login import columns_asked
from replay.engine.requests.own_origin import recorded_at
from replay.engine.requests.router import WAIT, Router
from replay.engine.types import RunOptions
from replay.engine.users.casting import casting_for
from replay.engine.users.rows import notes_on, rows_for
from replay.engine.walker import Pace, Walk, recorded_anchor_ms
from replay.results.rates import peak_in_flight
from replay.results.types import Forecast, ForecastDestination, ForecastSteps
from replay.target.secrets import lacks
from replay.target.target import Target
from replay.trace.types import Session, Step
from replay.words.phrases import were

# Of a trace of decades, slowed down: what an array holds.
_LAST_NS = (1 << 63) - 1
_NS = 1_000_000_000
_STARTED, _FIRST_BYTE, _ENDED = 0, 1, 2


def foresee(
    trace: Path, target: Target, options: RunOptions, wall_ns: Callable[[], int] = time.time_ns
) -> Forecast:
    """Walk the whole trace as `replay run` would, and count. Raises TraceError for a bad trace.

    wall_ns: the time, in ns since 1970, at which the run would start; {{now}} counts on from there.
    """
    found = read_trace(trace, options)
    logins = columns_asked([target])
    rows = rows_for(trace, found.uses, options, logins)
    sent_at_ns = began_ns = wall_ns()
    router = Router(target, read_only=options.read_only)
    refuse_unspoken(target, router, found.calls)
    casting = casting_for(
        target,
        router.places,
        options.knobs.seed,
        fills=found.has_references,
        rows=rows,
        wall_ns=lambda: sent_at_ns,
    )
    alike = Alike(target, casting, [place.login is not None for place in router.places])
    pace = Pace(options.knobs)
    weighing = Weighing(target, router.places)
    sent_ns, end_ns = array("q"), array("q")
    by_second: Counter[int] = Counter()
    by_step: Counter[tuple[str, str]] = Counter()
    sessions = steps = waits = withheld = unsent = 0
    unknown = 0
    recorded_ms = 0.0
    limit_ns = None if options.duration_s is None else int(options.duration_s * _NS)
    names_users = any(place.login is not None and place.login.differs for place in router.places)
    for start_ns, session in planned_sessions(trace, found, options, pace, names_users=names_users):
        sessions += 1
        steps += len(session.steps)
        recorded_ms = max(recorded_ms, session.start_ms + recorded_span_ms(session))
        values = alike.values_of(session)
        unknown += sum(1 for step in session.steps if step.took_ms is None and not step.is_wait)
        for step, due_ns, ended_ns in foreseen_steps(session, pace, start_ns, options.timing == "recorded"):
            if limit_ns is not None and due_ns >= limit_ns:
                unsent += 1
                continue
            where = router.decide(step)
            if where == WAIT:
                waits += 1
                withheld += router.withholds(step)
                continue
            weighing.add(where, step, session.id)
            sent_at_ns = began_ns + due_ns
            alike.add(where, session, step, values)
            sent_ns.append(min(due_ns, _LAST_NS))
            end_ns.append(min(ended_ns, _LAST_NS))
            by_second[due_ns // _NS] += 1
            by_step[step.kind, step.name] += 1
    notes = list(found.doubts)
    if (origin := recorded_at(found.header, target)) is not None:
        meant = (
            "--to-origin says that it is meant" if options.to_origin else "a run is refused without --to-origin"
        )
        notes.append(f"the trace was recorded at {origin}, which is this target; {meant}")
    if weighing.unfit:
        notes.append(f"gRPC calls that cannot be made: {weighing.unfit}; {weighing.unfit_example}")
    if unknown:
        notes.append(f"{were(unknown, 'step')} recorded without a duration, and taken to end at once")
    identical = alike.count
    if identical and (options.knobs.scale > 1 or options.repeat):
        notes.append(
            "copies that send the same bytes are one user to the target, and a cache may answer them; {{copy}} or "
            "{{uuid}} in a request tells them apart, and {{row.NAME}} with --data makes each another user"
        )
    notes += weighing.notes
    at_once = peak_in_flight(np.frombuffer(sent_ns, np.int64), np.frombuffer(end_ns, np.int64))
    if (short := short_of_descriptors(at_once, target)) is not None:
        notes.append(f"{short}; raise the limit with ulimit -n")
    notes += [f"a run ends before its first request: {why}" for why in lacks(router.places)]
    notes += notes_on(rows, found.uses, sessions, logins)
    return Forecast(
        schema="replay.forecast/1",
        trace=found.header.name,
        target=target.name,
        sessions=sessions,
        steps=steps,
        requests=len(sent_ns),
        waits=waits,
        withheld=withheld,
        methods=dict(weighing.methods.most_common()),
        hosts=dict(weighing.hosts.most_common()),
        destinations=[
            ForecastDestination(method, to, n) for (method, to), n in weighing.destinations.most_common()
        ],
        first=weighing.first,
        request_bytes=weighing.bytes,
        model_calls=weighing.model_calls,
        input_tokens=weighing.input_tokens,
        output_tokens=weighing.output_tokens,
        images=weighing.carried.images,
        image_bytes=weighing.carried.image_bytes,
        tools_offered=weighing.carried.tools_offered,
        tool_bytes=weighing.carried.tool_bytes,
        model_cost=weighing.model_cost,
        unsent=unsent,
        peak_rps=float(max(by_second.values())) if by_second else None,
        peak_in_flight=at_once,
        recorded_span_s=round(recorded_ms / 1000, 3),
        wall_s=round(max(end_ns, default=0) / _NS, 3),
        removed_s=pace.removed_s(),
        notes=notes,
        by_step=[ForecastSteps(kind, name, n) for (kind, name), n in by_step.most_common()],
        identical_requests=identical,
    )


def foreseen_steps(
    session: Session, pace: Pace, start_ns: int, is_recorded: bool
) -> list[tuple[Step, int, int]]:
    """Each step with its due time and its end, in ns, had the target answered as recorded."""
    steps = list(session.steps)
    walk = Walk(session, pace, start_ns, is_recorded)
    events: list[tuple[int, int, int]] = []
    for i, due_ns in walk.begin():
        heappush(events, (due_ns, _STARTED, i))
    foreseen: list[tuple[Step, int, int]] = []
    while events:
        at_ns, event, i = heappop(events)
        step = steps[i]
        if event == _STARTED:
            if step.is_wait:
                end_ns = at_ns + pace.offset_ns(step.took_ms or 0.0)
            else:
                end_ns = at_ns + int((step.took_ms or 0.0) * 1e6)
            foreseen.append((step, at_ns, end_ns))
            released = walk.started(i, at_ns)
            first_byte_ns = min(end_ns, at_ns + int(recorded_anchor_ms(step, "first_byte") * 1e6))
            heappush(events, (first_byte_ns, _FIRST_BYTE, i))
            heappush(events, (end_ns, _ENDED, i))
        elif event == _FIRST_BYTE:
            released = walk.first_byte(i, at_ns)
        else:
            released = walk.ended(i, at_ns)
        for child, due_ns in released:
            heappush(events, (due_ns, _STARTED, child))
    return foreseen


def recorded_span_ms(session: Session) -> float:
    """From the session's start to the end of its last step, as recorded."""
    return max((step.at_ms + (step.took_ms or 0.0) for step in session.steps), default=0.0)
