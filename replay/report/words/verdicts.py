"""What verdicts say: their figures with units, and their sentences, the same on every page they are printed on."""

import math
from collections.abc import Sequence

from replay.judge.measures.recording import RECORDED
from replay.judge.types import Check, CompareVerdict, Comparison, Difference, GateVerdict, Unit
from replay.report.words.failures import errors_line
from replay.words.names import clean
from replay.words.numbers import NOTHING, count, milliseconds, number, percent, sign
from replay.words.phrases import counted

# Reasons and notes are sentences of ours around names from traces, so they may be longer than a name.
SENTENCE_LENGTH = 400
_SHARES = {"errors": "fails more often", "cold": "is cold more often"}


def sentence(text: str) -> str:
    """A reason or a note, safe to print."""
    return clean(text, SENTENCE_LENGTH)


def amount(value: float | None, unit: Unit) -> str:
    """A figure with its unit."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value < 0:
        return "-" + amount(-value, unit)
    if unit == "ms":
        return milliseconds(value)
    if unit == "percent":
        return f"{number(value)}%"
    return f"{number(value)}/s" if unit == "rps" else number(value)


def signed(value: float | None, unit: Unit) -> str:
    """A difference, with its sign; between percentages it is in percentage points (pp)."""
    if value is None or math.isnan(value):
        return "–"
    shown = f"{number(abs(value))} pp" if unit == "percent" else amount(abs(value), unit)
    return f"{sign(value)}{shown}"


def signed_percent(value: float | None) -> str:
    return NOTHING if value is None or math.isnan(value) else f"{sign(value)}{number(abs(value))}%"


def interval(bounds: Sequence[float | None] | None, unit: Unit) -> str:
    """Both bounds, or the one that is known and no failure's."""
    if bounds is None:
        return "–"
    low, high = bounds
    if low is not None and math.isinf(low):
        return "among failures"
    if high is not None and math.isinf(high):
        high = None
    if low is None and high is None:
        return "unbounded"
    if high is None:
        return f"≥ {amount(low, unit)}"
    if low is None:
        return f"≤ {amount(high, unit)}"
    return f"[{amount(low, unit)}, {amount(high, unit)}]"


def observed(check: Check) -> str:
    """What was seen, with more digits where three would make it look like the limit."""
    seen, limit = _of_check(check)
    shown = amount(seen, check.unit)
    if seen is None or limit is None or seen == limit or shown != amount(limit, check.unit):
        return shown
    digits = number(seen, 6)
    return {"ms": f"{digits} ms", "percent": f"{digits}%", "rps": f"{digits}/s", "count": digits}[check.unit]


def limit(check: Check) -> str:
    return amount(_of_check(check)[1], check.unit)


def check_interval(check: Check) -> str:
    return interval(check.ci_ms if check.unit == "ms" else check.ci, check.unit)


def _of_check(check: Check) -> tuple[float | None, float | None]:
    if check.unit != "ms":
        return check.observed, check.limit
    # In a file a figure among failures is null; one that was not measured has no values at all.
    is_among_failures = check.observed_ms is None and check.n > 0 and check.n_failed > 0
    return math.inf if is_among_failures else check.observed_ms, check.limit_ms


def sample_size(check: Check) -> str:
    """How many values, and of how many sessions."""
    return f"{count(check.n)} ({count(check.sessions)})" if check.sessions else count(check.n)


def confidence(value: float) -> str:
    return percent(value)


def confidence_heading(values: Sequence[float]) -> str:
    """The heading over intervals: with the confidence if they share one."""
    return f"{confidence(values[0])} interval" if len(set(values)) == 1 else "interval"


def why(check: Check) -> str:
    """The reason of a check, and the failures that it rests on where it did not hold."""
    errors = f"errors: {errors_line(check.errors)}" if check.errors and check.verdict != "pass" else ""
    return "; ".join(part for part in (sentence(check.reason), errors) if part)


def check_figures(check: Check) -> str:
    """The figures of a check as one sentence."""
    parts = [f"observed {observed(check)}, limit {limit(check)}"]
    if (check.ci_ms if check.unit == "ms" else check.ci) is not None:
        parts.append(f"{confidence(check.confidence)} interval {check_interval(check)}")
    of = f" of {counted(check.sessions, 'session')}" if check.sessions else ""
    parts.append(f"n = {count(check.n)}{of}")
    return ", ".join(parts)


def gate_headline(verdict: GateVerdict) -> str:
    """The verdict with the count of its SLOs, without names."""
    checks = verdict.checks
    held = sum(check.verdict == "pass" for check in checks)
    failed = sum(check.verdict == "fail" for check in checks)
    undecided = len(checks) - held - failed
    if not checks:
        return "inconclusive: no SLO was judged"
    slos = "SLO" if len(checks) == 1 else "SLOs"
    if verdict.verdict == "pass":
        return f"pass: {'the' if len(checks) == 1 else f'all {len(checks)}'} {slos} held"
    if verdict.verdict == "fail":
        rest = f", {undecided} undecided" if undecided else ""
        return f"fail: {failed} of {len(checks)} {slos} did not hold{rest}"
    return f"inconclusive: {undecided} of {len(checks)} {slos} could not be decided"


def subject(difference: Difference) -> str:
    """What a difference is about: `p99 response`, `p50 search`, `errors`."""
    metric = difference.metric.replace("_", ".")
    words = [metric] if difference.series == difference.metric else [metric, difference.series]
    if difference.name is not None:
        if difference.series == "response":
            words.pop()
        words.append(f"{difference.kind}:{difference.name}" if difference.kind else difference.name)
    elif difference.kind is not None:
        words.append(difference.kind)
    return clean(" ".join(words), 80)


