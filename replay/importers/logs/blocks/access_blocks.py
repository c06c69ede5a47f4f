r"""Lines of an access log told many at once, where they are laid out as most are; the others are left to be read alone.

Pure. What a line means says replay/importers/logs/access_log.py, and tests hold this to the same. A block's lines are
matched by one pattern, made of the layout that the first of them have; each thing that they tell is then a column.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from replay.assembly.call_steps import bounded
from replay.assembly.requests.body_sizes import ESTIMATED_BODIES, body_within
from replay.assembly.requests.called import Called, CalledRequests
from replay.assembly.requests.columns import (
    ODD_NS,
    Columns,
    Known,
    OddLine,
    counted,
    counted_but,
    odd_lines,
    pieces,
)
from replay.assembly.requests.digests import address_digest
from replay.assembly.requests.log_fields import (
    first_address,
    forwarded_addresses,
    number,
    query_value,
    request_line,
    text_or_none,
)
from replay.assembly.requests.step_texts import (
    BODY_UNKNOWN,
    FILLED_BODIES,
    LEFT_OUT_REFERERS,
    REQUEST_COUNTS_HEAD,
    SECRET_PATHS,
    attributes_text,
    body_text,
    took_text,
)
from replay.importers.logs.blocks.access_layout import Layout, likely_layout
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.reading.blocks import Block
from replay.trace.edges.concurrent import UNKNOWN_US

_QUOTED = r'[^"\\\n]*+'
_WORD = r'[^ \t\n\r\f\v"]++'
_TARGET = r'[^ "\\\n]*+'
_HEAD = (
    rf"([0-9a-fA-F.:]++) {_WORD} [^ \t\n\r\f\v\[\"]++ \[([^\]\n]{{1,40}}+)\]"
    rf' "(?:([A-Z]{{1,20}}+ (/{_TARGET}))(?: HTTP/[0-9](?:\.[0-9])?)?+|({_QUOTED}(?:\\[^\n]{_QUOTED})*+))"'
    r" ([1-9][0-9]{2}) (0|[1-9][0-9]{0,14}+|-)"
)
_AGENT = rf' "({_QUOTED})" "({_QUOTED}(?:\\[^\n]{_QUOTED})*+)"'
_HOST = r'([^ \t\n\r\f\v":]++:[0-9]{1,5}) '
_SAMPLE = re.compile(
    rf"^(?P<host>{_HOST})?+{_HEAD}(?P<agent>{_AGENT})?+(?P<rest> [^\r\n]*+)?\r?$", re.ASCII | re.MULTILINE
)
# In blocks of plain lines, which nearly all are, to look for one character rather than for one of several takes half
# the time (2.6 and 1.4 us for a line of 283 bytes).
_WHERE_PLAIN = (
    (_TARGET, "[^ ]*+"),
    (rf"{_QUOTED}(?:\\[^\n]{_QUOTED})*+", '[^"]*+'),
    (_QUOTED, '[^"]*+'),
    (r"[^\]\n]", r"[^\]]"),
)
_SAMPLES = 20
_TARGET_AT = 3
_NOTHING = ("", "-")
_QUERY = "query:"
_SESSIONS = ("client", "user_agent", "request_id")
_ATTRIBUTES = ',"attributes":{'
# No text of JSON holds that, which would have its quotes escaped.
_NO_SIZE = ',"response_bytes":-}'
_NO_TOOK = (UNKNOWN_US, "")


@lru_cache(64)
def _lines(layout: Layout) -> tuple["re.Pattern[str]", "re.Pattern[str]"]:
    """Match every line: one of this layout, whose values are captured, or another one, which captures nothing.

    The second is for blocks of plain lines: see `_captured`.
    """
    line = f"{_HOST if layout.has_host else ''}{_HEAD}{_AGENT if layout.has_agent else ''}{layout.pattern}"
    plain = line
    for pattern, same in _WHERE_PLAIN:
        plain = plain.replace(pattern, same)
    strict, quick = (re.compile(rf"{each}\r?\n|[^\n]*\n", re.ASCII) for each in (line, plain))
    return strict, quick


def _captured(layout: Layout, text: str) -> list[tuple[str, ...]]:
    """What is captured of the lines of a block, a column each; a host before the address comes last."""
    pattern, of_plain = _lines(layout)
    columns: list[tuple[str, ...]] = []
    if "\\" not in text:
        columns = list(zip(*of_plain.findall(text), strict=True))
        # Each match ends a line, so that there are as many of both where none went on in the next. A target that went
        # on to one behind its quotes has these within.
        if len(columns[0]) < text.count("\n") or '"' in "".join(columns[_TARGET_AT + layout.has_host]):
            columns = []
    columns = columns or list(zip(*pattern.findall(text), strict=True))
    return [*columns[1:], columns[0]] if layout.has_host else columns


class AccessBlocks:
    """Tells the lines of blocks of one log, in any order of these."""

    def __init__(self, session_by: str | None = None) -> None:
        self._session_by = session_by
        self._queries = Known(_query_of((session_by or "").removeprefix(_QUERY)))
        self._stamps = Known(_stamp_ns)
        self._lines = Known(_request)
        self._called = CalledRequests()
        self._addresses = Known(lambda text: first_address(None, text))
        self._address_digests = Known(address_digest)
        self._forwarded = Known(lambda text: "" if text == "-" else forwarded_addresses(text) or "")
        self._agents = Known(text_or_none)
        self._tooks = {"took_s": Known(_took_of_s), "took_us": Known(_took_of_us)}
        self._lengths = Known(_length)
        self._upstreams = Known(_upstream)
        self._behind_ids = Known(_behind_id)

    @staticmethod
    def knows(session_by: str | None) -> bool:
        """Whether sessions that this tells apart are told here."""
        return session_by in (None, *_SESSIONS) or (session_by or "").startswith(_QUERY)

    def pieces(self, block: Block) -> Iterator[Columns | OddLine]:
        """What the lines say, in their order."""
        text = block.data.decode("utf-8", "replace")
        samples = (found.group("rest", "agent", "host") for found in islice(_SAMPLE.finditer(text), _SAMPLES))
        layout = likely_layout(
            (rest or "", agent is not None, host is not None) for rest, agent, host in samples
        )
        if layout is None:
            yield from odd_lines(block)
            return
        captured: list[Any] = _captured(layout, text)
        peers, stamps, requests, targets, lines, *rest = captured
        if any(lines):
            requests = [
                self._lines[line] if line else request for request, line in zip(requests, lines, strict=True)
            ]
            targets = [request.partition(" ")[2] for request in requests]
        stamps_ns, called = self._stamps.of(stamps), self._called.of(requests, targets)
        is_odd: Sequence[bool] = [False] * len(peers)
        if "" in peers or ODD_NS in stamps_ns or True in called.is_odd:
            found = zip(peers, stamps_ns, called.is_odd, strict=True)
            is_odd = [not peer or stamp_ns == ODD_NS or calls_none for peer, stamp_ns, calls_none in found]
        columns = peers, stamps_ns, requests, targets, *rest

        def between(begin: int, end: int) -> Columns:
            return self._columns([each[begin:end] for each in columns], called.between(begin, end), layout)

        yield from pieces(block, is_odd, between)

    def _columns(self, columns: Sequence[Sequence[Any]], called: Called, layout: Layout) -> Columns:
        peers, stamps_ns, requests, targets, statuses, sizes, *rest = columns
        told = dict(zip(layout.columns, rest, strict=True))
        n = len(peers)
        has_body = called.has_body()
        dropped = counted_but(LEFT_OUT_REFERERS, told["referer"], _NOTHING) if layout.has_agent else []
        inferred = counted(SECRET_PATHS, called.had_secrets)
        agents = self._agents_in(told["agent"]) if layout.has_agent else [None] * n
        addresses = peers
        if "forwarded" in told:
            forwarded = self._forwarded.of(told["forwarded"])
            addresses = [each or peer for each, peer in zip(forwarded, peers, strict=True)]
        tooks = [_NO_TOOK] * n
        if (took := next((role for role in self._tooks if role in told), None)) is not None:
            tooks = self._tooks[took].of(told[took])
        lengths: Sequence[str] = [""] * n
        bodies = lengths
        if "message_bytes" not in told:
            dropped += counted(BODY_UNKNOWN, has_body)
        else:
            lengths, whole = zip(*self._lengths.of(told["message_bytes"]), strict=True)
            if True in has_body:
                hosts = told.get("host", [""] * n)
                found = [
                    body_within(size, request, host if host != "-" else None, agent) if has else None
                    for size, request, host, agent, has in zip(
                        whole, requests, hosts, agents, has_body, strict=True
                    )
                ]
                bodies = list(map(body_text, found))
                estimated = [size is not None for size in found]
                unknown = [has and not known for has, known in zip(has_body, estimated, strict=True)]
                dropped += counted(BODY_UNKNOWN, unknown)
                inferred += counted(ESTIMATED_BODIES, estimated) + counted(FILLED_BODIES, estimated)
        texts = [
            f'{head}{took_ms},{request}{path}"{body}}},"recorded":{{"status":{status}{length},"response_bytes":{size}}}{more}}}'
            for (head, request, _), path, (_, took_ms), body, status, length, size, more in zip(
                called.kinds,
                called.paths,
                tooks,
                bodies,
                statuses,
                lengths,
                sizes,
                self._attributes(told, n),
                strict=True,
            )
        ]
        if "-" in sizes:
            texts = [text.replace(_NO_SIZE, "}") for text in texts]
        return Columns(
            stamps_ns=stamps_ns,
            tooks_us=[took_us for took_us, _ in tooks],
            is_end=took == "took_s",
            addresses=self._address_digests.of(addresses),
            agents=agents,
            texts=texts,
            sessions=self._sessions(targets, addresses, agents, told),
            hosts=[host for host in told.get("host", ()) if host not in _NOTHING],
            inferred=inferred,
            dropped=dropped,
        )

    def _agents_in(self, agents: Sequence[str]) -> Sequence[str | None]:
        """What clients call themselves."""
        if "\\" in "".join(agents):
            return self._agents.of(agents)
        return [None if agent in _NOTHING else agent for agent in agents]

    def _sessions(
        self,
        targets: Sequence[str],
        addresses: Sequence[str],
        agents: Sequence[str | None],
        told: Mapping[str, Sequence[str]],
    ) -> Sequence[str | None]:
        """The name of each request's session."""
        if self._session_by is None:
            return ()
        if self._session_by.startswith(_QUERY):
            return self._queries.of(targets)
        ids = told.get("request_id", [""] * len(targets))
        by = {"client": self._addresses.of(addresses), "user_agent": agents, "request_id": ids}
        found = by[self._session_by]
        return [text if text and text != "-" else None for text in found]

    def _attributes(self, told: Mapping[str, Sequence[str]], n: int) -> Sequence[str]:
        ids, upstreams = told.get("request_id"), told.get("upstream_s")
        if ids is None:
            return [""] * n if upstreams is None else self._upstreams.of(upstreams)
        rests = ["}"] * n if upstreams is None else self._behind_ids.of(upstreams)
        # The layout takes hexadecimal ids only, which hold no secret and stand in JSON as they are.
        return [
            f',"attributes":{{"request_id":"{id}"{rest}' if id != "-" else _alone(rest)
            for id, rest in zip(ids, rests, strict=True)
        ]


