"""A comparison: replay one trace against several targets, or take runs that were made, and judge what differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from replay.engine.answers.digests import Digests
from replay.engine.arms import Arm
from replay.engine.progress import OnProgress
from replay.engine.run import Job, Outcome
from replay.engine.types import RunOptions
from replay.judge.comparison.deciding import confidence_of_each
from replay.judge.comparison.difference import MARGIN_PERCENT
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.recorded import compare_with_recording
from replay.judge.comparison.sides import judge_compare
from replay.judge.gate.abort import AbortRule
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.types import VERDICT_SCHEMA, ComparedTarget, CompareVerdict, Mode
from replay.results.evidence import Evidence, read_evidence
from replay.results.fidelity import LEAST_FIDELITY
from replay.results.manifest_types import Ended, RunStatus
from replay.results.rundir import RunDir, name_in_path
from replay.target.target import Target
from replay.trials.aborting import keeping_workers, replay_one, replay_watched
from replay.trials.answers import AnswersQuestion, Asking, judge_live, judge_recorded
from replay.trials.endings import worst
from replay.trials.evidence import gone_if_empty, write_verdict
from replay.trials.spending import with_less
from replay.words.numbers import percent
from replay.words.phrases import counted

LiveMode = Literal["paired", "interleaved", "sequential"]


class Question(NamedTuple):
    """What is asked of a comparison. confidence: of the verdicts of all targets together. answers: whether the answers
    are the same too; None: that is not asked.
    """

    metric: Metric = Metric("p99")
    margin_percent: float = MARGIN_PERCENT
    confidence: float = CONFIDENCE
    phase_ms: float = 5.0
    least_fidelity: float = LEAST_FIDELITY
    answers: AnswersQuestion | None = None


class CompareOutcome(NamedTuple):
    """directory: holds verdict.json, and a run directory for each run; None for runs that were made before. status: how
    the runs ended. ended: by which rule or budget, if one ended them.
    """

    verdict: CompareVerdict
    directory: Path | None
    status: RunStatus = "finished"
    ended: Ended | None = None


def compare_targets(
    trace: Path,
    targets: Sequence[Target],
    options: RunOptions,
    mode: LiveMode = "paired",
    question: Question = Question(),  # noqa: B008 - a NamedTuple, so no call can change it
    *,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    aborts: Sequence[AbortRule] = (),
) -> CompareOutcome:
    """Replay one trace against two or more targets and judge how they differ; one target is compared with itself.

    aborts: what ends the runs. Raises what replay_trace raises; nothing is judged if a run failed to start.
    """
    is_aa = len(targets) == 1
    sides = [*targets, targets[0]] if is_aa else list(targets)
    names = _distinct([target.name for target in sides])
    directory = RunDir.create(out, trace.name.split(".")[0], "-vs-".join(names)).path
    dealing = "all" if mode == "sequential" else mode
    # One key for all, so that their values can be compared.
    digests = Digests()
    if question.answers is not None:
        options = msgspec.structs.replace(options, answers=question.answers.keeps)
    jobs = [
        Job(
            target,
            directory / name,
            Arm(dealing, n, len(sides), options.knobs.seed, question.phase_ms),
            digests,
        )
        for n, (target, name) in enumerate(zip(sides, names, strict=True))
    ]
    with gone_if_empty(directory):
        if mode == "sequential":
            made = _one_after_the_other(trace, jobs, options, on_progress, aborts)
        else:
            made = [[outcome] for outcome in replay_watched(trace, jobs, options, on_progress, None, aborts)]
    judged = [
        Side(name, [read_evidence(run.directory, run.summary) for run in runs])
        for name, runs in zip(names, made, strict=True)
    ]
    verdict = _judged(judged, mode, question, is_aa=is_aa)
    statuses: set[RunStatus] = {run.summary.status for runs in made for run in runs}
    if question.answers is not None:
        # Written before the first target is asked again, and once more after it, so that nothing can cost the verdict.
        write_verdict(directory, verdict)
        asking = Asking(
            trace, sides[0], options, made, mode == "interleaved", directory, names[0], digests, on_progress
        )
        found = judge_live(asking, question.answers, confidence_of_each(question.confidence, len(sides) - 1))
        for one, answers in zip((verdict, *verdict.further), found.verdicts, strict=True):
            one.answers = answers
        statuses.add(found.status)
    write_verdict(directory, verdict)
    ended = next((run.summary.ended for runs in made for run in runs if run.summary.ended is not None), None)
    return CompareOutcome(verdict, directory, worst(statuses), ended)


def compare_runs(
    run_dirs: Sequence[Path],
    question: Question = Question(),  # noqa: B008
) -> CompareVerdict:
    """Judge runs that were made apart from each other. Raises RunDirError."""
    names = _distinct([path.name or str(path) for path in run_dirs])
    # A run that is held to itself is not held twice.
    read = {path: read_evidence(path) for path in dict.fromkeys(run_dirs)}
    sides = [Side(name, [read[path]]) for name, path in zip(names, run_dirs, strict=True)]
    verdict = _judged(sides, "unpaired", question)
    if question.answers is not None:
        each = confidence_of_each(question.confidence, len(sides) - 1)
        found = judge_recorded(run_dirs, question.answers, each)
        for one, answers in zip((verdict, *verdict.further), found, strict=True):
            one.answers = answers
    return verdict


def compare_recorded(
    trace: Path,
    target: Target,
    options: RunOptions,
    question: Question = Question(),  # noqa: B008
    *,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    aborts: Sequence[AbortRule] = (),
) -> CompareOutcome:
    """Replay a trace against one target and hold the run to the recording. Raises what replay_trace raises."""
    run = replay_one(trace, target, options, out, on_progress, None, aborts)
    verdict = compare_run_recorded(run.directory, question)
    write_verdict(run.directory, verdict)
    return CompareOutcome(verdict, run.directory, run.summary.status, run.summary.ended)


def compare_run_recorded(
    run_dir: Path,
    question: Question = Question(),  # noqa: B008
) -> CompareVerdict:
    """Hold a run that was made to its own recording. Raises RunDirError."""
    return compare_with_recording(
        read_evidence(run_dir),
        question.metric,
        question.margin_percent,
        question.confidence,
        question.least_fidelity,
    )


def judge_sides(sides: Sequence[tuple[str, Evidence]], mode: Mode, question: Question) -> CompareVerdict:
    """Judge one run of each target, by its name: the first against the second, and against each further one."""
    return _judged([Side(name, [run]) for name, run in sides], mode, question)


def _judged(sides: Sequence[Side], mode: Mode, question: Question, *, is_aa: bool = False) -> CompareVerdict:
    """The first side against the second, and against each further one, so surely that all verdicts hold together."""
    confidence = confidence_of_each(question.confidence, len(sides) - 1)
    first, *others = [
        judge_compare(
            sides[0],
            side,
            mode,
            question.metric,
            question.margin_percent,
            confidence,
            is_aa=is_aa,
            least_fidelity=question.least_fidelity,
        )
        if side.runs
        else _never_replayed(sides[0], side, mode, question, is_aa=is_aa)
        for side in sides[1:]
    ]
    if others:
        together = (
            f"each of {counted(len(sides) - 1, 'target')} is held to {sides[0].name} at {percent(confidence)}, so that "
            f"all verdicts hold together at {percent(question.confidence)} (Bonferroni)"
        )
        first, *others = (
            msgspec.structs.replace(one, notes=[*one.notes, together]) for one in (first, *others)
        )
    return msgspec.structs.replace(first, further=others)


def _never_replayed(a: Side, b: Side, mode: Mode, question: Question, *, is_aa: bool) -> CompareVerdict:
    """A comparison with a side whose turn never came: no figures, for there is nothing to hold the first against."""
    return CompareVerdict(
        schema=VERDICT_SCHEMA,
        command="compare",
        verdict="inconclusive",
        mode=mode,
        metric=str(question.metric),
        reasons=[f"{b.name} was never replayed: a run before it did not finish"],
        targets=[
            ComparedTarget(label="a", name=a.name, runs=[run.name for run in a.runs]),
            ComparedTarget(label="b", name=b.name),
        ],
        differences=[],
        margin_percent=question.margin_percent,
        is_aa=is_aa,
    )


def _one_after_the_other(
    trace: Path,
    jobs: Sequence[Job],
    options: RunOptions,
    on_progress: OnProgress | None,
    aborts: Sequence[AbortRule],
) -> list[list[Outcome]]:
    """A-B-B-A, so that a steady drift of the target or of this machine falls on both alike.

    Ends with the first run that does not finish; a job whose turn had not come then has no run.
    """
    made: list[list[Outcome]] = [[] for _ in jobs]
    order = [*range(len(jobs)), *reversed(range(len(jobs)))]
    with keeping_workers(options) as crew:
        for n in order:
            job = jobs[n]
            out = job.out
            if made[n] and out is not None:
                out = out.with_name(f"{out.name}-round-2")
            one = Job(job.target, out, digests=job.digests)
            made[n] += replay_watched(trace, [one], options, on_progress, None, aborts, crew)
            options = with_less(options, made[n][-1].summary)
            if made[n][-1].summary.status != "finished":
                break
    return made


def _distinct(names: Sequence[str]) -> list[str]:
    """Names for folders and sides; equal ones are numbered."""
    found: list[str] = []
    for name in map(name_in_path, names):
        candidate, n = name, 1
        while candidate in found:
            n += 1
            candidate = f"{name}-{n}"
        found.append(candidate)
    return found
