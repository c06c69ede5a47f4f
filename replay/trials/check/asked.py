"""What a replay of the whole trace would do, and how much of it was tried: findings. Pure."""

from collections.abc import Iterator

from replay.engine.requests.own_origin import origins_of
from replay.judge.check import Finding
from replay.trace.errors import shortened
from replay.trace.origins import is_same_service, origin_of
from replay.trials.check.sampling import MOST_STEPS
from replay.trials.check.seen import Seen
from replay.trials.check.wording import MOST_SHOWN, all_of
from replay.words.phrases import counted, were


def about_changes(seen: Seen) -> Iterator[Finding]:
    """What of the whole trace may change something there."""
    changes = seen.changes
    unsafe = sum(changes.methods.values()) + changes.model_calls
    if not unsafe:
        yield Finding(
            "changes",
            "ok",
            f"no request changes anything, of {counted(changes.requests, 'request')} in the trace",
        )
        return
    methods = [f"{shortened(method, 20)} {n:,}" for method, n in changes.methods.most_common(4)]
    methods += [f"model calls {changes.model_calls:,}"] if changes.model_calls else []
    requests = counted(changes.requests, "request")
    said = f"{unsafe:,} of {requests} in the trace may change something: {', '.join(methods)}"
    if seen.options.read_only:
        yield Finding("changes", "ok", f"{said}; read-only, so none of them is sent")
    elif not changes.methods:
        yield Finding("changes", "ok", said)
    else:
        yield Finding(
            "changes",
            "warn",
            said,
            "If the target is not yours to change, replay with --read-only, or to a copy.",
        )


def about_machine(seen: Seen) -> Iterator[Finding]:
    """What this machine has too little of for the whole trace."""
    if seen.short_of is not None:
        what_to_do = "Raise the limit of open files before the replay: ulimit -n 65536."
        yield Finding("machine", "problem", seen.short_of, what_to_do)


def about_bodies(seen: Seen) -> Iterator[Finding]:
    """Bodies that the recording lacks."""
    requests = [s.request for session in seen.sample.sessions for s in session.steps if s.request is not None]
    made_up = sum(bool(request.body_bytes) for request in requests)
    if made_up:
        yield Finding(
            "bodies",
            "warn",
            f"{made_up} of {counted(len(requests), 'request')} with a body that is made up to the recorded size",
            "Record or import the trace with its bodies, where answers depend on them.",
        )
    elif requests:
        yield Finding("bodies", "ok", f"{all_of(len(requests), 'request')} with the recorded body, or none")


def about_origin(seen: Seen) -> Iterator[Finding]:
    """Whether this target is where the trace was recorded."""
    recorded = [origin for written in seen.header.origins if (origin := origin_of(written)) is not None]
    if not recorded:
        yield Finding("origin", "ok", "the trace does not say where it was recorded")
        return
    names = ", ".join(map(shortened, recorded[:MOST_SHOWN])) + (", ..." if len(recorded) > MOST_SHOWN else "")
    is_there = any(is_same_service(each, own) for each in recorded for own in origins_of(seen.target))
    if not is_there:
        yield Finding("origin", "ok", f"recorded at {names}; this target is another")
        return
    yield Finding(
        "origin",
        "warn",
        f"recorded at {names}, which is this target",
        "Bear in mind that a replay does all of it again.",
    )


def about_sample(seen: Seen) -> Iterator[Finding]:
    """How much of the trace was tried."""
    tried = seen.sample.sampled
    left = tried.shapes - tried.sessions
    said = f"{counted(tried.sessions, 'session')}, one of each sort, of {tried.of_sessions:,}"
    said += f"; {counted(tried.steps, 'step')}"
    if left > 0:
        said += f"; {were(left, 'rarer sort')} left out"
    if tried.cut_steps:
        said += f"; of a long session its first {MOST_STEPS} steps"
    yield Finding("sample", "ok", said)
    if seen.summary is not None and seen.summary.ended is not None:
        yield Finding(
            "sample",
            "problem",
            f"it was ended by {seen.summary.ended.option}: {shortened(seen.summary.ended.why, 200)}",
            "Check with a larger budget: what was not sent was not seen.",
        )