def _stamp_ns(text: str) -> int:
    stamp_ns = instant_ns(text)
    return ODD_NS if stamp_ns is None else stamp_ns


def _request(line: str) -> str:
    """The method and the target of a request line, and a blank between them."""
    return " ".join(request_line(line) or ("", ""))


def _query_of(name: str) -> Callable[[str], str | None]:
    """Finds the value of a query's parameter in a target."""

    def value(target: str) -> str | None:
        found = query_value(target, name)
        return found if found and found != "-" else None

    return value


def _length(text: str) -> tuple[str, int | None]:
    """What was seen of a request that is so long with its head, and that length; nothing where the text is none."""
    length = number(text)
    return (f',"request_bytes":{length}{REQUEST_COUNTS_HEAD}' if length is not None else ""), length


def _took_of_s(text: str) -> tuple[int, str]:
    return _took(duration_us(text, "s"))


def _took_of_us(text: str) -> tuple[int, str]:
    return _took(duration_us(text, "us"))


def _took(took_us: int | None) -> tuple[int, str]:
    return UNKNOWN_US if took_us is None else took_us, took_text(took_us)


def _upstream(text: str) -> str:
    return attributes_text({} if text in _NOTHING else bounded({"upstream_s": text}))


def _behind_id(text: str) -> str:
    """What stands behind another attribute."""
    return f",{alone[len(_ATTRIBUTES) :]}" if (alone := _upstream(text)) else "}"


def _alone(rest: str) -> str:
    """The same where there is no other attribute."""
    return _ATTRIBUTES + rest[1:] if rest != "}" else ""
