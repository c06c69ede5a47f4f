"""Are the answers the same? Judges one target's answers against another's, given what the first says when asked twice.

For each step name, and each aspect of its answers that differs anywhere, the test of replay/judge/answers/odd_one.py
says whether the second target is the odd one more often than chance has it. Then:

- different: it is significant at alpha, corrected over all aspects;
- noise: it is not, though there are enough odd ones to tell, or the first differs from itself there. It is listed, and
  not counted against the second;
- undecided: there are too few odd ones to tell, or more of the second than an uncorrected test lets pass.

The verdict is different if anything is; inconclusive if anything is undecided, or too many steps have no answer on a
side, or there are too few sessions to exclude, at the confidence, that a share of the margin differs (the bound of
Clopper and Pearson for none of n); else same. The size of bodies is a difference only where the medians are a tenth
apart and one side's is larger in more of the sessions than a sign test allows; a tenth of alpha is kept for that.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple

import numpy as np

from replay.judge.answers.differing import Differing, Key, comparable
from replay.judge.answers.facts import Facts
from replay.judge.answers.odd_one import (
    Sign,
    adjusted,
    least_p_value,
    odd_ones_needed,
    p_value,
    sessions_to_exclude,
    upper_share,
)
from replay.judge.answers.sentences import sentence_of
from replay.judge.answers.tallying import Asked, Counted, Pair, StepTally, Tally, counted
from replay.judge.answers.types import (
    AnswerDifference,
    AnsweredSide,
    AnsweredStep,
    AnswersVerdict,
    Aspect,
    Standing,
)
from replay.judge.statistics.proportion import share_interval
from replay.judge.statistics.sample import Sample
from replay.words.numbers import number
from replay.words.phrases import counted as several

ANSWERS_MARGIN_PERCENT = 2.0
"""149 sessions without a difference exclude one of 2% at 95%, so that a trace of 200 can be called the same."""

_MOST_UNANSWERED = 0.05
_SIZE_ALPHA_SHARE = 0.1
_SIZES_APART = 1.1
_MOST_LISTED = 50
_MOST_NAMED = 20
_MOST_REASONS = 5
_ORDER: Sequence[Aspect] = (
    "status",
    "content",
    "shape",
    "tool_names",
    "finish_reasons",
    "value",
    "order",
    "size",
)
Examples = Callable[[str, str], str | None]
"""What is shown of the values at a path that have this digest; None: not known."""


def judge_answers(
    asked: Asked,
    confidence: float,
    margin_percent: float = ANSWERS_MARGIN_PERCENT,
    examples: Examples | None = None,
) -> AnswersVerdict:
    """Judge the second target's answers against the first's."""
    found = counted(asked, Differing())
    alpha = (1 - confidence) * (1 - _SIZE_ALPHA_SHARE)
    judged = _judged(found, alpha, confidence, examples)
    judged += _sizes(found, (1 - confidence) * _SIZE_ALPHA_SHARE, confidence)
    judged.sort(key=lambda one: (-one.count, _ORDER.index(one.aspect), one.kind, one.name, one.path or ""))
    by_standing: dict[Standing, list[AnswerDifference]] = {"different": [], "undecided": [], "noise": []}
    for one in judged:
        by_standing[one.standing].append(one)
    by_standing["noise"].sort(key=lambda one: -(one.noise_percent or 0.0))
    verdict = AnswersVerdict(
        verdict="same",
        reasons=[],
        keeps=asked.keeps,
        confidence=confidence,
        margin_percent=margin_percent,
        pairs=sum(len(step.pairs) for step in found.steps),
        sessions=found.sessions,
        asked_again=found.asked_again,
        unanswered=found.unanswered,
        steps=[_row(step, by_standing, confidence) for step in found.steps],
        differences=by_standing["different"][:_MOST_LISTED],
        undecided=by_standing["undecided"][:_MOST_LISTED],
        noise=by_standing["noise"][:_MOST_LISTED],
        left_out=sum(max(0, len(ones) - _MOST_LISTED) for ones in by_standing.values()),
        notes=_notes(found),
    )
    _decide(verdict, found)
    return verdict


def _decide(verdict: AnswersVerdict, found: Counted) -> None:
    """The verdict and its reasons, in place."""
    confidence = verdict.confidence
    if verdict.differences:
        verdict.verdict = "different"
        verdict.reasons = [sentence_of(one, confidence) for one in verdict.differences[:_MOST_REASONS]]
        return
    doubts = []
    if not verdict.pairs:
        doubts.append("no step was answered by both sides")
    for one in verdict.undecided[:_MOST_REASONS]:
        more = (
            ""
            if one.sessions_needed is None
            else f"; about {several(one.sessions_needed, 'session')} would tell"
        )
        doubts.append(f"{sentence_of(one, confidence)}, which may be chance{more}")
    steps = verdict.pairs + found.unanswered
    if found.unanswered > _MOST_UNANSWERED * steps:
        doubts.append(
            f"{found.unanswered:,} of {several(steps, 'step')} had no whole answer on one side at least"
        )
    unread = _too_large(found) + _coded(found)
    if unread > _MOST_UNANSWERED * steps:
        doubts.append(f"the shapes of {unread:,} of {several(steps, 'answer')} could not be read")
    if any(step.is_full for step in found.steps):
        doubts.append("answers differ in more paths than are counted")
    share = upper_share(verdict.sessions, confidence)
    if verdict.pairs and share >= verdict.margin_percent / 100:
        needed = sessions_to_exclude(verdict.margin_percent / 100, confidence)
        doubts.append(
            f"{several(verdict.sessions, 'session')} exclude a difference in {number(100 * share)}% of sessions and "
            f"more; to exclude {number(verdict.margin_percent)}%, {needed:,} are needed"
        )
    if doubts:
        verdict.verdict, verdict.reasons = "inconclusive", doubts
        return
    apart = "but for noise, " if verdict.noise else ""
    verdict.reasons = [
        f"{apart}none of {several(verdict.pairs, 'answer')} differs, which excludes a difference in "
        f"{number(100 * share)}% of sessions and more"
    ]


def _notes(found: Counted) -> list[str]:
    notes = []
    if found.sides == 2:
        notes.append(
            "the first target was not asked twice, so noise shows only where both sides give the same answers, "
            "but not to the same steps"
        )
    if too_large := _too_large(found):
        notes.append(f"{several(too_large, 'answer')} too large for the shape to be compared")
    if coded := _coded(found):
        notes.append(
            f"{several(coded, 'answer')} in a content coding that cannot be decoded here; the shape was not compared"
        )
    return notes


def _too_large(found: Counted) -> int:
    return sum(pair.a.content == "json" and None in (pair.a.paths, pair.b.paths) for pair in _pairs(found))


def _coded(found: Counted) -> int:
    return sum("coded" in (pair.a.content, pair.b.content) for pair in _pairs(found))


def _pairs(found: Counted) -> Iterable[Pair]:
    return (pair for step in found.steps for pair in step.pairs)


class _Candidate(NamedTuple):
    step: StepTally
    key: Key
    tally: Tally
    sign: Sign


def _judged(
    found: Counted, alpha: float, confidence: float, examples: Examples | None
) -> list[AnswerDifference]:
    candidates = [
        _Candidate(step, key, tally, found.sign(tally))
        for step in found.steps
        for key, tally in step.tallies.items()
    ]
    signs = [candidate.sign for candidate in candidates]
    corrected = adjusted(signs, alpha)
    tests = max(1, sum(least_p_value(sign) <= alpha for sign in signs))
    return [
        _difference(candidate, p_adjusted, tests, alpha, confidence, examples)
        for candidate, p_adjusted in zip(candidates, corrected, strict=True)
    ]


def _difference(
    candidate: _Candidate,
    p_adjusted: float,
    tests: int,
    alpha: float,
    confidence: float,
    examples: Examples | None,
) -> AnswerDifference:
    step, key, tally, sign = candidate
    one = AnswerDifference(
        kind=step.series[0],
        name=step.series[1],
        aspect=key.aspect,
        path=key.path,
        standing=_standing(tally, sign, p_adjusted, tests, alpha),
        p_value=round(p_value(sign), 6),
        p_adjusted=round(p_adjusted, 6),
    )
    # Undecided because nothing more is known of them: what is counted is then all that differs.
    alone = tally.second_alone or (tally.differing if one.standing == "undecided" else [])
    _put_share(one, step, alone, confidence)
    if step.asked_again:
        one.noise_count, one.noise_n = tally.noise, step.asked_again
        one.noise_percent = round(100 * tally.noise_weighted / step.weight_again, 3)
    if tally.ways:
        a, b = max(tally.ways, key=lambda way: (tally.ways[way], str(way)))
        if key.aspect != "value":
            one.a, one.b = a, b
        elif examples is not None:
            ways = [way for way, _ in tally.ways.most_common()]
            shown = ((examples(key.path or "", x or ""), examples(key.path or "", y or "")) for x, y in ways)
            one.example_a, one.example_b = next(
                ((x, y) for x, y in shown if x is not None and y is not None and x != y), (None, None)
            )
    if one.standing == "undecided" and one.count and one.sessions:
        needed = odd_ones_needed(alpha / sign.sides, sign.chance, tests)
        one.sessions_needed = max(one.sessions + 1, ceil(needed * one.sessions / one.count))
    return one


def _standing(tally: Tally, sign: Sign, p_adjusted: float, tests: int, alpha: float) -> Standing:
    if p_adjusted <= alpha:
        return "different"
    is_noisy = tally.noise > 0 or tally.first_alone > 0
    if not sign.odd:
        return "noise" if is_noisy or not tally.unknown else "undecided"
    if p_value(sign) <= alpha:
        return "undecided"
    could_tell = least_p_value(sign) <= alpha / tests
    return "noise" if could_tell or is_noisy else "undecided"


def _put_share(one: AnswerDifference, step: StepTally, places: Sequence[int], confidence: float) -> None:
    """How many answers, of how many that tell of this aspect."""
    asked = [n for n, pair in enumerate(step.pairs) if comparable(pair.a, pair.b, one.aspect)]
    one.count, one.n = len(places), len(asked)
    codes: dict[str, int] = {}
    clusters = np.array([codes.setdefault(step.pairs[n].session, len(codes)) for n in asked], np.int32)
    one.sessions = len(codes)
    if not asked:
        return
    hit = set(places)
    hits = np.array([n in hit for n in asked])
    bounds, _ = share_interval(hits, Sample(hits.astype(np.float64), clusters), confidence)
    one.share_percent = round(100 * len(places) / len(asked), 3)
    one.ci_percent = (round(100 * (bounds.low or 0.0), 3), round(100 * (bounds.high or 0.0), 3))


def _sizes(found: Counted, alpha: float, confidence: float) -> list[AnswerDifference]:
    """Step names whose bodies are clearly of another size."""
    signs: list[Sign] = []
    larger: list[list[int]] = []
    for step in found.steps:
        by_session: Counter[str] = Counter()
        for pair in step.pairs:
            by_session[pair.session] += (pair.b.size_bytes > pair.a.size_bytes) - (
                pair.b.size_bytes < pair.a.size_bytes
            )
        up, down = sum(n > 0 for n in by_session.values()), sum(n < 0 for n in by_session.values())
        signs.append(Sign(max(up, down), up + down, 0.5, 2))
        larger.append(
            [
                n
                for n, pair in enumerate(step.pairs)
                if (pair.b.size_bytes - pair.a.size_bytes) * (up - down) > 0
            ]
        )
    judged = []
    for step, sign, places, p_adjusted in zip(found.steps, signs, larger, adjusted(signs, alpha), strict=True):
        if p_adjusted > alpha:
            continue
        a = _median(pair.a.size_bytes for pair in step.pairs)
        b = _median(pair.b.size_bytes for pair in step.pairs)
        if max(a or 0, b or 0) < _SIZES_APART * max(1, min(a or 0, b or 0)):
            continue
        one = AnswerDifference(
            kind=step.series[0],
            name=step.series[1],
            aspect="size",
            standing="different",
            a=str(a),
            b=str(b),
            p_value=round(p_value(sign), 6),
            p_adjusted=round(p_adjusted, 6),
        )
        _put_share(one, step, places, confidence)
        judged.append(one)
    return judged


def _row(
    step: StepTally, by_standing: Mapping[Standing, Sequence[AnswerDifference]], confidence: float
) -> AnsweredStep:
    kind, name = step.series
    places: set[int] = set()
    for standing in ("different", "undecided"):
        for one in by_standing[standing]:
            if (one.kind, one.name) == step.series and one.aspect != "size":
                tally = step.tallies[Key(one.aspect, one.path)]
                places.update(tally.second_alone or tally.differing)
    sessions = len({pair.session for pair in step.pairs})
    return AnsweredStep(
        kind=kind,
        name=name,
        pairs=len(step.pairs),
        sessions=sessions,
        a=_side([pair.a for pair in step.pairs], step.unanswered[0]),
        b=_side([pair.b for pair in step.pairs], step.unanswered[1]),
        differing=len(places),
        at_most_percent=None if places else round(100 * upper_share(sessions, confidence), 3),
    )


def _side(answers: Sequence[Facts], unanswered: int) -> AnsweredSide:
    return AnsweredSide(
        answers=len(answers),
        unanswered=unanswered,
        statuses=_most(Counter(facts.status for facts in answers)),
        contents=_most(Counter(facts.content for facts in answers)),
        finish_reasons=_most(Counter(one for facts in answers for one in facts.finish_reasons)),
        tool_names=_most(Counter(one for facts in answers for one in facts.tool_names)),
        median_bytes=_median(facts.size_bytes for facts in answers),
    )


def _most(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common(_MOST_NAMED))


def _median(sizes: Iterable[int]) -> int | None:
    found = list(sizes)
    return round(median(found)) if found else None
