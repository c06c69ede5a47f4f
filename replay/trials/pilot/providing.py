"""What a target has of what steps and the agent may need: as its file says, and by the hardware it is priced with."""

from collections.abc import Iterable

from replay.choice.answered import bound_tools
from replay.choice.questionnaire import Answers
from replay.choice.types import StepClass
from replay.money.hardware import machines_with, unfit_instances, unfit_machine
from replay.target.target import Target
from replay.trials.prices import price_table, shipped_prices
from replay.words.phrases import counted

_MOST_TABLES = 3


def provided_by(target: Target) -> tuple[str, ...]:
    """Names as steps give them in their attribute `needs`. Raises PriceTableError for a table that is not there."""
    gpu = _gpu(target)
    return (*target.provides, *(("gpu", gpu) if gpu else ()))


def _gpu(target: Target) -> str:
    """The model of the GPU of its machines, or of each of its instances; empty where it is priced without one."""
    cost = target.cost
    if cost is None:
        return ""
    if cost.machine is not None:
        return price_table(cost.machine_price or cost.price).machine(cost.machine).gpu
    by_instance = price_table(cost.price).instance
    return by_instance.gpu if by_instance is not None and cost.billing == "instance" else ""


def needed(steps: Iterable[StepClass], answers: Answers | None) -> list[str]:
    """All that steps are marked with, and local tools that were answered."""
    tools = [] if answers is None else bound_tools(answers)
    return list(dict.fromkeys([*(step.needs for step in steps if step.needs), *tools]))


def unfit_of(target: Target, needs: Iterable[str]) -> dict[str, str]:
    """By what is needed, why the hardware that a target is priced with does not have it."""
    return {need: why for need in needs if (why := _unfit(target, need)) is not None}


def _unfit(target: Target, need: str) -> str | None:
    cost = target.cost
    if cost is None:
        return None
    if cost.machine is None:
        return unfit_instances(price_table(cost.price), cost.price, cost.billing, need)
    name = cost.machine_price or cost.price
    table = price_table(name)
    why = unfit_machine(table, name, cost.machine, need)
    if why is None or machines_with(table, need):
        return why
    others = [other for other in shipped_prices() if machines_with(price_table(other), need)]
    more = f" and {counted(len(others) - _MOST_TABLES, 'more table')}" if len(others) > _MOST_TABLES else ""
    return f"{why}, but kinds of {', '.join(others[:_MOST_TABLES])}{more} have" if others else why
