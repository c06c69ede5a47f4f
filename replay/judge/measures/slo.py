"""The SLO language: one bound on one measured quantity, as a sentence that reads as people say it.

    p99 < 800ms                         a quantile of response time, over all steps
    p99(response, tool:search) < 250ms  of the steps of one kind, or of one kind and name (a glob)
    p95(ttft, llm) < 1.2s               of another measure: response, service, ttfb, ttft, tpot, makespan, lag
    p99(answered) < 800ms               of steps that did not fail; in plain p99 a failure is infinitely slow
    p99(failed) < 100ms                 of failures, by their own times
    mean(service) < 40ms                also min and max; a bound on min or max is about this run alone
    errors < 0.1%                       share of steps that failed; errors(tool:search) of some steps
    errors(status_5xx) == 0             of one class; == 0 is about this run alone
    cold < 2%                           share of steps that waited for an instance to boot
    share(response < 500ms) >= 99%      share of steps within a limit
    rate >= 200/s                       requests answered a second
    p99 < baseline * 1.10               against the same quantity of a baseline; also baseline + 20ms
    p99 < recorded * 1.2                against the same quantity of the same steps in the recording

each optionally followed by a window: `after 30s`, `before 5m`, `without warm-up`, `steady` (without the first and
the last tenth of the run, and the marked warm-up). Case does not matter; `p99.9` and `p99_9` are the same.
"""

import difflib
from typing import Literal, NamedTuple

from replay.judge.measures.slo_tokens import SloError, Token, Tokens
from replay.judge.types import Part, Unit
from replay.results.selector import Selector
from replay.results.types import ERROR_CLASSES

Operator = Literal["<", "<=", ">", ">=", "=="]
Statistic = Literal["quantile", "mean", "min", "max", "errors", "cold", "share", "rate"]

MEASURES = ("response", "service", "ttfb", "ttft", "tpot", "makespan", "lag")
KINDS = ("llm", "tool", "http", "mcp", "ws", "grpc")
ERRORS = tuple(ERROR_CLASSES)
PARTS = ("answered", "failed")
_RECORDED_MEASURES = ("response", "service", "ttft", "tpot", "makespan")
_RECORDED_STATISTICS = ("quantile", "mean", "share", "errors")
_STATISTICS = ("p50", "p90", "p95", "p99", "p99.9", "mean", "min", "max", "errors", "cold", "share", "rate")


# What no figure can keep, or break, by unit, comparison and limit.
_FOREGONE: dict[tuple[Unit, Operator, float], str] = {
    ("percent", ">=", 0.0): "always",
    ("percent", "<=", 100.0): "always",
    ("percent", "<", 0.0): "never",
    ("percent", ">", 100.0): "never",
    ("ms", ">=", 0.0): "always",
    ("ms", "<", 0.0): "never",
    ("rps", ">=", 0.0): "always",
    ("rps", "<", 0.0): "never",
}


class SloWindow(NamedTuple):
    """Which part of the run, by the time that steps were intended."""

    after_s: float | None = None
    before_s: float | None = None
    is_steady: bool = False
    without_warmup: bool = False


class Limit(NamedTuple):
    """value, in the metric's unit (ms, percent, 1/s), or against the same quantity elsewhere: factor x that + value.

    of: whose quantity that is, of other runs or of the recording.
    """

    value: float
    factor: float | None = None
    of: Literal["baseline", "recorded"] = "baseline"


class Slo(NamedTuple):
    """One bound. text: as it was written. metric: its left side's head, as verdicts name it.

    q: 0..1, of a quantile. part: which of the steps a time or a share is of. within_ms, within: of a share, the limit
    and how values compare to it. error: the class that errors counts, None for all.
    """

    text: str
    metric: str
    statistic: Statistic
    operator: Operator
    limit: Limit
    unit: Unit
    measure: str = "response"
    q: float | None = None
    selector: Selector = Selector()
    part: Part = "all"
    error: str | None = None
    within: Operator | None = None
    within_ms: float | None = None
    window: SloWindow = SloWindow()

    @property
    def series(self) -> str:
        """The measure and the steps, as verdicts name them."""
        base = self.measure if self.statistic in ("quantile", "mean", "min", "max", "share") else self.statistic
        part = "" if self.part == "all" else self.part
        return " ".join(filter(None, (base, str(self.selector), part)))

    @property
    def needs_baseline(self) -> bool:
        return self.limit.factor is not None and self.limit.of == "baseline"

    @property
    def needs_recording(self) -> bool:
        return self.limit.factor is not None and self.limit.of == "recorded"


