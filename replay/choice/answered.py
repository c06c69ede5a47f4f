"""Rules by answers to what no trace can tell: state, zones, sockets, local tools, upkeep, the way back. Pure.

Each says whom it favours, by which answers, and what follows. An answer that is missing favours nobody; it is a doubt.
Without a questionnaire there are none of these rules, and one doubt instead of them.
"""

from collections.abc import Callable, Sequence

from replay.choice.case import Case
from replay.choice.having import has, unfit
from replay.choice.questionnaire import (
    NONE,
    QUESTIONS,
    Answers,
    answered,
    follows,
    open_questions,
    said,
    zones_of,
)
from replay.choice.types import Answered, Dimension, Favours, PilotPlane, Rule
from replay.money.needs import words_of
from replay.words.numbers import money, number
from replay.words.phrases import counted

_SOURCE = "answered by you; no trace can tell"
# What an image can hold runs on either plane.
_SHIPPED = (NONE, "binaries")
NOT_ASKED = (
    "what no trace can tell was not asked: what lives in memory, connections held open, local tools, compliance zones, "
    "upkeep; answer it with --ask or --answers"
)


def state_lost(answers: Answers, plane: PilotPlane) -> str | None:
    """Why a plane cannot keep the state of sessions, in words that follow its name; None if it can, or nobody said."""
    keeps_it = answers.state_external in ("no", "partly") and answers.lost_sessions in ("no", "seldom")
    if plane.plane != "serverless" or answers.memory != "sessions" or not keeps_it:
        return None
    where = "partly" if answers.state_external == "partly" else "only"
    may = "seldom" if answers.lost_sessions == "seldom" else "not"
    return (
        f"takes instances away as the load falls, and with them sessions whose state is {where} in memory; these may "
        f"{may} be lost"
    )


def outside_zones(answers: Answers, plane: PilotPlane) -> str | None:
    """Why a plane is not allowed by the compliance zones; None if it is, or nobody said."""
    zones = zones_of(answers)
    if not zones or answers.zone_allows is None:
        return None
    if {plane.target.lower(), plane.plane} & {name.lower() for name in answers.zone_allows}:
        return None
    return f"does not satisfy {' and '.join(zones)}"


def cuts_sockets(answers: Answers, plane: PilotPlane) -> str | None:
    """Why a plane cannot hold its connections open; None if it can, or nobody said."""
    if answers.sockets != "hours" or plane.plane != "serverless":
        return None
    return "ends a request within the hour, and connections are held open for hours"


def lacks_tools(answers: Answers, plane: PilotPlane, case: Case) -> str | None:
    """Why a plane does not have what the agent uses on its own machine; None if it does, or nobody said. What the
    trace marks steps with is left to those.
    """
    marked = {word for step in case.workload.series for word in words_of(step.needs or "")}
    tools = [tool for tool in bound_tools(answers) if tool not in marked and not has(case, plane, tool)]
    if not tools:
        return None
    said = f"is not a machine with {' and '.join(tools)}, which the agent needs"
    if plane.plane != "serverless":
        said = f"is not known to have {' and '.join(tools)}, which the agent needs"
    return "; it ".join([said, *filter(None, (unfit(case, plane, tool) for tool in tools))])


def bound_tools(answers: Answers) -> list[str]:
    """Local tools that no image can ship."""
    return [tool for tool in answers.local or () if tool not in _SHIPPED]


def _state(answers: Answers, planes: Sequence[PilotPlane], _: Case) -> Rule:
    out = _out(state_lost, answers, planes)
    if answers.memory is None:
        text = "not answered: what lives in memory"
    elif answers.memory != "sessions":
        text = f"{answers.memory} in memory: {follows(QUESTIONS[0], answers.memory)}"
    elif out:
        text = "; ".join(f"{target} {why}" for target, why in out.items())
        if answers.lost_sessions == "no":
            text += "; a failing machine loses them too, so the state belongs outside in the end"
    elif answers.state_external == "yes" or answers.lost_sessions == "yes":
        text = "sessions in memory are kept outside as well, or may be lost: no plane is ruled out"
    else:
        text = "sessions live in memory; whether they are kept outside, or may be lost, was not answered"
    return _rule(
        "state", answers, ("memory", "state_external", "lost_sessions"), _the_rest(planes, out), text, out
    )


def _compliance(answers: Answers, planes: Sequence[PilotPlane], _: Case) -> Rule:
    out, zones = _out(outside_zones, answers, planes), zones_of(answers)
    if answers.zones is None:
        text = "not answered: which compliance zones there are"
    elif not zones:
        text = "no compliance zone was asked for"
    elif answers.zone_allows is None:
        text = f"{' and '.join(zones)}: which planes satisfy them was not answered"
    else:
        left = [plane.target for plane in planes if plane.target not in out]
        text = f"{' and '.join(zones)}: " + (
            f"{' and '.join(out)} {'does' if len(out) == 1 else 'do'} not satisfy them"
            if out
            else "all planes satisfy them"
        )
        text += f"; {' and '.join(left)} {'does' if len(left) == 1 else 'do'}" if out and left else ""
    return _rule("compliance", answers, ("zones", "zone_allows"), _the_rest(planes, out), text, out)


def _sockets(answers: Answers, planes: Sequence[PilotPlane], _: Case) -> Rule:
    out = _out(cuts_sockets, answers, planes)
    text = (
        "; ".join(f"{target} {why}" for target, why in out.items())
        if out
        else f"connections held open: {said(answers.sockets)}; {follows(QUESTIONS[3], answers.sockets)}"
    )
    return _rule("open sockets", answers, ("sockets",), "vm" if out else "neither", text, out)


