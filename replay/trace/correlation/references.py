"""What was found of a session's values put in place: `extract` where they come from, `{{name}}` where they go. Pure."""

import msgspec

from replay.trace.correlation.flow import Found, Link, flow_of, replaced
from replay.trace.correlation.proposing import Proposal
from replay.trace.correlation.slots import rewritten
from replay.trace.graph import find_graph_problem
from replay.trace.types import Edge, Extract, Request, Session, Step
from replay.trace.values.extracting import REFERENCE

_MOST_SEARCHED = 10_000


class Applied(msgspec.Struct):
    """What putting proposals into a session did. has_braces: nothing, since its requests hold `{{...}}` of their own.

    edges: added, where a step did not wait for the one whose value it needs.
    """

    places: int = 0
    extracts: int = 0
    edges: int = 0
    has_braces: bool = False


def apply(
    session: Session, proposals: list[Proposal], resolution_ms: float, min_share: float
) -> tuple[Session, Applied]:
    """The session with the uses put in place that hold in at least min_share of the sessions where they could.

    The step that a value comes from gets an `extract`, and an edge to it is added where its user did not wait for its
    end. Where a session has several such steps, the names of the second and later ones are numbered. A step that is
    named after its path has `*` in its name for a value. Responses that the recording kept are left out, since nothing
    needs them any more.
    """
    names = {(proposal.step, proposal.extract): proposal.name for proposal in proposals}
    accepted = {
        Link(proposal.step, proposal.extract, use.step, use.place)
        for proposal in proposals
        for use in proposal.uses
        if use.share >= min_share
    }
    applied = Applied()
    seen = flow_of(session, resolution_ms).found if accepted else []
    found = [each for each in seen if each.link in accepted]
    steps = [_without_response(step) for step in session.steps]
    has_own = any(step.extract for step in steps)
    applied.has_braces = bool(found) and not has_own and any(_has_braces(step.request) for step in steps)
    if not applied.has_braces:
        _put_in(steps, found, names, applied)
    made = msgspec.structs.replace(session, steps=steps)
    if applied.edges and find_graph_problem(made) is not None:
        return msgspec.structs.replace(
            session, steps=[_without_response(step) for step in session.steps]
        ), Applied()
    return made, applied


def _put_in(
    steps: list[Step], found: list[Found], names: dict[tuple[str, Extract], str], applied: Applied
) -> None:
    references = _references(steps, found, names)
    by_step: dict[int, dict[tuple[str, str], str]] = {}
    to_names = {each.to_index: each.link.to_step for each in found}
    origins: dict[int, set[int]] = {}
    for each in found:
        name = references[each.from_index, each.link.extract]
        by_step.setdefault(each.to_index, {})[each.link.place, each.value] = f"{{{{{name}}}}}"
        origins.setdefault(each.to_index, set()).add(each.from_index)
    for (index, extract), name in references.items():
        steps[index].extract = {**steps[index].extract, name: extract}
    positions = {step.id: n for n, step in enumerate(steps)}
    for index, here in by_step.items():
        step = steps[index]
        assert step.request is not None
        step.request = _filled_in(step.request, here)
        step.name = to_names[index]
        missing = [n for n in sorted(origins[index]) if not _waits_for_end(steps, positions, index, n)]
        step.after = (*step.after, *(Edge(steps[n].id) for n in missing))
        applied.edges += len(missing)
        applied.places += len(here)
    applied.extracts = len(references)


def _references(
    steps: list[Step], found: list[Found], names: dict[tuple[str, Extract], str]
) -> dict[tuple[int, Extract], str]:
    """The name of each value in this session, by the step it comes from."""
    taken = {name for step in steps for name in step.extract}
    references: dict[tuple[int, Extract], str] = {}
    for each in found:
        key = (each.from_index, each.link.extract)
        if key in references:
            continue
        name = wanted = names[each.link.step, each.link.extract]
        n = 1
        while name in taken:
            n += 1
            name = f"{wanted}-{n}"
        taken.add(name)
        references[key] = name
    return references


def _filled_in(request: Request, here: dict[tuple[str, str], str]) -> Request:
    places = {place for place, _ in here}

    def put(place: str, text: str) -> str:
        return replaced(text, lambda part, _: here.get((place, part))) if place in places else text

    return rewritten(request, put)


def _waits_for_end(steps: list[Step], positions: dict[str, int], index: int, origin: int) -> bool:
    """Whether a step cannot start before another has ended, as far as its edges say."""
    open_steps, seen = [index], {index}
    while open_steps and len(seen) < _MOST_SEARCHED:
        for edge in steps[open_steps.pop()].after:
            parent = positions[edge.step]
            if parent == origin:
                if edge.anchor == "end":
                    return True
            elif parent not in seen:
                seen.add(parent)
                open_steps.append(parent)
    return False


def _without_response(step: Step) -> Step:
    """A copy of the step, to be changed, without what was kept of its response."""
    copy = msgspec.structs.replace(step)
    if copy.recorded is not None:
        copy.recorded = msgspec.structs.replace(copy.recorded, response_json=None, response_headers={})
    return copy


def _has_braces(request: Request | None) -> bool:
    if request is None:
        return False
    texts = (
        request.path,
        *request.headers.values(),
        request.body or "",
        bytes(request.json).decode("utf-8", "replace"),
    )
    return any(REFERENCE.search(text) for text in texts)
