"""What a check makes of what it saw, a topic a function. Pure.

Texts from traces and answers are escaped and shortened, since they end on a terminal.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from replay.engine.requests.destinations import bare_urls, has_secrets
from replay.engine.requests.login import NOT_LOGGED_IN
from replay.engine.requests.own_origin import origins_of
from replay.engine.requests.read_only import may_change_something
from replay.engine.requests.redirects import LEADS_AWAY
from replay.engine.types import RunOptions
from replay.judge.check import Finding, Level
from replay.results.fidelity import shortfall
from replay.results.summary_types import Summary
from replay.results.types import ERROR_CLASSES, StepRecord
from replay.target.target import Target
from replay.trace.errors import shortened, shown
from replay.trace.origins import is_same_service, origin_of
from replay.trace.types import Header, Step
from replay.trials.check.reaching import Reached
from replay.trials.check.sampling import MOST_STEPS, Sample
from replay.words.numbers import milliseconds, number, percent, seconds
from replay.words.phrases import counted, were

_LEAST_DAYS = 14.0
_MOST_CLOCK_S = 5.0
_LEAST_TOKENS = 0.9
_MOST_SHOWN = 3
_REFUSED = (401, 403)
# Where what is asked for is not served, or not by this method.
_NO_SUCH_PLACE = (404, 405, 410, 501)
# What an answer says when an id of another run means nothing to it.
_NOT_KNOWN = (401, 403, 404, 409, 410, 422)
_LOOKS_LIKE_AN_ID = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b\d{6,}\b|(?<![0-9a-z_-])(?=[0-9a-z_-]*\d)[0-9a-z_-]{16,}\b",
    re.IGNORECASE,
).search


class Answer(NamedTuple):
    """An answer's head. headers: by names in small letters; at_unix_s: when it was seen, by our clock."""

    session: str
    step: str
    status: int
    headers: dict[str, list[str]]
    at_unix_s: float


class Changes(NamedTuple):
    """Of the whole trace: requests, and those that may change something, by method; model calls apart.

    methods: of HTTP, of calls to MCP servers, which begin with MCP, and messages on WebSockets.
    """

    requests: int
    methods: Counter[str]
    model_calls: int


class Seen(NamedTuple):
    """All that a check has to go by. records: the last attempt of every step that was tried. summary: None where
    nothing was sent, since the target could not be reached. refusal: why no run could begin, though it could be.
    short_of: what this machine has too little of for the whole trace.
    handshakes: logins, and those with MCP servers, that failed; a step that waited for one has its error, and no
    answer.
    """

    target: Target
    options: RunOptions
    header: Header
    sample: Sample
    changes: Changes
    reached: Sequence[Reached]
    records: Sequence[StepRecord] = ()
    answers: Sequence[Answer] = ()
    summary: Summary | None = None
    refusal: str | None = None
    handshakes: Sequence[StepRecord] = ()
    short_of: str | None = None

    @property
    def answered(self) -> list[StepRecord]:
        """Steps that were answered, whatever that was."""
        return [record for record in self.records if record.status is not None]

    def step_of(self, record: "StepRecord | Answer") -> Step | None:
        for session in self.sample.sessions:
            if session.id == record.session:
                return next((step for step in session.steps if step.id == record.step), None)
        return None


def findings(seen: Seen) -> list[Finding]:
    """Everything that there is to say, topic by topic."""
    found = [*_connection(seen), *_beginning(seen)]
    if seen.summary is not None:
        for look in (_credentials, _redirects, _statuses, _answers, _streams, _tokens, _clock, _correlation):
            found += look(seen)
    for look in (_changes, _machine, _bodies, _origin, _sample):
        found += look(seen)
    return found