def _local(answers: Answers, planes: Sequence[PilotPlane], case: Case) -> Rule:
    out = _out(lambda answers, plane: lacks_tools(answers, plane, case), answers, planes)
    tools, steps = bound_tools(answers), case.workload.series
    is_part = any(step.needs for step in steps) and not all(step.needs for step in steps)
    if not tools:
        text = f"local tools: {said(answers.local)}; {follows(QUESTIONS[4], answers.local)}"
    elif out:
        text = "; ".join(f"{target} {why}" for target, why in out.items())
    elif is_part:
        text = f"{' and '.join(tools)} on the agent's own machine: the steps that the trace marks go there"
    elif any(step.needs for step in steps):
        text = f"{' and '.join(tools)} on the agent's own machine: judged by the steps that the trace marks"
    else:
        text = f"{' and '.join(tools)} on the agent's own machine, which all planes have"
    favours: Favours = "hybrid" if tools and is_part and not out else _the_rest(planes, out)
    return _rule("local tools", answers, ("local",), favours, text, out)


def _upkeep(answers: Answers, planes: Sequence[PilotPlane], _: Case) -> Rule:
    parts = []
    if answers.patching is not None:
        parts.append(
            f"{answers.patching} patches machines" if answers.patching != "us" else "you patch machines"
        )
    if answers.staff_hours is not None:
        parts.append(f"{number(answers.staff_hours)} hours a month" + _rate(answers))
    if answers.team_size is not None:
        parts.append(f"a team of {number(answers.team_size)}")
    favours: Favours = "serverless" if answers.patching == "nobody" else "neither"
    text = "; ".join(parts) or "not answered: who looks after machines, and for how long"
    names = ("patching", "staff_hours", "staff_rate", "currency", "team_size")
    return _rule("upkeep", answers, names, favours, text, {})


def _rate(answers: Answers) -> str:
    if answers.staff_rate is None:
        return ""
    return f" at {money(answers.staff_rate, answers.currency)} an hour"


def _way_back(answers: Answers, planes: Sequence[PilotPlane], _: Case) -> Rule:
    minutes = answers.rollback_minutes
    text = (
        "not answered: how long a roll-back takes"
        if minutes is None
        else f"a bad deploy is live for {number(minutes)} minutes before it is rolled back"
    )
    return _rule("way back", answers, ("rollback_minutes",), "neither", text, {})


_RULES: tuple[Callable[[Answers, Sequence[PilotPlane], Case], Rule], ...] = (
    _state,
    _compliance,
    _sockets,
    _local,
    _upkeep,
    _way_back,
)


def answered_rules(case: Case) -> list[Rule]:
    """All of them, in the order in which they decide; none where nobody was asked."""
    return [] if case.answers is None else [rule(case.answers, case.planes, case) for rule in _RULES]


def answer_doubts(answers: Answers | None) -> list[str]:
    """What was not answered: what may rule a plane out by itself, the rest together."""
    if answers is None:
        return [NOT_ASKED]
    left = open_questions(answers)
    found = [f"not answered: {question.unanswered}" for question in left if question.weighs]
    rest = [question.unanswered for question in left if not question.weighs]
    return found + ([f"not answered: {'; '.join(rest)}"] if rest else [])


def answers_told(answers: Answers | None) -> list[Answered]:
    """Every question with its answer and what follows from it, for the report."""
    if answers is None:
        return []
    return [
        Answered(
            id=question.id,
            question=question.text,
            answer=said(value := getattr(answers, question.id)),
            follows=follows(question, value),
            is_given=value is not None,
        )
        for question in QUESTIONS
        if getattr(answers, question.id) is not None or question in open_questions(answers)
    ]


def security(answers: Answers, planes: Sequence[PilotPlane]) -> Dimension:
    """The row of the side-by-side table on security and compliance, by what was answered."""
    zones, out = zones_of(answers), _out(outside_zones, answers, planes)
    if answers.zones is None or (zones and answers.zone_allows is None):
        what = "the zones were" if answers.zones is None else f"whether it satisfies {' and '.join(zones)} was"
        cells, better = {plane.target: f"{what} not answered" for plane in planes}, "not measured"
    else:
        asked = f"satisfies {' and '.join(zones)}" if zones else "no zone asked for"
        cells = {plane.target: out.get(plane.target, asked) for plane in planes}
        left = [plane.target for plane in planes if plane.target not in out]
        better = left[0] if out and len(left) == 1 else "even"
    if answers.patching is not None:
        patched = f"{answers.patching} patches" if answers.patching != "us" else "you patch"
        for plane in planes:
            if plane.plane != "serverless":
                machines = f" its {counted(plane.machines, 'machine')}" if plane.machines else " its machines"
                cells[plane.target] += f"; {patched}{machines}"
    return Dimension(
        name="security and compliance",
        by_plane=cells,
        better=better,
        why="as answered; a replay cannot tell whose permissions are too wide",
    )


def _out(
    why: Callable[[Answers, PilotPlane], str | None], answers: Answers, planes: Sequence[PilotPlane]
) -> dict[str, str]:
    return {plane.target: found for plane in planes if (found := why(answers, plane)) is not None}


def _the_rest(planes: Sequence[PilotPlane], out: dict[str, str]) -> Favours:
    """Whom it favours that these are out: the one kind that is left."""
    if not out:
        return "neither"
    left = {plane.plane for plane in planes if plane.target not in out}
    return left.pop() if len(left) == 1 else "neither" if left else "inconclusive"


def _rule(
    name: str, answers: Answers, questions: Sequence[str], favours: Favours, text: str, out: dict[str, str]
) -> Rule:
    given = {key: said(value) for key, value in answered(answers).items() if key in questions}
    return Rule(
        name=name,
        favours=favours,
        evidence={**given, **({"out": sorted(out)} if out else {})},
        text=text,
        source=_SOURCE,
    )
