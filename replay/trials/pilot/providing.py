"""What a target has of what steps may need: as its file says, and the GPU that it is priced with."""

from replay.target import Target
from replay.trials.prices import price_table


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
