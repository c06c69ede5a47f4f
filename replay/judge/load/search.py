"""The search over levels of load for the highest that a target bears.

Scale multiplies the rate at which sessions arrive; arrivals stay open, whatever the target does. One level is one run;
its interval decides it where it can, and else it is asked again, up to five times, until one side leads by two (Wald's
sequential test for two hypotheses with equal errors of one fifth a run, stopped at odds of 16 to 1).

The search goes up (or down) by factors of two to the first level that does not (or does) hold, and down by a factor of
ten from a level at which not one request was answered as expected, since the limit is far from there; then it halves
the bracket, on the log scale, to the precision asked for. What it leads to is that bracket: the highest load that held,
and the lowest that did not. A generator that gives out first ends the search: the ceiling is then at least that. So
does a level at which every request failed as it would at any load, with a 404 for instance: there is no ceiling then.

Failures are taken for the load's only where they come more often than at the loads that held (chance.py): a target that
fails one request in two hundred whatever it is asked breaks "errors < 1%" in one short level of ten.

The first run of a search meets the target as it was left, cold perhaps. Where it does not hold, that load is asked for
once more, and the first run counts no longer.

All that takes the limit to stay where it is while it is looked for. A target that scales out breaks at a load that it
bears a minute later, and one that lives on credits bears at first what it then does not. So the end of the bracket that
did not hold is asked for once more, unless that was just now, and then the end that held, by a level that is longer:
queues near the limit take long to grow. Where an end shows the other thing now, the search goes on from there, by steps
that double, until a bracket holds at both ends. A limit that has moved MOST_MOVES times is none.
"""

from typing import Literal, NamedTuple

from replay.judge.load.chance import come_of_load
from replay.judge.load.types import Level, failures_in
from replay.words.phrases import counted

STEP = 2.0
FAR_STEP = 10.0
LEAD = 2
MOST_TRIES = 5
MOST_GENERATOR_TRIES = 3
MOST_MOVES = 4
# Within so much of the first bracket another is the same limit, seen twice.
_MOVED_RATIO = 1.1
# Failures that are as frequent at so much less load do not come of it.
_FAR_LESS = 0.25


class _Point(NamedTuple):
    """What was seen at one load: passes minus fails, how often it was tried, how often this machine was saturated."""

    lead: int = 0
    tries: int = 0
    gave_out: int = 0


