"""What a run would send, and whether its SLOs could be settled by that many steps; nothing is sent."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import msgspec

from replay.engine.forecast.dryrun import foresee
from replay.engine.types import RunOptions
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.figures import least_values
from replay.judge.measures.slo import Slo
from replay.results.forecast_types import Forecast, ForecastNeed
from replay.target.target import Target


def foresee_with_slos(
    trace: Path,
    target: Target,
    options: RunOptions,
    slos: Sequence[Slo],
    confidence: float = CONFIDENCE,
) -> Forecast:
    """As foresee, and how many values each SLO needs at least."""
    forecast = foresee(trace, target, options)
    needs = [need for slo in slos if (need := _need(slo, forecast, options, confidence)) is not None]
    return msgspec.structs.replace(forecast, needs=needs)


def _need(slo: Slo, forecast: Forecast, options: RunOptions, confidence: float) -> ForecastNeed | None:
    needed = least_values(slo, confidence)
    if needed is None:
        return None
    is_of_sessions = slo.measure == "makespan"
    planned = (
        forecast.sessions
        if is_of_sessions
        else sum(named.requests for named in forecast.by_step if slo.selector.matches(named.kind, named.name))
    )
    scale = None
    if 0 < planned < needed:
        scale = ceil(needed / planned) * options.knobs.scale
    return ForecastNeed(
        slo=slo.text, of="sessions" if is_of_sessions else "steps", needed=needed, planned=planned, scale=scale
    )
