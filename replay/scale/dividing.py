"""What each worker is given of what holds for the whole run: limits are divided, so that their sum is what was asked.

Rates of anything need no dividing: a worker has its part of the sessions, and so its part of the load.
"""

from collections.abc import Sequence

import msgspec

from replay.engine.shares import Share, part_of
from replay.engine.types import RunOptions
from replay.errors import InputError
from replay.target.target import Target
from replay.words.phrases import counted


def options_of_share(options: RunOptions, share: Share) -> RunOptions:
    """The options of one worker. What is done to the target is done by the first. Raises InputError."""
    limit = options.max_in_flight
    if limit is not None:
        _check_enough(limit, share.of, "--max-in-flight")
    budget = options.budget
    return msgspec.structs.replace(
        options,
        workers=1,
        listen=None,
        cluster=None,
        at=options.at if share.place == 0 else (),
        max_in_flight=None if limit is None else part_of(limit, share),
        budget=None if budget is None else msgspec.structs.replace(budget, amount=budget.amount / share.of),
    )


def target_of_share(target: Target, share: Share) -> Target:
    """The target of one worker. What the plane says of itself is asked for by the first. Raises InputError."""
    connections = target.connections
    _check_enough(connections.max, share.of, f"{target.name}: connections.max")
    return msgspec.structs.replace(
        target,
        observe=target.observe if share.place == 0 else None,
        connections=msgspec.structs.replace(connections, max=part_of(connections.max, share)),
    )


def _check_enough(limit: int, workers: int, what: str) -> None:
    if limit < workers:
        raise InputError(
            f"{what} is {limit}, which {workers} workers cannot share. Take at most {counted(limit, 'worker')}, or "
            "raise it."
        )


def notes_on(options: RunOptions, targets: Sequence[Target], workers: int) -> list[str]:
    """What a reader of the figures should know of the dividing."""
    divided = []
    if options.max_in_flight is not None:
        divided.append(f"--max-in-flight {options.max_in_flight}")
    divided += sorted({f"connections.max {target.connections.max}" for target in targets})
    if options.budget is not None:
        divided.append(f"--budget {options.budget.words(options.budget.amount)}")
    return [
        f"dealt by session to {counted(workers, 'worker')}, among which these are divided: {', '.join(divided)}"
    ]
