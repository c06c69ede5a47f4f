"""Whether several targets give the same answers: what was recorded of them, the first asked again, and the verdict.

The first target is asked again in a run of its own, after the others, so that no figure of the comparison is touched:
the sessions in which answers differ and a share of the others, at the rate of the whole trace. Where it was replayed
twice anyway, in a sequential comparison, its second round is that. In an interleaved comparison no session goes to
two targets, so the first is asked the others' sessions too, before.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.answers.digests import Digests
from replay.engine.arms import Arm
from replay.engine.progress import OnProgress
from replay.engine.run import Job, Outcome, replay_together
from replay.engine.types import RunOptions
from replay.judge.answers.again import AGAIN_SHARE, sessions_of, sessions_to_ask_again
from replay.judge.answers.differing import Differing
from replay.judge.answers.facts import Answered, Shapes, Where, facts_of
from replay.judge.answers.judge import ANSWERS_MARGIN_PERCENT, judge_answers
from replay.judge.answers.tallying import Asked
from replay.judge.answers.types import AnswersVerdict
from replay.results.answer_types import AnswersKept
from replay.results.answers import read_answers
from replay.results.manifest_types import RunStatus
from replay.results.rundir import RunDirError
from replay.target.target import Target
from replay.trials.endings import worst
from replay.wire.errors import TargetUnreachable
from replay.words.phrases import counted

AGAIN = "-again"
"""The ending of the name of the run in which the first target is asked again."""

Said = Mapping[Where, Answered]


class AnswersQuestion(NamedTuple):
    """What is asked of answers. again_share: of the sessions that do not differ, how many are asked again (0..1)."""

    keeps: AnswersKept = "shape"
    margin_percent: float = ANSWERS_MARGIN_PERCENT
    again_share: float = AGAIN_SHARE


class Asking(NamedTuple):
    """A comparison whose answers are to be judged. made: the runs of each side, in the order of making. name: of the
    first side.
    """

    trace: Path
    target: Target
    options: RunOptions
    made: Sequence[Sequence[Outcome]]
    is_interleaved: bool
    directory: Path
    name: str
    digests: Digests
    on_progress: OnProgress | None = None


class Judged(NamedTuple):
    """verdicts: of the first side against each other one. status: of the runs that were made for it."""

    verdicts: list[AnswersVerdict]
    status: RunStatus = "finished"


def judge_live(asking: Asking, question: AnswersQuestion, confidence: float) -> Judged:
    """Ask the first target again, and judge. Raises what replay_together raises."""
    shapes, differing = Shapes(), Differing()
    with_values = question.keeps == "values"

    def read(outcome: Outcome) -> Said:
        record = read_answers(outcome.directory)
        return {} if record is None else facts_of(record, shapes, with_values=with_values)

    sides = [read(runs[0]) if runs else {} for runs in asking.made]
    others = sides[1:]
    extra: list[Outcome] = []
    is_whole = all(run.summary.status == "finished" for runs in asking.made for run in runs)
    first = sides[0]
    if asking.is_interleaved and is_whole:
        theirs = frozenset(session for other in others for session in sessions_of(other))
        extra.append(_ask(asking, theirs, f"{asking.name}-answers"))
        first = read(extra[-1])
        is_whole = extra[-1].summary.status == "finished"
    again: Said | None = None
    notes = []
    if not asking.is_interleaved and len(asking.made[0]) > 1:
        again = read(asking.made[0][1])
        notes.append(f"the second round of {asking.name} says what is random in its answers")
    elif is_whole:
        chosen = sessions_to_ask_again(
            first, others, differing, question.again_share, asking.options.knobs.seed
        )
        try:
            if chosen:
                extra.append(_ask(asking, chosen, f"{asking.name}{AGAIN}"))
                again = read(extra[-1])
        except TargetUnreachable as cause:
            notes.append(f"{asking.name} could not be asked again: {cause}")
        if again is not None:
            of = counted(len(sessions_of(first)), "session")
            notes.append(
                f"{asking.name} was asked {len(chosen):,} of {of} again, after the comparison, which says what is "
                "random in its answers"
            )
    verdicts = []
    for other in others:
        ours = first
        if asking.is_interleaved:
            # The first was asked what was dealt to all others; each of them is held to its own part.
            part = sessions_of(other)
            ours = {where: answered for where, answered in first.items() if where[0] in part}
        asked = Asked(ours, other, again, question.keeps, asking.options.knobs.seed)
        verdict = judge_answers(asked, confidence, question.margin_percent, asking.digests.example)
        verdict.notes = [*notes, *verdict.notes]
        verdicts.append(verdict)
    return Judged(verdicts, worst({run.summary.status for run in extra}))


def judge_recorded(
    run_dirs: Sequence[Path], question: AnswersQuestion, confidence: float
) -> list[AnswersVerdict]:
    """Judge runs that recorded their answers: the first against each other one. Beside the first may lie the run in
    which it was asked again. Raises RunDirError where a run recorded no answers, or other digests than the first's.
    """
    shapes = Shapes()
    again_dir = run_dirs[0].parent / f"{run_dirs[0].name}{AGAIN}"
    key_ids: set[str | None] = set()

    def read(path: Path) -> Said:
        record = read_answers(path)
        if record is None:
            raise RunDirError(
                f"{path}: recorded no answers. Make the run with --answers, for example by replay run --answers."
            )
        key_ids.add(record.head.key_id)
        if question.keeps == "values" and (record.head.keeps != "values" or len(key_ids) > 1):
            raise RunDirError(
                f"{path}: its values were not recorded together with the first run's, so they cannot be compared. "
                "Use --answers, for shapes alone, or replay both in one comparison."
            )
        return facts_of(record, shapes, with_values=question.keeps == "values")

    sides = [read(path) for path in run_dirs]
    again = None
    if read_answers(again_dir) is not None:
        again = read(again_dir)
    return [
        judge_answers(Asked(sides[0], other, again, question.keeps), confidence, question.margin_percent)
        for other in sides[1:]
    ]


def _ask(asking: Asking, sessions: frozenset[str], name: str) -> Outcome:
    """A run of these sessions alone, at the rate at which the whole trace offers its own."""
    parts = asking.made if asking.is_interleaved else asking.made[:1]
    planned = sum(runs[0].summary.counts.sessions for runs in parts)
    knobs = asking.options.knobs
    faster = msgspec.structs.replace(knobs, arrivals=knobs.arrivals * max(1.0, planned / len(sessions)))
    options = msgspec.structs.replace(asking.options, knobs=faster, at=(), warmup_s=0.0)
    out = asking.directory / name
    while out.exists():
        # Another target may be called so.
        out = out.with_name(f"{out.name}-2")
    job = Job(asking.target, out, Arm(only=sessions), asking.digests)
    return replay_together(asking.trace, [job], options, asking.on_progress)[0]
