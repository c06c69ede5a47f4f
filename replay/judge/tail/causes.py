"""The causes of slow steps: for every step of a run, how many ms each cause cost it.

A cause is charged with what it added over the step's normal, the median of its kind and name (of the warm ones, where
there are any), and no millisecond is charged twice. Before sending, what was measured is charged as measured: opening
a connection (DNS, TCP and TLS), earlier tries, waiting for a free connection, and else our own lateness. The rest is
service time, and causes take from what is left of it in this order:

- A cold start, as replay/judge/cold/finding.py tells them. Steps that wait for one boot are no stall.
- A stall: no answer ended for longer than three times a usual service time, though the steps under way make that no
  chance (below 0.01 over all gaps between ends): the product of how rarely steps of their kind and name that had taken
  as long before the gap took as long as to its end. Where sessions are alike, each tells by one of its steps. It is
  ours if steps that were due meanwhile were not sent either, else the target's.
- An instance whose service times rank above those of all others (Wilcoxon 1945, Bonferroni over the instances) and
  are more than half as long again in the median: the part by which it is slower.
- After the first byte: more tokens or bytes than usual, at what one more takes (a long answer), where length and time
  go together. Where long answers are asked for together they go with the requests in flight, and are no queue.
- Queueing: what is left of service time rises with the requests in flight at sending (Spearman's rank test, p < 0.01,
  per kind and name); charged is its median at that many in flight over that at usual ones. Whatever makes a target
  slow for a while, such as a warm-up, a leak or a neighbour, also has more in flight meanwhile. So the two must go
  together among neighbours as well: the same test within blocks of steps one after the other (Taylor 1987, "Kendall's
  and Spearman's correlation coefficients in the presence of a blocking variable", Biometrics 43). And service time
  must rise with what was asked, too: with the backlog that requests sent at these times leave to a target which takes
  a tenth more of them than were answered while the run sent, on the whole (Lindley 1952, "The theory of queues with a
  single server"). How slow a target is settles what is in flight, but not when it is asked.
- After the first byte: slower for their number than usual (a slow stream where there are tokens, else a slow transfer).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from replay.judge.cold.finding import cold_steps
from replay.judge.statistics.distributions import normal_above
from replay.judge.statistics.ranks import ranks, ranks_in_rows, relation
from replay.judge.statistics.sample import Floats
from replay.judge.tail.stalls import Stall, find_stalls, held_up
from replay.results.columns import ABSENT_NS, Codes, Columns, Flags
from replay.results.histogram import Int64s

CHARGED = (
    "dispatch_lag",
    "new_connection",
    "waiting_for_connection",
    "retry",
    "pause",
    "cold_start",
    "one_instance",
    "long_answer",
    "queueing",
    "slow_stream",
    "slow_transfer",
)
"""What a step may be charged with."""

_TEST = 0.01
_FAR_ABOVE = 1.5
_BLOCK = 20
_LEAST_BLOCKS = 10
_LEAST_STEPS = 20
_DRAIN = 1.1
_LEAST_INSTANCE_STEPS = 5


class Charges(NamedTuple):
    """ms: of each cause, over each step's normal. normal_ms: each step's median response. response_ms, counted:
    as in summary.json. slow_instances: codes of instances that are far slower than the others. never_warm: kinds and
    names of which every step was cold, so that their normal has a boot in it.
    """

    ms: dict[str, Floats]
    normal_ms: Floats
    response_ms: Floats
    counted: Flags
    stalls: list[Stall]
    slow_instances: list[int]
    never_warm: list[str]


def charge(columns: Columns, connection_limit: int | None = None) -> Charges:
    """What each cause cost each step. connection_limit: how many connections the run might open to the target."""
    sent = columns.sent_ns != ABSENT_NS
    # What failed at once is no slow step; what a time limit ended is one.
    counted = (sent & columns.ok) | columns.censored
    response_ms = (columns.end_ns - columns.intended_ns) / 1e6
    ms = dict.fromkeys(CHARGED, np.zeros(columns.n))
    in_flight = in_flight_at_sending(columns, sent)
    ms |= _before_sending(columns, sent, in_flight, connection_limit)
    service_ms = np.where(sent, (columns.end_ns - columns.sent_ns) / 1e6, 0.0)
    is_cold = cold_steps(columns, sent).is_cold
    normal_service = _medians_of_warm(service_ms, columns, sent, is_cold)
    left = np.where(sent, np.maximum(0.0, service_ms - normal_service), 0.0)

    ms["cold_start"] = np.where(is_cold, left, 0.0)
    left = np.where(is_cold, 0.0, left)

    stalls = find_stalls(columns, sent, sent & ~is_cold, service_ms, normal_service)
    ms["pause"] = np.zeros(columns.n)
    for name, rows, within_ms in held_up(columns, sent, stalls):
        taken = np.minimum(left[rows], within_ms)
        ms[name][rows] += taken
        left[rows] -= taken
    steady = sent & ~is_cold & (ms["pause"] == 0)

    slow_instances, slower = _slow_instances(columns, steady, service_ms / np.maximum(normal_service, 1e-6))
    ms["one_instance"] = np.minimum(left, service_ms * (1 - 1 / slower[columns.instance]))
    left = left - ms["one_instance"]
    steady &= ~np.isin(columns.instance, slow_instances)

    longer, slower_parts = _after_first_byte(columns, sent)
    ms["long_answer"] = np.minimum(left, longer)
    left = left - ms["long_answer"]
    own_ms = np.maximum(0.0, service_ms - longer)
    ms["queueing"] = np.minimum(left, _queueing(columns, sent, steady, own_ms, in_flight))
    left = left - ms["queueing"]
    for name, expected in slower_parts.items():
        ms[name] = np.minimum(left, expected)
        left = left - ms[name]
    return Charges(
        ms,
        _medians_of_warm(response_ms, columns, counted, is_cold),
        response_ms,
        counted,
        stalls,
        slow_instances,
        _never_warm(columns, counted, is_cold),
    )


def medians_of(values: Floats, columns: Columns, rows: Flags) -> Floats:
    """For every step the median of these rows of its kind and name; 0 where there are none."""
    by_series = np.zeros(max(1, len(columns.series_names)))
    for code, own in by_code(values, columns.series, rows):
        by_series[code] = np.median(own)
    return by_series[columns.series] if columns.n else np.zeros(0)


def _medians_of_warm(values: Floats, columns: Columns, rows: Flags, is_cold: Flags) -> Floats:
    """As medians_of, of warm steps where a kind and name has any: a boot is no part of what is normal."""
    warm = rows & ~is_cold
    has_warm = np.bincount(columns.series[warm], minlength=max(1, len(columns.series_names))) > 0
    return medians_of(values, columns, warm | (rows & ~has_warm[columns.series]))


def _never_warm(columns: Columns, counted: Flags, is_cold: Flags) -> list[str]:
    sizes = max(1, len(columns.series_names))
    cold, warm = (np.bincount(columns.series[counted & rows], minlength=sizes) for rows in (is_cold, ~is_cold))
    return [":".join(columns.series_names[code]) for code in np.flatnonzero((cold > 0) & (warm == 0)).tolist()]


def by_code(values: Floats, codes: Codes, rows: Flags) -> Iterator[tuple[int, Floats]]:
    """The values of these rows by their code, in order of rows."""
    values, codes = values[rows], codes[rows]
    sizes = np.bincount(codes)
    found = np.flatnonzero(sizes).tolist()
    if len(found) > 1:
        # Short codes are sorted by counting them.
        short = codes.astype(np.int16) if len(sizes) < 1 << 15 else codes
        values = values[np.argsort(short, kind="stable")]
    ends = np.cumsum(sizes)
    for code in found:
        yield code, values[ends[code] - sizes[code] : ends[code]]


def in_flight_at_sending(columns: Columns, sent: Flags) -> Int64s:
    """How many requests were under way when each step was sent, itself left out; 0 for those never sent."""
    starts, ends = np.sort(columns.sent_ns[sent]), np.sort(columns.end_ns[sent])
    at = columns.sent_ns
    under_way = np.searchsorted(starts, at, side="left") - np.searchsorted(ends, at, side="right")
    return np.where(sent, np.maximum(0, under_way), 0).astype(np.int64)


def _before_sending(
    columns: Columns, sent: Flags, in_flight: Int64s, connection_limit: int | None
) -> dict[str, Floats]:
    """A step never sent spent all its time on a connection that did not come about."""
    before = np.where(sent, columns.sent_ns, columns.end_ns) - columns.intended_ns
    opening = np.zeros(columns.n, np.int64)
    for spent in (columns.dns_ns, columns.connect_ns, columns.tls_ns):
        opening += np.where(spent == ABSENT_NS, 0, spent)
    opening = np.where(sent, np.minimum(opening, np.maximum(0, before)), before)
    waited = before - opening
    again = columns.attempts > 1
    # The step itself takes the connection that came free, so one less than the limit was under way.
    full = np.full(columns.n, connection_limit is not None) & (in_flight >= (connection_limit or 1) - 1)
    parts = {
        "new_connection": opening,
        "retry": np.where(again, waited, 0),
        "waiting_for_connection": np.where(full & ~again, waited, 0),
        "dispatch_lag": np.where(full | again, 0, waited),
    }
    found = {}
    for name, part in parts.items():
        part_ms = part / 1e6
        found[name] = np.maximum(0.0, part_ms - medians_of(part_ms, columns, sent))
    return found


def _slow_instances(columns: Columns, steady: Flags, relative: Floats) -> tuple[list[int], Floats]:
    """The slow ones' codes, and by how much each instance is slower: 1 for the others, and last for none at all."""
    slower = np.ones(len(columns.instances) + 1)
    rows = steady & (columns.instance >= 0)
    codes, values = columns.instance[rows], relative[rows]
    n, sizes = len(values), np.bincount(codes, minlength=len(columns.instances))
    tested = np.flatnonzero((sizes >= _LEAST_INSTANCE_STEPS) & (sizes < n))
    if len(tested) < 2:
        return [], slower
    rank_sums = np.bincount(codes, weights=ranks(values), minlength=len(columns.instances))
    found = []
    for code in tested.tolist():
        own, others = float(sizes[code]), float(n - sizes[code])
        z = (rank_sums[code] - own * (n + 1) / 2) / (own * others * (n + 1) / 12) ** 0.5
        if normal_above(z) * len(tested) >= _TEST:
            continue
        ratio = float(np.median(values[codes == code]) / np.median(values[codes != code]))
        if ratio > _FAR_ABOVE:
            found.append(code)
            slower[code] = ratio
    return found, slower


