"""What one machine carries, how that is known, and so how many machines a load takes. Pure.

Known in this order: as its owner states it, in requests/s or in requests at once; from a ceiling that was measured, at
which a machine had so many requests a second, and so many at once; or from machines that were seen to hold the load.
The first two say where a machine gives in, so headroom is kept below that. The third says only that so many machines
sufficed, so it is those that are priced, and what they had left is not known. A ceiling below what the run itself
carried was a search that went wrong, and is thrown out.
"""

from math import ceil
from typing import Literal, NamedTuple

from replay.money.cost import CostError
from replay.money.following import HOLD_S, Kept
from replay.words.numbers import exact, number, percent
from replay.words.phrases import counted

How = Literal["stated", "measured", "seen"]


class Stated(NamedTuple):
    """What the owner says of one machine: requests/s that it carries, or slots, requests that it has at once."""

    rps: float | None = None
    slots: float | None = None


class Load(NamedTuple):
    """What the machines have to carry at the peak. in_flight: requests at once, the most; at_once: as many as a request
    finds under way on these machines, itself among them, of which one in twenty finds more; of_a_session: the same of
    its own session, however few there are. Each None where it is not known.
    """

    peak_rps: float
    in_flight: float | None = None
    at_once: float | None = None
    of_a_session: float | None = None


class Searched(NamedTuple):
    """A ceiling: requests/s that so many machines carried together at the highest load that held. at_once: as of Load,
    there.
    """

    rps: float
    machines: int
    at_once: float | None = None


class Held(NamedTuple):
    """A run on so many machines: requests/s at its peak, requests that failed, and whether it broke its budget.
    at_once: as of Load, in it.
    """

    rps: float
    machines: int
    failed: int = 0
    broke_budget: bool = False
    at_once: float | None = None

    @property
    def is_held(self) -> bool:
        return self.machines > 0 and self.rps > 0 and not self.failed and not self.broke_budget


class Bursts(NamedTuple):
    """at_once, of_a_session: as of Load, of what comes together. borne: as many as one machine was seen to bear.
    headroom: what is kept below that.
    """

    at_once: float
    of_a_session: float
    borne: float
    headroom: float

    def machines(self, factor: float = 1.0) -> float:
        """How many machines, in parts, bear what comes together of so many times as many sessions."""
        return times_at_once(self.at_once, factor * (1 + self.headroom), self.of_a_session) / self.borne

    def full(self, most: int) -> list[float]:
        """The factors at which fleets of up to so many machines bear no more; none where it makes no difference."""
        grows = times_at_once(self.at_once, 2.0, self.of_a_session) - self.at_once
        alone = self.at_once - grows
        each = (n * self.borne for n in range(1, most + 1))
        return [(at - alone) / grows / (1 + self.headroom) for at in each if at > alone] if grows > 0 else []


class Capacity(NamedTuple):
    """rps: requests/s that one machine carries, of this load. text: a clause that says how that is known. by_rate_rps:
    the same, if nothing came together; bursts: where that takes fewer machines than this load does, what does come so.
    """

    rps: float
    how: How
    text: str
    by_rate_rps: float | None = None
    bursts: Bursts | None = None

    def keeps(self, headroom: float) -> float:
        """The headroom that is kept below it. Machines that were seen to hold the load are priced as they were."""
        return 0.0 if self.how == "seen" else headroom


class Sized(NamedTuple):
    """So many machines, and the sentence that says why."""

    machines: int
    text: str


def capacity_of(
    load: Load,
    *,
    stated: Stated = Stated(),  # noqa: B008 - a NamedTuple
    ceiling: Searched | None = None,
    held: Held | None = None,
    headroom: float = 0.0,
) -> Capacity:
    """What one machine carries, by the first of these that is known. headroom: what is to be kept below it, by which
    bursts are larger, too. Raises CostError if none is.
    """
    if stated.rps is not None:
        return Capacity(stated.rps, "stated", f"one carries {number(stated.rps)} requests/s, as stated")
    if stated.slots is not None:
        return _by_slots(load, stated.slots)
    if ceiling is not None and ceiling.machines > 0 and ceiling.rps > 0 and not is_refuted(ceiling, held):
        each = ceiling.rps / ceiling.machines
        by_rate = Capacity(
            each, "measured", f"one carries {number(each)} requests/s, by the ceiling that was found"
        )
        return _by_bursts(load, ceiling, held, by_rate, headroom) or by_rate
    if held is not None and held.is_held:
        each = held.rps / held.machines
        return Capacity(
            each,
            "seen",
            f"{number(held.machines)} held {number(held.rps)} requests/s in the run with no failure; what they had "
            "left is not known",
        )
    raise CostError(
        "how much a machine carries was neither stated nor measured, and no run on machines was held without "
        "failures and in time; state the requests/s of one machine (rps in [cost], --machine-rps) or the requests that "
        "it has at once (slots, --machine-slots)"
    )


