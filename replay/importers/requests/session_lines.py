"""Requests made into sessions: a part of them at a time, all of whose sessions are in it. Pure, but for what waits.

What becomes of a request says replay/importers/logs/logged_requests.py. A line is put together of texts rather than of
objects, which halves what an import takes; tests hold it to what an encoder makes of the objects.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from replay.importers.requests.kept import Part, read_part
from replay.importers.requests.spilled import Spilled
from replay.importers.requests.types import FIRST, HEAD, Rows, SessionRule
from replay.trace.edges.concurrent import UNKNOWN_US, EdgeCounts, concurrent_waits
from replay.trace.file.rules import MOST_STEPS

LONG_US = 24 * 3_600 * 1_000_000
"""A step that took longer is doubted."""


class Run(msgspec.Struct, frozen=True):
    """Where the sessions of a part lie, by their starts: their heads and their texts, one behind the other.

    sessions: how many they are. clients: how many these have, each of them; most_clients: the most that one has.
    firsts: the first request of each client, as FIRST. counts: of their edges.
    """

    heads_at: int
    texts_at: int
    sessions: int
    clients: int
    most_clients: int
    firsts: Rows
    counts: EdgeCounts


def run_of(rule: SessionRule, spilled: Spilled, part: Part) -> Run:
    """The sessions of a part, which wait where its requests do."""
    rows, text = read_part(spilled, part)
    counts = EdgeCounts()
    # As many characters as bytes, whatever these say.
    heads, texts, clients = sessions_of(rows, text.decode("latin-1").split("\n"), rule, counts)
    order = np.lexsort((heads["place"], heads["start_us"]))
    return Run(
        heads_at=spilled.put(heads[order].tobytes()),
        texts_at=spilled.put("".join([texts[n] for n in order.tolist()]).encode("latin-1")),
        sessions=len(heads),
        clients=sum(clients),
        most_clients=max(clients),
        firsts=firsts_of(rows),
        counts=counts,
    )


def firsts_of(requests: Rows) -> Rows:
    """The first of these requests of each client. requests: ROW or FIRST."""
    order = np.lexsort((requests["place"], requests["start_us"], requests["client"]))
    clients, at = np.unique(requests["client"][order], return_index=True)
    firsts = np.empty(len(clients), FIRST)
    firsts["client"] = clients
    firsts["start_us"], firsts["place"] = requests["start_us"][order[at]], requests["place"][order[at]]
    return firsts


def sessions_of(
    rows: Rows, texts: Sequence[str], rule: SessionRule, counts: EdgeCounts
) -> tuple[Rows, list[str], list[int]]:
    """The sessions of these requests, which are all of theirs. texts: two for each row.

    Of each its head, the JSON of its steps, and how many clients it has.
    """
    order = np.lexsort((rows["place"], rows["start_us"], rows["key"]))
    rows = rows[order]
    places = order.tolist()
    keys, starts_us, tooks_us = (rows[name].tolist() for name in ("key", "start_us", "took_us"))
    spans = list(_spans(keys, starts_us, tooks_us, rule))
    begins = np.array([begin for begin, _ in spans])
    made, clients = [], []
    for begin, end in spans:
        tooks = tooks_us[begin:end]
        made.append(
            _steps_text(starts_us[begin:end], tooks, places[begin:end], texts, rule.resolution_us, counts)
        )
        is_of_one = name_of(keys[begin]) is None
        clients.append(1 if is_of_one else len(set(rows["client"][begin:end].tolist())))
    heads = np.empty(len(spans), HEAD)
    for name in ("start_us", "place", "key", "client", "agent"):
        heads[name] = rows[name][begins]
    heads["steps"] = [end - begin for begin, end in spans]
    heads["size_bytes"] = list(map(len, made))
    heads["is_long"] = np.maximum.reduceat(rows["took_us"], begins) > LONG_US
    return heads, made, clients


def _spans(
    keys: Sequence[int], starts_us: Sequence[int], tooks_us: Sequence[int], rule: SessionRule
) -> Iterator[tuple[int, int]]:
    """Where sessions begin and end: with their key, by silence, or because they are as long as one may be."""
    begin, key, end_us, gap_us = 0, keys[0], starts_us[0], rule.gap_us
    for n, (its_key, start_us, took_us) in enumerate(zip(keys, starts_us, tooks_us, strict=True)):
        if (
            its_key != key
            or (start_us - end_us > gap_us and ends_by_silence(key, rule))
            or n - begin >= MOST_STEPS
        ):
            yield begin, n
            begin, key, end_us = n, its_key, start_us
        if start_us + took_us > end_us:
            end_us = start_us + max(took_us, 0)
    yield begin, len(keys)


def client_key(client: int) -> int:
    """The key of what has no session but its client's. client: its digest."""
    return client & ~1


def named_key(name: int) -> int:
    """The key of what has a session of its own. name: its digest, which is odd."""
    return name


def name_of(key: int) -> int | None:
    """The digest of the name of a session that has one of its own."""
    return key if key & 1 else None


def ends_by_silence(key: int, rule: SessionRule) -> bool:
    return rule.has_gaps or name_of(key) is None


def _steps_text(
    starts_us: Sequence[int],
    tooks_us: Sequence[int],
    places: Sequence[int],
    texts: Sequence[str],
    resolution_us: int,
    counts: EdgeCounts,
) -> str:
    if len(places) == 1:  # most clients of a large log send one request
        at = 2 * places[0]
        return f'{{"id":"1",{texts[at]},"at_ms":0.0{texts[at + 1]}'
    zero_us = starts_us[0]
    starts_us = [start_us - zero_us for start_us in starts_us]
    waits = concurrent_waits(starts_us, tooks_us, resolution_us, counts)
    steps: list[str] = []
    for n, (place, start_us, parents, think_us) in enumerate(
        zip(places, starts_us, waits.parents, waits.think_us, strict=True), 1
    ):
        at_ms = f"{start_us // 1_000}.0" if start_us % 1_000 == 0 else f"{start_us / 1_000}"
        if not parents:
            steps.append(f'{{"id":"{n}",{texts[2 * place]},"at_ms":{at_ms}{texts[2 * place + 1]}')
            continue
        delay = f"{think_us // 1_000}.0" if think_us % 1_000 == 0 else f"{think_us / 1_000}"
        if len(parents) == 1 and tooks_us[parents[0]] != UNKNOWN_US:
            edges = f'{{"step":"{parents[0] + 1}","delay_ms":{delay}}}'
        else:
            edges = ",".join(
                [
                    f'{{"step":"{parent + 1}","delay_ms":{delay}}}'
                    if tooks_us[parent] != UNKNOWN_US
                    else _from_start(parent, start_us - waits.walked_us[parent])
                    for parent in parents
                ]
            )
        steps.append(f'{{"id":"{n}",{texts[2 * place]},"after":[{edges}],"at_ms":{at_ms}{texts[2 * place + 1]}')
    return ",".join(steps)


def _from_start(parent: int, delay_us: int) -> str:
    step = parent + 1
    return f'{{"step":"{step}","anchor":"start","delay_ms":{delay_us / 1_000}}},{{"step":"{step}"}}'
