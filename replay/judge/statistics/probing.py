"""Which idle time to try next: looking for the one after which a target goes cold, in few and short waits.

Idle times double until one leaves the target cold; then the bracket between the longest warm and the shortest cold
one is halved until it is narrow enough. Both ends are asked once more at the end; an end that answers otherwise
the second time says that the target has no sharp limit, and the bracket is then what both answers leave. What was left
alone for longer than asked tells of that time; where such an answer hardly narrows the bracket, none will. Pure.
"""

from typing import Literal

Answer = Literal["warm", "cold"]

# An answer of just the idle time that was asked for leaves half of the bracket.
_NARROWER = 0.9


class IdleSearch:
    """Tell it what each idle time left the target like. first_s: the shortest that is tried; most_s: the longest."""

    def __init__(self, first_s: float, most_s: float, precision: float = 0.1) -> None:
        self._next_s: float | None = min(first_s, most_s)
        self._most_s = most_s
        self._precision = precision
        self.answers: list[tuple[float, Answer]] = []
        self.warm_s = 0.0
        self.cold_s: float | None = None
        self.is_sharp = True
        self._checks: list[float] | None = None

    def __repr__(self) -> str:
        return f"<IdleSearch between {self.warm_s:g} s and {self.cold_s} s after {len(self.answers)} waits>"

    def next_s(self) -> float | None:
        """How long to leave the target alone now; None: enough is known."""
        return self._next_s

    def tell(self, answer: Answer, idle_s: float | None = None) -> None:
        """What an idle time left the target like. idle_s: how long it was; None: as long as was asked for."""
        assert self._next_s is not None
        at_s = self._next_s if idle_s is None else idle_s
        before = self.warm_s, self.cold_s
        self.answers.append((at_s, answer))
        if self._checks is not None:
            self._check(at_s, answer)
            return
        if answer == "cold":
            self.cold_s = at_s if self.cold_s is None else min(at_s, self.cold_s)
        else:
            self.warm_s = max(at_s, self.warm_s)
        if self.cold_s is None:
            self._next_s = min(2 * at_s, self._most_s) if at_s < self._most_s else None
            return
        if self.warm_s >= self.cold_s:
            # Warm after longer than it was cold after.
            self.is_sharp = False
            self._as_all_answers_leave_it()
            self._next_s = None
            return
        warm_before_s, cold_before_s = before
        width_s = self.cold_s - self.warm_s
        is_narrower = cold_before_s is None or width_s < _NARROWER * (cold_before_s - warm_before_s)
        if is_narrower and width_s > self._precision * self.cold_s:
            self._next_s = (self.warm_s + self.cold_s) / 2
            return
        self._checks = [self.cold_s]
        if self.warm_s:
            self._checks.append(self.warm_s)
        self._next_s = self._checks[0]

    def _check(self, at_s: float, answer: Answer) -> None:
        """Both ends are asked again; the answers that do not agree widen the bracket."""
        assert self._checks is not None
        assert self.cold_s is not None
        self._checks = self._checks[1:]
        if at_s <= self.warm_s if answer == "cold" else at_s >= self.cold_s:
            self.is_sharp = False
        if not self._checks and not self.is_sharp:
            self._as_all_answers_leave_it()
        self._next_s = self._checks[0] if self._checks else None

    def _as_all_answers_leave_it(self) -> None:
        coldest = min(at for at, told in self.answers if told == "cold")
        warmest = max((at for at, told in self.answers if told == "warm"), default=0.0)
        self.warm_s, self.cold_s = min(coldest, warmest), max(coldest, warmest)

    def most_wait_s(self) -> float:
        """The longest that the whole search can wait, whatever it finds."""
        doubled, at_s = 0.0, self._next_s or 0.0
        while True:
            doubled += at_s
            if at_s >= self._most_s:
                break
            at_s = min(2 * at_s, self._most_s)
        # Halving between half of the longest and the longest, then both ends again.
        halvings, width = 0, 0.5
        while width > self._precision:
            width /= 2
            halvings += 1
        return doubled + (halvings + 2) * self._most_s
