"""The choice of plane: the rules in a fixed order, the first that decides decides, and its doubts beside it.

Pure. A decision aid and no score: nothing is added up. The order is that of what cannot be bought off: evidence,
then what a plane cannot do, then where the steps belong, then money, then habit of the load. Where the rules that are
left contradict each other, or say nothing, the answer is inconclusive.
"""

from collections.abc import Sequence
from typing import NamedTuple

from replay.judge.choice.answered import PLACES, RULES_OUT, answer_doubts, answered_rules
from replay.judge.choice.rules import RULES, Case, long_steps
from replay.judge.choice.types import Choice, PilotPlane, PlannedRoute, Rule, StepClass
from replay.judge.phrases import number

# A bill this many times as high outweighs what the shape of the load suggests.
HEAVY_RATIO = 2.0
_RULES_OUT = ("availability", "latency budget", "capacity", *RULES_OUT)
_PLACES = ("request length", "local needs", "mixed steps", *PLACES)
_HABITS = ("utilisation", "variability")


class Decided(NamedTuple):
    """rules: all of them, those that made the choice marked. routes: where a hybrid's steps go."""

    choice: Choice
    answer: str
    reasons: list[str]
    doubts: list[str]
    rules: list[Rule]
    routes: list[PlannedRoute]


def decide(case: Case) -> Decided:
    """Choose by the rules at the head of this module."""
    rules = [rule(case) for rule in RULES]
    rules += answered_rules(case.answers, case.planes, case.workload.series)
    by_name = {rule.name: rule for rule in rules}
    choice, decisive, why = _choose(case, by_name)
    for rule in rules:
        rule.decides = rule.name in decisive
    routes = _routes(case) if choice == "hybrid" else []
    return Decided(
        choice, _answer(choice, case, routes, why), why, _doubts(case, by_name, choice), rules, routes
    )


def _choose(case: Case, rules: dict[str, Rule]) -> tuple[Choice, list[str], list[str]]:
    """The choice, the rules that made it, and why."""
    evidence = rules["enough evidence"]
    if evidence.favours == "inconclusive":
        return "inconclusive", [evidence.name], [evidence.text]
    named = [rules[name] for name in _RULES_OUT if name in rules and rules[name].favours != "neither"]
    for rule in named:
        if rule.favours == "inconclusive":
            return "inconclusive", [rule.name], [f"{rule.text}, so none is left"]
    left = {rule.favours for rule in named}
    if len(left) > 1:
        return "inconclusive", [rule.name for rule in named], [_voice(rule) for rule in named]
    places = [rules[name] for name in _PLACES if name in rules and rules[name].favours != "neither"]
    if named:
        choice = named[0].favours
        against = [rule for rule in places if rule.favours != choice]
        if against and choice == "serverless":
            return "inconclusive", [r.name for r in [*named, *against]], [_voice(r) for r in [*named, *against]]
        return _as_choice(choice), [rule.name for rule in named], [rule.text for rule in named]
    if places:
        choice = "vm" if any(rule.favours == "vm" for rule in places) else "hybrid"
        made = [rule for rule in places if rule.favours == choice]
        return _as_choice(choice), [rule.name for rule in made], [rule.text for rule in made]
    return _by_money(rules)


def _by_money(rules: dict[str, Rule]) -> tuple[Choice, list[str], list[str]]:
    cost = rules["cost"]
    habits = [rules[name] for name in _HABITS if rules[name].favours != "neither"]
    trouble, tail = rules["operational surprises"], rules["cold tail"]
    if cost.favours != "neither":
        against = [rule for rule in [*habits, trouble] if rule.favours not in ("neither", cost.favours)]
        ratio = cost.evidence.get("ratio")
        if not against or ratio is None or ratio >= HEAVY_RATIO:
            agreed = [rule for rule in habits if rule.favours == cost.favours]
            made = [cost, *agreed]
            return _as_choice(cost.favours), [rule.name for rule in made], [rule.text for rule in made]
        return "inconclusive", [r.name for r in [cost, *against]], [_voice(r) for r in [cost, *against]]
    voices = [rule for rule in [*habits, trouble, tail] if rule.favours != "neither"]
    sides = {rule.favours for rule in voices}
    if len(sides) == 1 and any(rule.name in _HABITS for rule in voices):
        return _as_choice(sides.pop()), [rule.name for rule in voices], [rule.text for rule in voices]
    why = [_voice(rule) for rule in voices] or ["both planes carry it, at prices too near each other to decide"]
    return "inconclusive", [rule.name for rule in voices] or [cost.name], why


