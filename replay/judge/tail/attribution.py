"""What the tail of a run is made of: each slow step assigned to the causes that cost it most.

The tail is every step whose response time is at or beyond a quantile of all. What a step is charged with, and by which
tests, is told in replay/judge/tail/causes.py; what those leave over its normal (the median response of its kind and
name) is unexplained, unless the steps so left are concentrated in one session, one instance or one step name: more
of them than the binomial distribution lets chance put there (p < 0.01, Bonferroni over all of its sort), and at least
twice as many as it would. For sessions and instances the chance is that of the steps they are made of, so a session of
slow kinds is not blamed for them; nor is one that is always served by an instance in which others are slow, too, or in
whose time others are.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.statistics.distributions import at_least
from replay.judge.statistics.quantile import quantile as value_at
from replay.judge.statistics.sample import Floats
from replay.judge.tail.causes import CHARGED, Charges, charge
from replay.judge.tail.together import Part, part_of_most
from replay.results.columns import Codes, Columns, Flags, Rows
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.words.numbers import exact, percent, seconds
from replay.words.phrases import counted

CAUSES = (*CHARGED, "one_session", "one_step_name", "unexplained")
"""All causes. unexplained is what is left."""

_TEST = 0.01
_LEAST_HITS = 5
_LEAST_OTHERS = 20
# In a long run a little more than chance is already sure, and says nothing of where the tail comes from.
_CONCENTRATION = 2.0
_MOST_NAMES = 3
_LEAST_TAIL = 20
_NEAR_THE_ENDS = 0.05


class Example(msgspec.Struct):
    """The step of the tail that a cause cost most."""

    session: Annotated[str, Meta(description="Its session.")]
    step: Annotated[str, Meta(description="Its id.")]
    response_ms: Annotated[float, Meta(description="Its response time, in ms.")]
    ms: Annotated[float, Meta(description="What the cause cost it, in ms.")]


class Cause(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One cause of slow steps."""

    cause: Annotated[str, Meta(description="The cause's name.")]
    steps: Annotated[int, Meta(description="Steps of the tail whose largest cause it is.")]
    share: Annotated[float, Meta(description="Their share of the tail's steps, from 0 to 1.")]
    ms: Annotated[float, Meta(description="What it cost all steps of the tail over their normal, in ms.")]
    share_ms: Annotated[float, Meta(description="Its share of what all causes cost them, from 0 to 1.")]
    example: Annotated[Example | None, Meta(description="The step that it cost most.")] = None
    names: Annotated[
        list[str], Meta(description="The instances, sessions or step names that it is about, the worst first.")
    ] = []


