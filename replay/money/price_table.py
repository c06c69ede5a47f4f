"""Price tables: what a provider asks for an instance's seconds, a request, a machine's hours. Data files, read here.

A table says where its figures are from and of which day they are. Prices are list prices in its currency, without tax.
What nobody publishes in a form that can be read is listed as unpriced, with the reason; it is never guessed.
"""

import datetime
import math
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from replay.errors import InputError
from replay.keys import explained
from replay.money.sizes import SizeRule
from replay.toml import TomlError, read_toml
from replay.words.numbers import exact

# The most that is taken for a price, in dollars: some hundred times what is asked anywhere, so that an amount of a
# month or of a million in the place of one second's or one request's is seen.
_MOST_USD = {
    "vcpu_s": 0.01,
    "gib_s": 0.01,
    "idle_vcpu_s": 0.01,
    "idle_gib_s": 0.01,
    "request": 0.01,
    "gpu_s": 0.1,
    "hour": 1_000.0,
    "spot_hour": 1_000.0,
    "cluster_hour": 100.0,
    "machine_request": 0.01,
    "balancer_gib": 10.0,
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
# A machine's kind with this at its end is that machine at its spot price.
SPOT = "-spot"


class PriceTableError(InputError, ValueError):
    """A price table cannot be used as it is written; str() is the whole message."""


class FreeTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a month has free, for a billing account."""

    vcpu_s: float = 0.0
    gib_s: float = 0.0
    requests: float = 0.0


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a GiB-second costs beyond so many of them in a month."""

    above_gib_s: float
    gib_s: float


class RequestBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid while an instance has at least one request. Each such interval is rounded up to granularity_ms.

    idle_vcpu_s, idle_gib_s: of instances that are kept without a request (min_instances). has_boots: the time of a
    boot is billed as an active one. is_unshared: an instance takes one request at once, whatever the run's did.
    tiers: what memory time costs beyond gib_s's own share, ascending. is_paid_until_gone: an instance that is not kept
    costs the same while it waits to be taken away.
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
    tiers: tuple[Tier, ...] = ()
    is_paid_until_gone: bool = False


class InstanceBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid for as long as an instance lives, minimum_s at least; requests cost nothing.

    gpu: the model that each instance has one of, at gpu_s a second of its life.
    """

    vcpu_s: float
    gib_s: float
    minimum_s: float = 0.0
    free: FreeTier = FreeTier()
    gpu: str = ""
    gpu_s: float = 0.0


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of machine, by the hour. vcpu: what it may use all the time.

    gpu: the model of its GPU, whose price is in the hour. spot_hour: while the provider has it to spare. sustained:
    0..1, taken off by itself if it is on all month, and not on top of a commitment. is_reclaimable: it may be taken
    away at any time.
    """

    hour: float
    vcpu: float
    memory_gib: float
    arch: Literal["x86", "arm"] = "x86"
    gpu: str = ""
    spot_hour: float | None = None
    sustained: float = 0.0
    is_reclaimable: bool = False
    note: str = ""


class Spot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which day a table's spot prices are, from where, and how such machines are taken back. These prices move."""

    date: datetime.date
    source: str
    notice: str


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is taken off for a promise of so many years. discount: 0..1.

    covers: beginnings of machines' kinds, or request, instance and worker-pool.
    """

    name: str
    years: int
    discount: float
    covers: tuple[str, ...]


class Commitments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which day a table's commitments are, and from where: they are published apart from the prices."""

    date: datetime.date
    source: str
    rates: tuple[Commitment, ...]


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine needs beside itself, by the month of 730 hours: a disk, an address."""

    name: str
    month: float


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider's prices in one region on one day. egress_gib: a GiB to the internet, after egress_free_gib.

    machine_minimum_s: for how long a machine that is started is paid at least, where machines come and go. limits: the
    sizes that instances come in.
    checked: a second source that says the same. worker_pool: instances that are kept, and that no request reaches.
    balancer_month, balancer_gib: a load balancer before several machines, by the month and by each GiB through it.
    cluster_hour: what machines need once, however many they are. machine_request: a request to a machine.
    nodes_of: another table, whose machines these are. limits_of: another table of the same platform, whose limits
    hold. unpriced: what has no price here, and why.
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
    balancer_month: float = 0.0
    checked: str = ""
    worker_pool: InstanceBilling | None = None
    balancer_gib: float = 0.0
    cluster_hour: float = 0.0
    machine_request: float = 0.0
    nodes_of: str = ""
    spot: Spot | None = None
    commitments: Commitments | None = None
    unpriced: dict[str, str] = {}
    machine_minimum_s: float = 0.0
    limits: SizeRule | None = None
    limits_of: str = ""

    def is_stale(self, today: datetime.date) -> bool:
        """Whether the table is older than half a year."""
        return today - self.date > STALE_AFTER

    def of_kind(self, kind: str) -> "PriceTable":
        """The table as the price of this kind is: for a spot machine it is of the day of its spot prices, if older."""
        if self.spot is None or kind in self.machines or not kind.endswith(SPOT):
            return self
        source = f"{self.source}; spot prices of {self.spot.date}: {self.spot.source}"
        return msgspec.structs.replace(self, date=min(self.date, self.spot.date), source=source)

    def kinds(self) -> list[str]:
        """The machines that have a price, those at a spot price among them."""
        spot = [kind + SPOT for kind, machine in self.machines.items() if machine.spot_hour is not None]
        return sorted([*self.machines, *spot])

    def machine(self, kind: str) -> Machine:
        """Raises PriceTableError if there is no such kind, or no price for it."""
        if kind in self.machines:
            return self.machines[kind]
        base = self.machines.get(kind.removesuffix(SPOT))
        why = self.unpriced.get(kind) or (self.unpriced.get("spot") if base is not None else None)
        if base is not None and base.spot_hour is not None and self.spot is not None:
            note = f"spot price of {self.spot.date}, which changes often; {self.spot.notice}"
            return msgspec.structs.replace(
                base, hour=base.spot_hour, spot_hour=None, sustained=0.0, is_reclaimable=True, note=note
            )
        if why is not None:
            raise PriceTableError(f"the price table of {self.provider} has no price for {kind}: {why}")
        known = ", ".join(self.kinds()) or "none"
        raise PriceTableError(f"the price table of {self.provider} has no machine {kind!r}; it has {known}.")

    def commitment(self, covered: str, years: int) -> Commitment:
        """What a promise of so many years takes off a machine's kind, or off request, instance or worker-pool.

        Raises PriceTableError where the table knows of none.
        """
        fits = [
            (len(start), one)
            for one in (self.commitments.rates if self.commitments is not None else ())
            for start in one.covers
            if one.years == years and covered.startswith(start) and not covered.endswith(SPOT)
        ]
        if fits:
            return max(fits, key=lambda fit: fit[0])[1]
        term = "one year" if years == 1 else f"{years} years"
        why = self.unpriced.get("commitments")
        because = f": {why}" if why else "."
        raise PriceTableError(
            f"the price table of {self.provider} has no commitment of {term} for {covered}{because}"
        )


def on_nodes(cluster: PriceTable, nodes: PriceTable) -> PriceTable:
    """A cluster's table with the machines of the table that has its nodes. It is as old as the older of the two.

    Raises PriceTableError if they are of different regions or currencies.
    """
    if (cluster.region, cluster.currency) != (nodes.region, nodes.currency):
        raise PriceTableError(
            f"{cluster.provider} in {cluster.region} cannot have its nodes of {nodes.provider} in {nodes.region}: "
            "region and currency must be the same."
        )
    return msgspec.structs.replace(
        cluster,
        date=min(cluster.date, nodes.date),
        source=f"{cluster.source}; nodes: {nodes.source}",
        machines=nodes.machines | cluster.machines,
        extras=cluster.extras or nodes.extras,
        egress_gib=cluster.egress_gib or nodes.egress_gib,
        egress_free_gib=cluster.egress_free_gib or nodes.egress_free_gib,
        balancer_month=cluster.balancer_month or nodes.balancer_month,
        balancer_gib=cluster.balancer_gib or nodes.balancer_gib,
        spot=cluster.spot or nodes.spot,
        commitments=cluster.commitments or nodes.commitments,
        unpriced=nodes.unpriced | cluster.unpriced,
    )


def parse_price_table(content: bytes, where: str) -> PriceTable:
    """A table from its TOML. Raises PriceTableError, saying what is wrong and where."""
    try:
        written = read_toml(content)
    except TomlError as cause:
        raise PriceTableError(f"{where}: {cause}.") from cause
    try:
        table = msgspec.convert(written, PriceTable)
    except msgspec.ValidationError as cause:
        raise PriceTableError(f"{where}: {explained(cause, PriceTable, written)}") from cause
    for problem in (
        _currency_problem(table),
        _price_problem(table),
        _zero_problem(table),
        _size_problem(table),
    ):
        if problem is not None:
            raise PriceTableError(f"{where}: {problem}.")
    wrong = _contradiction(table)
    if wrong:
        raise PriceTableError(f"{where}: {wrong}")
    return table


def _contradiction(table: PriceTable) -> str:
    """What in the table cannot be so, as a sentence; empty where all can."""
    for kind, machine in table.machines.items():
        if machine.spot_hour is not None and table.spot is None:
            return f"{kind} has a spot_hour, and there is no [spot] that says of which day it is."
        if machine.spot_hour is not None and machine.spot_hour > machine.hour:
            return f"{kind} has a spot_hour of {exact(machine.spot_hour)}, above its hour of {exact(machine.hour)}."
        if machine.sustained >= 1:
            return f"{kind} has sustained = {exact(machine.sustained)}; it must be less than 1 (0.2 is 20%)."
    for commitment in table.commitments.rates if table.commitments is not None else ():
        if not 0 < commitment.discount < 1:
            return (
                f"{commitment.name} has discount = {exact(commitment.discount)}; it must be between 0 and 1 "
                f"(0.2 is 20%)."
            )
        if commitment.years < 1 or not commitment.covers:
            return f"{commitment.name} needs years of 1 or more, and at least one beginning of a kind that it covers."
    tiers = [tier.above_gib_s for tier in table.request.tiers] if table.request is not None else []
    if tiers != sorted(set(tiers)) or (tiers and tiers[0] <= 0):
        return "the tiers of [request] must begin above 0 and ascend by above_gib_s."
    both = sorted(set(table.machines) & set(table.unpriced))
    return f"{both[0]} has a price and is among the unpriced." if both else ""


def _currency_problem(table: PriceTable) -> str | None:
    if re.fullmatch("[A-Z]{3}", table.currency):
        return None
    return f"currency {table.currency[:20]!r} is not a valid code; write three capital letters, as USD or EUR"


def _price_problem(table: PriceTable) -> str | None:
    """A figure that is no price: negative, not finite, or far more than anyone asks."""
    worth = _ABOUT if table.currency in _ABOUT_A_DOLLAR else 1 / _LEAST_WORTH
    for place, figure in _figures(msgspec.to_builtins(table), ""):
        if place.endswith("above_gib_s"):
            # Where a tier begins is no price, and is looked at by itself.
            continue
        if not (figure >= 0 and math.isfinite(figure)):
            return f"{place} = {exact(figure)} is not a valid price; prices are zero or more"
        rest, _, name = place.rpartition(".")
        most = None if rest.endswith(".free") else _MOST_USD.get(name)
        if most is not None and figure > most * worth:
            return (
                f"{place} = {exact(figure)} is not a plausible price, being more than {exact(most * worth)} "
                f"{table.currency}; "
                "prices are of one second, one request, one hour or one GiB, as the name says"
            )
    return None


def _zero_problem(table: PriceTable) -> str | None:
    """A zero where there has to be a price."""
    for name, billing in (("request", table.request), ("instance", table.instance)):
        if billing is not None and not billing.vcpu_s and not billing.gib_s:
            return f"{name}.vcpu_s and {name}.gib_s are both 0, so that time would cost nothing"
    for kind, machine in table.machines.items():
        for field in ("hour", "vcpu", "memory_gib"):
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