def _queueing(columns: Columns, sent: Flags, steady: Flags, service_ms: Floats, in_flight: Int64s) -> Floats:
    """By how much service time is longer at that many in flight, where the two go together."""
    found = np.zeros(columns.n)
    backlog = _backlog_at_sending(columns, sent)
    for code in np.unique(columns.series[steady]):
        own = columns.series == code
        known = steady & own
        loads, values = in_flight[known], service_ms[known]
        if len(values) < _LEAST_STEPS or loads.min() == loads.max():
            continue
        found_together = relation(loads, values)
        if found_together.rho <= 0 or found_together.p_value >= _TEST:
            continue
        in_turn = np.argsort(columns.sent_ns[known], kind="stable")
        if not (
            _go_together_nearby(loads[in_turn], values[in_turn])
            and _is_asked_for(backlog[known][in_turn], values[in_turn])
        ):
            continue
        at, typical = _medians_by_load(loads, values)
        rows = sent & own
        expected = np.interp(in_flight[rows], at, typical) - np.median(values)
        found[rows] = np.maximum(0.0, expected)
    return found


def _backlog_at_sending(columns: Columns, sent: Flags) -> Floats:
    """How many requests would wait when each was sent, did the target take a tenth more than it answered meanwhile.

    That is about what came, but for a target that fell behind: of steps that come evenly none waits for one that takes
    more than come.
    """
    found = np.zeros(columns.n)
    rows = np.flatnonzero(sent)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    at_ns = columns.sent_ns[rows] - columns.sent_ns[rows[:1]]
    if not len(rows) or at_ns[-1] == 0:
        return found
    answered = np.count_nonzero(columns.end_ns[rows] <= columns.sent_ns[rows[-1]])
    # Steps sent at one instant have each other to wait for: the order in which they stand is that of their answers.
    came = np.searchsorted(at_ns, at_ns, side="right")
    ahead = came - _DRAIN * answered * (at_ns / at_ns[-1])
    found[rows] = ahead - np.minimum.accumulate(ahead)
    return found