def parse_slo(text: str) -> Slo:
    """The bound that the text states. Raises SloError, which points at the character and suggests."""
    return _Parser(text).slo()


def parse_slo_file(text: str, name: str) -> list[Slo]:
    """The bounds of an SLO file: one a line; empty lines and what follows # are passed over.

    Raises SloError, naming file and line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.partition("#")[0].strip()
        if written:
            try:
                found.append(parse_slo(written))
            except SloError as error:
                raise SloError(f"{name}, line {number}: {error}") from error
    if not found:
        raise SloError(f"{name}: holds no SLO. Write one a line, for example: p99 < 800ms")
    return found


class _Parser:
    """Reads one SLO, left to right; each method reads what its name says."""

    def __init__(self, text: str) -> None:
        self._tokens = Tokens(text)

    def slo(self) -> Slo:
        if not self._tokens:
            raise SloError("an empty SLO. Write for example: p99 < 800ms")
        head = self._tokens.take()
        slo = self._left(head)
        operator = self._operator()
        limit = self._limit(slo)
        slo = slo._replace(text=" ".join(self._tokens.text.split()), operator=operator, limit=limit)
        self._check_direction(slo)
        return slo._replace(window=self._window())

    def _left(self, head: Token) -> Slo:
        empty = Slo("", head.text.lower(), "quantile", "<", Limit(0.0), "ms")
        if head.kind == "quantile":
            written = head.text[1:].replace("_", ".")
            percent = float(written)
            if not 0 < percent < 100:
                raise self._tokens.error("a percentile lies between 0 and 100", head.at)
            return self._measured(
                empty._replace(metric="p" + written.replace(".", "_"), q=round(percent / 100, 10))
            )
        name = head.text.lower()
        if name in ("mean", "min", "max"):
            return self._measured(empty._replace(statistic=name))  # type: ignore[arg-type]
        if name == "errors":
            return self._errors(empty._replace(statistic="errors", unit="percent"))
        if name == "cold":
            return self._selected(empty._replace(statistic="cold", unit="percent"))
        if name == "rate":
            return self._selected(empty._replace(statistic="rate", unit="rps"))
        if name == "share":
            return self._share(empty._replace(statistic="share", unit="percent"))
        if name in ("median", "avg", "average"):
            better = "p50" if name == "median" else "mean"
            raise self._tokens.error(f'unknown metric "{head.text}"; write {better}', head.at)
        if name[:1].isdecimal():
            raise self._tokens.error(
                "an SLO begins with what is measured, and its limit comes last, as in p99 < 800ms", head.at
            )
        raise self._tokens.error(
            f'unknown metric "{head.text}"{_near(name, _STATISTICS)}; known are a percentile such as p99, '
            "mean, min, max, errors, cold, share and rate",
            head.at,
        )

    def _measured(self, slo: Slo) -> Slo:
        """`(measure, selector, part)`, any of them or none."""
        for token, words in self._arguments():
            lowered = words.lower()
            if lowered in MEASURES:
                slo = slo._replace(measure=lowered)
            elif lowered in PARTS:
                slo = slo._replace(part=lowered)  # type: ignore[arg-type]
            elif lowered == "itl":
                raise self._tokens.error(
                    "times between tokens are not recorded step by step; write tpot, a step's mean time a token",
                    token.at,
                )
            else:
                slo = slo._replace(selector=self._selector(token, words, (*MEASURES, *PARTS)))
        if slo.measure == "lag" and slo.part != "all":
            raise self._tokens.error(
                "lag is this machine's own, over every step that was sent", self._tokens.last_at()
            )
        if slo.measure == "makespan" and slo.selector != Selector():
            raise self._tokens.error(
                "a makespan is of whole sessions and takes no step names", self._tokens.last_at()
            )
        return slo

    def _errors(self, slo: Slo) -> Slo:
        for token, words in self._arguments():
            if words.lower() in ERRORS:
                slo = slo._replace(error=words.lower())
            else:
                slo = slo._replace(selector=self._selector(token, words, ERRORS))
        return slo

    def _selected(self, slo: Slo) -> Slo:
        for token, words in self._arguments():
            slo = slo._replace(selector=self._selector(token, words, ()))
        return slo

    def _share(self, slo: Slo) -> Slo:
        self._tokens.expect("(", "after share comes what is counted, for example share(response < 500ms)")
        measure = self._tokens.take("a measure, for example response")
        if measure.text.lower() not in MEASURES:
            raise self._tokens.error(
                f'unknown measure "{measure.text}"{_near(measure.text.lower(), MEASURES)}', measure.at
            )
        within = self._operator()
        if within == "==":
            raise self._tokens.error(
                "a share counts steps below or above a limit; write < or >", self._tokens.last_at()
            )
        within_ms = self._tokens.milliseconds()
        while self._tokens.peek() == ",":
            self._tokens.take()
            token, words = self._argument()
            if words.lower() in PARTS:
                slo = slo._replace(part=words.lower())  # type: ignore[arg-type]
            else:
                slo = slo._replace(selector=self._selector(token, words, PARTS))
        self._tokens.expect(")", "the parenthesis of share( is not closed")
        return slo._replace(measure=measure.text.lower(), within=within, within_ms=within_ms)

    def _arguments(self) -> list[tuple[Token, str]]:
        if self._tokens.peek() != "(":
            return []
        opening = self._tokens.take()
        found = []
        while True:
            found.append(self._argument())
            if self._tokens.peek() == ",":
                self._tokens.take()
                continue
            break
        if self._tokens.peek() != ")":
            raise self._tokens.error("this parenthesis is not closed", opening.at)
        self._tokens.take()
        return found

    def _argument(self) -> tuple[Token, str]:
        """One word, or kind:name, as it was written; a name in quotes may hold anything."""
        token = self._tokens.take("a measure or a step, for example tool:search")
        if token.kind == "sign" and token.text != "*":
            raise self._tokens.error(f'expected a measure or a step, not "{token.text}"', token.at)
        words = token.text
        if self._tokens.peek() == ":":
            self._tokens.take()
            name = self._tokens.take("a step name after the colon")
            written = name.text[1:-1] if name.kind == "string" else name.text
            # A name such as get-user.v2 is several tokens without space between.
            written += self._tokens.rest_of_word(name.at + len(name.text))
            words = f"{words}:{written}"
        return token, words

    def _selector(self, token: Token, words: str, other: tuple[str, ...]) -> Selector:
        kind, colon, name = words.partition(":")
        lowered = kind.lower()
        if lowered in KINDS or (kind == "*" and colon):
            return Selector(None if kind == "*" else lowered, name if colon else None)
        known = (*other, *KINDS)
        raise self._tokens.error(
            f'"{kind}" is neither a {"measure" if MEASURES[0] in other else "known class"} nor a kind of step'
            f"{_near(lowered, known)}; known are {', '.join(known)}; name a step as tool:search",
            token.at,
        )

    def _operator(self) -> Operator:
        token = self._tokens.take("a comparison, for example <")
        if token.text in ("<", "<=", ">", ">=", "=="):
            return token.text  # type: ignore[return-value]
        if token.text == "=":
            raise self._tokens.error('write == for "equals", or <=', token.at)
        raise self._tokens.error(f'expected a comparison (<, <=, >, >=, ==), not "{token.text}"', token.at)

    def _limit(self, slo: Slo) -> Limit:
        other = (self._tokens.peek() or "").lower()
        if other == "baseline":
            return self._elsewhere(slo)
        if other == "recorded":
            self._check_recorded(slo)
            return self._elsewhere(slo)._replace(of="recorded")
        if slo.unit == "ms":
            return Limit(self._tokens.milliseconds())
        at = self._tokens.next_at()
        number = self._tokens.number()
        unit = self._tokens.peek()
        if slo.unit == "percent":
            if unit == "%":
                self._tokens.take()
                self._check_percent(number, at)
                return Limit(number)
            if number == 0:
                return Limit(0.0)
            raise self._tokens.error(
                f"{slo.metric} is a share: write a percentage, for example 0.1%", self._tokens.after_last()
            )
        if unit == "/":
            self._tokens.take()
            per = self._tokens.take("s, for example 200/s")
            if per.text.lower() not in ("s", "sec", "second", "min", "m"):
                raise self._tokens.error("write a rate per second, for example 200/s", per.at)
            return Limit(number / 60 if per.text.lower() in ("min", "m") else number)
        raise self._tokens.error("rate has a unit: write for example 200/s", self._tokens.after_last())

    def _check_recorded(self, slo: Slo) -> None:
        if slo.statistic not in _RECORDED_STATISTICS or (
            slo.statistic != "errors" and slo.measure not in _RECORDED_MEASURES
        ):
            what = slo.measure if slo.statistic in _RECORDED_STATISTICS else slo.statistic
            raise self._tokens.error(
                f"a recording has no {what} to compare it with; it has percentiles, means and shares of "
                f"{', '.join(_RECORDED_MEASURES)}, and errors",
                self._tokens.next_at(),
            )
        if slo.part == "failed" or slo.error is not None:
            raise self._tokens.error("a recording does not tell failures apart", self._tokens.next_at())

    def _elsewhere(self, slo: Slo) -> Limit:
        """`baseline` or `recorded`, with what is multiplied or added."""
        self._tokens.take()
        sign = self._tokens.peek()
        if sign in ("*", "+", "-"):
            self._tokens.take()
        else:
            return Limit(0.0, 1.0)
        if sign == "*":
            at = self._tokens.next_at()
            factor = self._tokens.number()
            if self._tokens.peek() == "%":
                self._tokens.take()
                factor /= 100
            if factor <= 0:
                raise self._tokens.error("a factor is more than 0", at)
            return Limit(0.0, factor)
        if slo.unit == "ms":
            value = self._tokens.milliseconds()
        else:
            value = self._tokens.number()
            if slo.unit == "percent":
                self._tokens.expect("%", "write percentage points, for example + 0.5%")
            elif self._tokens.peek() == "/":
                self._tokens.take()
                self._tokens.take("s, for example 20/s")
        return Limit(value if sign == "+" else -value, 1.0)

    def _window(self) -> SloWindow:
        window = SloWindow()
        while (word := self._tokens.peek()) is not None:
            token = self._tokens.take()
            lowered = word.lower()
            if lowered == "after":
                window = window._replace(after_s=self._tokens.milliseconds() / 1_000)
            elif lowered == "before":
                window = window._replace(before_s=self._tokens.milliseconds() / 1_000)
            elif lowered == "steady":
                window = window._replace(is_steady=True)
            elif lowered == "without":
                what = self._tokens.take("warm-up")
                if what.text.lower() not in ("warm-up", "warmup"):
                    raise self._tokens.error("write without warm-up", what.at)
                window = window._replace(without_warmup=True)
            else:
                raise self._tokens.error(
                    f'"{word}" is more than one SLO needs{_near(lowered, ("after", "before", "steady", "without"))}; '
                    "a window is written after 30s, before 5m, steady, or without warm-up",
                    token.at,
                )
        return window

    def _check_percent(self, number: float, at: int) -> None:
        if not 0 <= number <= 100:
            raise self._tokens.error("a share lies between 0% and 100%", at)

    def _check_direction(self, slo: Slo) -> None:
        said = (
            None if slo.limit.factor is not None else _FOREGONE.get((slo.unit, slo.operator, slo.limit.value))
        )
        if said is not None:
            raise self._tokens.error(
                f"this {said} holds, whatever is measured; check the comparison and the limit",
                self._tokens.text.index(slo.operator),
            )
        is_exact = slo.statistic in ("min", "max", "rate") or (
            slo.statistic in ("errors", "cold", "share") and slo.limit == Limit(0.0)
        )
        if slo.operator == "==" and not is_exact:
            raise self._tokens.error(
                f"{slo.metric} is never exactly a number that is not 0; write < or >",
                self._tokens.text.index("=="),
            )


def _near(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""
