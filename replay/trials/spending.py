"""A budget that several replays share, one after the other."""

import msgspec

from replay.engine.types import RunOptions
from replay.results.summary_types import Summary


def with_less(options: RunOptions, summary: Summary) -> RunOptions:
    """The options of the next replay: its budget is what the one before has left."""
    budget, spent = options.budget, summary.spent
    if budget is None or spent is None:
        return options
    left = msgspec.structs.replace(budget, amount=max(0.0, budget.amount - spent.amount))
    return msgspec.structs.replace(options, budget=left)
