"""A plane as a target file describes it, to be simulated."""

from collections.abc import Mapping

import msgspec

from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.types import ModelSpec

# Why a group that scales by CPU is refused.
CPU_UNKNOWN = (
    'a group with target = "cpu" needs instances whose CPU is known: modelled ones with sharing = "processor". '
    'Add that, or scale by target = "slots"'
)


class SimulatedPlane(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plane to be simulated: the [simulate] table of a target file.

    instances: their boots, answers and faults, as for modelled instances behind the gateway. as_recorded: a request
    takes as long as the recording says, and not what the model draws; faults and background work befall it too.
    profile: of a known platform, whose rules hold where plane and instances name none (profiles.py). why: reasons
    for values, by their names ("plane.concurrency"), for whoever lists assumptions. elsewhere: the plane to which
    the target's routes send steps, whatever URLs they name.
    """

    plane: PlaneSpec = PlaneSpec()
    instances: ModelSpec = ModelSpec()
    as_recorded: bool = False
    profile: str | None = None
    why: Mapping[str, str] = {}
    elsewhere: "SimulatedPlane | None" = None

    def __post_init__(self) -> None:
        if self.plane.needs_cpu and self.instances.sharing != "processor":
            raise ValueError(CPU_UNKNOWN)
        if self.elsewhere is not None and self.elsewhere.elsewhere is not None:
            raise ValueError("elsewhere must not have an elsewhere of its own")
