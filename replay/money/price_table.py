"""Price tables: what a provider asks for an instance's seconds, a request, a machine's hours. Data files, read here.

A table says where its figures are from and of which day they are. Prices are list prices in its currency, without tax.
What nobody publishes in a form that can be read is listed as unpriced, with the reason; it is never guessed.
"""

import datetime
import math
import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
    """What is free each month, for a billing account."""

    vcpu_s: Annotated[float, Meta(description="vCPU-seconds.")] = 0.0
    gib_s: Annotated[float, Meta(description="GiB-seconds of memory.")] = 0.0
    requests: Annotated[float, Meta(description="Requests.")] = 0.0


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What memory costs beyond so much of it in a month."""

    above_gib_s: Annotated[float, Meta(description="GiB-seconds in a month from which on it holds.")]
    gib_s: Annotated[float, Meta(description="The price of a GiB-second from there on.")]


class RequestBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid while an instance has at least one request."""

    vcpu_s: Annotated[float, Meta(description="The price of a vCPU-second.")]
    gib_s: Annotated[float, Meta(description="The price of a GiB-second of memory.")]
    request: Annotated[float, Meta(description="The price of a request.")]
    socket_is: Annotated[
        Literal["one request", "its messages"],
        Meta(description="What a WebSocket is paid as: one request, or a request for each message sent on it."),
    ] = "one request"
    granularity_ms: Annotated[
        float, Meta(description=("Each interval with requests is rounded up to a multiple of this, in ms."))
    ]
    idle_vcpu_s: Annotated[
        float, Meta(description=("The price of a vCPU-second of an instance that is kept without a request."))
    ] = 0.0
    idle_gib_s: Annotated[float, Meta(description="The price of a GiB-second of such an instance.")] = 0.0
    has_boots: Annotated[bool, Meta(description="Whether the time of a boot is billed as an active one.")] = (
        True
    )
    is_unshared: Annotated[
        bool, Meta(description="Whether an instance takes one request at once, whatever the run's did.")
    ] = False
    free: Annotated[FreeTier, Meta(description="What is free each month.")] = FreeTier()
    tiers: Annotated[
        tuple[Tier, ...], Meta(description="What memory costs beyond the first share, ascending.")
    ] = ()
    is_paid_until_gone: Annotated[
        bool,
        Meta(
            description=("Whether an instance that is not kept costs the same while it waits to be taken away.")
        ),
    ] = False


class InstanceBilling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paid for as long as an instance lives; requests cost nothing."""

    vcpu_s: Annotated[float, Meta(description="The price of a vCPU-second.")]
    gib_s: Annotated[float, Meta(description="The price of a GiB-second of memory.")]
    minimum_s: Annotated[float, Meta(description="For how long an instance is paid at least, in s.")] = 0.0
    free: Annotated[FreeTier, Meta(description="What is free each month.")] = FreeTier()
    gpu: Annotated[str, Meta(description="The model of the GPU that each instance has; empty: none.")] = ""
    gpu_s: Annotated[float, Meta(description="The price of a second with that GPU.")] = 0.0


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of machine, paid by the hour."""

    hour: Annotated[float, Meta(description="The price of an hour.")]
    vcpu: Annotated[float, Meta(description="vCPUs that it may use all the time.")]
    memory_gib: Annotated[float, Meta(description="Its memory, in GiB.")]
    arch: Annotated[Literal["x86", "arm"], Meta(description="The architecture of its processor.")] = "x86"
    gpu: Annotated[str, Meta(description="The model of its GPU, whose price is in the hour; empty: none.")] = ""
    spot_hour: Annotated[
        float | None, Meta(description="The price of an hour while the provider has it to spare; absent: none.")
    ] = None
    sustained: Annotated[
        float,
        Meta(
            description=(
                "What is taken off by itself if it is on all month, from 0 to 1; not on top of a commitment."
            )
        ),
    ] = 0.0
    is_reclaimable: Annotated[bool, Meta(description="Whether it may be taken away at any time.")] = False
    note: Annotated[str, Meta(description="What a reader of a bill must know of it.")] = ""