def is_refuted(ceiling: Searched, held: Held | None) -> bool:
    """Whether the run held more on each machine than the search called the most."""
    if held is None or not held.is_held or ceiling.machines <= 0:
        return False
    return ceiling.rps / ceiling.machines < held.rps / held.machines * (1 - 1e-9)


def _by_bursts(
    load: Load, ceiling: Searched, held: Held | None, by_rate: Capacity, headroom: float
) -> Capacity | None:
    """The rate at which this load has as many requests at once on a machine as one was seen to bear; None where that is
    not known, or takes no more machines than its rate does.

    A rate alone says nothing of fifty calls that come at once and are over in a second: five machines that bear them
    are not one machine that bears a fifth of the rate.
    """
    if not load.at_once or not ceiling.at_once or not load.peak_rps:
        return None
    # Whatever answers bears one.
    of_a_session, borne = load.of_a_session or 1.0, max(1.0, ceiling.at_once / ceiling.machines)
    bursts = Bursts(load.at_once, of_a_session, borne, headroom)
    if held is not None and held.is_held and held.at_once:
        # Of machines that held this very load it is not known where they give in.
        seen = bursts._replace(borne=max(1.0, held.at_once / held.machines), headroom=0.0)
        bursts = min(bursts, seen, key=Bursts.machines)
    machines = bursts.machines()
    each = load.peak_rps * (1 + headroom) / machines
    if machines_for(load.peak_rps, each, headroom) <= machines_for(load.peak_rps, by_rate.rps, headroom):
        return None
    return Capacity(
        each,
        "measured",
        f"one was seen to bear {number(bursts.borne)} requests at once, of {number(load.at_once)} that come together",
        by_rate.rps,
        bursts,
    )


def times_at_once(at_once: float, factor: float, of_a_session: float = 1.0) -> float:
    """As many requests as a request finds under way where there are so many times as many sessions: those of its own
    session are as many as before.
    """
    own = min(max(1.0, of_a_session), at_once)
    return own + (at_once - own) * factor


def _by_slots(load: Load, slots: float) -> Capacity:
    """The rate at which this load, at its peak, fills the slots of one machine.

    Requests at once are counted rather than worked out from rate and mean duration: a stream that lasts longer than
    the window of the peak is in no such mean.
    """
    if not load.in_flight:
        raise CostError(
            "how many requests are under way at once is not known, so slots say nothing; state requests/s instead"
        )
    return Capacity(
        load.peak_rps * slots / load.in_flight,
        "stated",
        f"one has {counted(slots, 'request')} at once, as stated, of {number(load.in_flight)} at the peak",
    )


def sized(load: Load, capacity: Capacity, headroom: float) -> Sized:
    """Machines for the peak; one at least. headroom: 0.3 keeps thirty percent beyond the peak free."""
    kept = capacity.keeps(headroom)
    machines = machines_for(load.peak_rps, capacity.rps, kept)
    beyond = f" and {percent(kept)} more" if kept else ""
    verb = "as" if capacity.how == "seen" else "where"
    text = (
        f"{number(machines)} for {number(load.peak_rps)} requests/s at the peak{beyond}, {verb} {capacity.text}"
    )
    return Sized(machines, text)


def following_words(there: Kept, capacity: Capacity, headroom: float) -> str:
    """The sentence that says why a group has so many machines."""
    kept = capacity.keeps(headroom)
    beyond = f", {percent(kept)} more" if kept else ""
    return (
        f"{number(there.mean)} on average and {number(there.most)} at most: what each minute takes{beyond}, kept for "
        f"{exact(HOLD_S / 60)} minutes; {capacity.text}"
    )


def machines_for(peak_rps: float, rps_per_machine: float, headroom: float) -> int:
    """Machines that carry the peak with headroom (0.3: thirty percent more than it); one at least.

    Raises CostError if a machine carries nothing.
    """
    if not rps_per_machine > 0:
        raise CostError("what a machine carries was not measured")
    return max(1, ceil(round(peak_rps * (1 + headroom) / rps_per_machine, 9)))
