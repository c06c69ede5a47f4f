"""Which steps of a run a rule is about. Pure."""

from fnmatch import fnmatchcase
from typing import NamedTuple


class Selector(NamedTuple):
    """Which steps: of a kind, and of a name. None: any. is_glob: the name may be a pattern."""

    kind: str | None = None
    name: str | None = None
    is_glob: bool = True

    def matches(self, kind: str, name: str) -> bool:
        """Whether a step of this kind and name is meant."""
        if self.kind is not None and kind != self.kind:
            return False
        return self.name is None or name == self.name or (self.is_glob and fnmatchcase(name, self.name))

    def __str__(self) -> str:
        if self.kind is None:
            return "" if self.name is None else f"*:{self.name}"
        return self.kind if self.name is None else f"{self.kind}:{self.name}"
