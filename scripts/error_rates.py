"""How often verdicts err: simulated runs whose truth is known, judged, and counted. Prints the tables of
docs/verdicts.md.

    ./scripts/error-rates --runs 200 gate early early-workers compare several baselines

Every cell has its own seed, so that one can be run again by itself.
"""

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from replay.judge.comparison.deciding import confidence_of_each
from replay.judge.comparison.metric import Metric
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_difference
from replay.judge.gate.judging import judge_gate
from replay.judge.measures.figures import figure_of
from replay.judge.measures.slo import parse_slo
from replay.results.columns import Columns
from replay.results.evidence import Evidence
from tests.judge import queues
from tests.judge.queues import Floats, Made
from tests.judge.watching import lots, watched

Rng = np.random.Generator
Maker = Callable[[Rng, int], Made]
LOADS = (0.5, 0.7, 0.8, 0.9)
FAR_RATIO = 1.5


def queue(load: float) -> Maker:
    return lambda rng, n: queues.one_worker(rng, n, load)


MAKERS: dict[str, Maker] = {
    "independent": queues.independent,
    "sessions alike": queues.clustered,
    "sessions alike, interleaved": queues.overlapping,
    "times grow by 30%": queues.drifting,
    "2% cold starts": queues.bimodal,
    "sessions slow as a whole": queues.slow_as_a_whole,
    "slow spells of 20": queues.in_spells,
    **{f"one worker, load {load}": queue(load) for load in LOADS},
    "four workers, load 0.8": lambda rng, n: queues.workers(rng, n, 0.8),
}


def rng_of(*names: object) -> Rng:
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


