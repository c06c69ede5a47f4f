"""Counts, for each step name and aspect, who is the odd one out: the first target, the second, or the first again."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from replay.judge.answers.again import in_drawn_order
from replay.judge.answers.differing import Differing, Key, Keys, told
from replay.judge.answers.facts import Answered, Facts, Series, Where
from replay.judge.answers.odd_one import Sign, chance_of_second, winner

# Of one step name; a target that makes up new paths with every answer must not fill the memory.
_MOST_KEYS = 5_000
_SECOND, _FIRST, _AGAIN = range(3)


class Asked(NamedTuple):
    """What the sides were answered: the first target, the second, and the first again (None: it was not asked). Both
    are of the sessions that both were to be asked.

    keeps: "shape" or "values". seed: draws sessions where not all are needed.
    """

    a: Mapping[Where, Answered]
    b: Mapping[Where, Answered]
    again: Mapping[Where, Answered] | None
    keeps: str = "shape"
    seed: int = 1


class Pair(NamedTuple):
    """What one step was answered by both sides, and in what that differs."""

    where: Where
    a: Facts
    b: Facts
    keys: Keys

    @property
    def session(self) -> str:
        return self.where[0]


class Tally:
    """What is counted of one aspect of one step name.

    differing, second_alone: places of pairs that differ, and in which the second is the odd one. first_alone: how often
    the first is. unknown: pairs that differ of which nothing else is known. noise: how many of its own answers the
    first differs from itself in; noise_weighted: with the others of each that was not asked again.
    """

    __slots__ = (
        "differing",
        "first_alone",
        "noise",
        "noise_weighted",
        "odd",
        "second_alone",
        "unknown",
        "ways",
    )

    def __init__(self) -> None:
        self.differing: list[int] = []
        self.second_alone: list[int] = []
        self.first_alone = self.unknown = self.noise = 0
        self.noise_weighted = 0.0
        self.odd: dict[str, list[int]] = {}
        self.ways: Counter[tuple[str | None, str | None]] = Counter()

    def note_odd(self, session: str, who: int) -> None:
        self.odd.setdefault(session, [0, 0, 0])[who] += 1


class StepTally:
    """One step name: its pairs, what differs in them, and on which side steps have no answer.

    is_full: there were more aspects than are counted. asked_again, weight_again: answers that the first gave twice, and
    of how many answers they stand for.
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self.pairs: list[Pair] = []
        self.unanswered = [0, 0]
        self.tallies: dict[Key, Tally] = {}
        self.is_full = False
        self.asked_again = 0
        self.weight_again = 0.0

    def __repr__(self) -> str:
        return f"<StepTally {self.series}: {len(self.pairs)} pairs, {len(self.tallies)} aspects>"

    def tally(self, key: Key) -> Tally | None:
        found = self.tallies.get(key)
        if found is None:
            if len(self.tallies) >= _MOST_KEYS:
                self.is_full = True
                return None
            found = self.tallies[key] = Tally()
        return found


class Counted(NamedTuple):
    """All step names, those with the most pairs first. chance: see odd_one.py; sides: of its test."""

    steps: list[StepTally]
    chance: float
    sides: int
    sessions: int
    asked_again: int
    unanswered: int

    def sign(self, tally: Tally) -> Sign:
        """In how many sessions who is the odd one."""
        winners = Counter(winner(counts) for counts in tally.odd.values())
        of = winners[_SECOND] + winners[_FIRST] + winners[_AGAIN]
        odd = winners[_SECOND] if self.sides == 1 else max(winners[_SECOND], winners[_FIRST])
        return Sign(odd, of, self.chance, self.sides)


