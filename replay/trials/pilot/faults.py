"""Making an instance of a target go away in the middle of a run."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from replay.engine.types import At, RunOptions
from replay.target.target import Target
from replay.trials.pilot.workload.phases import How

KILLED = "the busiest instance was killed"


class Struck(NamedTuple):
    """A target to which it will happen, and the options of a run that see to it."""

    target: Target
    options: RunOptions


class Fault(Protocol):
    """Something that can be done to targets. is_shared: to all of them in one run."""

    is_shared: bool

    def what(self, target: Target) -> str | None:
        """What is done to that target, in words; None: nothing can be."""

    def struck(self, target: Target, options: RunOptions, at_s: float) -> Struck:
        """A run of the target with the options has it happen so long after its start."""


class KillInstance:
    """For planes of our own, behind their gateway or simulated: the busiest instance dies. Of a simulated hybrid it is
    that of each of its planes.
    """

    is_shared = True

    def __init__(self, how: How) -> None:
        self._how = how

    def what(self, target: Target) -> str | None:
        return KILLED if target.simulate is not None else None

    def struck(self, target: Target, options: RunOptions, at_s: float) -> Struck:
        if self._how == "simulated":
            mortal = _with_kill(target.simulate or {}, at_s)
            return Struck(msgspec.structs.replace(target, simulate=mortal), options)
        return Struck(target, msgspec.structs.replace(options, at=(At(at_s, fault="kill"),)))


class Commands:
    """For the user's own targets: a command for each, by the target's name."""

    is_shared = False

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = commands

    def what(self, target: Target) -> str | None:
        command = self._commands.get(target.name)
        return None if command is None else f"`{At(0.0, command=command).what}` was run"

    def struck(self, target: Target, options: RunOptions, at_s: float) -> Struck:
        command = At(at_s, command=self._commands[target.name])
        return Struck(target, msgspec.structs.replace(options, at=(command,)))


def _with_kill(simulate: dict[str, Any], at_s: float) -> dict[str, Any]:
    instances = simulate.get("instances", {})
    faults = {**instances.get("faults", {}), "kills_s": [at_s]}
    mortal = {**simulate, "instances": {**instances, "faults": faults}}
    if "elsewhere" in simulate:
        mortal["elsewhere"] = _with_kill(simulate["elsewhere"], at_s)
    return mortal
