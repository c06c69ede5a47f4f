"""Which reserved references the sessions of a trace use, and the first thing that is wrong with one. Pure."""

from replay.trace.errors import shown
from replay.trace.graph import Problem
from replay.trace.types import Session
from replay.trace.values.reserved import MOST_IN_REQUEST, BadReference, found_in, reserved

# More than a file of rows can have; what follows is an error anyway.
MOST_COLUMNS = 1_000


class Uses:
    """What a trace asks for. counts: steps that use a reference, by `copy`, `session`, `uuid`, `now`, `row.NAME`.

    columns: where each column is first named: line, step, session. is_strict: whether what cannot be used is a problem;
    otherwise it is text.
    """

    def __init__(self, *, is_strict: bool = True) -> None:
        self._is_strict = is_strict
        self.counts: dict[str, int] = {}
        self.columns: dict[str, tuple[int, str, str]] = {}

    def __repr__(self) -> str:
        return f"<Uses {self.counts}>"

    def add(self, session: Session, line: int) -> Problem | None:
        """Take note of a session's references; returns the first that cannot be used."""
        own: set[str] | None = None
        for step in session.steps:
            here: set[str] = set()
            for n, (field, text) in enumerate(found_in(step)):
                if own is None:
                    own = {name for each in session.steps for name in each.extract}
                if text in own:  # a value that a step takes has its name for itself
                    continue
                if n >= MOST_IN_REQUEST and self._is_strict:
                    why = f"has more than {MOST_IN_REQUEST:,} references, the most that one request may have"
                    return Problem(step.id, field, why)
                try:
                    found = reserved(text)
                except BadReference as error:
                    if not self._is_strict:
                        continue
                    why = f"has the reference {shown('{{' + text + '}}')}, which {error}"
                    return Problem(step.id, field, f"{why}. With --no-references it is sent as it is.")
                assert found is not None
                if found.kind == "row":
                    if found.name not in self.columns and len(self.columns) >= MOST_COLUMNS:
                        if not self._is_strict:
                            continue
                        why = f"names one more column than {MOST_COLUMNS:,}, the most that a trace may name"
                        return Problem(step.id, field, why)
                    self.columns.setdefault(found.name, (line, step.id, session.id))
                    here.add(f"row.{found.name}")
                else:
                    here.add(found.kind)
            for label in here:
                self.counts[label] = self.counts.get(label, 0) + 1
        return None
