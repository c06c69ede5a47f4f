"""What holds between answers and later requests: clocks, cookies and ids: findings. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from replay.judge.check import Finding
from replay.results.types import StepRecord
from replay.trace.errors import shown
from replay.trials.check.seen import Seen
from replay.trials.check.wording import MOST_SHOWN, names_of
from replay.words.numbers import seconds
from replay.words.phrases import counted

_MOST_CLOCK_S = 5.0


# What an answer says when an id of another run means nothing to it.
_NOT_KNOWN = (401, 403, 404, 409, 410, 422)


_LOOKS_LIKE_AN_ID = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b\d{6,}\b|(?<![0-9a-z_-])(?=[0-9a-z_-]*\d)[0-9a-z_-]{16,}\b",
    re.IGNORECASE,
).search


def about_clock(seen: Seen) -> Iterator[Finding]:
    """Whether the target's clock is right, as far as the dates of its answers tell."""
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


def about_correlation(seen: Seen) -> Iterator[Finding]:
    """Whether ids and cookies of the recording mean anything to the target."""
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
        shown_names = ", ".join(shown(name) for name in cookies[:MOST_SHOWN])
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
            f"{counted(len(suspects), 'request', 'requests')} with what looks like a recorded id met refusal: "
            f"{names_of(suspects)}",
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
