"""Whether answers are as they were recorded: findings. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from replay.engine.requests.login import NOT_LOGGED_IN
from replay.engine.requests.redirects import LEADS_AWAY
from replay.judge.check import Finding
from replay.results.fidelity import shortfall
from replay.results.types import ERROR_CLASSES, StepRecord
from replay.target.target import Target
from replay.trace.errors import shortened
from replay.trace.types import Step
from replay.trials.check.getting_in import REFUSED
from replay.trials.check.seen import Seen
from replay.trials.check.wording import MOST_SHOWN, all_of, names_of
from replay.words.numbers import percent
from replay.words.phrases import counted

_LEAST_TOKENS = 0.9


# Where what is asked for is not served, or not by this method.
_NO_SUCH_PLACE = (404, 405, 410, 501)


def about_statuses(seen: Seen) -> Iterator[Finding]:
    """Statuses beside the recorded ones."""
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
            pairs = Counter((r.recorded_status, r.status) for r in worse).most_common(MOST_SHOWN)
            shown_pairs = ", ".join(
                f"{counted(n, 'is', 'are')} {got} instead of {was}" for (was, got), n in pairs
            )
            yield Finding(
                "statuses",
                level,  # type: ignore[arg-type]
                f"{shown_pairs}: {names_of(worse)}",
                "Look at the steps with a status other than recorded; expect, in the trace or as [[expect]] in the "
                "target file, says what is right.",
            )
    unrecorded = [
        r
        for r in seen.records
        if r.recorded_status is None and _failed_by_status(r) and r.status not in REFUSED
    ]
    if unrecorded:
        yield Finding(
            "statuses",
            "problem",
            f"{counted(len(unrecorded), 'answer has', 'answers have')} a status of 400 or more: {names_of(unrecorded)}",
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
    return record.status in REFUSED or 300 <= (record.status or 0) < 400


def about_answers(seen: Seen) -> Iterator[Finding]:
    """Failures that are no status: of the transport, of what the answer says, of what was expected of it."""
    failed = [r for r in seen.records if r.outcome == "failed"]
    told = [r for r in failed if not _failed_by_status(r) and not _is_told_under_redirects(seen, r)]
    by_class = Counter(r.error or "unknown" for r in told)
    for error, n in by_class.most_common(MOST_SHOWN):
        of_it = [r for r in told if (r.error or "unknown") == error]
        meaning = next((r.why for r in of_it if r.why), None) or ERROR_CLASSES.get(error, "the attempt failed")
        yield Finding(
            "answers",
            "problem",
            f"{n} failed with {error}, {meaning}: {names_of(of_it)}",
            _about_failures(seen, error, of_it),
        )
    if not failed:
        yield Finding("answers", "ok", f"{all_of(len(seen.records), 'step')} sent, answered whole")


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
    return list(dict.fromkeys(shortened(path) for path in paths))[:MOST_SHOWN]


def about_streams(seen: Seen) -> Iterator[Finding]:
    """Whether what was asked for as a stream came as one."""
    asked = [r for r in seen.records if r.outcome == "ok" and (r.stream or r.recorded_stream)]
    without = [r for r in asked if not r.streamed]
    if without:
        yield Finding(
            "streams",
            "problem",
            f"{len(without)} of {len(asked)} model calls that should have been streamed came in one piece: "
            f"{names_of(without)}",
            "Make sure that the target, and everything in front of it, streams: without that there is no time to first "
            "token.",
        )
    elif asked:
        yield Finding("streams", "ok", f"{all_of(len(asked), 'stream')} asked for came as such")


def about_tokens(seen: Seen) -> Iterator[Finding]:
    """Whether prompts and answers are as long as they were."""
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
