"""Personal data taken out of a trace; what is taken for it, replay/trace/redaction/personal.py says."""

from collections.abc import Iterator

import msgspec

from replay.trace.redaction.personal import personal_taken_out, value_without_personal, without_personal
from replay.trace.transforms.types import Tally
from replay.trace.types import Session


class RedactPersonal(msgspec.Struct, frozen=True):
    """E-mail addresses, card numbers, phone numbers and IBANs replaced by a word; ids that hold any, by a number."""

    def apply(self, sessions: Iterator[Session], tally: Tally) -> Iterator[Session]:
        for session in sessions:
            if without_personal(session.id) != session.id:
                tally["session ids replaced"] += 1
                session.id = f"redacted-{tally['session ids replaced']}"
            session.attributes = {name: without_personal(value) for name, value in session.attributes.items()}
            session.extra = value_without_personal(session.extra)
            tally["steps with personal data taken out"] += sum(map(personal_taken_out, session.steps))
            yield session
