"""Comparing targets, or runs that were made."""

from collections.abc import Sequence
from typing import Unpack, overload

from replay.api.inputs import AnyPath, AnyTarget, aborts_of, out_of, path_of, targets_of
from replay.api.options import RunKeywords, options_of
from replay.engine.progress import OnProgress
from replay.errors import InputError
from replay.judge.answers.again import AGAIN_SHARE
from replay.judge.answers.judge import ANSWERS_MARGIN_PERCENT
from replay.judge.comparison.difference import MARGIN_PERCENT
from replay.judge.comparison.metric import parse_metric
from replay.judge.gate.judging import CONFIDENCE
from replay.results.fidelity import LEAST_FIDELITY
from replay.trials.answers import AnswersQuestion
from replay.trials.compare import (
    CompareOutcome,
    LiveMode,
    Question,
    compare_recorded,
    compare_run_recorded,
    compare_runs,
    compare_targets,
)
from replay.trials.prices import check_currency


@overload
def compare(
    trace: AnyPath,
    targets: AnyTarget | Sequence[AnyTarget],
    *,
    recorded: bool = False,
    mode: LiveMode = "paired",
    metric: str = "p99",
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    phase_ms: float = 5.0,
    answers_margin_percent: float = ANSWERS_MARGIN_PERCENT,
    answers_again_share: float = AGAIN_SHARE,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> CompareOutcome: ...


@overload
def compare(
    *,
    runs: Sequence[AnyPath],
    recorded: bool = False,
    metric: str = "p99",
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
) -> CompareOutcome: ...


def compare(
    trace: AnyPath | None = None,
    targets: AnyTarget | Sequence[AnyTarget] = (),
    *,
    runs: Sequence[AnyPath] = (),
    recorded: bool = False,
    mode: LiveMode = "paired",
    metric: str = "p99",
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    phase_ms: float = 5.0,
    answers_margin_percent: float = ANSWERS_MARGIN_PERCENT,
    answers_again_share: float = AGAIN_SHARE,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> CompareOutcome:
    """Replay a trace against several targets, or take runs that were made, and judge whether they differ.

    targets: the first is held against each other one; a single one against itself, which shows the least difference
    that could be seen. runs: run directories instead; nothing is sent then, and nothing written. recorded: hold the
    one target, or the one run, to the recording. mode: "paired": each session to all targets at once, up to
    phase_ms apart; "interleaved": sessions dealt out; "sequential": one run after the other, A-B-B-A. metric: what
    decides, such as "p50", "p95(ttft)", "errors". margin_percent: a difference within this, either way, does not
    matter. confidence, least_fidelity: as in `gate`. With answers="shape" or "values", whether the answers are the
    same is judged too: they are where fewer than answers_margin_percent of the sessions can differ, and
    answers_again_share of those that do not (0 to 1) are asked again, to learn what is random in them. The rest is
    as in `run`.

    Returns the verdict, with the directory of verdict.json and of the runs; None for runs that were made before.

    Raises what `run` raises, and InputError for a metric that cannot be read.
    """
    chosen = options_of(options, "replay.compare")
    of_answers = None
    if chosen.answers != "none":
        of_answers = AnswersQuestion(chosen.answers, answers_margin_percent, answers_again_share)
    question = Question(parse_metric(metric), margin_percent, confidence, phase_ms, least_fidelity, of_answers)
    if runs:
        return _of_runs(runs, question, recorded=recorded, has_more=trace is not None or bool(targets))
    aims = targets_of(targets)
    if trace is None or not aims:
        raise InputError("compare takes a trace and targets to replay it against, or runs that were made.")
    if recorded and len(aims) != 1:
        raise InputError("recorded holds one target to the recording: name exactly one.")
    check_currency(chosen.budget, aims)
    rules = aborts_of(aborts)
    if recorded:
        return compare_recorded(
            path_of(trace), aims[0], chosen, question, out=out_of(out), on_progress=on_progress, aborts=rules
        )
    return compare_targets(
        path_of(trace), aims, chosen, mode, question, out=out_of(out), on_progress=on_progress, aborts=rules
    )


def _of_runs(runs: Sequence[AnyPath], question: Question, *, recorded: bool, has_more: bool) -> CompareOutcome:
    if has_more:
        raise InputError(
            "compare either takes runs that were made, or a trace and targets to replay it against."
        )
    if isinstance(runs, str) or (len(runs) < 2 and not recorded):
        raise InputError("runs is a list of two run directories or more.")
    if recorded and len(runs) != 1:
        raise InputError("recorded holds one run to its recording: name exactly one.")
    paths = [path_of(run) for run in runs]
    verdict = compare_run_recorded(paths[0], question) if recorded else compare_runs(paths, question)
    return CompareOutcome(verdict, None)
