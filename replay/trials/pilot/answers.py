"""Answers of a questionnaire in a pilot: read from their file; hours of upkeep put where targets state none."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.choice.questionnaire import Answers, AnswersError, parse_answers
from replay.system.files import read_small
from replay.target.target import Target
from replay.trials.prices import currency_of

_MOST_BYTES = 1 << 20


def read_answers(path: Path) -> Answers:
    """Raises AnswersError."""
    try:
        content = read_small(path, _MOST_BYTES)
    except FileNotFoundError as cause:
        raise AnswersError(f"{path}: no such file of answers. `replay pilot TRACE --ask` makes one.") from cause
    except OSError as cause:
        raise AnswersError(f"{path}: the answers cannot be read ({cause.strerror}).") from cause
    return parse_answers(content, str(path))


def with_upkeep(targets: Sequence[Target], answers: Answers | None) -> tuple[list[Target], list[str]]:
    """Targets of machines with the hours and the rate that were answered, where their files have none; and doubts.

    A rate in another currency than a target's prices is left out, and that is in doubt.
    """
    if answers is None or (answers.staff_hours is None and answers.staff_rate is None):
        return list(targets), []
    found, doubts = [], []
    for target in targets:
        cost = target.cost
        if cost is None or target.plane == "serverless":
            found.append(target)
            continue
        hours = cost.staff_hours or answers.staff_hours or 0.0
        rate = cost.staff_rate or answers.staff_rate or 0.0
        prices = currency_of(target)
        if not cost.staff_rate and answers.currency and prices and answers.currency.upper() != prices.upper():
            doubts.append(
                f"the rate that was answered is in {answers.currency}, and {target.name} has its prices in {prices}, "
                "so its staff time has no price"
            )
            rate = 0.0
        cost = msgspec.structs.replace(cost, staff_hours=hours, staff_rate=rate)
        found.append(msgspec.structs.replace(target, cost=cost))
    return found, doubts