def _connection(seen: Seen) -> Iterator[Finding]:
    for reached in seen.reached:
        where = shortened(reached.where)
        if reached.failure is not None:
            yield Finding(
                "connection",
                "problem",
                f"{where}: {shortened(reached.failure, 200)}",
                f"Start the target at {where}, or correct its url, its [tls] or the network between.",
            )
            continue
        said = f"{where}: connected in {milliseconds(reached.resolve_ms + reached.connect_ms)}"
        level: Level = "ok"
        to_do = ""
        if reached.tls is not None:
            said += f", {reached.tls} in {milliseconds(reached.tls_ms)}"
        elif reached.where.startswith("http:"):
            said += ", without TLS"
        if reached.expires_days is not None:
            said += f", certificate good for {number(reached.expires_days)} days"
            if reached.expires_days < _LEAST_DAYS:
                level, to_do = "warn", f"Renew the certificate of {where}."
        yield Finding("connection", level, said, to_do)


def _beginning(seen: Seen) -> Iterator[Finding]:
    """What kept the run from beginning: it says itself what to do."""
    if seen.refusal is not None:
        is_sign_in = seen.refusal.startswith("auth.")
        to_do = (
            "Get the target file's [auth] a token"
            if is_sign_in
            else "Have the target file say what the target speaks"
        )
        yield Finding(
            "credentials" if is_sign_in else "connection",
            "problem",
            shortened(seen.refusal, 300),
            f"{to_do}; until then no run begins.",
        )


def _credentials(seen: Seen) -> Iterator[Finding]:
    answered = [*seen.answered, *seen.handshakes]
    refused = [r for r in answered if r.status in _REFUSED and r.recorded_status != r.status]
    has_some = has_secrets(seen.target) or bool(seen.target.headers)
    for url in bare_urls(seen.target):
        yield Finding(
            "credentials",
            "ok",
            f"{shortened(url)} is another origin, so the target's are not sent there; name some as auth of its route",
        )
    if not refused:
        how = "credentials were sent, and none" if has_some else "none"
        if seen.answered:
            said = f"{how} of {counted(len(seen.answered), 'answer')} asked for others"
            yield Finding("credentials", "ok", said)
        return
    statuses = Counter(r.status for r in refused)
    said = ", ".join(f"{_n(n, 'answer is', 'answers are')} {status}" for status, n in statuses.items())
    to_do = "Check the credentials in the target file: they were sent, and refused."
    if not has_some:
        to_do = (
            "Give the target file credentials: [auth] with bearer_env, header_env, command, oauth or another."
        )
    yield Finding("credentials", "problem", f"{said}, unlike when recorded: {_names(refused)}", to_do)


def _redirects(seen: Seen) -> Iterator[Finding]:
    """Where answers lead that the recording has not. Nothing that was asked for was done then."""
    own = origins_of(seen.target)
    is_followed = bool(seen.target.redirects.follow)
    elsewhere: Counter[str] = Counter()
    here = 0
    for answer in seen.answers:
        step = seen.step_of(answer)
        if step is not None and step.mcp is not None:
            # Messages to MCP servers are not led on, whatever the target file says.
            continue
        recorded = None if step is None or step.recorded is None else step.recorded.status
        locations = answer.headers.get("location")
        if not (300 <= answer.status < 400) or not locations or recorded == answer.status:
            continue
        origin = origin_of(locations[0])
        if origin is None or any(is_same_service(origin, each) for each in own):
            here += 1
        else:
            elsewhere[origin] += 1
    for origin, n in elsewhere.most_common(_MOST_SHOWN):
        leads = f"{_n(n, 'answer leads', 'answers lead')} to {shortened(origin)}"
        yield Finding(
            "redirects",
            "problem",
            f"{leads}, which neither the target's url nor a route names"
            if is_followed
            else f"{leads}, and a replay follows no redirect",
            f"Name {shortened(origin)} as the target's url{', or as that of a route,' if is_followed else ','} if that "
            "is where the requests belong.",
        )
    followed = 0 if seen.summary is None else seen.summary.counts.followed
    if is_followed and here:
        yield Finding("redirects", "ok", f"{_n(followed, 'redirect was', 'redirects were')} followed")
    elif here:
        # Those of one path may be a slash; where most answers are one, what a replay would measure is redirects.
        are_most = 2 * here > len(seen.answers)
        yield Finding(
            "redirects",
            "problem" if are_most else "warn",
            f"{_n(here, 'answer leads', 'answers lead')} to another path of the same host, and a replay follows no "
            "redirect unless it is told to",
            "Look at the paths that redirect: a slash at the end, a prefix in the target's url, http for https, a page "
            "to sign in at. Or have them followed: follow = 5 under [redirects] in the target file.",
        )
    if not elsewhere and not here and seen.answered:
        yield Finding("redirects", "ok", "no answer leads elsewhere")