def long_run(name: str, n: int) -> Floats:
    """Values to read the truth off: of one long queue, or of many runs where there is none."""
    rng = rng_of("truth", name)
    if "worker" in name:
        return MAKERS[name](rng, 2_000_000).response_ms[100_000:]
    return np.concatenate([MAKERS[name](rng, n).response_ms for _ in range(-(-1_000_000 // n))])


class Figure(NamedTuple):
    """slo: to be read. truth: of many values."""

    slo: str
    truth: Callable[[Floats], float]


FIGURES = {
    "p50": Figure("p50 < 1s", lambda values: float(np.quantile(values, 0.5))),
    "p95": Figure("p95 < 1s", lambda values: float(np.quantile(values, 0.95))),
    "p99": Figure("p99 < 1s", lambda values: float(np.quantile(values, 0.99))),
    "mean": Figure("mean < 1s", lambda values: float(values.mean())),
    "share": Figure("share(response < {limit:.9f}ms) > 1%", lambda values: 90.0),
}


def gate(runs: int) -> Iterator[str]:
    """Below: the interval lies below the truth, so that a limit at the truth would be passed though it is not kept."""
    yield "| times | n | " + " | ".join(FIGURES) + " |"
    yield "|---|---|" + "---|" * len(FIGURES)
    for name, make in MAKERS.items():
        for n in (2_000, 10_000):
            known = long_run(name, n)
            rng = rng_of("gate", name, n)
            made = [make(rng, n) for _ in range(runs)]
            again = np.concatenate([one.response_ms for one in made])
            cells = []
            for label, figure in FIGURES.items():
                text = figure.slo.format(limit=float(np.quantile(known, 0.9)))
                found = [figure_of(parse_slo(text), queues.evidence_of(one), 0.95).interval for one in made]
                cells.append(_cell(found, figure.truth(known), figure.truth(again), label != "share"))
            yield f"| {name} | {n:,} | " + " | ".join(cells) + " |"


def _cell(found: list, truth: float, again: float, is_scaled: bool) -> str:
    def share(is_so: Callable[[float, float], bool]) -> str:
        return f"{100 * np.mean([is_so(*_unbounded(one)) for one in found]):.3g}"

    missed = f"{share(lambda low, high: high < truth)} / {share(lambda low, high: low > truth)}"
    replayed = f"{share(lambda low, high: high < again or low > again)}"
    if not is_scaled:
        return f"{missed}; {replayed}"
    passed = share(lambda low, high: high < FAR_RATIO * truth)
    failed = share(lambda low, high: low > truth / FAR_RATIO)
    return f"{missed}; {replayed}; {passed} / {failed}"


def _unbounded(interval) -> tuple[float, float]:
    return (
        -np.inf if interval.low is None else interval.low,
        np.inf if interval.high is None else interval.high,
    )


EARLY_N = 4_000
EARLY_RATIOS = (1 / 3, 1 / 1.5, 1.0, 1.5, 3.0)
# What is known at each look: so many sessions.
Looks = Callable[[Rng, Columns], list[int]]


def early(runs: int) -> Iterator[str]:
    yield "| times | n | " + " | ".join(f"limit {ratio:.2g} x p95" for ratio in EARLY_RATIOS) + " |"
    yield "|---|---|" + "---|" * len(EARLY_RATIOS)
    for name in ("independent", "sessions alike", *(f"one worker, load {load}" for load in LOADS)):
        yield f"| {name} | {EARLY_N:,} | " + " | ".join(_looked_early(name, runs, _in_lots)) + " |"


def early_workers(runs: int) -> Iterator[str]:
    """The runs of `early`, as they come from workers on other machines."""
    yield "| times | workers | " + " | ".join(f"limit {ratio:.2g} x p95" for ratio in EARLY_RATIOS) + " |"
    yield "|---|---|" + "---|" * len(EARLY_RATIOS)
    for name in ("independent", "sessions alike", "one worker, load 0.5", "one worker, load 0.7"):
        cells = _looked_early(name, runs, partial(_by_the_second, 4))
        yield f"| {name} | 4 | " + " | ".join(cells) + " |"


def _looked_early(name: str, runs: int, looks: Looks) -> list[str]:
    truth = float(np.quantile(long_run(name, EARLY_N), 0.95))
    cells = []
    for ratio in EARLY_RATIOS:
        rng, said, seen = rng_of("early", name, ratio), Counter(), []
        # So that the runs are the same, however they are looked at.
        other = rng_of("looks", name, ratio)
        for _ in range(runs):
            run = queues.evidence_of(MAKERS[name](rng, EARLY_N))
            text = f"p95 < {truth * ratio:.6f}ms"
            decision, sessions = watched(run.columns, text, looks(other, run.columns))
            said[decision] += 1
            if decision != "inconclusive":
                seen.append(sessions)
        after = f", after {np.median(seen):.0f}" if seen else ""
        cells.append(f"{100 * said['pass'] / runs:.3g} / {100 * said['fail'] / runs:.3g}{after}")
    return cells


def _in_lots(rng: Rng, columns: Columns) -> list[int]:
    return lots(columns, 25)


def _by_the_second(workers: int, rng: Rng, columns: Columns) -> list[int]:
    """Each worker has every so-manieth session, and its record comes once a second: at an instant of its own, after a
    way of its own. A session counts once all that were to start before it have come, of whichever worker.
    """
    ended_s = np.zeros(len(columns.sessions))
    np.maximum.at(ended_s, columns.session, columns.end_ns / 1e9)
    worker = np.arange(len(ended_s)) % workers
    phase_s, way_s = rng.random(workers)[worker], rng.exponential(0.2, workers)[worker]
    came_s = np.ceil(ended_s - phase_s) + phase_s + way_s
    counts_s = np.maximum.accumulate(came_s)
    return [int(np.searchsorted(counts_s, at_s, side="right")) for at_s in np.unique(counts_s)]


Pair = Callable[[Rng, int], tuple[Made, Made]]


def both(make: Maker, factor: float = 1.0) -> Pair:
    """Two targets apart from each other, the second slower by a factor."""

    def pair(rng: Rng, n: int) -> tuple[Made, Made]:
        a, b = make(rng, n), make(rng, n)
        return a, b._replace(at_ms=a.at_ms, response_ms=b.response_ms * factor)

    return pair


def at_once(load: float, factor: float = 1.0) -> Pair:
    """Two queues with the same arrivals."""

    def pair(rng: Rng, n: int) -> tuple[Made, Made]:
        at_ms = queues.arrivals(rng, n, load)
        a, b = (queues.one_worker(rng, n, load, at_ms) for _ in range(2))
        return a, b._replace(response_ms=b.response_ms * factor)

    return pair


def of_equal_p99(rng: Rng, n: int) -> tuple[Made, Made]:
    """4% at 100 ms +- 0.5 ms against lognormal times with sigma 1.2."""
    at_ms = np.arange(n) * 10.0
    humps = rng.lognormal(np.log(20), 0.3, n)
    slow = rng.random(n) < 0.04
    humps[slow] = 100 + rng.normal(0, 0.5, int(slow.sum()))
    # A quarter of the slow ones, less what the body brings beyond 100 ms, which is nothing.
    p99 = 100 + 0.5 * 0.6744897501960817
    heavy = np.exp(np.log(p99) + 1.2 * (rng.normal(size=n) - 2.3263478740408408))
    return Made(at_ms, humps), Made(at_ms, heavy)


def of_equal_p50(rng: Rng, n: int) -> tuple[Made, Made]:
    at_ms = np.arange(n) * 10.0
    return Made(at_ms, 20 * np.exp(rng.normal(0, 0.1, n))), Made(at_ms, 20 * np.exp(rng.normal(0, 0.6, n)))


PAIRS: dict[str, Pair] = {
    "the same twice, independent": both(queues.independent),
    "the same twice, sessions alike": both(queues.clustered),
    **{f"the same twice, one worker each, load {load}": at_once(load) for load in LOADS},
    "equal p99, other shapes": of_equal_p99,
    "equal p50, other shapes": of_equal_p50,
    "independent, 10% slower": both(queues.independent, 1.1),
    "independent, 50% slower": both(queues.independent, 1.5),
    "load 0.5, 50% slower": at_once(0.5, 1.5),
    "load 0.8, 50% slower": at_once(0.8, 1.5),
    "load 0.8, three times as slow": at_once(0.8, 3.0),
}


def compare(runs: int) -> Iterator[str]:
    metrics = ("p50", "p95", "p99", "mean")
    yield "| pair | n | " + " | ".join(metrics) + " |"
    yield "|---|---|" + "---|" * len(metrics)
    for name, make in PAIRS.items():
        for n in (2_000, 10_000):
            said: dict[str, Counter] = {metric: Counter() for metric in metrics}
            rng = rng_of("compare", name, n)
            for _ in range(runs):
                a, b = (Side("x", [queues.evidence_of(one)]) for one in make(rng, n))
                for metric in metrics:
                    said[metric][judge_difference(a, b, "paired", Metric(metric), 5.0, 0.95).verdict] += 1
            cells = [_named(count, runs) for count in said.values()]
            yield f"| {name} | {n:,} | " + " | ".join(cells) + " |"


def several(runs: int) -> Iterator[str]:
    """Equal targets, sent the same sessions: how often some verdict of a comparison names a side."""
    targets = (2, 3, 5, 8)
    yield "| p95 of equal targets, 2,000 steps | " + " | ".join(map(str, targets)) + " |"
    yield "|---|" + "---|" * len(targets)
    for name in ("independent", "sessions alike"):
        cells = []
        for sides in targets:
            rng = rng_of("several", name, sides)
            named = 0
            for _ in range(runs):
                made = [MAKERS[name](rng, 2_000) for _ in range(sides)]
                first, *others = (
                    Side("x", [queues.evidence_of(one._replace(at_ms=made[0].at_ms))]) for one in made
                )
                each = confidence_of_each(0.95, len(others))
                found = [judge_difference(first, one, "paired", Metric("p95"), 5.0, each) for one in others]
                named += any("faster" in one.verdict for one in found)
            cells.append(f"{100 * named / runs:.3g}")
        yield f"| {name} | " + " | ".join(cells) + " |"


def _named(said: Counter, runs: int) -> str:
    sides = said["a_faster"] + said["b_faster"]
    return f"{100 * sides / runs:.3g} / {100 * said['no_difference'] / runs:.3g}"


def baselines(runs: int) -> Iterator[str]:
    yield "| errors in all runs alike, 1,000 steps | baselines | passed | failed |"
    yield "|---|---|---|---|"
    at_ms = np.arange(1_000) * 10.0
    for share in (0.0, 0.001, 0.01, 0.05):
        for count in (1, 3, 10):
            rng, said = rng_of("baselines", share, count), Counter()

            def made(rng: Rng = rng, share: float = share) -> Evidence:
                return queues.evidence_of(Made(at_ms, np.full(1_000, 10.0)), ok=rng.random(1_000) >= share)

            for _ in range(runs):
                found = judge_gate([parse_slo("errors < baseline")], made(), [made() for _ in range(count)])
                said[found.verdict] += 1
            yield f"| {100 * share:g}% | {count} | {100 * said['pass'] / runs:.3g} | {100 * said['fail'] / runs:.3g} |"


TABLES: dict[str, Callable[[int], Iterator[str]]] = {
    "gate": gate,
    "early": early,
    "early-workers": early_workers,
    "compare": compare,
    "several": several,
    "baselines": baselines,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("tables", nargs="*", default=list(TABLES))
    options = parser.parse_args()
    for name in options.tables:
        print(f"\n{name}, {options.runs} runs a cell, in %\n", flush=True)
        for line in TABLES[name](options.runs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