class StallWindow(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A stretch in which no answer ended."""

    from_s: Annotated[float, Meta(description="When it began, in s from the run's start.")]
    to_s: Annotated[float, Meta(description="When it ended, in s from the run's start.")]
    steps: Annotated[int, Meta(description="Steps of the tail that it held up.")]
    is_ours: Annotated[bool, Meta(description="Whether this machine stood still, not the target.")] = False


class Attribution(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The tail beyond a quantile of response time, and its causes."""

    quantile: Annotated[float, Meta(description="The quantile at which the tail begins, from 0 to 1.")]
    edge_ms: Annotated[
        float | None,
        Meta(description="The response time at which it begins, in ms; null: no step was measured."),
    ]
    steps: Annotated[int, Meta(description="Steps in the tail.")]
    of_steps: Annotated[int, Meta(description="Steps that were measured.")]
    normal_ms: Annotated[float | None, Meta(description="The median response time of all steps, in ms.")]
    causes: Annotated[
        list[Cause], Meta(description="Causes that took part, the one that is the largest of most steps first.")
    ]
    windows: Annotated[list[StallWindow], Meta(description="Stretches in which no answer ended.")] = []
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def attribute(evidence: Evidence, quantile: float = 0.99, connection_limit: int | None = None) -> Attribution:
    """Assign each step of the tail to its causes.

    quantile: where the tail begins, 0..1. connection_limit: how many connections the run might open; with None,
    lateness is never waiting for one. Raises ValueError for a quantile outside 0..1.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"the quantile must lie between 0 and 1, not at {exact(quantile)}")
    columns = evidence.columns
    charges = charge(columns, connection_limit)
    if not charges.counted.any():
        return Attribution(
            quantile=quantile,
            edge_ms=None,
            steps=0,
            of_steps=0,
            normal_ms=None,
            causes=[],
            notes=["no step was sent"],
        )
    edge_ms = _edge(charges, quantile)
    in_tail = charges.counted & (charges.response_ms >= edge_ms)
    tail = np.flatnonzero(in_tail)
    ms = _shared_out(columns, charges, in_tail)
    main = _main_causes(ms)
    causes = _causes(columns, charges, tail, ms, main)
    return Attribution(
        quantile=quantile,
        edge_ms=round(edge_ms, 3),
        steps=len(tail),
        of_steps=int(np.count_nonzero(charges.counted)),
        normal_ms=round(value_at(np.sort(charges.response_ms[charges.counted]), 0.5), 3),
        causes=causes,
        windows=_windows(columns, charges, tail),
        notes=[
            *_notes(columns, tail),
            *_of_unexplained(columns, charges, tail, main),
            *_of_normal(charges, main),
        ],
    )


def _edge(charges: Charges, q: float) -> float:
    return value_at(np.sort(charges.response_ms[charges.counted]), q)


def _shared_out(columns: Columns, charges: Charges, in_tail: Flags) -> Floats:
    """ms by cause and step of the tail, shape (causes, tail). A step's sum is what it took over its normal."""
    tail = np.flatnonzero(in_tail)
    excess = np.maximum(0.0, charges.response_ms[tail] - charges.normal_ms[tail])
    charged = np.stack([charges.ms[cause][tail] for cause in CHARGED], axis=1).T
    total = charged.sum(axis=0)
    # Medians of parts do not add up to the median of the whole, so a little too much may have been charged.
    charged = charged * np.minimum(1.0, excess / np.maximum(total, 1e-9))
    left = np.maximum(0.0, excess - charged.sum(axis=0))
    is_left = left >= charged.max(axis=0)
    one_session = np.isin(columns.session[tail], _crowded_sessions(columns, charges, tail[is_left])) & is_left
    instances = _crowded_instances(columns, charges, tail[is_left & ~one_session])
    one_instance = np.isin(columns.instance[tail], instances) & is_left & ~one_session
    is_left &= ~(one_session | one_instance)
    one_name = is_left & np.isin(columns.series[tail], _crowded(columns.series, charges.counted, tail[is_left]))
    charged[CHARGED.index("one_instance")] += np.where(one_instance, left, 0.0)
    rest = [np.where(one_session, left, 0.0), np.where(one_name, left, 0.0)]
    return np.vstack([charged, *rest, np.where(one_session | one_instance | one_name, 0.0, left)])


def _crowded(codes: Codes, counted: Flags, rows: Rows) -> Rows:
    """The codes that have more of these rows than their share of all steps lets chance give them."""
    sizes = np.bincount(codes[counted])
    return _more_than_chance(np.bincount(codes[rows], minlength=len(sizes)), sizes / max(1, sizes.sum()))


def _crowded_instances(columns: Columns, charges: Charges, rows: Rows) -> Rows:
    """As _crowded, of instances, each with as many as steps of its kinds and names would give it."""
    named = columns.instance >= 0
    return _crowded_by(columns.instance, columns.series, charges.counted & named, rows[named[rows]])


def _crowded_sessions(columns: Columns, charges: Charges, rows: Rows) -> Rows:
    """As _crowded, of sessions, each with as many as steps of its kinds and names would give it; on an instance that
    has too many of them, as many as such steps have there.
    """
    strata = columns.series.astype(np.int64)
    for n, code in enumerate(_crowded_instances(columns, charges, rows).tolist(), 1):
        strata[columns.instance == code] += n * max(1, len(columns.series_names))
    found = _crowded_by(columns.session, strata, charges.counted, rows)
    is_hit = np.zeros(columns.n, np.bool_)
    is_hit[rows] = True
    due = np.flatnonzero(charges.counted)
    due = due[np.argsort(columns.intended_ns[due], kind="stable")]
    due_ns, sessions, is_hit = columns.intended_ns[due], columns.session[due], is_hit[due]
    alone = [code for code in found.tolist() if _stands_out_in_its_time(due_ns, sessions == code, is_hit)]
    return np.asarray(alone, np.intp)


def _stands_out_in_its_time(due_ns: Int64s, own: Flags, is_hit: Flags) -> bool:
    """Whether a session has more hits than other steps that were due from its first to its last (20 at least).

    due_ns: of all steps, rising. own: which are the session's.
    """
    first, last = np.flatnonzero(own)[[0, -1]].tolist()
    begins = int(np.searchsorted(due_ns, due_ns[first]))
    ends = int(np.searchsorted(due_ns, due_ns[last], "right"))
    of_steps = int(np.count_nonzero(own))
    missing = max(0, _LEAST_OTHERS - (ends - begins - of_steps) + 1) // 2
    near = slice(max(0, begins - missing), ends + missing)
    beside = is_hit[near][~own[near]]
    # As if one more had been slow and one not (Laplace): of few that were not, nobody knows that none ever is.
    rate = (np.count_nonzero(beside) + 1) / (len(beside) + 2)
    return float(at_least(int(np.count_nonzero(is_hit & own)), of_steps, rate)) < _TEST


def _crowded_by(codes: Codes, strata: Int64s | Codes, counted: Flags, rows: Rows) -> Rows:
    """The codes that have more of these rows than steps of the same strata have elsewhere, chance allowed for."""
    n_strata, n_codes = int(strata.max(initial=0)) + 1, int(codes.max(initial=0)) + 1
    sizes = np.bincount(strata[counted], minlength=n_strata)
    rate = np.bincount(strata[rows], minlength=n_strata) / np.maximum(1, sizes)
    expected = np.bincount(codes[counted], weights=rate[strata[counted]], minlength=n_codes)
    found = np.bincount(codes[rows], minlength=n_codes)
    return _more_than_chance(found, expected / max(1, len(rows)))


def _more_than_chance(hits: Rows, chance: Floats) -> Rows:
    candidates = np.flatnonzero((hits >= _LEAST_HITS) & (chance > 0) & (chance < 1))
    groups = int(np.count_nonzero(chance > 0))
    p_values = at_least(hits[candidates], hits.sum(), chance[candidates])
    is_far = hits[candidates] >= _CONCENTRATION * hits.sum() * chance[candidates]
    found: Rows = candidates[is_far & (p_values * groups < _TEST)]
    return found


def _main_causes(ms: Floats) -> Rows:
    """Of each step of the tail the cause that cost it most, by its place among all."""
    main: Rows = ms.argmax(axis=0)
    # A step that took no longer than is normal for it is in the tail by what it is, not by any cause.
    main[ms.max(axis=0) <= 0] = CAUSES.index("unexplained")
    return main


def _causes(columns: Columns, charges: Charges, tail: Rows, ms: Floats, main: Rows) -> list[Cause]:
    whole = float(ms.sum())
    found = []
    for at, cause in enumerate(CAUSES):
        is_main, cost = main == at, float(ms[at].sum())
        if not is_main.any() and cost < 0.001 * whole:
            continue
        worst = int(np.argmax(np.where(is_main, ms[at], -1.0))) if is_main.any() else int(ms[at].argmax())
        row = int(tail[worst])
        found.append(
            Cause(
                cause=cause,
                steps=int(np.count_nonzero(is_main)),
                share=round(float(np.count_nonzero(is_main)) / len(tail), 4),
                ms=round(cost, 3),
                share_ms=round(cost / whole, 4) if whole > 0 else 0.0,
                example=Example(
                    columns.sessions[columns.session[row]],
                    columns.step[row],
                    round(float(charges.response_ms[row]), 3),
                    round(float(ms[at, worst]), 3),
                ),
                names=_names(columns, cause, tail, ms[at]),
            )
        )
    return sorted(found, key=lambda cause: (-cause.steps, -cause.ms))


def _names(columns: Columns, cause: str, tail: Rows, ms: Floats) -> list[str]:
    """What a cause that is about one thing is about."""
    match cause:
        case "one_instance":
            codes, known = columns.instance, columns.instances
        case "one_session":
            codes, known = columns.session, columns.sessions
        case "one_step_name":
            codes, known = columns.series, [f"{kind}:{name}" for kind, name in columns.series_names]
        case _:
            return []
    hit = ms > 0
    cost = np.bincount(codes[tail[hit]], weights=ms[hit], minlength=len(known))
    return [known[code] for code in np.argsort(-cost)[:_MOST_NAMES] if cost[code] > 0]


def _windows(columns: Columns, charges: Charges, tail: Rows) -> list[StallWindow]:
    return [
        StallWindow(
            from_s=round(stall.from_ns / 1e9, 3),
            to_s=round(stall.to_ns / 1e9, 3),
            steps=int(
                np.count_nonzero(
                    (columns.intended_ns[tail] < stall.to_ns) & (columns.end_ns[tail] >= stall.to_ns)
                )
            ),
            is_ours=stall.is_ours,
        )
        for stall in charges.stalls
    ]


def _of_unexplained(columns: Columns, charges: Charges, tail: Rows, main: Rows) -> list[str]:
    """When they came, where that says more than chance does: at the start, at the end, or in a bad hour."""
    rows = tail[main == CAUSES.index("unexplained")]
    part = part_of_most(columns, rows, charges.counted)
    if part is None:
        return []
    return [
        f"of the {counted(len(rows), 'step')} that are unexplained {part.steps:,} were due between "
        f"{seconds(part.from_s)} and {seconds(part.to_s)} of the run, when {percent(part.share)} of all steps were: it "
        f"was slow for that while, as {_like(columns, charges.counted, part)}"
    ]


def _like(columns: Columns, counted: Flags, part: Part) -> str:
    """What is slow in such a part of a run: at its start, at its end, or in between."""
    due_ns = columns.intended_ns[counted]
    from_s, to_s = float(due_ns.min()) / 1e9, float(due_ns.max()) / 1e9
    near_s = _NEAR_THE_ENDS * (to_s - from_s)
    if part.from_s - from_s <= near_s:
        return "a target that warms up is"
    if to_s - part.to_s <= near_s:
        return "a target that wears out, or has used up its credits, is"
    return "a target beside a busy neighbour, or with other work to do, is"


def _of_normal(charges: Charges, main: Rows) -> list[str]:
    """Where no step of a kind and name was warm, a boot is in what is normal for it."""
    if not charges.never_warm or not (main == CAUSES.index("cold_start")).any():
        return []
    shown = ", ".join(charges.never_warm[:_MOST_NAMES])
    more = ", ..." if len(charges.never_warm) > _MOST_NAMES else ""
    return [
        f"no step of {shown}{more} was warm, so its normal is of cold ones, and a cold start cost it more than is said "
        "here"
    ]


def _notes(columns: Columns, tail: Rows) -> list[str]:
    notes = []
    if len(tail) < _LEAST_TAIL:
        notes.append(
            f"the tail has only {counted(len(tail), 'step')}, so the shares are rough; a lower --quantile has more"
        )
    limited = int(np.count_nonzero(columns.censored[tail]))
    if limited:
        notes.append(f"{counted(limited, 'step')} of the tail ended by a time limit, and took at least as long")
    if not (columns.instance >= 0).any():
        notes.append("the target names no instances, so a slow one cannot be told apart; see instance_header")
    return notes
