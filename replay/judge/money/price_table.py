"""Price tables: what a provider asks for an instance's seconds, a request, a machine's hours. Data files, read here.

A table says where its figures are from and of which day they are. Prices are list prices in its currency, without tax.
"""

import datetime
import tomllib

import msgspec

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
    """One provider's prices in one region on one day. egress_gib: a GiB to the internet, after egress_free_gib."""

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
    for figure in _figures(table):
        if not 0 <= figure < 1e9:
            raise PriceTableError(f"{where}: {figure:g} is not a valid price; prices are zero or more.")
    return table


def _figures(table: PriceTable) -> list[float]:
    """Every number in the table."""
    found: list[float] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                look(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                look(inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(float(value))

    look(msgspec.to_builtins(table))
    return found
