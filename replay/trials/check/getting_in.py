"""Whether a target can be reached, lets the requests in, and answers them itself: findings. Pure."""

from collections import Counter
from collections.abc import Iterator

from replay.engine.requests.destinations import bare_urls, has_secrets
from replay.engine.requests.own_origin import origins_of
from replay.judge.check import Finding, Level
from replay.trace.errors import shortened
from replay.trace.origins import is_same_service, origin_of
from replay.trials.check.seen import Seen
from replay.trials.check.wording import MOST_SHOWN, names_of
from replay.words.numbers import milliseconds, number
from replay.words.phrases import counted

_LEAST_DAYS = 14.0


REFUSED = (401, 403)


def about_connection(seen: Seen) -> Iterator[Finding]:
    """Every host that steps go to: whether it can be connected to, how fast, until when its certificate is good."""
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


def about_beginning(seen: Seen) -> Iterator[Finding]:
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


def about_credentials(seen: Seen) -> Iterator[Finding]:
    """Whether answers ask for other credentials."""
    answered = [*seen.answered, *seen.handshakes]
    refused = [r for r in answered if r.status in REFUSED and r.recorded_status != r.status]
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
    said = ", ".join(f"{counted(n, 'answer is', 'answers are')} {status}" for status, n in statuses.items())
    to_do = "Check the credentials in the target file: they were sent, and refused."
    if not has_some:
        to_do = (
            "Give the target file credentials: [auth] with bearer_env, header_env, command, oauth or another."
        )
    yield Finding("credentials", "problem", f"{said}, unlike when recorded: {names_of(refused)}", to_do)


def about_redirects(seen: Seen) -> Iterator[Finding]:
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
    for origin, n in elsewhere.most_common(MOST_SHOWN):
        leads = f"{counted(n, 'answer leads', 'answers lead')} to {shortened(origin)}"
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
        yield Finding("redirects", "ok", f"{counted(followed, 'redirect was', 'redirects were')} followed")
    elif here:
        # Those of one path may be a slash; where most answers are one, what a replay would measure is redirects.
        are_most = 2 * here > len(seen.answers)
        yield Finding(
            "redirects",
            "problem" if are_most else "warn",
            f"{counted(here, 'answer leads', 'answers lead')} to another path of the same host, and a replay follows "
            "no redirect unless it is told to",
            "Look at the paths that redirect: a slash at the end, a prefix in the target's url, http for https, a page "
            "to sign in at. Or have them followed: follow = 5 under [redirects] in the target file.",
        )
    if not elsewhere and not here and seen.answered:
        yield Finding("redirects", "ok", "no answer leads elsewhere")