def _statuses(seen: Seen) -> Iterator[Finding]:
    known = [
        r
        for r in seen.records
        if r.status is not None
        and r.recorded_status is not None
        and (r.status == r.recorded_status or not _is_told_elsewhere(r))
    ]
    unlike = [r for r in known if r.status != r.recorded_status]
    for outcome, level in (("failed", "problem"), ("ok", "warn")):
        worse = [r for r in unlike if r.outcome == outcome]
        if worse:
            pairs = Counter((r.recorded_status, r.status) for r in worse).most_common(_MOST_SHOWN)
            shown_pairs = ", ".join(f"{_n(n, 'is', 'are')} {got} instead of {was}" for (was, got), n in pairs)
            yield Finding(
                "statuses",
                level,  # type: ignore[arg-type]
                f"{shown_pairs}: {_names(worse)}",
                "Look at the steps with a status other than recorded; expect, in the trace or as [[expect]] in the "
                "target file, says what is right.",
            )
    unrecorded = [
        r
        for r in seen.records
        if r.recorded_status is None and _failed_by_status(r) and r.status not in _REFUSED
    ]
    if unrecorded:
        yield Finding(
            "statuses",
            "problem",
            f"{_n(len(unrecorded), 'answer has', 'answers have')} a status of 400 or more: {_names(unrecorded)}",
            "Look at the steps with a status of 400 or more: the recording does not say which they had.",
        )
    if unlike or unrecorded:
        return
    if known:
        yield Finding("statuses", "ok", f"as recorded, {len(known):,} of {len(known):,}")
    elif any(r.recorded_status is None and not _is_told_elsewhere(r) for r in seen.answered):
        yield Finding("statuses", "ok", "the recording has none to hold answers to")


def _is_told_elsewhere(record: StepRecord) -> bool:
    """Whether its status is told of under another topic: that it asks for credentials, or leads elsewhere."""
    return record.status in _REFUSED or 300 <= (record.status or 0) < 400


def _answers(seen: Seen) -> Iterator[Finding]:
    """Failures that are no status: of the transport, of what the answer says, of what was expected of it."""
    failed = [r for r in seen.records if r.outcome == "failed"]
    told = [r for r in failed if not _failed_by_status(r) and not _is_told_under_redirects(seen, r)]
    by_class = Counter(r.error or "unknown" for r in told)
    for error, n in by_class.most_common(_MOST_SHOWN):
        of_it = [r for r in told if (r.error or "unknown") == error]
        meaning = next((r.why for r in of_it if r.why), None) or ERROR_CLASSES.get(error, "the attempt failed")
        yield Finding(
            "answers",
            "problem",
            f"{n} failed with {error}, {meaning}: {_names(of_it)}",
            _about_failures(seen, error, of_it),
        )
    if not failed:
        yield Finding("answers", "ok", f"{_all_of(len(seen.records), 'step')} sent, answered whole")


def _failed_by_status(record: StepRecord) -> bool:
    return record.status is not None and (record.error or "").startswith("status")


def _is_told_under_redirects(seen: Seen, record: StepRecord) -> bool:
    """Whether a step failed by a redirect that is told of as that."""
    step = seen.step_of(record)
    return (
        record.error == "redirect"
        and (step is None or step.mcp is None)
        and (not seen.target.redirects.follow or record.why == LEADS_AWAY)
    )


