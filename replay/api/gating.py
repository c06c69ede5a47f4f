"""Judging a run by SLOs."""

from collections.abc import Sequence
from typing import Unpack, overload

from replay.api.inputs import AnyPath, AnyTarget, aborts_of, out_of, path_of, slos_of, some_slos, target_of
from replay.api.options import RunKeywords, options_of
from replay.engine.progress import OnProgress
from replay.errors import InputError
from replay.judge.gate.judging import CONFIDENCE
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.rundir import RunDir
from replay.trials.gate.trial import GateOutcome, gate_run, gate_trace
from replay.trials.prices import check_currency


@overload
def gate(
    trace: AnyPath,
    target: AnyTarget,
    *,
    slos: Sequence[str] = (),
    baselines: Sequence[AnyPath] = (),
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    any_baseline: bool = False,
    early: bool = False,
    keep_last: int | None = None,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> GateOutcome: ...


@overload
def gate(
    *,
    run: AnyPath,
    slos: Sequence[str],
    baselines: Sequence[AnyPath] = (),
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    any_baseline: bool = False,
) -> GateOutcome: ...


def gate(
    trace: AnyPath | None = None,
    target: AnyTarget | None = None,
    *,
    run: AnyPath | None = None,
    slos: Sequence[str] = (),
    baselines: Sequence[AnyPath] = (),
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    any_baseline: bool = False,
    early: bool = False,
    keep_last: int | None = None,
    out: AnyPath | None = None,
    aborts: Sequence[str] = (),
    on_progress: OnProgress | None = None,
    **options: Unpack[RunKeywords],
) -> GateOutcome:
    """Replay a trace against a target, or take a run that was made, and judge it by SLOs.

    slos: bounds such as "p99 < 800ms", "p95(ttft, llm) < 1.2s", "errors < 0.1%"; by default those of the target file.
    baselines: run directories, or folders of them, that the bounds may name. confidence: of the intervals that decide,
    0 to 1. least_fidelity: how like the recording the replay has to be for its times to be judged, 0 to 1.
    any_baseline: hold it to baselines of another trace or load, too. early: end the run as soon as the verdict is
    certain. keep_last: keep the run, if it passes, in the folder that is the one baseline, and this many runs there.
    run: judge the run in this directory instead; nothing is sent then, and nothing written. The rest is as in
    `run`.

    Returns the verdict with its directory. Take `conclusion()` for the answer: "pass" or "fail" or "inconclusive", or
    that the run was "interrupted" or "not_carried_out", of which the verdict alone knows nothing. verdict.json is left
    in the run directory.

    Raises what `run` raises, and InputError for an SLO that cannot be read or a baseline that holds no run.
    """
    known = [path_of(path) for path in baselines]
    if run is not None:
        if (
            trace is not None
            or target is not None
            or options
            or early
            or keep_last
            or out is not None
            or aborts
        ):
            raise InputError(
                "gate either takes a run that was made, or a trace and a target to replay it against."
            )
        directory = path_of(run)
        bounds = some_slos(slos_of(slos))
        manifest = RunDir(directory).read_manifest()
        verdict = gate_run(directory, bounds, known, confidence, least_fidelity, any_baseline=any_baseline)
        return GateOutcome(verdict, directory, manifest.status, ended=manifest.ended)
    if trace is None or target is None:
        raise InputError("gate takes a trace and a target to replay it against, or a run that was made.")
    aim = target_of(target)
    chosen = options_of(options, "replay.gate")
    check_currency(chosen.budget, [aim])
    return gate_trace(
        path_of(trace),
        aim,
        some_slos(slos_of(slos, aim.slo)),
        chosen,
        out=out_of(out),
        baselines=known,
        confidence=confidence,
        least_fidelity=least_fidelity,
        any_baseline=any_baseline,
        early=early,
        keep_last=keep_last,
        aborts=aborts_of(aborts),
        on_progress=on_progress,
    )
