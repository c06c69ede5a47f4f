"""Which sizes of an instance a platform has: its own rule, as data of its price table. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from replay.words.numbers import exact, number

_EXACT = 1e-6


class SizeRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sizes of an instance: so many vCPUs, with memory in a range."""

    vcpu: Annotated[float, Meta(description="The vCPUs, or the fewest of them.")]
    least_gib: Annotated[float, Meta(description="The least memory, in GiB.")]
    most_gib: Annotated[float, Meta(description="The most memory, in GiB.")]
    most_vcpu: Annotated[float | None, Meta(description="The most vCPUs; absent: as many as vcpu.")] = None
    step_gib: Annotated[float, Meta(description="The steps in which memory comes, in GiB; 0: any.")] = 0.0

    def has(self, vcpu: float, memory_gib: float) -> bool:
        """Whether that is a size of this range."""
        top = self.vcpu if self.most_vcpu is None else self.most_vcpu
        return self.vcpu - _EXACT <= vcpu <= top + _EXACT and self.has_memory(memory_gib)

    def has_memory(self, memory_gib: float) -> bool:
        """Whether so much memory is in it, with whatever vCPUs."""
        if not self.least_gib - _EXACT <= memory_gib <= self.most_gib + _EXACT:
            return False
        steps = (memory_gib - self.least_gib) / self.step_gib if self.step_gib else 0.0
        return abs(steps - round(steps)) < _EXACT


class SizeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sizes that instances come in."""

    rule: Annotated[str, Meta(description="The platform's own words for it, in short.")]
    source: Annotated[str, Meta(description="Where they are from.")]
    sizes: Annotated[tuple[SizeRange, ...], Meta(description="The sizes.")]
    one_request_below_vcpu: Annotated[
        float,
        Meta(
            description=(
                "An instance with fewer vCPUs than this takes one request at once, and is paid by request."
            )
        ),
    ] = 0.0
    gib_per_vcpu: Annotated[
        float | None, Meta(description="Where memory alone is chosen, the GiB with which a vCPU comes.")
    ] = None

    def problem(
        self, vcpu: float, memory_gib: float, *, at_once: float | None = None, by_request: bool = True
    ) -> str | None:
        """Why the platform has no such instance, as the rest of a sentence; None where it has. at_once: requests that
        share an instance, where that is known. by_request: how it is paid.
        """
        if self.gib_per_vcpu is not None:
            size = f"{exact(memory_gib)} GiB"
            is_had = any(one.has_memory(memory_gib) for one in self.sizes)
        else:
            size = f"{exact(vcpu)} vCPU and {exact(memory_gib)} GiB"
            is_had = any(one.has(vcpu, memory_gib) for one in self.sizes)
        if not is_had:
            return f"has no instance of {size}: {self.rule}"
        if vcpu < self.one_request_below_vcpu:
            less = f"an instance with less than {exact(self.one_request_below_vcpu)} vCPU"
            if not by_request:
                return f"has {less} paid by request only"
            if at_once is not None and at_once > 1 + _EXACT:
                return f"gives {less} one request at once, and here {number(at_once)} share one"
        return None
