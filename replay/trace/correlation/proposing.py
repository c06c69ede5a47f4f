"""Values that later requests took from earlier responses: proposed as `extract` and `{{name}}`. Pure.

A proposal is one value of one step's response and the places where it reappears. It needs evidence over sessions:
each use counts the sessions in which it held, of those in which it could have. What is the same in all of several
sessions is no value of a run, but a constant. Words (no digit, no capital within) count only if at least three
sessions have them and no two the same.
"""

import re
from collections.abc import Iterator

import msgspec

from replay.trace.correlation.flow import Flow, Link, flow_of, is_value, leaves, looks_like_id
from replay.trace.types import Extract, Session, Step

_MOST_LINKS = 10_000
_MOST_VALUES = 10_000
_MOST_EXAMPLE = 60
_FEWEST_WITH_WORDS = 3
_SAYS_LITTLE = frozenset({"id", "uuid", "key", "name", "value", "cursor", "url", "uri", "ref", "number"})


class Use(msgspec.Struct, frozen=True):
    """A place where a value reappears. sessions: in which it did, of `possible` in which it could have."""

    step: str
    place: str
    sessions: int
    possible: int
    share: float


class Proposal(msgspec.Struct, frozen=True):
    """A value to take from the responses of a step, and where it belongs. sessions: in which it was seen."""

    name: str
    step: str
    extract: Extract
    sessions: int
    example: str
    uses: tuple[Use, ...]


class Redacted(msgspec.Struct, frozen=True):
    """A place whose value the recording took away as a secret, so that nobody can tell where it came from."""

    step: str
    place: str
    sessions: int


class _Tally(msgspec.Struct):
    sessions: int = 0
    possible: int = 0
    words: int = 0
    example: str = ""
    values: set[int] = msgspec.field(default_factory=set)

    @property
    def is_evidence(self) -> bool:
        if self.sessions > 1 and len(self.values) == 1:
            return False
        if self.words * 2 > self.sessions:
            return self.sessions >= _FEWEST_WITH_WORDS and len(self.values) >= min(self.sessions, _MOST_VALUES)
        return True


class Evidence:
    """What the sessions of a trace say, each given twice: first to `add`, then, all added, to `weigh`.

    sessions, responses: how many there were, and how many steps with a kept response. constants: links left out,
    since their values are no values of one run.
    """

    def __init__(self, resolution_ms: float) -> None:
        self.sessions = 0
        self.responses = 0
        self._redacted: dict[tuple[str, str], int] = {}
        self._resolution_ms = resolution_ms
        self._tallies: dict[Link, _Tally] = {}
        self._by_target: dict[tuple[str, str], list[Link]] | None = None

    def __repr__(self) -> str:
        return f"<Evidence of {self.sessions} sessions, {len(self._tallies)} links>"

    def add(self, session: Session) -> None:
        """Look for links in a session."""
        self.sessions += 1
        held = sum(_has_response(step) for step in session.steps)
        self.responses += held
        if not held:
            return
        flow = flow_of(session, self._resolution_ms)
        for place in flow.redacted:
            if place in self._redacted or len(self._redacted) < _MOST_LINKS:
                self._redacted[place] = self._redacted.get(place, 0) + 1
        first: dict[Link, str] = {}
        for found in flow.found:
            first.setdefault(found.link, found.value)
        for link, value in first.items():
            tally = self._tallies.get(link)
            if tally is None:
                if len(self._tallies) >= _MOST_LINKS:
                    continue
                tally = self._tallies[link] = _Tally(example=value[:_MOST_EXAMPLE])
            tally.sessions += 1
            tally.words += not looks_like_id(value)
            if len(tally.values) < _MOST_VALUES:
                tally.values.add(hash(value))

    def weigh(self, session: Session) -> None:
        """Count which of the links could have held in a session."""
        if not self._tallies:
            return
        if self._by_target is None:
            self._by_target = {}
            for link in self._tallies:
                self._by_target.setdefault((link.to_step, link.place), []).append(link)
        for link in _possible(session, flow_of(session, self._resolution_ms), self._by_target):
            self._tallies[link].possible += 1

    @property
    def constants(self) -> int:
        return sum(not tally.is_evidence for tally in self._tallies.values())

    def redacted(self) -> list[Redacted]:
        """Where requests hold what the recording took away, the most widely seen first."""
        found = [Redacted(step, place, sessions) for (step, place), sessions in self._redacted.items()]
        return sorted(found, key=lambda each: (-each.sessions, each.step, each.place))

    def proposals(self) -> list[Proposal]:
        """What is proposed, the most widely seen first."""
        grouped: dict[tuple[str, Extract], list[tuple[Link, _Tally]]] = {}
        for link, tally in self._tallies.items():
            if tally.is_evidence:
                grouped.setdefault((link.step, link.extract), []).append((link, tally))
        found: list[Proposal] = []
        taken: set[str] = set()
        for (step, extract), links in grouped.items():
            name = wanted = _name(step, extract)
            n = 1
            while name in taken:
                n += 1
                name = f"{wanted}_{n}"
            taken.add(name)
            uses = sorted((_use(link, tally) for link, tally in links), key=lambda use: -use.sessions)
            most = max(tally.sessions for _, tally in links)
            found.append(Proposal(name, step, extract, most, links[0][1].example, tuple(uses)))
        return sorted(found, key=lambda proposal: -proposal.sessions)


def _possible(session: Session, flow: Flow, by_target: dict[tuple[str, str], list[Link]]) -> Iterator[Link]:
    """The links whose value was there, and whose place came later."""
    there: set[tuple[str, Extract]] = set()
    given: set[Link] = set()
    targets = {to_step for to_step, _ in by_target}
    for index, is_answer in flow.order:
        name = flow.names[index]
        if not is_answer and name not in targets:
            name = next((other for other in _with_an_id(name) if other in targets), name)
        if is_answer:
            there.update((name, extract) for extract, _ in leaves(session.steps[index].recorded))
            continue
        for place in flow.places[index]:
            for link in by_target.get((name, place), ()):
                if link not in given and (link.step, link.extract) in there:
                    given.add(link)
                    yield link


def _with_an_id(name: str) -> Iterator[str]:
    """The name with `*` for a segment that looks like an id: of a step whose path has another value than expected."""
    segments = name.split("/")
    for n, segment in enumerate(segments[1:], 1):
        if is_value(segment) and looks_like_id(segment):
            yield "/".join((*segments[:n], "*", *segments[n + 1 :]))


def _use(link: Link, tally: _Tally) -> Use:
    possible = max(tally.possible, tally.sessions)
    return Use(link.to_step, link.place, tally.sessions, possible, round(tally.sessions / possible, 4))


def _name(step: str, extract: Extract) -> str:
    """A name for a value: the last member of its pointer, with what stands before it where that says little."""
    if extract.header is not None:
        parts = [extract.header.removeprefix("x-")]
    else:
        parts = [part for part in (extract.json or "").split("/") if part and not part.isdigit()]
    if not parts or (len(parts) == 1 and parts[0].lower() in _SAYS_LITTLE):
        parts = [*re.findall(r"[A-Za-z_][A-Za-z0-9_]*", step)[-1:], *(parts or ["value"])]
    kept = parts[-2:] if parts[-1].lower() in _SAYS_LITTLE else parts[-1:]
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(kept)).strip("_")[:60].lower() or "value"
    return name if name[0].isalpha() else f"v_{name}"


def _has_response(step: Step) -> bool:
    return step.recorded is not None and (
        step.recorded.response_json is not None or bool(step.recorded.response_headers)
    )
