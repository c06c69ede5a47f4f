"""What a pilot is carried out on: the targets that were named, or two planes of this machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, get_args

import msgspec

from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.target import Plane, Target
from replay.trials.pilot.agreeing import check_agreement
from replay.trials.pilot.embedded import embedded_targets, served
from replay.trials.pilot.faults import Commands, Fault, KillInstance
from replay.trials.pilot.trial import check_targets
from replay.trials.pilot.workload.phases import Plan
from replay.trials.pilot.workload.shape import Shape


class Aims(NamedTuple):
    """imagined: the same targets as planes to be simulated, where a live pilot has use for them. are_ours: they are
    planes of this machine.
    """

    targets: list[Target]
    imagined: list[Target]
    are_ours: bool

    @property
    def slos(self) -> tuple[str, ...]:
        """What their files hold them to, each but once."""
        return tuple(dict.fromkeys(text for target in self.targets for text in target.slo))

    def fault(self, commands: Mapping[str, str], plan: Plan) -> Fault:
        """What makes instances go away: ours and simulated ones die, others by the user's commands."""
        if commands:
            return Commands(commands)
        return KillInstance(plan.how) if self.are_ours or plan.how == "simulated" else Commands({})


@contextmanager
def aims_of(named: Sequence[str | Target], shape: Shape, plan: Plan) -> Iterator[Aims]:
    """The targets of a pilot, while the context lasts. named: as read, a file, or PLANE=URL; without any, two of ours.

    Raises TargetError.
    """
    if not named:
        ours = embedded_targets(shape.workload, plan.how)
        if plan.how == "simulated":
            yield Aims(ours, [], are_ours=True)
            return
        with served(ours) as serving:
            yield Aims(serving, embedded_targets(shape.workload, "simulated"), are_ours=True)
        return
    targets = [target if isinstance(target, Target) else _target_of(target) for target in named]
    check_targets(targets)
    if plan.how == "simulated":
        for target in targets:
            if target.simulate is None:
                raise TargetError(
                    f"{target.name}: has no [simulate] table, so it cannot be simulated. Add one."
                )
            check_agreement(target)
    yield Aims(targets, [], are_ours=False)


def _target_of(written: str) -> Target:
    """`serverless=URL` or `vm=FILE` says what plane it is; else the file does."""
    found = re.fullmatch(rf"({'|'.join(get_args(Plane))})=(.+)", written)
    if found is None:
        return load_target(written)
    target = load_target(found[2])
    name = found[1] if "://" in found[2] else target.name
    return msgspec.structs.replace(target, plane=found[1], name=name)