def _about_failures(seen: Seen, error: str, failed: Sequence[StepRecord]) -> str:
    """What to do about failures of one class."""
    if any((record.why or "").startswith(NOT_LOGGED_IN) for record in failed):
        return "Check [login] in the target file: its path, what it sends, and where the answer has the token."
    steps = [step for record in failed if (step := seen.step_of(record)) is not None]
    if steps and all(step.mcp is not None for step in steps):
        statuses = {record.status for record in seen.handshakes}
        if error in ("protocol", "redirect") or statuses & set(_NO_SUCH_PLACE):
            return (
                f"Check the path: {' and '.join(_mcp_paths(seen.target, steps))} below the target's url was asked for "
                "an MCP server. path under [mcp] in the target file names another, and servers one for each of several."
            )
        if error == "rpc_error":
            return "Check what is asked of the MCP server: version under [mcp], its tools and their arguments."
    if error == "extract":
        return "Look at the steps that values are taken from: their answers are not as they were recorded."
    if error == "redirect":
        most = seen.target.redirects.follow
        return (
            f"Raise follow under [redirects] in the target file, which is {most}; if the redirects go in a circle, "
            "correct the target's url, or what it takes to be let in."
        )
    if error == "protocol" and all(record.status is not None for record in failed):
        return (
            "Check the target's url, its routes and the path of [shape]: a web server, or a page to sign in at, "
            "answers where a model or an MCP server should."
        )
    return f"Look at the steps that failed with {error}, and at what the target logs of them."


def _mcp_paths(target: Target, steps: Sequence[Step]) -> list[str]:
    """Where MCP servers were looked for, each path once."""
    paths = (target.mcp.path_of(step.mcp.server) for step in steps if step.mcp is not None)
    return list(dict.fromkeys(shortened(path) for path in paths))[:_MOST_SHOWN]


def _streams(seen: Seen) -> Iterator[Finding]:
    asked = [r for r in seen.records if r.outcome == "ok" and (r.stream or r.recorded_stream)]
    without = [r for r in asked if not r.streamed]
    if without:
        yield Finding(
            "streams",
            "problem",
            f"{len(without)} of {len(asked)} model calls that should have been streamed came in one piece: "
            f"{_names(without)}",
            "Make sure that the target, and everything in front of it, streams: without that there is no time to first "
            "token.",
        )
    elif asked:
        yield Finding("streams", "ok", f"{_all_of(len(asked), 'stream')} asked for came as such")


def _tokens(seen: Seen) -> Iterator[Finding]:
    fidelity = None if seen.summary is None else seen.summary.fidelity
    if fidelity is None:
        return
    for what, name, to_do in (
        (
            "output",
            "output_tokens",
            "Let the server answer with as many tokens as are asked for: ignore_eos = true under [shape] (vLLM and "
            "others), and see that no limit cuts answers.",
        ),
        (
            "prompt",
            "input_tokens",
            "See which tokeniser and chat template the model has: its prompts are of another size.",
        ),
    ):
        ratio: float | None = getattr(fidelity, name)
        if ratio is not None and ratio < _LEAST_TOKENS:
            yield Finding(
                "tokens",
                "problem",
                shortfall(fidelity, name, ratio),
                to_do,
            )
        elif ratio is not None:
            yield Finding(
                "tokens", "ok", f"{what} tokens are {percent(ratio)} of those recorded, or the reverse"
            )


