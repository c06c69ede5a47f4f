"""What would change an answer, or is not known: the most important first. Pure.

First what speaks against the plane that was chosen, then what would turn the money, then what could not be told, then
what was taken for granted.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from replay.choice.answered import answer_doubts
from replay.choice.bills import CLEAR_RATIO
from replay.choice.case import Case
from replay.choice.having import is_provided
from replay.choice.staff import flips_soon
from replay.choice.standing import Standing, may_break_below_the_peak, may_fail_too_often
from replay.choice.types import Choice, PilotPlane, Rule, StaffLine
from replay.words.numbers import milliseconds

_WITHIN = ("variability", "utilisation")


class _Answer(NamedTuple):
    case: Case
    stand: Standing
    rules: Mapping[str, Rule]
    choice: Choice
    line: StaffLine | None

    @property
    def chosen(self) -> PilotPlane | None:
        return None if self.choice == "inconclusive" else self.stand.represents.get(self.choice)

    @property
    def shown(self) -> list[PilotPlane]:
        """Those whose figures are in the answer."""
        return list(self.stand.represents.values())


def doubts(
    case: Case, stand: Standing, rules: Mapping[str, Rule], choice: Choice, line: StaffLine | None
) -> list[str]:
    """Each once, in the order of _DOUBTS."""
    answer = _Answer(case, stand, rules, choice, line)
    return list(dict.fromkeys(doubt for found in _DOUBTS for doubt in found(answer)))


def _undecided_slos(answer: _Answer) -> Iterator[str]:
    for plane in sorted(answer.shown, key=lambda plane: plane is not answer.chosen):
        for one in plane.undecided:
            yield f"whether {plane.target} keeps {one.slo} is undecided: {one.why}"


def _warmth(answer: _Answer) -> Iterator[str]:
    """Where boots alone broke the SLOs, a warm instance may be the cheapest that keeps them."""
    vm = answer.stand.represents.get("vm")
    if "serverless" in answer.stand.represents or vm is None or vm.p99_ms is None:
        return
    for plane in answer.case.planes:
        out, without = answer.stand.out.get(plane.target), plane.p99_without_cold_ms
        if plane.plane != "serverless" or out is None or out.rule != "latency budget" or without is None:
            continue
        if without <= CLEAR_RATIO * vm.p99_ms and plane.p99_ms is not None:
            yield (
                f"without cold starts {plane.target}'s p99 is {milliseconds(without)} instead of "
                f"{milliseconds(plane.p99_ms)}, "
                "so warm instances (min_instances) may keep the SLOs for less: give them as another target"
            )


def _against(answer: _Answer) -> Iterator[str]:
    """Rules that favour another plane than the one chosen; what is slower comes before what is habit."""
    if answer.choice == "inconclusive":
        return
    names = ["cold tail", "operational surprises", *answer.rules]
    # A split is for load of either habit, and on either side of where its two planes cost the same.
    within = _WITHIN if answer.choice == "hybrid" else ()
    for name in dict.fromkeys(names):
        if name in within:
            continue
        rule = answer.rules[name]
        if not rule.decides and rule.favours not in ("neither", "inconclusive", answer.choice):
            yield f"{rule.name} favours {rule.favours}: {rule.text}"


def _staff(answer: _Answer) -> Iterator[str]:
    if answer.line is not None and answer.choice not in ("serverless", "inconclusive"):
        if answer.line.month or not flips_soon(answer.line):
            return
        yield f"staff time: {answer.line.text}; state staff_hours and staff_rate to have it decided"


def _tail(answer: _Answer) -> Iterator[str]:
    rule = answer.rules["cold tail"]
    if answer.choice != "vm" and rule.evidence.get("told") == "cannot tell":
        yield f"cold tail: {rule.text}"


def _no_bills(answer: _Answer) -> Iterator[str]:
    rule = answer.rules["cost"]
    # An answer that is open for that says so itself.
    if (
        answer.choice != "inconclusive"
        and not rule.evidence
        and len([kind for kind in answer.stand.represents if kind != "hybrid"]) > 1
    ):
        yield f"cost: {rule.text}"


def _split(answer: _Answer) -> Iterator[str]:
    mixed = answer.rules["mixed steps"]
    is_priced = any(plane.plane == "hybrid" and plane.cost_month is not None for plane in answer.shown)
    if answer.choice == "hybrid" and not any(plane.plane == "hybrid" for plane in answer.shown):
        yield "the split itself was not run: its price is bounded by both planes' bills, its latency is not known"
    elif answer.choice != "hybrid" and mixed.evidence.get("fits") and not is_priced:
        yield f"a split may fit, but was neither priced nor run: {mixed.text}"


def _late_generator(answer: _Answer) -> Iterator[str]:
    for plane in answer.shown:
        if plane.generator == "suspect":
            yield f"this machine was late while it replayed {plane.target}, so its latencies are doubtful"


def _at_the_peak(answer: _Answer) -> Iterator[str]:
    for plane in answer.shown:
        if (said := may_break_below_the_peak(answer.case, plane)) is not None:
            yield said


def _failing_together(answer: _Answer) -> Iterator[str]:
    for plane in answer.shown:
        if (said := may_fail_too_often(plane)) is not None:
            yield said


def _no_budget(answer: _Answer) -> Iterator[str]:
    if not answer.case.slos:
        yield "no latency budget was given, so the planes were not judged by one"


def _other_tail(answer: _Answer) -> Iterator[str]:
    """Of no weight where VMs were chosen anyway, but not known all the same."""
    rule = answer.rules["cold tail"]
    if answer.choice == "vm" and rule.evidence.get("told") == "cannot tell":
        yield f"cold tail: {rule.text}"


def _basis(answer: _Answer) -> Iterator[str]:
    for plane in answer.shown:
        # Why a plane has no bill is said where it is priced.
        if plane.cost_month is not None and plane.cost_basis != "measured" and plane.machines is None:
            yield f"the instance seconds behind {plane.target}'s cost are {plane.cost_basis}, not measured"


def _needs(answer: _Answer) -> Iterator[str]:
    needs = {step.needs for step in answer.case.workload.series if step.needs}
    is_asked = answer.case.answers is not None and answer.case.answers.local is not None
    if not needs and is_asked:
        return
    if not needs:
        yield "no step is marked as bound to a machine; a need that the trace does not name was not seen"
        return
    for plane in answer.shown:
        granted = sorted(each for each in needs if not is_provided(answer.case, plane, each))
        if granted:
            yield (
                f"{plane.target} is taken to have what steps need ({', '.join(granted)}); its target file does not say "
                "that it provides it"
            )


def _answers(answer: _Answer) -> Iterator[str]:
    yield from answer_doubts(answer.case.answers)


_DOUBTS: tuple[Callable[[_Answer], Iterator[str]], ...] = (
    _undecided_slos,
    _warmth,
    _against,
    _staff,
    _tail,
    _no_bills,
    _split,
    _late_generator,
    _at_the_peak,
    _failing_together,
    _no_budget,
    _other_tail,
    _basis,
    _answers,
    _needs,
)
