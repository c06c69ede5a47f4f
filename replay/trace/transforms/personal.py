"""Personal data taken out of a trace; what is taken for it, replay/trace/redaction/personal.py says."""

from collections.abc import Iterator

import msgspec

from replay.trace.redaction.personal import PersonalData
from replay.trace.redaction.personal_steps import (
    header_without_personal,
    personal_taken_out,
    texts_without_personal,
    value_without_personal,
)
from replay.trace.transforms.types import Tally
from replay.trace.types import Header, Session


class RedactPersonal(msgspec.Struct, frozen=True):
    """Personal data replaced by pseudonyms, in ids of sessions, too."""

    personal: PersonalData

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        ids: set[str] = set()
        personal = self.personal
        for session in sessions:
            told = personal.without(session.id)
            if told != session.id:
                tally["session ids replaced"] += 1
                session.id = told if told not in ids else f"{told}~{tally['session ids replaced']}"
                ids.add(session.id)
            session.attributes = texts_without_personal(session.attributes, personal)
            session.extra = value_without_personal(session.extra, personal)
            tally["steps with personal data taken out"] += sum(
                personal_taken_out(step, personal) for step in session.steps
            )
            yield session

    def header(self, header: Header) -> Header:
        """The header of such a trace."""
        return header_without_personal(header, self.personal)
