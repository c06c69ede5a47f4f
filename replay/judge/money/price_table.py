"""Price tables: what a provider asks for an instance's seconds, a request, a machine's hours. Data files, read here.

A table says where its figures are from and of which day they are. Prices are list prices in its currency, without tax.
"""

import datetime
import math
import re
import tomllib
from collections.abc import Iterator

import msgspec

from replay.judge.money.sizes import SizeRule

# The most that is taken for a price, in dollars: some hundred times what is asked anywhere, so that an amount of a
# month or of a million in the place of one second's or one request's is seen.
_MOST_USD = {
    "vcpu_s": 0.01,
    "gib_s": 0.01,
    "idle_vcpu_s": 0.01,
    "idle_gib_s": 0.01,
    "request": 0.01,
    "hour": 1_000.0,
    "month": 100_000.0,
    "balancer_month": 10_000.0,
    "egress_gib": 10.0,
}
# Every field of a table that is an amount of money.
PRICES = frozenset(_MOST_USD)
# Currencies that are worth a dollar within a factor of ten; any other may be worth as little as a hundred-thousandth.
_ABOUT_A_DOLLAR = frozenset(
    ["AUD", "BRL", "CAD", "CHF", "CNY", "EUR", "GBP", "ILS", "NZD", "PLN", "SGD", "USD"]
)
_LEAST_WORTH = 1e-5
_ABOUT = 10.0

STALE_AFTER = datetime.timedelta(days=180)


class PriceTableError(ValueError):
    """A price table cannot be used as it is written; str() is the whole message."""


class FreeTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a month has free, for a billing account."""

    vcpu_s: float = 0.0
    gib_s: float = 0.0
    requests: float = 0.0


class RequestBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid while an instance has at least one request. Each such interval is rounded up to granularity_ms.

    idle_vcpu_s, idle_gib_s: of instances that are kept without a request (min_instances). has_boots: the time of a
    boot is billed as an active one. is_unshared: an instance takes one request at once, whatever the run's did.
    """

    vcpu_s: float
    gib_s: float
    request: float
    granularity_ms: float
    idle_vcpu_s: float = 0.0
    idle_gib_s: float = 0.0
    has_boots: bool = True
    is_unshared: bool = False
    free: FreeTier = FreeTier()


class InstanceBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid for as long as an instance lives, minimum_s at least; requests cost nothing."""

    vcpu_s: float
    gib_s: float
    minimum_s: float = 0.0
    free: FreeTier = FreeTier()


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of machine, by the hour. vcpu: what it may use all the time."""

    hour: float
    vcpu: float
    memory_gib: float


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine needs beside itself, by the month of 730 hours: a disk, an address."""

    name: str
    month: float


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider's prices in one region on one day. egress_gib: a GiB to the internet, after egress_free_gib.

    machine_minimum_s: for how long a machine that is started is paid at least, where machines come and go.
    balancer_month: a load balancer, which two machines and more need. limits: the sizes that instances come in.
    """

    provider: str
    region: str
    currency: str
    date: datetime.date
    source: str
    request: RequestBilling | None = None
    instance: InstanceBilling | None = None
    machines: dict[str, Machine] = {}
    extras: tuple[Extra, ...] = ()
    egress_gib: float = 0.0
    egress_free_gib: float = 0.0
    machine_minimum_s: float = 0.0
    balancer_month: float = 0.0
    limits: SizeRule | None = None

    def is_stale(self, today: datetime.date) -> bool:
        """Whether the table is older than half a year."""
        return today - self.date > STALE_AFTER

    def machine(self, kind: str) -> Machine:
        """Raises PriceTableError if there is no such kind."""
        found = self.machines.get(kind)
        if found is None:
            known = ", ".join(sorted(self.machines)) or "none"
            raise PriceTableError(
                f"the price table of {self.provider} has no machine {kind!r}; it has {known}."
            )
        return found


def parse_price_table(content: bytes, where: str) -> PriceTable:
    """A table from its TOML. Raises PriceTableError, saying what is wrong and where."""
    try:
        written = tomllib.loads(content.decode())
        table = msgspec.convert(written, PriceTable)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise PriceTableError(f"{where}: is not TOML: {cause}.") from cause
    except msgspec.ValidationError as cause:
        raise PriceTableError(f"{where}: {str(cause).replace('`', chr(34))}.") from cause
    for problem in (
        _currency_problem(table),
        _price_problem(table),
        _zero_problem(table),
        _size_problem(table),
    ):
        if problem is not None:
            raise PriceTableError(f"{where}: {problem}.")
    return table


def _currency_problem(table: PriceTable) -> str | None:
    if re.fullmatch("[A-Z]{3}", table.currency):
        return None
    return f"currency {table.currency[:20]!r} is not a valid code; write three capital letters, as USD or EUR"


def _price_problem(table: PriceTable) -> str | None:
    """A figure that is no price: negative, not finite, or far more than anyone asks."""
    worth = _ABOUT if table.currency in _ABOUT_A_DOLLAR else 1 / _LEAST_WORTH
    for place, figure in _figures(msgspec.to_builtins(table), ""):
        if not (figure >= 0 and math.isfinite(figure)):
            return f"{place} = {figure:g} is not a valid price; prices are zero or more"
        rest, _, name = place.rpartition(".")
        most = None if rest.endswith(".free") else _MOST_USD.get(name)
        if most is not None and figure > most * worth:
            return (
                f"{place} = {figure:g} is not a plausible price, being more than {most * worth:g} {table.currency}; "
                "prices are of one second, one request, one hour or one GiB, as the name says"
            )
    return None


def _zero_problem(table: PriceTable) -> str | None:
    """A zero where there has to be a price."""
    for name, billing in (("request", table.request), ("instance", table.instance)):
        if billing is not None and not billing.vcpu_s and not billing.gib_s:
            return f"{name}.vcpu_s and {name}.gib_s are both 0, so that time would cost nothing"
    for kind, machine in table.machines.items():
        for field in machine.__struct_fields__:
            if not getattr(machine, field):
                return f"machines.{kind}.{field} must be more than 0"
    return None


def _size_problem(table: PriceTable) -> str | None:
    """A machine of a size that the platform does not have."""
    for kind, machine in table.machines.items() if table.limits is not None else ():
        problem = table.limits.problem(machine.vcpu, machine.memory_gib) if table.limits is not None else None
        if problem is not None:
            return f"machines.{kind}: {table.provider} {problem}"
    return None


def _figures(value: object, place: str) -> Iterator[tuple[str, float]]:
    """Every number in the table, and where it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _figures(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _figures(inner, f"{place}.{n}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)