def difference_values(difference: Difference) -> tuple[str, str]:
    a, b, _ = _of_difference(difference)
    return amount(a, difference.unit), amount(b, difference.unit)


def difference_delta(difference: Difference) -> str:
    return signed(_of_difference(difference)[2], difference.unit)


def difference_interval(difference: Difference) -> str:
    """Both bounds with their signs, and the unit once where they share it."""
    bounds = difference.ci_ms if difference.unit == "ms" else difference.ci
    if bounds is None:
        return "–"
    if any(bound is None or math.isinf(bound) for bound in bounds):
        return "unbounded"
    low, high = (signed(bound, difference.unit) for bound in bounds)
    number, _, unit = low.partition(" ")
    if unit and high.endswith(f" {unit}"):
        return f"[{number}, {high.removesuffix(unit).rstrip()}] {unit}"
    return f"[{low}, {high}]"


def _of_difference(difference: Difference) -> tuple[float | None, float | None, float | None]:
    if difference.unit != "ms":
        return difference.a, difference.b, difference.delta
    a, b, delta = difference.a_ms, difference.b_ms, difference.delta_ms
    # In a file a figure among failures is null.
    a = math.inf if a is None and difference.n_failed_a else a
    b = math.inf if b is None and difference.n_failed_b else b
    if delta is None and a is not None and b is not None and math.isinf(a) != math.isinf(b):
        delta = b - a
    return a, b, delta


def _is_among_failures(difference: Difference) -> bool:
    """Whether one side's figure falls among its failures, and the other's does not."""
    delta = _of_difference(difference)[2]
    return delta is not None and math.isinf(delta)


def p_value(difference: Difference) -> str:
    """Adjusted, where several differences were tested."""
    value = difference.p_value if difference.p_adjusted is None else difference.p_adjusted
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else number(value)


def b_is(difference: Difference) -> str:
    """The verdict on b in a word."""
    worse, better = ("worse", "better") if difference.metric in _SHARES else ("slower", "faster")
    if _is_among_failures(difference):
        worse, better = "failing", "better"
    words: dict[Comparison, str] = {"a_faster": worse, "b_faster": better, "no_difference": "same"}
    return words.get(difference.verdict, "unclear")


def labels(verdict: CompareVerdict) -> tuple[str, str]:
    found = [clean(target.label) for target in verdict.targets[:2]]
    return (found[0], found[1]) if len(found) == 2 else ("a", "b")


def main_difference(verdict: CompareVerdict) -> Difference | None:
    """The difference that the verdict is about, if it is listed."""
    for difference in verdict.differences:
        asked = {difference.metric, f"{difference.metric}({difference.series})"}
        if difference.name is None and difference.kind is None and verdict.metric in asked:
            return difference
    return None


def ordered(differences: Sequence[Difference]) -> list[Difference]:
    """Those of all steps first, then by step name; otherwise as they were."""
    return sorted(differences, key=lambda d: (d.name is not None, d.kind or "", d.name or ""))


def compare_headline(verdict: CompareVerdict) -> str:
    """The verdict with its figures, targets by their letters."""
    main = main_difference(verdict)
    if main is not None and _is_among_failures(main) and verdict.verdict in ("a_faster", "b_faster"):
        return main.reason
    opening = _opening(verdict.verdict, verdict.metric, *labels(verdict))
    if main is None or _of_difference(main)[0] is None:
        return opening
    a, b = difference_values(main)
    shown = f"{opening}: {subject(main)} {b} against {a}"
    if _of_difference(main)[2] is None:
        return shown
    if main.unit != "ms" or main.delta_percent is None:
        tail = f", {difference_delta(main)}"
        return (
            f"{shown}{tail}{'' if main.ci is None and main.ci_ms is None else ' ' + difference_interval(main)}"
        )
    shown += f", {signed_percent(main.delta_percent)}"
    bounds = [bound for bound in main.ci_ms or () if bound is not None and math.isfinite(bound)]
    if len(bounds) == 2 and main.a_ms:
        low, high = (signed_percent(100 * bound / main.a_ms) for bound in bounds)
        shown += f" [{low}, {high}]"
    return shown


def _opening(comparison: Comparison, metric: str, a: str, b: str) -> str:
    if comparison == "inconclusive":
        return "inconclusive"
    if comparison == "no_difference":
        return f"no relevant difference between {a} and {b}"
    worse = b if comparison == "a_faster" else a
    if metric in _SHARES:
        return f"{worse} {_SHARES[metric]}"
    return f"{b} is {'slower' if comparison == 'a_faster' else 'faster'}"


MODES = {
    "paired": "paired: each session went to both at once",
    "interleaved": "interleaved: sessions were dealt out among them",
    "sequential": "sequential: one run after the other",
    "unpaired": "unpaired: of separate runs, so whatever else changed between them is part of the difference",
}


def how(verdict: CompareVerdict) -> str:
    """How the comparison was made."""
    if verdict.targets and verdict.targets[0].name == RECORDED and not verdict.targets[0].url:
        return "paired: each step of the run against the same one in the recording"
    return MODES[verdict.mode] + ("; both are the same target" if verdict.is_aa else "")


def noise_floor(verdict: CompareVerdict) -> str | None:
    """For a target compared with itself: the least difference that could be seen here."""
    if not verdict.is_aa or verdict.noise_floor_ms is None:
        return None
    percent = verdict.noise_floor_percent
    share = "" if percent is None else f" ({number(percent)}%)"
    metric = verdict.metric.replace("_", ".")
    floor = f"{milliseconds(verdict.noise_floor_ms)}{share}"
    return f"noise floor: a difference of {metric} below {floor} would not be seen here"
