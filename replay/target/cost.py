"""What a target is paid for with."""

import math
import re
from typing import Literal

import msgspec

from replay.keys import quoted
from replay.target.checking import MOST, check_positive
from replay.words.numbers import number


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the target is paid for with. price: a shipped price table, or the path of one.

    billing, vcpu, memory_gib, min_instances: of a serverless plane, by instance. machine: its kind in the price table;
    machines: how many of them the target stands for as it is now; headroom_percent: kept free at the peak. rps: the
    requests/s that one machine carries, or slots: the requests that it has at once, where that is known beforehand.
    scales: machines come and go with the load, as in a group that scales; else they are on all month.
    discount_percent: for a commitment. machine_price: of a hybrid, the table of its machines, where that is another.
    Beside the bill, never in it: staff_hours a month to keep the plane healthy, at staff_rate an hour; call_price for
    each model call, token_price_million for a million of its tokens. All of these are in the currency of `price`; rates
    says what one unit of a currency is worth in that of another target's prices, so that bills can be compared.
    """

    price: str
    billing: Literal["request", "instance"] = "request"
    vcpu: float = 1.0
    memory_gib: float = 0.5
    min_instances: int = 0
    machine: str | None = None
    machines: int = 1
    headroom_percent: float = 30.0
    discount_percent: float = 0.0
    machine_price: str | None = None
    staff_hours: float = 0.0
    staff_rate: float = 0.0
    call_price: float = 0.0
    token_price_million: float = 0.0
    rps: float | None = None
    slots: float | None = None
    rates: dict[str, float] = {}
    scales: bool = False

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
