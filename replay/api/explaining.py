"""What the tail of a run is made of."""

from replay.api.inputs import AnyPath, path_of
from replay.errors import InputError
from replay.judge.tail.explain import ExplainVerdict
from replay.trials.explaining import explain_directory


def explain(run: AnyPath, *, quantile: float = 0.99, session: str | None = None) -> ExplainVerdict:
    """Say what the tail of a run is made of, what its sessions waited for, and whether the target grew slower.

    run: its directory. quantile: where the tail begins, above 0 and below 1. session: the id of a session whose
    critical path is wanted too, step by step. Nothing is sent, and nothing written.

    Returns what was found, as `replay explain --json` prints it.

    Raises InputError where there is no run, it has no such session, or the quantile cannot be used.
    """
    if not 0 < quantile < 1:
        raise InputError(f"replay.explain cannot take quantile={quantile!r}: it lies between 0 and 1.")
    return explain_directory(path_of(run), quantile, session)
