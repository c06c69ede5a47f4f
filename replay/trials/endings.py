"""What may be concluded from how a run ended, and the exit code for it: one rule for commands, fixture and calls.

| the run                                                  | conclusion                                      |
|----------------------------------------------------------|-------------------------------------------------|
| finished                                                 | what it was asked for: a verdict, or that it is done |
| was ended early on purpose: enough was seen              | the same                                        |
| was ended on purpose to do no harm: --abort, --budget    | fail                                            |
| was interrupted, by Ctrl-C, SIGTERM or SIGHUP            | interrupted                                     |
| is incomplete, since one of its workers was lost         | inconclusive, whatever the others saw           |
| failed, or was killed before it could say how it ended   | a fail that was seen stands; else not carried out |
| never started                                            | none: an exception says why                     |
"""

from pathlib import Path

from replay.exit_codes import Conclusion
from replay.results.manifest_types import Ended, RunStatus
from replay.results.rundir import RunDir
from replay.results.types import MANIFEST_FILE

_FROM_WORST: tuple[RunStatus, ...] = ("running", "failed", "incomplete", "interrupted")
_NO_ANSWER: dict[Conclusion, str] = {
    "not_carried_out": "the run could not be carried out",
    "interrupted": "the run was interrupted",
}


def concluded(
    status: RunStatus,
    answer: Conclusion = "done",
    *,
    ended_early: str | None = None,
    ended: Ended | None = None,
    strict: bool = False,
) -> Conclusion:
    """What may be concluded. answer: what the run would say if it were whole. ended_early: why, if enough was seen;
    ended: or if going on would have done harm. strict: inconclusive is taken for fail.
    """
    if ended is not None and status != "failed":
        return "fail"
    if status == "interrupted" and ended_early is None:
        return "interrupted"
    if status == "incomplete":
        return "fail" if strict else "inconclusive"
    if status not in ("finished", "interrupted") and answer != "fail":
        return "not_carried_out"
    return "fail" if strict and answer == "inconclusive" else answer


def worst(statuses: set[RunStatus]) -> RunStatus:
    """How runs ended that are judged together: as the one that ended worst."""
    return next((status for status in _FROM_WORST if status in statuses), "finished")


def broken_off(conclusion: Conclusion, directory: Path | None) -> str | None:
    """Why there is no answer, with what the manifest in the directory knows of it; None if there is one."""
    opening = _NO_ANSWER.get(conclusion)
    if opening is None or directory is None or not (directory / MANIFEST_FILE).exists():
        return opening
    error = RunDir(directory).read_manifest().error
    return opening if error is None else f"{opening}: {error}"
