"""A plane as a target file describes it, to be simulated."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.types import ModelSpec

# Why a group that scales by CPU is refused.
CPU_UNKNOWN = (
    'a group with target = "cpu" needs instances whose CPU is known: modelled ones with sharing = "processor". '
    'Add that, or scale by target = "slots"'
)


class SimulatedPlane(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plane to be simulated: the [simulate] table of a target file."""

    plane: Annotated[PlaneSpec, Meta(description="Its rules.")] = PlaneSpec()
    instances: Annotated[ModelSpec, Meta(description="Boots, answers and faults of its instances.")] = (
        ModelSpec()
    )
    as_recorded: Annotated[
        bool,
        Meta(
            description=(
                "Whether a request takes as long as the recording says, and not what the model "
                "draws; faults and background work befall it too."
            )
        ),
    ] = False
    profile: Annotated[
        str | None,
        Meta(description=("A known platform, whose rules hold where plane and instances name none.")),
    ] = None
    why: Annotated[
        Mapping[str, str],
        Meta(
            description=(
                "Reasons for values, by their names (plane.concurrency), for whoever lists assumptions."
            )
        ),
    ] = {}
    elsewhere: Annotated[
        "SimulatedPlane | None",
        Meta(description=("The plane to which the target's routes send steps, whatever URLs they name.")),
    ] = None

    def __post_init__(self) -> None:
        if self.plane.needs_cpu and self.instances.sharing != "processor":
            raise ValueError(CPU_UNKNOWN)
        if self.elsewhere is not None and self.elsewhere.elsewhere is not None:
            raise ValueError("elsewhere must not have an elsewhere of its own")
