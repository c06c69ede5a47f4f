"""Prints docs/licences.md: what comes with an installation of agent-replay, and the licences that its makers state."""

import re
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "agent-replay"
HEAD = """# Licences

agent-replay is under Apache-2.0 (see [LICENSE](../LICENSE)). An installation with `[report]`, as the image has it,
brings these packages with it, under the licences that they state. None of them is part of this repository.
`./scripts/lock` writes this page.

| package | licence |
|---|---|
"""


def needed(name: str = PACKAGE) -> dict[str, Distribution]:
    """What an installation with the extra `report` needs here, by name; not what other systems need."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset({"report"}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, extras = one
        found[name] = distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            wanted = [{"extra": extra} for extra in (*extras, "")]
            if requirement.marker is None or any(map(requirement.marker.evaluate, wanted)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    del found[PACKAGE]
    return dict(sorted(found.items()))


def licence(of: Distribution) -> str:
    """As its metadata say: an SPDX expression, else classifiers, else the first line of a text."""
    about = of.metadata
    stated = about.get("License-Expression")
    if stated is None:
        classified = [
            line.split(" :: ")[-1] for line in about.get_all("Classifier", ()) if line.startswith("License")
        ]
        classified = [name for name in classified if name != "OSI Approved"]
        stated = ", ".join(classified) or (about.get("License") or "").strip().split("\n")[0]
    return re.sub(r"[|\s]+", " ", stated)[:80] or "not stated in its metadata"


def page() -> str:
    return HEAD + "".join(f"| {name} | {licence(of)} |\n" for name, of in needed().items())


if __name__ == "__main__":
    print(page(), end="")