class Search:
    """Which load to try next. Tell it what each level showed; `next_scale` is None when it is over.

    first, most, least: loads. precision: the bracket's width at the end, as a share of the load. tries: how often a
    load is asked for at most; once, where it would show the same again, and then no end of the bracket is asked twice.
    """

    def __init__(
        self,
        first: float = 1.0,
        most: float = 1e6,
        least: float = 1e-3,
        precision: float = 0.025,
        tries: int = MOST_TRIES,
    ) -> None:
        self._first, self._most, self._least, self._precision = first, most, least, precision
        self._most_tries = tries
        self._points: dict[float, _Point] = {}
        self._held: float | None = None
        self._broke: float | None = None
        self._at = first
        self._last_held = self._last_broke = 0
        self.is_confirming = False
        """Whether the bracket has closed, and one of its ends is asked for again."""
        self._doubted: list[float] = []
        self._only_longer = False
        self._moves = 0
        self._stride = 1.0
        self._first_bracket: tuple[float, float] | None = None
        self.levels: list[Level] = []
        self.ended_by: (
            Literal["precision", "generator", "max", "least", "undecided", "failing", "moving"] | None
        ) = None

    def __repr__(self) -> str:
        return f"<Search between {self._held} and {self._broke}, {counted(len(self.levels), 'level')}>"

    @property
    def held(self) -> float | None:
        """The highest load that held."""
        return self._held

    @property
    def broke(self) -> float | None:
        """The lowest load that did not."""
        return self._broke

    @property
    def moved(self) -> tuple[float, float] | None:
        """The bracket that was found first, where a later one is another limit."""
        first, held = self._first_bracket, self._held
        if first is None or held is None or first[0] / _MOVED_RATIO < held < first[0] * _MOVED_RATIO:
            return None
        return first

    def next_scale(self) -> float | None:
        """The load to try now, or None."""
        return None if self.ended_by is not None else self._at

    def tell(self, level: Level) -> None:
        """What the load that was asked for showed."""
        self.levels.append(level)
        if level.at_any_load:
            self.ended_by = "failing"
            return
        if self._is_first_failure and len(self.levels) == 1:
            return
        point = self._points.get(self._at, _Point())
        if level.limited_by == "generator":
            # Once may be a neighbour on this machine; three times is the machine.
            self._points[self._at] = point._replace(gave_out=point.gave_out + 1)
            if point.gave_out + 1 >= MOST_GENERATOR_TRIES:
                self.ended_by = "generator"
            return
        weight = (LEAD if level.is_sure else 1) * {"pass": 1, "fail": -1, "inconclusive": 0}[level.verdict]
        point = self._points[self._at] = _Point(point.lead + weight, point.tries + 1, point.gave_out)
        if not point.lead and level.verdict == "inconclusive":
            # What it lacked, another run of that load would lack too.
            self.ended_by = "precision" if self.is_confirming else "undecided"
            return
        if point.tries < self._most_tries and (abs(point.lead) < LEAD or self._may_be_chance):
            return
        if self._fails_anyhow:
            self.ended_by = "failing"
            return
        self._move(holds=point.lead > 0 or (self._may_be_chance and self._is_chance))

    @property
    def began_cold(self) -> bool:
        """Whether the first run surely did not hold, and the next of the same load did."""
        return self._is_first_failure and [level.verdict for level in self.levels[1:2]] == ["pass"]

    @property
    def _is_first_failure(self) -> bool:
        """Whether the first run is one that does not count, since the target may have been cold."""
        first = self.levels[0]
        return self._most_tries > 1 and first.is_sure and first.verdict == "fail"

    @property
    def _here(self) -> list[Level]:
        """What was seen at this load, a first run that does not count left out."""
        of_account = self.levels[1:] if self._is_first_failure else self.levels
        return [level for level in of_account if level.scale == round(self._at, 6)]

    @property
    def _may_be_chance(self) -> bool:
        """Whether this load does not hold for failures alone, of which no run has enough to be sure."""
        fails = [level for level in self._here if level.verdict == "fail"]
        return bool(fails) and all(level.allowed_percent and not level.is_sure for level in fails)

    @property
    def _is_chance(self) -> bool:
        """Whether failures here come no more often than at lower loads that held, and as rarely as they may in all."""
        here = failures_in(self._here)
        below = failures_in(
            [level for level in self.levels if level.scale < self._at and level.verdict != "fail"]
        )
        allowed = min(
            (level.allowed_percent or 0.0 for level in self._here if level.verdict == "fail"), default=0.0
        )
        return not come_of_load(here, below, len(self.levels)) and (here + below).percent < allowed

    @property
    def _fails_anyhow(self) -> bool:
        """Whether no load holds, for failures that are as frequent at a quarter of the first load as at that."""
        if self._held is not None or any(not level.allowed_percent for level in self.levels):
            return False
        most = max(level.scale for level in self.levels)
        at_most = failures_in([level for level in self.levels if level.scale == most])
        return self._at <= _FAR_LESS * most and not come_of_load(at_most, failures_in(self._here))

    def _move(self, *, holds: bool) -> None:
        at = self._at
        if self.is_confirming:
            was_longer, self.is_confirming = self.asks_longer, False
            if holds == (at == self._held):
                self._ask_again()
                return
            self._only_longer |= was_longer
            self._doubted.clear()
            self._moves += 1
            if self._moves >= MOST_MOVES:
                self.ended_by = "moving"
                return
            self._follow(at)
        if holds:
            self._held, self._last_held = at, len(self.levels)
            if self._broke is None:
                if at >= self._most:
                    self.ended_by = "max"
                    return
                self._at = min(at * self._step(), self._most)
                return
        else:
            self._broke, self._last_broke = at, len(self.levels)
            if self._held is None:
                if at <= self._least:
                    self.ended_by = "least"
                    return
                step = FAR_STEP if self.levels[-1].answered_nothing else self._step()
                self._at = max(at / step, self._least)
                return
        assert self._held is not None
        assert self._broke is not None
        if self._broke / self._held <= 1 + self._precision:
            self._confirm(self._held, self._broke)
            return
        self._at = (self._held * self._broke) ** 0.5

    def _step(self) -> float:
        """By how much to go on where only one end of the bracket is known."""
        if not self._moves:
            return STEP
        self._stride = min(STEP, self._stride**2)
        return self._stride

    @property
    def asks_longer(self) -> bool:
        """Whether the load now to try is to last longer than a level does otherwise."""
        return self._only_longer or (self.is_confirming and self._at == self._held)

    def _confirm(self, held: float, broke: float) -> None:
        """Ask for the ends of the closed bracket once more: for the one that did not hold unless that was just now."""
        if self._first_bracket is None:
            self._first_bracket = held, broke
        if self._most_tries > 1:
            self._doubted = [held] if self._last_broke > self._last_held else [held, broke]
        self._ask_again()

    def _ask_again(self) -> None:
        if not self._doubted:
            self.ended_by = "precision"
            return
        self.is_confirming = True
        self._at = self._doubted.pop()
        self._points.pop(self._at, None)

    def _follow(self, at: float) -> None:
        """The limit is now beyond this end of the bracket, and what was seen of other loads is of no account."""
        self._stride = 1 + self._precision
        self._points.clear()
        if at == self._held:
            self._held = None
        else:
            self._broke = None