class Spot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How spot machines are priced and taken back. These prices move."""

    date: Annotated[datetime.date, Meta(description="The day that the prices are of.")]
    source: Annotated[str, Meta(description="Where they are from.")]
    notice: Annotated[str, Meta(description="How such machines are taken back.")]


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is taken off for a promise of some years."""

    name: Annotated[str, Meta(description="What the provider calls it.")]
    years: Annotated[int, Meta(description="For how many years.")]
    discount: Annotated[float, Meta(description="What is taken off, from 0 to 1.")]
    covers: Annotated[
        tuple[str, ...],
        Meta(
            description=("What it is for: beginnings of machines' kinds, or request, instance and worker-pool.")
        ),
    ]


class Commitments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table's commitments, which are published apart from its prices."""

    date: Annotated[datetime.date, Meta(description="The day that they are of.")]
    source: Annotated[str, Meta(description="Where they are from.")]
    rates: Annotated[tuple[Commitment, ...], Meta(description="The commitments.")]


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine needs beside itself: a disk, an address."""

    name: Annotated[str, Meta(description="What it is.")]
    month: Annotated[float, Meta(description="The price of it, for a month of 730 hours.")]


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The prices of one provider in one region on one day: list prices without tax."""

    provider: Annotated[str, Meta(description="The provider, with the product.")]
    region: Annotated[str, Meta(description="The region.")]
    currency: Annotated[str, Meta(description="The currency of all amounts, such as USD.")]
    date: Annotated[datetime.date, Meta(description="The day that the prices are of.")]
    source: Annotated[str, Meta(description="Where they are from.")]
    request: Annotated[RequestBilling | None, Meta(description="Instances that are paid by requests.")] = None
    instance: Annotated[
        InstanceBilling | None, Meta(description="Instances that are paid for as long as they live.")
    ] = None
    machines: Annotated[dict[str, Machine], Meta(description="Machines, by their kinds.")] = {}
    extras: Annotated[tuple[Extra, ...], Meta(description="What each machine needs beside itself.")] = ()
    egress_gib: Annotated[float, Meta(description="The price of a GiB to the internet.")] = 0.0
    egress_free_gib: Annotated[float, Meta(description="GiB to the internet that are free each month.")] = 0.0
    balancer_month: Annotated[
        float,
        Meta(description=("The price of a load balancer before several machines, for a month of 730 hours.")),
    ] = 0.0
    checked: Annotated[str, Meta(description="A second source that says the same.")] = ""
    worker_pool: Annotated[
        InstanceBilling | None, Meta(description="Instances that are kept, and that no request reaches.")
    ] = None
    balancer_gib: Annotated[float, Meta(description="The price of a GiB through that load balancer.")] = 0.0
    cluster_hour: Annotated[
        float, Meta(description=("The price of an hour of what machines need once, however many they are."))
    ] = 0.0
    machine_request: Annotated[float, Meta(description="The price of a request to a machine.")] = 0.0
    nodes_of: Annotated[str, Meta(description="The name of another table, whose machines these are.")] = ""
    spot: Annotated[Spot | None, Meta(description="How spot prices came about.")] = None
    commitments: Annotated[Commitments | None, Meta(description="What is taken off for commitments.")] = None
    unpriced: Annotated[dict[str, str], Meta(description="What has no price here, and why.")] = {}
    machine_minimum_s: Annotated[
        float, Meta(description="For how long a machine is paid at least once it is started, in s.")
    ] = 0.0
    limits: Annotated[SizeRule | None, Meta(description="The sizes that instances come in.")] = None
    limits_of: Annotated[
        str, Meta(description="The name of another table of the same platform, whose limits hold.")
    ] = ""

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
