"""What a run would send: the whole schedule walked with the durations of the recording, nothing sent."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from replay.engine.forecast.alike import Alike
from replay.engine.forecast.connections import short_of_descriptors
from replay.engine.forecast.timetable import Timetable, foreseen_steps, recorded_span_ms
from replay.engine.forecast.weighing import Weighing
from replay.engine.plan import planned_sessions, read_trace
from replay.engine.requests.call_places import refuse_unspoken
from replay.engine.requests.login import columns_asked
from replay.engine.requests.own_origin import recorded_at
from replay.engine.requests.router import WAIT, Router
from replay.engine.types import RunOptions
from replay.engine.users.casting import casting_for
from replay.engine.users.rows import notes_on, rows_for
from replay.engine.walker import Pace
from replay.results.forecast_types import Forecast, ForecastDestination
from replay.target.secrets import lacks
from replay.target.target import Target
from replay.trace.types import Header, Session
from replay.words.phrases import were

_NS = 1_000_000_000


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
    pace, tally = Pace(options.knobs), _Tally()
    weighing, timetable = Weighing(target, router.places), Timetable()
    limit_ns = None if options.duration_s is None else int(options.duration_s * _NS)
    names_users = any(place.login is not None and place.login.differs for place in router.places)
    for start_ns, session in planned_sessions(trace, found, options, pace, names_users=names_users):
        tally.add(session)
        values = alike.values_of(session)
        for step, due_ns, end_ns in foreseen_steps(session, pace, start_ns, options.timing == "recorded"):
            if limit_ns is not None and due_ns >= limit_ns:
                tally.unsent += 1
                continue
            where = router.decide(step)
            if where == WAIT:
                tally.waits += 1
                tally.withheld += router.withholds(step)
                continue
            weighing.add(where, step, session.id)
            sent_at_ns = began_ns + due_ns
            alike.add(where, session, step, values)
            timetable.add(step, due_ns, end_ns)
    at_once = timetable.most_at_once()
    notes = [
        *found.doubts,
        *_on_its_origin(found.header, target, options),
        *_on_calls(weighing, tally.unknown),
        *_on_copies(options, alike.count),
        *weighing.notes,
        *_on_its_start(at_once, target, router.places),
        *notes_on(rows, found.uses, tally.sessions, logins),
    ]
    return _forecast(found.header.name, target, tally, weighing, timetable, at_once, alike, pace, notes)


class _Tally:
    """Sessions and steps that were met. unsent: steps beyond the end; unknown: steps without a duration."""

    def __init__(self) -> None:
        self.sessions = self.steps = self.waits = self.withheld = self.unsent = self.unknown = 0
        self.recorded_ms = 0.0

    def __repr__(self) -> str:
        return f"<Tally of {self.sessions} sessions>"

    def add(self, session: Session) -> None:
        self.sessions += 1
        self.steps += len(session.steps)
        self.recorded_ms = max(self.recorded_ms, session.start_ms + recorded_span_ms(session))
        self.unknown += sum(1 for step in session.steps if step.took_ms is None and not step.is_wait)


def _forecast(
    trace: str,
    target: Target,
    tally: _Tally,
    weighing: Weighing,
    timetable: Timetable,
    at_once: int,
    alike: Alike,
    pace: Pace,
    notes: list[str],
) -> Forecast:
    carried = weighing.carried
    return Forecast(
        schema="replay.forecast/1",
        trace=trace,
        target=target.name,
        sessions=tally.sessions,
        steps=tally.steps,
        requests=timetable.requests,
        waits=tally.waits,
        withheld=tally.withheld,
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
        images=carried.images,
        image_bytes=carried.image_bytes,
        tools_offered=carried.tools_offered,
        tool_bytes=carried.tool_bytes,
        model_cost=weighing.model_cost,
        unsent=tally.unsent,
        peak_rps=timetable.peak_rps,
        peak_in_flight=at_once,
        recorded_span_s=round(tally.recorded_ms / 1000, 3),
        wall_s=timetable.wall_s,
        removed_s=pace.removed_s(),
        notes=notes,
        by_step=timetable.by_step(),
        identical_requests=alike.count,
    )


def _on_its_origin(header: Header, target: Target, options: RunOptions) -> Iterator[str]:
    if (origin := recorded_at(header, target)) is None:
        return
    meant = "--to-origin says that it is meant" if options.to_origin else "a run is refused without --to-origin"
    yield f"the trace was recorded at {origin}, which is this target; {meant}"


def _on_calls(weighing: Weighing, unknown: int) -> Iterator[str]:
    """unknown: steps without a duration."""
    if weighing.unfit:
        yield f"gRPC calls that cannot be made: {weighing.unfit}; {weighing.unfit_example}"
    if unknown:
        yield f"{were(unknown, 'step')} recorded without a duration, and taken to end at once"


def _on_copies(options: RunOptions, identical: int) -> Iterator[str]:
    if identical and (options.knobs.scale > 1 or options.repeat):
        yield (
            "copies that send the same bytes are one user to the target, and a cache may answer them; {{copy}} or "
            "{{uuid}} in a request tells them apart, and {{row.NAME}} with --data makes each another user"
        )


def _on_its_start(at_once: int, target: Target, places: Sequence[Target]) -> Iterator[str]:
    """What keeps a run from beginning, or from going as far as this."""
    if (short := short_of_descriptors(at_once, target)) is not None:
        yield f"{short}; raise the limit with ulimit -n"
    for why in lacks(places):
        yield f"a run ends before its first request: {why}"
