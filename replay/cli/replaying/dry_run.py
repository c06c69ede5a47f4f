"""What `--dry-run` prints, of every command that has it."""

from collections.abc import Sequence
from pathlib import Path

from replay.cli.documents import print_json
from replay.engine.types import RunOptions
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.slo import Slo
from replay.report.terminal.run import print_dry_run
from replay.target.target import Target
from replay.trials.forecasting import foresee_with_slos
from replay.trials.prices import currency_of


def show_forecast(
    trace: Path,
    target: Target,
    options: RunOptions,
    slos: Sequence[Slo],
    confidence: float = CONFIDENCE,
    *,
    as_json: bool,
) -> None:
    """Print what would be sent, and what the SLOs need; nothing is sent."""
    forecast = foresee_with_slos(trace, target, options, slos, confidence)
    if as_json:
        print_json(forecast)
    else:
        print_dry_run(forecast, currency=currency_of(target))
