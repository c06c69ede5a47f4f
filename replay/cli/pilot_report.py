"""What a pilot left, as its report takes it: the same for the pilot itself and for `replay report`."""

from pathlib import Path

import numpy as np

from replay.choice.types import PilotVerdict
from replay.report.page.lanes import RecordedStep
from replay.report.page.pilot import PilotMaterial
from replay.trials.pilot.carrying import done_phases
from replay.trials.pilot.reading import Material, read_material, recorded_sessions

_SLOWEST = 12


def material_of(verdict: PilotVerdict, directory: Path, found: Material | None = None) -> PilotMaterial:
    """found: what was read already. Raises RunDirError."""
    if found is None:
        found = read_material(directory, done_phases(directory), [plane.target for plane in verdict.planes])
    slowest: set[str] = set()
    for runs in found.runs.values():
        main = runs.get("representative")
        if main is not None:
            columns = main.columns
            slowest.update(columns.sessions[n] for n in np.argsort(columns.makespan_ns)[-_SLOWEST:].tolist())
    recorded = {
        session.id: {
            step.id: RecordedStep(step.at_ms, step.took_ms or 0.0, tuple(edge.step for edge in step.after))
            for step in session.steps
        }
        for session in recorded_sessions(directory, sorted(slowest)).values()
    }
    return PilotMaterial(found.runs, found.ceilings, found.wakes, found.instances, found.manifests, recorded)
