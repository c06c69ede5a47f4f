"""Lines of a JSON log told many at once, where they have the same keys; the others are left to be read alone.

Pure. What a line means says replay/importers/logs/json_log.py, and tests hold this to the same. The keys of a line say
which of them tell what; each of these is then a column. Where several keys may tell how long a request took, and where
frameworks have layouts of their own, lines are read one by one.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import add, attrgetter
from typing import Any

import msgspec
import numpy as np

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.body_sizes import ESTIMATED_BODIES, body_within
from replay.assembly.requests.called import Called, CalledRequests
from replay.assembly.requests.columns import ODD_NS, Columns, Known, OddLine, counted, odd_lines, pieces
from replay.assembly.requests.digests import address_digest
from replay.assembly.requests.log_fields import (
    LONGEST_PATH,
    first_address,
    number,
    query_value,
    said,
    status_of,
)
from replay.assembly.requests.step_texts import (
    BODY_UNKNOWN,
    COUNTS_HEAD,
    FILLED_BODIES,
    LEFT_OUT_REFERERS,
    REQUEST_COUNTS_HEAD,
    SECRET_PATHS,
    body_text,
    json_text,
    recorded_text,
    took_text,
)
from replay.importers.logs.blocks.json_plan import Plan, plan_for
from replay.importers.logs.json_keys import ATTRIBUTES, DURATIONS, flat_key
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.reading.blocks import Block
from replay.reading.timestamps import unix_ns
from replay.trace.edges.concurrent import UNKNOWN_US
from replay.trace.redaction.labels import label_without_secrets

_NOTHING = ("", "-")
_QUERY = "query:"
_SAMPLES = 20
_IS_ISO = re.compile(r"(?:19[89]\d|20\d\d|21\d\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?!\d)", re.ASCII).fullmatch
_ISO_CHARACTERS = 19
_NO_TOOK = (UNKNOWN_US, "")
_ZERO = "2000-01-01T00:00:00"
_ZERO_NS = unix_ns(_ZERO) or 0
_LONGEST_ID = 64
_OF_IDS = np.isin(np.arange(256), list(b"0123456789abcdefABCDEF-"))
_LARGEST_COUNT = 1 << 50
_COUNTS = ("status", "response_bytes", "sent_bytes", "body_bytes", "message_bytes")
_NAMES = ("forwarded", "peer", "host", "user_agent", "referer")

_Texts = Sequence[str | None]

_decode_sample = msgspec.json.Decoder(dict[str, Any]).decode


class JsonBlocks:
    """Tells the lines of blocks of one log, in any order of these."""

    def __init__(self, session_by: str | None = None) -> None:
        self._session_by = session_by
        self._called = CalledRequests()
        self._stamps = Known(_stamp_ns)
        self._seconds = Known(lambda text: _stamp_ns(f"{text}Z") if _IS_ISO(text) else ODD_NS)
        self._fractions = Known(_fraction_ns)
        self._tooks = {unit: Known(_took_in(unit)) for unit in {"", *DURATIONS.values()}}
        self._addresses = Known(address_digest)
        self._labels = {name: Known(_label_in(name)) for name in (*ATTRIBUTES.values(), "request_id")}

    def pieces(self, block: Block) -> Iterator[Columns | OddLine]:
        """What the lines say, in their order."""
        plan = _likely_plan(block.data.split(b"\n", _SAMPLES)[:_SAMPLES])
        if plan is None or not _tells_session(plan.fields, self._session_by):
            yield from odd_lines(block)
            return
        entries = _entries(block.data, plan)
        fitting = [entry for entry in entries if entry is not None]
        if not fitting:
            yield from odd_lines(block)
            return
        wanted = {*plan.wanted, *_session_keys(plan.fields, self._session_by)}
        table = {key: list(map(attrgetter(plan.fields[key]), fitting)) for key in wanted}
        stamps_ns = self._stamps_ns(table[plan.instant])
        methods, targets = _requests_in(plan, table)
        requests = [f"{method} {target}" for method, target in zip(methods, targets, strict=True)]
        called = self._called.of(requests, targets)
        odd = [
            stamp_ns == ODD_NS or calls_none
            for stamp_ns, calls_none in zip(stamps_ns, called.is_odd, strict=True)
        ]
        for key in plan.nesting:
            odd = [is_odd or isinstance(value, dict) for is_odd, value in zip(odd, table[key], strict=True)]
        if len(fitting) == len(entries) and True not in odd:
            yield self._columns(plan, table, stamps_ns, called, requests)
            return
        # By line, how many above it fit.
        places = list(accumulate((entry is not None for entry in entries), initial=0))
        is_odd = [entry is None or odd[place] for entry, place in zip(entries, places, strict=False)]

        def between(begin: int, end: int) -> Columns:
            these = slice(places[begin], places[end])
            part = {key: column[these] for key, column in table.items()}
            return self._columns(
                plan, part, stamps_ns[these], called.between(places[begin], places[end]), requests[these]
            )

        yield from pieces(block, is_odd, between)

    def _stamps_ns(self, values: Sequence[Any]) -> list[int]:
        texts = _said(values)
        if texts and texts[0] is not None and _IS_ISO(texts[0][:_ISO_CHARACTERS]):
            whole = [text or "" for text in texts]
            seconds = self._seconds.of([text[:_ISO_CHARACTERS] for text in whole])
            fractions = self._fractions.of([text[_ISO_CHARACTERS:] for text in whole])
            if ODD_NS not in seconds and ODD_NS not in fractions:
                return list(map(add, seconds, fractions))
            return [
                second + fraction if second != ODD_NS and fraction != ODD_NS else self._stamps[text]
                for second, fraction, text in zip(seconds, fractions, whole, strict=True)
            ]
        return [_stamp_ns(text or "") for text in texts]

    def _columns(
        self,
        plan: Plan,
        table: Mapping[str, Sequence[Any]],
        stamps_ns: Sequence[int],
        called: Called,
        requests: Sequence[str],
    ) -> Columns:
        n = len(stamps_ns)
        told = {name: _first(table, plan.told[name]) or [None] * n for name in _NAMES}
        has_body = called.has_body()
        tooks = [_NO_TOOK] * n
        if plan.took is not None:
            tooks = self._tooks[plan.took_unit].of(_told_apart(table[plan.took]))
        counts = {name: _numbers(table, plan.told[name], n) for name in _COUNTS}
        agents = told["user_agent"]
        lengths, estimated = _lengths(counts, has_body, requests, told)
        bodies = [body_text(length) if has else "" for length, has in zip(lengths, has_body, strict=True)]
        no_size = [has and length is None for length, has in zip(lengths, has_body, strict=True)]
        recorded = _recorded(counts, plan.counts_head)
        return Columns(
            stamps_ns=stamps_ns,
            tooks_us=[took_us for took_us, _ in tooks],
            is_end=plan.is_end,
            addresses=self._addresses.of(_either(told["forwarded"], told["peer"])),
            agents=agents,
            texts=[
                f'{head}{took},{request}{path}"{body}}}{seen}{attributes}}}'
                for (head, request, _), path, (_, took), body, seen, attributes in zip(
                    called.kinds,
                    called.paths,
                    tooks,
                    bodies,
                    recorded,
                    self._attributes(plan, table, n),
                    strict=True,
                )
            ],
            sessions=self._sessions(table, requests, told),
            hosts=[host for host in told["host"] if host is not None],
            inferred=counted(SECRET_PATHS, called.had_secrets)
            + counted(ESTIMATED_BODIES, estimated)
            + counted(FILLED_BODIES, [body != "" for body in bodies]),
            dropped=counted(LEFT_OUT_REFERERS, [text is not None for text in told["referer"]])
            + counted(BODY_UNKNOWN, no_size),
        )

    def _sessions(
        self, table: Mapping[str, Sequence[Any]], requests: Sequence[str], told: Mapping[str, _Texts]
    ) -> _Texts:
        """The name of each request's session."""
        by = self._session_by
        if by is None:
            return ()
        if by.startswith(_QUERY):
            name = by.removeprefix(_QUERY)
            found: _Texts = [query_value(request.partition(" ")[2], name) for request in requests]
        elif by == "client":
            found = list(map(first_address, told["forwarded"], told["peer"]))
        else:
            key = next(_session_keys(table, by), None)
            found = [None] * len(requests) if key is None else _said(table[key])
        return [text if text and text != "-" else None for text in found]

    def _attributes(self, plan: Plan, table: Mapping[str, Sequence[Any]], n: int) -> Sequence[str]:
        columns = [self._labelled(name, _first(table, keys)) for name, keys in plan.attributes.items()]
        if not columns:
            return [""] * n
        found, *others = columns
        for other in others:
            found = [
                f"{text},{more}" if text and more else text or more
                for text, more in zip(found, other, strict=True)
            ]
        return [f',"attributes":{{{text}}}' if text else "" for text in found]

    def _labelled(self, name: str, texts: _Texts) -> Sequence[str]:
        """An attribute of each line, as a member of JSON; nothing where it has none."""
        if name == "request_id":
            if _are_ids(texts):
                return [f'"request_id":"{text}"' for text in texts]
            return [_label(name, text or "") for text in texts]
        return self._labels[name].of([text or "" for text in texts])