def _is_asked_for(backlog: Floats, values: Floats) -> bool:
    """Whether values rise with the backlog among neighbours: the covariances of ranks within blocks, each one draw.

    Their sum over the root of the sum of their squares is held to the normal distribution (Efron 1969, "Student's
    t-test under symmetry conditions", JASA 64): what follows one another in a block is alike, so permutations of it
    are not equally likely.
    """
    ranked = [_ranked_in_blocks(one, min(_BLOCK, len(values) // _LEAST_BLOCKS)) for one in (backlog, values)]
    together = (ranked[0] * ranked[1]).sum(axis=1)
    size = float((together**2).sum()) ** 0.5
    return size > 0 and normal_above(float(together.sum()) / size) < _TEST


def _go_together_nearby(loads: Int64s, values: Floats) -> bool:
    """Whether values rise with loads among neighbours: the sum over blocks of the covariance of ranks, by its normal
    approximation under permutation within them.
    """
    blocks = len(values) // _BLOCK
    if not blocks:
        return True
    ranked = [_ranked_in_blocks(one, _BLOCK) for one in (loads, values)]
    together = float((ranked[0] * ranked[1]).sum())
    variance = float(((ranked[0] ** 2).sum(axis=1) * (ranked[1] ** 2).sum(axis=1)).sum()) / (_BLOCK - 1)
    return variance > 0 and normal_above(together / variance**0.5) < _TEST


def _ranked_in_blocks(values: Int64s | Floats, size: int) -> Floats:
    """Ranks less their mean within whole blocks of that size, shape (blocks, size)."""
    blocks = len(values) // size
    return ranks_in_rows(values[: blocks * size].reshape(blocks, size)) - (size + 1) / 2


def _medians_by_load(loads: Int64s, values: Floats) -> tuple[Floats, Floats]:
    """Median value by load, never falling. Parts get smaller towards high loads, where the tail is."""
    order = np.argsort(loads, kind="stable")
    n, cuts = len(order), [0]
    while n - cuts[-1] >= 4 * _LEAST_INSTANCE_STEPS:
        cuts.append(cuts[-1] + (n - cuts[-1]) // 4)
    parts = [order[a:b] for a, b in zip(cuts, [*cuts[1:], n], strict=True)]
    at = np.array([np.mean(loads[part]) for part in parts])
    typical = np.maximum.accumulate([np.median(values[part]) for part in parts])
    return at, np.asarray(typical, np.float64)


def _after_first_byte(columns: Columns, sent: Flags) -> tuple[Floats, dict[str, Floats]]:
    """What the rest of an answer took over the usual: for its length; and for its slowness at that length, by cause."""
    long, stream, transfer = (np.zeros(columns.n) for _ in range(3))
    begun = sent & (columns.first_byte_ns != ABSENT_NS)
    rest_ms = np.where(begun, (columns.end_ns - columns.first_byte_ns) / 1e6, 0.0)
    has_tokens = begun & (columns.tokens > 0)
    for rows, sizes, slow in (
        (has_tokens, columns.tokens, stream),
        (begun & ~has_tokens & (columns.response_bytes > 0), columns.response_bytes, transfer),
    ):
        size = np.where(rows, sizes, 1).astype(np.float64)
        pace = medians_of(rest_ms / size, columns, rows)
        usual = medians_of(size, columns, rows)
        slow[rows] = np.maximum(0.0, rest_ms - pace * size)[rows]
        # What an answer waits for after its first byte is no pace of its length: by that it is at most so long.
        of_length = np.minimum(pace, _slopes(size, rest_ms, columns, rows))
        long[rows] = np.maximum(0.0, of_length * (size - usual))[rows]
    return long, {"slow_stream": stream, "slow_transfer": transfer}


def _slopes(sizes: Floats, rest_ms: Floats, columns: Columns, rows: Flags) -> Floats:
    """For every step, what one more token or byte takes of its kind and name: the slope of Tukey's resistant line
    (Exploratory Data Analysis, 1977, ch. 5), between the medians of the shortest and of the longest third; 0 where
    length and time do not go together, and no bound where steps are too few to tell.
    """
    slopes = np.full(max(1, len(columns.series_names)), np.inf)
    for code in np.unique(columns.series[rows]):
        known = rows & (columns.series == code)
        size, rest = sizes[known], rest_ms[known]
        if len(size) < _LEAST_STEPS:
            continue
        together = relation(size, rest)
        if together.rho <= 0 or together.p_value >= _TEST:
            slopes[code] = 0.0
            continue
        low, high = np.quantile(size, [1 / 3, 2 / 3])
        # Where most have one length, the longer ones are few.
        is_short, is_long = size <= low, (size >= high if high > low else size > low)
        longer = np.median(rest[is_long]) - np.median(rest[is_short])
        slopes[code] = max(0.0, float(longer / (np.median(size[is_long]) - np.median(size[is_short]))))
    found: Floats = slopes[columns.series] if columns.n else np.zeros(0)
    return found