def counted(asked: Asked, differing: Differing) -> Counted:
    """Hold every answer to the other side's, and to what the first target said when it was asked again."""
    steps, unanswered = _paired(asked, differing)
    everyone = {pair.session for step in steps for pair in step.pairs}
    differ = {pair.session for step in steps for pair in step.pairs if pair.keys}
    again = {
        session for (session, _), answered in (asked.again or {}).items() if answered.facts is not None
    } & everyone
    if differ and not differ & again:
        for step in steps:
            _compare_two(step)
        return Counted(_ordered(steps), 0.5, 2, len(everyone), 0, unanswered)
    alike = everyone - differ
    known = differ & again
    if len(known) < len(differ):
        # Of those that differ only some were asked again, by lot. As large a part of the others keeps all shares right.
        part = len(known) / len(differ)
        alike = set(in_drawn_order(alike, asked.seed)[: round(part * len(alike))])
        everyone = known | alike
        for step in steps:
            step.pairs = [pair for pair in step.pairs if pair.session in everyone]
    share = len(alike & again) / len(alike) if alike else 1.0
    for step in steps:
        _compare_three(step, asked.again or {}, known, share, differing)
    return Counted(
        _ordered(steps), chance_of_second(1.0, share), 1, len(everyone), len(again & everyone), unanswered
    )


def _paired(asked: Asked, differing: Differing) -> tuple[list[StepTally], int]:
    steps: dict[Series, StepTally] = {}
    """The steps that both sides answered, by name. A step of a session that only one side has is as unanswered by the
    other as one that it gave no whole answer to: what it would have answered, nobody knows.
    """
    unanswered = 0
    for where in dict.fromkeys((*asked.a, *asked.b)):
        a, b = asked.a.get(where), asked.b.get(where)
        series = (a or b or Answered(("", ""), None)).series
        step = steps.setdefault(series, StepTally(series))
        facts_a, facts_b = None if a is None else a.facts, None if b is None else b.facts
        if facts_a is not None and facts_b is not None:
            step.pairs.append(Pair(where, facts_a, facts_b, differing.keys(facts_a, facts_b)))
            continue
        unanswered += 1
        step.unanswered[0] += facts_a is None
        step.unanswered[1] += facts_b is None
    return list(steps.values()), unanswered


def _ordered(steps: list[StepTally]) -> list[StepTally]:
    return sorted(steps, key=lambda step: (-len(step.pairs), step.series))


def _compare_three(
    step: StepTally, again: Mapping[Where, Answered], known: set[str], share: float, differing: Differing
) -> None:
    for place, pair in enumerate(step.pairs):
        answered = again.get(pair.where)
        third = None if answered is None else answered.facts
        if third is None:
            for key in pair.keys:
                if (tally := step.tally(key)) is not None:
                    tally.differing.append(place)
                    tally.unknown += 1
            continue
        weight = 1.0 if pair.session in known else 1 / share
        step.asked_again += 1
        step.weight_again += weight
        of_first, of_second = differing.keys(pair.a, third), differing.keys(third, pair.b)
        for key in pair.keys | of_first | of_second:
            tally = step.tally(key)
            if tally is None:
                continue
            differ, is_noise, is_other = key in pair.keys, key in of_first, key in of_second
            if differ:
                tally.differing.append(place)
            if is_noise:
                tally.noise += 1
                tally.noise_weighted += weight
            if differ and is_other and not is_noise:
                tally.second_alone.append(place)
                tally.note_odd(pair.session, _SECOND)
                tally.ways[told(pair.a, key), told(pair.b, key)] += 1
            elif differ and is_noise and not is_other:
                tally.first_alone += 1
                tally.note_odd(pair.session, _FIRST)
            elif is_noise and is_other and not differ:
                tally.note_odd(pair.session, _AGAIN)


def _compare_two(step: StepTally) -> None:
    """Without the first target's second answers: who gives the answer that is most frequent where they differ?"""
    told_by: dict[Key, list[tuple[str, str | None, str | None]]] = {}
    for place, pair in enumerate(step.pairs):
        for key in pair.keys:
            tally = step.tally(key)
            if tally is None:
                continue
            tally.differing.append(place)
            tally.second_alone.append(place)
            way = told(pair.a, key), told(pair.b, key)
            tally.ways[way] += 1
            told_by.setdefault(key, []).append((pair.session, *way))
    for key, found in told_by.items():
        counts = Counter(one for _, a, b in found for one in (a, b))
        # Between equally frequent ones either would do, if only the choice does not look at whose they are.
        usual = min(counts, key=lambda one: (-counts[one], one or ""))
        for session, a, b in found:
            if (a == usual) != (b == usual):
                step.tallies[key].note_odd(session, _SECOND if a == usual else _FIRST)