def _tells_session(keys: Iterable[str], session_by: str | None) -> bool:
    """Whether sessions that this tells apart are told here: not by what may stand in an object in a line."""
    if session_by is None or session_by.startswith(_QUERY) or "." not in session_by:
        return True
    return flat_key(session_by) in map(flat_key, keys)


def _session_keys(keys: Iterable[str], session_by: str | None) -> Iterator[str]:
    """Which of these is what session_by names."""
    return (key for key in keys if session_by is not None and flat_key(key) == flat_key(session_by))


def _likely_plan(lines: Sequence[bytes]) -> Plan | None:
    """The plan that most of these lines have."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            found[tuple(_decode_sample(line))] += 1
    return next((plan for keys, _ in found.most_common() if (plan := plan_for(keys)) is not None), None)


def _entries(data: bytes, plan: Plan) -> list[Any]:
    """The values in each line of a block; None for an odd one."""
    # Then each of as many objects as there are lines is one: no line break stands within one but behind a comma.
    n = data.count(b"\n")
    if data.startswith(b"{") and data.endswith(b"}\n") and data.count(b"}\n{") == n - 1:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            entries = plan.decode_lines(data)
            if len(entries) == n:
                return entries
    return [_entry(line, plan.decode_line) for line in data.split(b"\n")[:-1]]


def _entry(line: bytes, decode: Callable[[bytes], Any]) -> Any:
    """The values in a line; None for an odd one."""
    try:
        return decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _said(values: Sequence[Any]) -> _Texts:
    """What values say, as texts."""
    if set(map(type, values)) != {str} or max(map(len, values)) >= LONGEST_PATH:
        return list(map(said, values))
    if "" in values or "-" in values:
        return [None if text in _NOTHING else text for text in values]
    return values


def _are_ids(texts: _Texts) -> bool:
    """Whether each is an id in hexadecimal digits, which holds no secret and stands in JSON as it is."""
    if None in texts or max(map(len, texts)) > _LONGEST_ID:  # type: ignore[arg-type]
        return False
    characters = "".join(texts).encode("utf-8", "surrogatepass")  # type: ignore[arg-type]
    return bool(_OF_IDS[np.frombuffer(characters, np.uint8)].all())


def _first(table: Mapping[str, Sequence[Any]], keys: Sequence[str]) -> _Texts:
    """Of each line, what the first of these keys says that says something; nothing where there are no keys."""
    if not keys:
        return ()
    found = _said(table[keys[0]])
    for key in keys[1:]:
        if None not in found:
            break
        found = [other if text is None else text for text, other in zip(found, _said(table[key]), strict=True)]
    return found


def _either(texts: _Texts, others: _Texts) -> list[str]:
    """Of each line the text, or else the other one."""
    return [text or other or "" for text, other in zip(texts, others, strict=True)]


def _requests_in(plan: Plan, table: Mapping[str, Sequence[Any]]) -> tuple[list[str], list[str]]:
    """Methods and targets of the lines; empty where a line lacks one."""
    told = plan.told
    if not (told["method"] and told["path"]):
        lines = [(text or "").split(" ", 2) for text in _first(table, told["line"])]
        return [words[0] for words in lines], [words[1] if len(words) > 1 else "" for words in lines]
    methods = [(text or "").upper() for text in _first(table, told["method"])]
    paths = [text or "" for text in _first(table, told["path"])]
    if told["query"]:
        queries = _first(table, told["query"])
        paths = [
            f"{path}?{query.removeprefix('?')}" if path and query and "?" not in path else path
            for path, query in zip(paths, queries, strict=True)
        ]
    return methods, paths


def _numbers(table: Mapping[str, Sequence[Any]], keys: Sequence[str], n: int) -> Sequence[int | None]:
    if not keys:
        return [None] * n
    values = table[keys[0]]
    if set(map(type, values)) == {int} and min(values) >= 0 and max(values) <= _LARGEST_COUNT:
        return values
    return list(map(number, _first(table, keys)))


def _lengths(
    counts: Mapping[str, Sequence[int | None]],
    has_body: Sequence[bool],
    requests: Sequence[str],
    told: Mapping[str, _Texts],
) -> tuple[Sequence[int | None], Sequence[bool]]:
    """How large the body of each request is, and whether that is estimated. requests: methods and targets."""
    known, wholes = counts["body_bytes"], counts["message_bytes"]
    asked = [n for n, has in enumerate(has_body) if has and known[n] is None and wholes[n] is not None]
    if not asked:
        return known, ()
    lengths, estimated = list(known), [False] * len(known)
    for n in asked:
        lengths[n] = body_within(wholes[n], requests[n], told["host"][n], told["user_agent"][n])
        estimated[n] = lengths[n] is not None
    return lengths, estimated


def _told_apart(values: Sequence[Any]) -> Sequence[Any]:
    """Values by which a table may be asked, which takes 0.0 for -0.0, and 1 for true."""
    return (
        values
        if set(map(type, values)) == {float} and 0.0 not in values
        else [text or "" for text in _said(values)]
    )


def _recorded(counts: Mapping[str, Sequence[int | None]], counts_head: bool) -> list[str]:
    """What was seen of each response. counts_head: whether what was sent is the size of the response as a whole."""
    statuses, lengths, sizes = counts["status"], counts["body_bytes"], counts["response_bytes"]
    of_message: Sequence[bool] = [False] * len(lengths)
    if None in lengths:
        wholes = counts["message_bytes"]
        of_message = [
            length is None and whole is not None for length, whole in zip(lengths, wholes, strict=True)
        ]
        lengths = [whole if length is None else length for length, whole in zip(lengths, wholes, strict=True)]
    heads: Sequence[bool] = [False] * len(sizes)
    if None in sizes:
        sent = counts["sent_bytes"]
        heads = [
            counts_head and size is None and whole is not None for size, whole in zip(sizes, sent, strict=True)
        ]
        sizes = [whole if size is None else size for size, whole in zip(sizes, sent, strict=True)]
    return [
        f',"recorded":{{"status":{status},"request_bytes":{length}{REQUEST_COUNTS_HEAD if is_whole else ""}'
        f',"response_bytes":{size}{COUNTS_HEAD if head else ""}}}'
        if status is not None and 100 <= status <= 999 and length is not None and size is not None
        else recorded_text(
            status_of(None if status is None else str(status)), length, size, None, head, is_whole
        )
        for status, length, size, head, is_whole in zip(
            statuses, lengths, sizes, heads, of_message, strict=True
        )
    ]


def _stamp_ns(text: str) -> int:
    stamp_ns = instant_ns(text)
    return ODD_NS if stamp_ns is None else stamp_ns


def _fraction_ns(text: str) -> int:
    """What stands behind the seconds of an instant: the fraction and the zone."""
    at_ns = unix_ns(f"{_ZERO}{text}")
    return ODD_NS if at_ns is None else at_ns - _ZERO_NS


def _took_in(unit: str) -> Callable[[Any], tuple[int, str]]:
    def took(value: Any) -> tuple[int, str]:
        took_us = duration_us(said(value) or "", unit)
        return UNKNOWN_US if took_us is None else took_us, took_text(took_us)

    return took


def _label(name: str, text: str) -> str:
    return f'"{name}":{json_text(label_without_secrets(text[:LONGEST_TEXT]))}' if text else ""


def _label_in(name: str) -> Callable[[str], str]:
    return lambda text: _label(name, text)