def _voice(rule: Rule) -> str:
    return f"{rule.name} favours {rule.favours} ({rule.text})"


def _as_choice(favours: str) -> Choice:
    return "inconclusive" if favours == "neither" else favours  # type: ignore[return-value]


_CONTRADICT = "The evidence contradicts itself"
_SAID = {
    "serverless": "Run it serverless",
    "vm": "Run it on VMs (or containers that are always on)",
    "hybrid": "Split it: short steps serverless, long ones on VMs",
    "inconclusive": "Not enough evidence for a choice",
}


def _answer(choice: Choice, case: Case, routes: Sequence[PlannedRoute], why: Sequence[str]) -> str:
    said = _SAID[choice]
    if choice == "inconclusive":
        if len(why) > 1:
            return f"{_CONTRADICT}: {why[0].rstrip('.')}; but {why[1].rstrip('.')}."
        return _because(said, why)
    if choice == "hybrid":
        moved = [route for route in routes if route.to == "vm"]
        names = ", ".join(f"{route.kind}:{route.name}" for route in moved[:3])
        more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
        return _because(f"{said} ({names}{more})", why)
    return _because(said, why)


def _because(said: str, why: Sequence[str]) -> str:
    return f"{said}: {why[0].rstrip('.')}." if why else f"{said}."


def _routes(case: Case) -> list[PlannedRoute]:
    """Long and bound steps to machines, the rest to serverless."""
    long = {(step.kind, step.name) for step in long_steps(case)}
    return [
        PlannedRoute(
            kind=step.kind,
            name=step.name,
            to="vm" if (step.kind, step.name) in long else "serverless",
            why=_why_there(step, is_long=(step.kind, step.name) in long),
        )
        for step in case.workload.series
    ]


def _why_there(step: StepClass, *, is_long: bool) -> str:
    took = "no duration recorded" if step.p50_ms is None else f"{number(step.p50_ms / 1000)} s in the median"
    if step.needs:
        return f"needs {step.needs}"
    if is_long:
        return f"{took}, {number(step.in_flight)} under way in the mean"
    return f"{took}; waits on others" if step.kind == "llm" else took


def _doubts(case: Case, rules: dict[str, Rule], choice: Choice) -> list[str]:
    """What would change the answer, or is not known; the weightiest first."""
    doubts = []
    for rule in rules.values():
        if (
            choice != "inconclusive"
            and not rule.decides
            and rule.favours not in ("neither", "inconclusive", choice)
        ):
            doubts.append(f"{rule.name} favours {rule.favours}: {rule.text}")
    doubts += [
        f"this machine was late while it replayed {plane.target}, so its latencies are doubtful"
        for plane in case.planes
        if plane.generator == "suspect"
    ]
    if not case.slos:
        doubts.append("no latency budget was given, so none was held against the planes")
    if case.answers is not None:
        doubts += answer_doubts(case.answers)
    if not rules["cost"].evidence:
        doubts.append(f"cost: {rules['cost'].text}")
    doubts += [_basis_doubt(plane) for plane in case.planes if plane.cost_basis not in ("measured",)]
    is_asked = case.answers is not None and case.answers.local is not None
    if not is_asked and not any(step.needs for step in case.workload.series):
        doubts.append(
            "no step is marked as bound to a machine; a need that the trace does not name was not seen"
        )
    if case.answers is None:
        doubts += answer_doubts(None)
    return [doubt for doubt in doubts if doubt]


def _basis_doubt(plane: PilotPlane) -> str:
    if plane.cost_month is None:
        return f"{plane.target} has no cost"
    return f"the instance seconds behind {plane.target}'s cost are {plane.cost_basis}, not measured"
