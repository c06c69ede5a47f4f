"""Many inputs through one harness, counted: made by mutation alone, or led by coverage where atheris is installed.

atheris (https://github.com/google/atheris) sees which lines an input reaches, and keeps those that reach new ones. Our
own mutations are among its own, since bytes changed at random seldom stay JSON. Without it they are all there is: the
same contract and the same seeds, but nothing learns.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.fuzz.contract import Harness, Tried, peak_mb, tried
from tests.fuzz.mutation import LARGEST_BYTES, Mutator

_SHRINKING_TRIES = 400
# What is slow is told by our own contract, and goes on; libFuzzer would end the process.
_NEVER_S = 1_000_000


class Finding(msgspec.Struct):
    """A place where the contract was broken. shortest: the input, of those that did."""

    place: str
    why: str
    shortest: bytes
    inputs: int = 1


class Tally(msgspec.Struct):
    """What many inputs did. engine: what made them. peak_mb: resident memory at most, beyond that at the start."""

    name: str
    engine: str
    inputs: int = 0
    accepted: int = 0
    worst_ms: float = 0.0
    peak_mb: float = 0.0
    findings: dict[str, Finding] = {}

    def add(self, data: bytes, found: Tried) -> None:
        self.inputs += 1
        self.accepted += found.is_accepted
        self.worst_ms = max(self.worst_ms, found.cpu_s * 1000)
        if found.finding is None:
            return
        known = self.findings.get(found.finding)
        if known is None:
            self.findings[found.finding] = Finding(found.finding, found.why, data)
            return
        known.inputs += 1
        if len(data) < len(known.shortest):
            known.shortest, known.why = data, found.why

    def join(self, other: "Tally") -> None:
        """Add what another process tried of the same parser."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.worst_ms = max(self.worst_ms, other.worst_ms)
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        for place, finding in other.findings.items():
            self.findings.setdefault(place, finding)


# Told each input before it is tried, so that one that ends the process is known.
Watch = Callable[[int, bytes], None]


def by_mutation(
    harness: Harness,
    inputs: int,
    seed: int,
    folder: Path,
    watch: Watch | None = None,
    ends_at: float | None = None,
) -> Tally:
    """The seeds and inputs made of them, so many in all. The same for the same seed. ends_at: by time.monotonic."""
    seeds = list(harness.seeds())
    mutator = Mutator(seeds, harness.words, seed)
    tally = Tally(harness.name, "mutation")
    begin_mb = None
    for n in range(inputs):
        if ends_at is not None and time.monotonic() > ends_at:
            break
        data = seeds[n] if n < len(seeds) else mutator.next()
        if watch is not None:
            watch(n, data)
        tally.add(data, tried(harness, data, folder))
        begin_mb = begin_mb or peak_mb()
    tally.peak_mb = peak_mb() - (begin_mb or 0.0)
    return tally


def by_coverage(
    harness: Harness,
    inputs: int,
    seed: int,
    folder: Path,
    watch: Watch,
    done: Callable[[Tally], None],
    ends_at: float | None = None,
) -> None:
    """As by_mutation, led by coverage; replay must have been imported under atheris. Ends the process after `done`."""
    import atheris

    seeds = list(harness.seeds())
    mutator = Mutator(seeds, harness.words, seed)
    tally = Tally(harness.name, "atheris")
    begin_mb = 0.0

    def one(data: bytes) -> None:
        nonlocal begin_mb
        watch(tally.inputs, data)
        tally.add(data, tried(harness, data, folder))
        begin_mb = begin_mb or peak_mb()
        if tally.inputs >= inputs or (ends_at is not None and time.monotonic() > ends_at):
            tally.peak_mb = peak_mb() - begin_mb
            done(tally)
            os._exit(0)

    def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
        if seed % 3 == 0:
            return bytes(atheris.Mutate(data, most_bytes))
        return mutator.seeded(seed).mutated(data)[:most_bytes]

    with tempfile.TemporaryDirectory(dir=folder) as corpus:
        for n, data in enumerate(seeds):
            (Path(corpus) / str(n)).write_bytes(data)
        options = [
            f"-seed={seed}",
            f"-max_len={LARGEST_BYTES}",
            "-rss_limit_mb=0",
            f"-timeout={_NEVER_S}",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], one, custom_mutator=mutated)
        atheris.Fuzz()


def shortened(harness: Harness, finding: Finding, folder: Path) -> bytes:
    """The finding's input with as many pieces left out as still break the same place."""
    data, step, left = finding.shortest, max(1, len(finding.shortest) // 2), _SHRINKING_TRIES
    while step and left > 0:
        at = 0
        while at < len(data) and left > 0:
            shorter = data[:at] + data[at + step :]
            left -= 1
            if tried(harness, shorter, folder).finding == finding.place:
                data = shorter
            else:
                at += step
        step //= 2
    return data
