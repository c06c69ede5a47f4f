"""A gate: replay a trace, or take a run that was made, and judge its SLOs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from replay.engine.progress import OnProgress
from replay.engine.types import RunOptions
from replay.exit_codes import Conclusion
from replay.judge.gate.abort import AbortRule
from replay.judge.gate.early import early_check, final_confidence
from replay.judge.gate.judging import CONFIDENCE, judge_gate
from replay.judge.gate.keeping import why_unfit
from replay.judge.measures.slo import Slo
from replay.judge.types import GateVerdict
from replay.results.evidence import read_evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.manifest_types import Ended, RunStatus
from replay.target.target import Target
from replay.trials.aborting import replay_one
from replay.trials.bounds import check_slos
from replay.trials.endings import concluded
from replay.trials.evidence import write_verdict
from replay.trials.gate.baselines import Keeper, read_baselines, with_note
from replay.trials.gate.early import EarlyWatch


class GateOutcome(NamedTuple):
    """directory: the run's. status: how the run ended. ended_early: why, if enough was seen. ended: or
    if a rule or a budget ended it.
    """

    verdict: GateVerdict
    directory: Path
    status: RunStatus = "finished"
    ended_early: str | None = None
    ended: Ended | None = None

    def conclusion(self, *, strict: bool = False) -> Conclusion:
        """What may be concluded from the verdict and from how the run ended. strict: inconclusive is taken for fail."""
        return concluded(
            self.status, self.verdict.verdict, ended_early=self.ended_early, ended=self.ended, strict=strict
        )


def gate_trace(
    trace: Path,
    target: Target,
    slos: Sequence[Slo],
    options: RunOptions,
    *,
    out: Path | None = None,
    baselines: Sequence[Path] = (),
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    any_baseline: bool = False,
    early: bool = False,
    keep_last: int | None = None,
    aborts: Sequence[AbortRule] = (),
    on_progress: OnProgress | None = None,
) -> GateOutcome:
    """Replay a trace against a target and judge the SLOs; verdict.json is left in the run directory.

    least_fidelity: how like the recording the replay has to be, 0..1, for its times to be judged. any_baseline: hold it
    to baselines of another trace or load, too. early: end the run as
    soon as the verdict is certain. The error is then shared between the looks and the end. keep_last: keep the run, if
    it passes, in the folder of baselines, and this many there; None: keep none. aborts: what ends the
    run, and with it the gate, as failed. Raises what replay_trace raises, RunDirError for a baseline that is none, and
    InputError for an SLO that nothing in the trace can settle.
    """
    check_slos(slos, trace, has_baseline=bool(baselines))
    keeper = None if keep_last is None else Keeper(baselines, keep_last)
    known = read_baselines(baselines) if keeper is None else keeper.known()
    is_stopped_early = False
    if not early:
        run = replay_one(trace, target, options, out, on_progress, None, aborts)
        seen = read_evidence(run.directory, run.summary)
        verdict = judge_gate(
            slos, seen, known, confidence, least_fidelity=least_fidelity, any_baseline=any_baseline
        )
    else:
        with EarlyWatch(trace, slos, options, confidence) as watch:
            run = replay_one(trace, target, options, out, on_progress, watch, aborts)
            decided = watch.decided
        seen = read_evidence(run.directory, run.summary)
        at_end = final_confidence(confidence)
        checks = {
            slo.text: early_check(slo, seen, decided.decisions[slo.text], confidence, decided.after)
            for slo in slos
            if decided is not None and decided.decisions[slo.text] != "inconclusive"
        }
        is_stopped_early = run.ended_early is not None
        verdict = judge_gate(
            slos,
            seen,
            known,
            at_end,
            checks,
            least_fidelity,
            is_stopped_early=is_stopped_early,
            any_baseline=any_baseline,
        )
    write_verdict(run.directory, verdict)
    if keeper is not None:
        # What has been judged by now is not lost to whoever ends this while a run of gigabytes is copied.
        unfit = why_unfit(verdict, slos, seen, least_fidelity, is_stopped_early=is_stopped_early)
        verdict = (
            keeper.keep(run.directory, verdict)
            if unfit is None
            else with_note(verdict, f"not kept as a baseline: {unfit}")
        )
        write_verdict(run.directory, verdict)
    return GateOutcome(verdict, run.directory, run.summary.status, run.ended_early, run.summary.ended)


def gate_run(
    run_dir: Path,
    slos: Sequence[Slo],
    baselines: Sequence[Path] = (),
    confidence: float = CONFIDENCE,
    least_fidelity: float = LEAST_FIDELITY,
    *,
    any_baseline: bool = False,
) -> GateVerdict:
    """Judge the SLOs of a run that was made. Raises RunDirError, and InputError for an SLO without its baseline."""
    check_slos(slos, None, has_baseline=bool(baselines))
    known = read_baselines(baselines, judged=run_dir)
    return judge_gate(
        slos,
        read_evidence(run_dir),
        known,
        confidence,
        least_fidelity=least_fidelity,
        any_baseline=any_baseline,
    )
