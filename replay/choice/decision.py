"""The choice of plane: who is out, then money, and an open end wherever those do not settle it.

Pure. A decision aid and no score: nothing is added up. The order is that of what cannot be bought off: evidence, what a
target cannot do, then what the month costs with the staff time that was stated. The habit of the load, the cold tail
and the like decide nothing by themselves: they are where an open answer leans, or doubts about a firm one. An answer
that rests on an SLO which the run was too short to decide is open, unless its figures keep the SLO with both ends of an
interval known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from replay.choice.answered import answered_rules
from replay.choice.bills import bill, bill_and_staff, compared
from replay.choice.case import Case
from replay.choice.doubts import doubts
from replay.choice.otherwise import what_turns
from replay.choice.rules.table import RULES
from replay.choice.split import Split, forced_split, routes
from replay.choice.staff import flips_soon, hours_said, staff_line
from replay.choice.standing import Out, Standing, listed, may_fail_too_often, standing
from replay.choice.types import Choice, PlaneName, PlannedRoute, Rule, StaffLine

# A bill this many times as high outweighs that the cheaper plane failed more often.
HEAVY_RATIO = 2.0
_LEANING = ("variability", "cold tail", "operational surprises")
_MOST_OUT_SAID = 2


class Decided(NamedTuple):
    """rules: all of them, those that made the choice marked. routes: where a hybrid's steps go. The rest is as in
    PilotVerdict.
    """

    choice: Choice
    answer: str
    reasons: list[str]
    doubts: list[str]
    rules: list[Rule]
    routes: list[PlannedRoute]
    out: dict[str, str]
    represents: dict[str, str]
    represents_why: dict[str, str]
    leans: PlaneName | None
    staff: StaffLine | None

    def decides(self, name: str) -> bool:
        """Whether the choice was made by the rule of that name."""
        return any(rule.decides for rule in self.rules if rule.name == name)


class _Made(NamedTuple):
    """A choice, the rules that made it, and why. opening: how an open answer begins. joint: between its reasons."""

    choice: Choice
    decisive: Sequence[str]
    why: list[str]
    opening: str = ""
    leans: PlaneName | None = None
    joint: str = "; "


def decide(case: Case) -> Decided:
    """Choose by the order at the head of this module."""
    stand = standing(case)
    rules = [rule(case) for rule in RULES]
    rules += answered_rules(case)
    by_name = {rule.name: rule for rule in rules}
    forced = forced_split(case, stand)
    line = staff_line(stand)
    made = _choose(case, by_name, stand, forced, line)
    for rule in rules:
        rule.decides = rule.name in made.decisive
    sent = routes(case, forced, stand.represents.get("hybrid")) if made.choice == "hybrid" else []
    turns = _turns(made, stand, line)
    return Decided(
        choice=made.choice,
        answer=_answer(made, stand, sent, line, turns),
        reasons=made.why,
        doubts=[*turns, *doubts(case, stand, by_name, made.choice, line)],
        rules=rules,
        routes=sent,
        out={target: found.why for target, found in stand.out.items()},
        represents={kind: plane.target for kind, plane in stand.represents.items()},
        represents_why=stand.why,
        leans=made.leans,
        staff=line,
    )


def _choose(
    case: Case, rules: Mapping[str, Rule], stand: Standing, forced: Split | None, line: StaffLine | None
) -> _Made:
    evidence = rules["enough evidence"]
    if evidence.favours == "inconclusive":
        return _Made("inconclusive", [evidence.name], [evidence.text], "Not enough evidence for a choice")
    if not stand.represents:
        return _Made(
            "inconclusive", _rules_out(stand.out), _said_out(stand.out), "Nothing that was tried will do"
        )
    if line is not None or {"serverless", "vm"} <= stand.represents.keys():
        made = _by_money(rules, stand, line)
    else:
        made = _by_exclusion(case, rules, stand, forced)
    return _held_to_failures(stand, _held_to_slos(case, stand, made))


def _by_exclusion(case: Case, rules: Mapping[str, Rule], stand: Standing, forced: Split | None) -> _Made:
    """The kind that is left; or a split, where what serverless cannot run is little of what the machines do."""
    left: list[PlaneName] = [kind for kind in stand.represents if kind != "hybrid"]
    left = left or list(stand.represents)
    kinds = {plane.target: plane.plane for plane in case.planes}
    others = {target: found for target, found in stand.out.items() if kinds[target] != left[0]}
    if forced is not None and forced.pays:
        mixed = rules["mixed steps"]
        return _Made("hybrid", [*_rules_out(others), mixed.name], [mixed.text, *_said_out(others)])
    said = _said_out(others)
    return _Made(left[0], _rules_out(others), ["; ".join(said[:_MOST_OUT_SAID]), *said[_MOST_OUT_SAID:]])


def _by_money(rules: Mapping[str, Rule], stand: Standing, line: StaffLine | None) -> _Made:
    cost, staff, trouble = rules["cost"], rules["staff time"], rules["operational surprises"]
    leans = _leaning(rules)
    if line is None:
        return _Made("inconclusive", [cost.name], [cost.text], "No choice without bills to compare", leans)
    favoured = line.with_staff if line.month else line.without
    if favoured == "inconclusive":
        made = [staff] if line.without != "inconclusive" else [cost]
        return _Made(
            "inconclusive", [one.name for one in made], [one.text for one in made], "No clear choice", leans
        )
    by = [rule for rule in (cost, staff if line.month else None) if rule and rule.favours == favoured]
    bills = compared(stand.represents, bill_and_staff if line.month else bill)
    ratio = None if bills is None else bills.ratio
    if trouble.favours not in ("neither", favoured) and ratio is not None and ratio < HEAVY_RATIO:
        against = [*by, trouble]
        return _Made(
            "inconclusive",
            [rule.name for rule in against],
            [f"{rule.name} favours {rule.favours} ({rule.text})" for rule in against],
            "The evidence contradicts itself",
            joint="; but ",
        )
    return _Made(favoured, [rule.name for rule in by], [rule.text for rule in by])


def _leaning(rules: Mapping[str, Rule]) -> PlaneName | None:
    """Where all that says anything points; None where it points both ways or says nothing."""
    sides = {rules[name].favours for name in _LEANING} - {"neither"}
    side = sides.pop() if len(sides) == 1 else None
    return side if side in ("serverless", "vm") else None


def _held_to_slos(case: Case, stand: Standing, made: _Made) -> _Made:
    """Left open where nothing says that the chosen target keeps the SLOs."""
    plane = None if made.choice == "inconclusive" else stand.represents.get(made.choice)
    if not case.slos or plane is None or plane.budget == "pass":
        return made
    open_ones = [one for one in plane.undecided if one.is_broken or one.is_open]
    if plane.undecided and not open_ones:
        return made
    slo, reason = (open_ones[0].slo, open_ones[0].why) if open_ones else (", ".join(case.slos), "")
    others = [one.target for one in stand.represents.values() if one is not plane and one.budget == "pass"]
    kept = f"; {' and '.join(others)} {'keeps' if len(others) == 1 else 'keep'} the SLOs" if others else ""
    said = f"whether {plane.target} keeps {slo} is undecided{f' ({reason})' if reason else ''}{kept}"
    return _Made(
        "inconclusive",
        ["latency budget"],
        [said, *made.why],
        "No firm choice",
        plane.plane,
    )


def _held_to_failures(stand: Standing, made: _Made) -> _Made:
    """Left open where the chosen target failed so much, too seldom to tell how often it does."""
    plane = None if made.choice == "inconclusive" else stand.represents.get(made.choice)
    said = None if plane is None else may_fail_too_often(plane)
    if plane is None or said is None:
        return made
    return _Made("inconclusive", ["availability"], [said, *made.why], "No firm choice", plane.plane)


def _rules_out(out: Mapping[str, Out]) -> list[str]:
    return list(dict.fromkeys(found.rule for found in out.values()))


def _said_out(out: Mapping[str, Out]) -> list[str]:
    return [f"{target} {found.why}" for target, found in out.items()]


_SAID: dict[Choice, str] = {
    "serverless": "Run it serverless",
    "vm": "Run it on VMs or always-on containers",
    "hybrid": "Split it",
}
_KIND = {"serverless": "serverless", "vm": "VMs", "hybrid": "a split"}


def _turns(made: _Made, stand: Standing, line: StaffLine | None) -> list[str]:
    """What bills take for granted, and a choice by money does not stand without."""
    if made.choice == "inconclusive" or not {"cost", "staff time"} & set(made.decisive):
        return []
    amount = bill_and_staff if line is not None and line.month else bill
    return list(what_turns(stand, made.choice, amount))


def _answer(
    made: _Made,
    stand: Standing,
    sent: Sequence[PlannedRoute],
    line: StaffLine | None,
    turns: Sequence[str],
) -> str:
    """The choice and its first reason; what would turn it; who is out, where that is not the reason."""
    if made.choice == "inconclusive":
        lean = f" It leans to {_KIND[made.leans]}." if made.leans else ""
        return f"{made.opening}: {made.joint.join(made.why).rstrip('.')}.{lean}"
    said = _SAID[made.choice]
    plane = stand.represents.get(made.choice)
    if made.choice == "hybrid" and sent:
        said += f": {_who_goes_where(sent)}"
    elif plane is not None and plane.target != made.choice:
        said += f", on {plane.target}"
    sentences = [f"{said}: {made.why[0].rstrip('.')}."]
    sentences += [f"{turn[0].upper()}{turn[1:]}." for turn in turns]
    sentences += _staff_sentence(made, line)
    if "cost" in made.decisive or "staff time" in made.decisive:
        sentences += _out_sentences(stand)
    return " ".join(sentences)


def _who_goes_where(sent: Sequence[PlannedRoute]) -> str:
    """The steps of the part that has fewer kinds of them, by name, and the rest."""
    by_part = {
        part: [f"{one.kind}:{one.name}" for one in sent if one.to == part] for part in ("vm", "serverless")
    }
    on = {"vm": "on VMs", "serverless": "serverless"}
    few, rest = sorted(by_part, key=lambda part: len(by_part[part]))
    return f"{listed(by_part[few])} {on[few]}, the rest {on[rest]}"


def _staff_sentence(made: _Made, line: StaffLine | None) -> list[str]:
    """At how many hours the answer flips, where upkeep is stated or few hours of it would do."""
    if line is None or "cost" not in made.decisive or line.without != made.choice:
        return []
    if not line.month and not _may_flip(made.choice, line):
        return []
    return [
        f"With {hours_said(line.flips_at_hours)} of staff a month more on {line.between[0]} than on {line.between[1]}, "
        f"{line.between[1]} is cheaper."
    ]


def _may_flip(choice: Choice, line: StaffLine) -> bool:
    """Machines are patched and watched by somebody; that a plane without any takes more upkeep would be news."""
    return choice != "serverless" and flips_soon(line)


def _out_sentences(stand: Standing) -> list[str]:
    said = _said_out(stand.out)
    shown = [f"Out: {one.rstrip('.')}." for one in said[:_MOST_OUT_SAID]]
    left = len(said) - len(shown)
    return [*shown, *([f"{left} more are out."] if left > 0 else [])]