def _clock(seen: Seen) -> Iterator[Finding]:
    offsets = sorted(
        offset
        for answer in seen.answers
        for date in answer.headers.get("date", ())[:1]
        if (offset := _offset_s(date, answer.at_unix_s)) is not None
    )
    if not offsets:
        return
    offset = offsets[len(offsets) // 2]
    ahead = "ahead of" if offset > 0 else "behind"
    # A Date has whole seconds, and is of when the answer was begun.
    if abs(offset) > _MOST_CLOCK_S:
        yield Finding(
            "clock",
            "warn",
            f"the target's clock is {seconds(abs(offset))} {ahead} this machine's",
            "Set both clocks: tokens and signatures with times in them may be refused, and logs do not agree.",
        )
    else:
        yield Finding("clock", "ok", "the target's clock agrees with this machine's to a few seconds")


def _offset_s(date: str, at_unix_s: float) -> float | None:
    try:
        stamp = parsedate_to_datetime(date[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    stamp = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    try:
        return (stamp - datetime.fromtimestamp(at_unix_s, UTC)).total_seconds()
    except (OverflowError, ValueError):
        return None


def _correlation(seen: Seen) -> Iterator[Finding]:
    cookies = sorted(
        {
            written.partition("=")[0].strip()[:100]
            for answer in seen.answers
            for written in answer.headers.get("set-cookie", ())
        }
    )
    suspects = [
        r for r in seen.records if r.status in _NOT_KNOWN and r.outcome == "failed" and _has_an_id(seen, r)
    ]
    if cookies and not seen.target.session.cookies:
        carried = any(
            name.lower() == "cookie" and "{{" not in value
            for session in seen.sample.sessions
            for step in session.steps
            if step.request is not None
            for name, value in step.request.headers.items()
        )
        shown_names = ", ".join(shown(name) for name in cookies[:_MOST_SHOWN])
        how = "the trace sends back those that were recorded" if carried else "the trace sends none back"
        yield Finding(
            "correlation",
            "warn",
            f"answers set cookies ({shown_names}), and {how}",
            "Have each session keep its own cookies: cookies = true under [session] in the target file.",
        )
    if suspects:
        yield Finding(
            "correlation",
            "problem",
            f"{_n(len(suspects), 'request', 'requests')} with what looks like a recorded id met refusal: "
            f"{_names(suspects)}",
            "Have ids taken from the answers of the replay: `replay trace correlate`.",
        )
    if suspects or (cookies and not seen.target.session.cookies):
        return
    if not seen.answered:
        return
    kept = "each session keeps the cookies that it is given" if cookies else "no cookie was set"
    yield Finding("correlation", "ok", f"{kept}, and no request with a recorded id was refused")


def _has_an_id(seen: Seen, record: StepRecord) -> bool:
    """Whether a later step of a session has an id in its path or its body that it did not take from an answer."""
    step = seen.step_of(record)
    if step is None or step.request is None or not step.after:
        return False
    request = step.request
    body = request.body or bytes(request.json)[:16_384].decode("utf-8", "replace")
    return any(_LOOKS_LIKE_AN_ID(text) is not None for text in (request.path, body))


def _changes(seen: Seen) -> Iterator[Finding]:
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


def _bodies(seen: Seen) -> Iterator[Finding]:
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
        yield Finding("bodies", "ok", f"{_all_of(len(requests), 'request')} with the recorded body, or none")


def _origin(seen: Seen) -> Iterator[Finding]:
    recorded = [origin for written in seen.header.origins if (origin := origin_of(written)) is not None]
    if not recorded:
        yield Finding("origin", "ok", "the trace does not say where it was recorded")
        return
    names = ", ".join(map(shortened, recorded[:_MOST_SHOWN])) + (", ..." if len(recorded) > _MOST_SHOWN else "")
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


def _machine(seen: Seen) -> Iterator[Finding]:
    if seen.short_of is not None:
        what_to_do = "Raise the limit of open files before the replay: ulimit -n 65536."
        yield Finding("machine", "problem", seen.short_of, what_to_do)


def _sample(seen: Seen) -> Iterator[Finding]:
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


def changes_of(steps: Sequence[Step], so_far: Changes) -> Changes:
    """The same with these steps."""
    requests, model_calls = so_far.requests, so_far.model_calls
    for step in steps:
        if step.is_wait:
            continue
        requests += 1
        if not may_change_something(step):
            continue
        if step.mcp is not None:
            method = f"MCP {step.mcp.method}"
        elif step.ws is not None:
            method = "messages on WebSockets"
        elif step.kind == "llm" or step.request is None:
            model_calls += 1
            continue
        else:
            method = step.request.method
        if method in so_far.methods or len(so_far.methods) < 100:
            so_far.methods[method] += 1
    return Changes(requests, so_far.methods, model_calls)


def _all_of(n: int, thing: str) -> str:
    return counted(n, thing) if n == 1 else f"all {counted(n, thing)}"


def _n(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"


def _names(records: Sequence[StepRecord]) -> str:
    """Which steps, by kind and name, those that most are of first."""
    counts = Counter(f"{r.kind}:{r.name}" for r in records).most_common()
    said = ", ".join(shortened(name, 40) for name, _ in counts[:_MOST_SHOWN])
    return said if len(counts) <= _MOST_SHOWN else f"{said} and {len(counts) - _MOST_SHOWN} more"
