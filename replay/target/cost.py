"""What a target is paid for with."""

import math
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.keys import quoted
from replay.target.checking import MOST, check_positive
from replay.words.numbers import number


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a target is paid for with. All amounts are in the currency of its price table."""

    price: Annotated[
        str, Meta(description="The price table: the name of a shipped one, or the path of a file.")
    ]
    billing: Annotated[
        Literal["request", "instance"],
        Meta(description=("How a serverless plane is billed: by requests, or by the life of its instances.")),
    ] = "request"
    vcpu: Annotated[float, Meta(description="vCPUs of an instance.")] = 1.0
    memory_gib: Annotated[float, Meta(description="Memory of an instance, in GiB.")] = 0.5
    min_instances: Annotated[int, Meta(description="Instances that are kept without requests.")] = 0
    machine: Annotated[str | None, Meta(description="The kind of its machines, by the price table.")] = None
    machines: Annotated[int, Meta(description="How many machines the target is as it is now.")] = 1
    headroom_percent: Annotated[
        float, Meta(description="How much of the machines is kept free at the peak, in percent.")
    ] = 30.0
    discount_percent: Annotated[float, Meta(description="What is taken off for a commitment, in percent.")] = (
        0.0
    )
    machine_price: Annotated[
        str | None, Meta(description="Of a hybrid, the price table of its machines, where that is another.")
    ] = None
    staff_hours: Annotated[
        float, Meta(description="Hours a month to keep it healthy; beside the bill, never in it.")
    ] = 0.0
    staff_rate: Annotated[float, Meta(description="What such an hour costs.")] = 0.0
    call_price: Annotated[float, Meta(description="What a model call costs; beside the bill.")] = 0.0
    token_price_million: Annotated[
        float, Meta(description="What a million tokens of model calls costs; beside the bill.")
    ] = 0.0
    rps: Annotated[
        float | None,
        Meta(description=("Requests a second that one machine carries, where that is known beforehand.")),
    ] = None
    slots: Annotated[
        float | None, Meta(description="Requests that one machine has at once, where that is known beforehand.")
    ] = None
    rates: Annotated[
        dict[str, float],
        Meta(description=("What one unit of another currency is worth in this one, by its code, such as EUR.")),
    ] = {}
    scales: Annotated[
        bool, Meta(description=("Whether machines come and go with the load; otherwise they are on all month."))
    ] = False

    def __post_init__(self) -> None:
        check_positive(self, "vcpu", "memory_gib", "machines")
        check_positive(self, *(name for name in ("rps", "slots") if getattr(self, name) is not None))
        for code, rate in self.rates.items():
            if not re.fullmatch("[A-Z]{3}", code):
                raise ValueError(f"rates: {quoted(code)} is not a valid currency code; write it as EUR")
            if not 0 < rate < math.inf:
                raise ValueError(f"rates: one {code} must be worth more than 0")
        if self.rps is not None and self.slots is not None:
            raise ValueError("rps and slots exclude each other; state the one that you know")
        for name in (
            "min_instances",
            "headroom_percent",
            "staff_hours",
            "staff_rate",
            "call_price",
            "token_price_million",
        ):
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} must be from 0 to {number(MOST)}")
        if not 0 <= self.discount_percent < 100:
            raise ValueError("discount_percent must be from 0 to less than 100")
