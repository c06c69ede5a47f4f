"""Whether a replay meant the same as its recording, in a line and as rows of a table."""

from replay.results.summary_types import Counts, Fidelity
from replay.words.numbers import number, percent
from replay.words.phrases import counted

_MEANINGS = {
    "sessions": ("sessions", "replayed whole, of those planned"),
    "steps": ("steps", "tried, of those planned"),
    "statuses": ("statuses", "as recorded, of the steps that are ok"),
    "output_tokens": ("output tokens", "counted against recorded, the smaller over the larger"),
    "input_tokens": ("prompt tokens", "counted against recorded, the smaller over the larger"),
    "streams": ("streams", "model calls streamed as in the recording"),
    "arrivals": ("arrivals", "steps ready to be sent when they were due"),
    "made_up_bodies": ("bodies", "requests whose body did not have to be made up"),
    "answer_bodies": ("bodies of answers", "there, or not there when recorded either"),
    "answer_sizes": (
        "sizes of answers",
        "of their own, and not nearly one whatever was asked for",
    ),
    "stream_sizes": ("sizes of streams", "a twelfth of the recorded ones, or more"),
}


NOTHING_IS_OK = "no step is ok, so that nothing was held to the recording"


def fidelity_line(fidelity: Fidelity, counts: Counts) -> str:
    """One line: how like the recording, and in what it falls short; what failed is like nothing."""
    if fidelity.ratio is None:
        return ""
    if counts.failed and not counts.ok:
        return f"fidelity to the recording: {NOTHING_IS_OK}"
    known = [
        (label, value)
        for name, (label, _) in _MEANINGS.items()
        if (value := getattr(fidelity, name)) is not None
    ]
    short = sorted(((value, label) for label, value in known if value < 1), key=lambda pair: pair[0])
    whole = ", ".join(label for label, value in known if value >= 1)
    parts = [f"{label} {percent(value)}" for value, label in short]
    if whole:
        parts.append(f"100% of {whole}" if short else whole)
    said = f"fidelity to the recording: {percent(fidelity.ratio)} ({'; '.join(parts)})"
    kept_back = "" if fidelity.requests is None else f"; {percent(fidelity.requests)} of the requests were sent"
    failed = f"; {failed_of(counts)}" if counts.failed else ""
    return said + kept_back + failed


def failed_of(counts: Counts) -> str:
    """How many steps were not answered as expected, which the shares say nothing of."""
    return f"{counts.failed:,} of {counted(counts.ok + counts.failed, 'step')} failed"


def fidelity_rows(fidelity: Fidelity) -> list[tuple[str, str, str]]:
    """What was held to the recording, how much of it is alike, and what that means."""
    rows = [
        (label, percent(value), meaning)
        for name, (label, meaning) in _MEANINGS.items()
        if (value := getattr(fidelity, name)) is not None
    ]
    if fidelity.requests is not None:
        rows.append(("requests", percent(fidelity.requests), "sent; a read-only run kept the others back"))
    if fidelity.in_flight is not None:
        recorded = fidelity.recorded_in_flight
        against = "" if recorded is None else f", {number(recorded)} when recorded"
        rows.append(("in flight", number(fidelity.in_flight), f"requests at once on average{against}"))
    return rows
