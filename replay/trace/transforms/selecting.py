"""Which steps and sessions stay: by kind, name, session attribute, start, or a seeded sample."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Literal

import msgspec

from replay.trace.errors import shown
from replay.trace.transforms.removal import remove_steps
from replay.trace.transforms.types import Tally, TransformError
from replay.trace.types import Session, Step

# {{name}} in later requests may stand for such values, which nothing gives any more.
LOST_VALUES = "steps lost the values that they took from responses"


class Selector(msgspec.Struct, frozen=True):
    """field=glob: steps by `kind` or `name`, sessions by `attr.NAME`; `*`, `?` and `[...]` as in a shell."""

    field: str
    glob: str

    @property
    def is_of_sessions(self) -> bool:
        return self.field.startswith("attr.")

    def has_step(self, step: Step) -> bool:
        return fnmatchcase(step.kind if self.field == "kind" else step.name, self.glob)

    def has_session(self, session: Session) -> bool:
        """A session without the attribute is never selected."""
        value = session.attributes.get(self.field.removeprefix("attr."))
        return value is not None and fnmatchcase(value, self.glob)


def parse_selector(text: str) -> Selector:
    """The selector that text describes. Raises TransformError."""
    field, equals, glob = text.partition("=")
    is_known = field in ("kind", "name") or (field.startswith("attr.") and field != "attr.")
    if not is_known or not equals or not glob:
        raise TransformError(f"{shown(text)} selects nothing. Write kind=tool, name=crm* or attr.model=m-1.")
    return Selector(field, glob)


class Filter(msgspec.Struct, frozen=True):
    """Keep or drop what a selector selects. A session left without steps goes too."""

    selector: Selector
    action: Literal["keep", "drop"]

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        keep = self.action == "keep"
        for session in sessions:
            if self.selector.is_of_sessions:
                if self.selector.has_session(session) != keep:
                    tally["sessions removed"] += 1
                    continue
            elif session.steps:
                gone = [step for step in session.steps if self.selector.has_step(step) != keep]
                names = {step.id for step in gone}
                tally["steps removed"] += remove_steps(session, names)
                tally[LOST_VALUES] += sum(1 for step in gone if step.extract)
                if not session.steps:
                    tally["sessions removed, which had no other steps"] += 1
                    continue
            yield session


class Waits(msgspec.Struct, frozen=True):
    """Steps into waits of their recorded duration: what they sent is forgotten, when others follow is not.

    A step followed from its first byte keeps `recorded`, where that time is, without what its response held.
    """

    selector: Selector

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            whole = self.selector.is_of_sessions
            if not whole or self.selector.has_session(session):
                for step in session.steps:
                    if not step.is_wait and (whole or self.selector.has_step(step)):
                        tally[LOST_VALUES] += bool(step.extract)
                        step.request = step.llm = step.mcp = step.ws = step.grpc = None
                        step.extract = {}
                        if step.recorded is not None:
                            step.recorded.content_type = step.recorded.response_json = None
                            step.recorded.response_headers = {}
                        tally["steps turned into waits"] += 1
            yield session


class Between(msgspec.Struct, frozen=True):
    """Sessions that start at from_ms or later and before to_ms; they keep their times."""

    from_ms: float = 0.0
    to_ms: float | None = None

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            if session.start_ms < self.from_ms or (self.to_ms is not None and session.start_ms >= self.to_ms):
                tally["sessions removed"] += 1
            else:
                yield session


class Sample(msgspec.Struct, frozen=True):
    """About this share of sessions, by a hash of seed and id: a smaller share is a part of a larger one."""

    ratio: float
    seed: int

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        key = str(self.seed).encode()[:64]
        for session in sessions:
            drawn = blake2b(session.id.encode(), digest_size=8, key=key, person=b"sample").digest()
            if int.from_bytes(drawn, "little") < self.ratio * 2.0**64:
                yield session
            else:
                tally["sessions removed"] += 1
