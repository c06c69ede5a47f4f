"""Whether SLOs can be held at all, asked before the first request: an SLO on steps that are not there costs an hour."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from replay.errors import InputError
from replay.judge.measures.slo import Slo
from replay.results.selector import Selector
from replay.trace.errors import shortened, shown_path
from replay.trace.file.stream import read_sessions

_MOST_NAMED = 5


def check_slos(slos: Sequence[Slo], trace: Path | None, *, has_baseline: bool) -> None:
    """Raises InputError for an SLO that names a baseline where there is none, or steps of which the trace has none.

    trace: None where a finished run is judged, which says by itself what it lacks. Raises TraceError where it cannot be
    read; it is read only if an SLO is of some steps, and only until all of these were seen.
    """
    for slo in slos:
        if slo.needs_baseline and not has_baseline:
            raise InputError(
                f"{slo.text}: there is no baseline to compare it with. Name a run, or a folder of runs, with "
                "--baseline."
            )
    if trace is None:
        return
    sought = {slo.selector: slo for slo in slos if slo.selector != Selector()}
    seen: set[tuple[str, str]] = set()
    if not sought:
        return
    for session in read_sessions(trace):
        new = {(step.kind, step.name) for step in session.steps if not step.is_wait} - seen
        if not new:
            continue
        seen |= new
        sought = {
            selector: slo
            for selector, slo in sought.items()
            if not any(selector.matches(*step) for step in new)
        }
        if not sought:
            return
    for selector, slo in sought.items():
        raise InputError(
            f"{slo.text}: no step of {shown_path(trace)} is {selector}. {_instead(selector, seen)}"
        )


def _instead(selector: Selector, seen: set[tuple[str, str]]) -> str:
    names = sorted(f"{kind}:{name}" for kind, name in seen)
    close = difflib.get_close_matches(str(selector), names, n=1, cutoff=0.7)
    if close:
        return f'Did you mean "{shortened(close[0])}"?'
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"It has {', '.join(map(shortened, names[:_MOST_NAMED]))}{more}." if names else "It sends no request."
    )
