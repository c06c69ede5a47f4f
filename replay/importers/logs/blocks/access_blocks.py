r"""Lines of an access log told many at once, where they are laid out as most are; the others are left to be read alone.

Pure. What a line means says replay/importers/logs/access_log.py, and tests hold this to the same. A block's lines are
matched by one pattern, made of the layout that the first of them have; each thing that they tell is then a column.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from replay.importers.call_steps import bounded
from replay.importers.logs.blocks.access_layout import Layout, likely_layout
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.requests.called import CalledRequests
from replay.importers.requests.columns import (
    ODD_NS,
    Columns,
    Known,
    OddLine,
    counted,
    counted_but,
    odd_lines,
    pieces,
)
from replay.importers.requests.digests import digest
from replay.importers.requests.log_fields import (
    client_key,
    first_address,
    forwarded_addresses,
    number,
    query_value,
    request_line,
    status_of,
    text_or_none,
)
from replay.importers.requests.step_texts import (
    BODY_UNKNOWN,
    FILLED_BODIES,
    LEFT_OUT_REFERERS,
    SECRET_PATHS,
    attributes_text,
    body_text,
    recorded_text,
    took_text,
)
from replay.reading.blocks import Block
from replay.trace.edges.concurrent import UNKNOWN_US

_HEAD = (
    r"([0-9a-fA-F.:]++) [^\s\"]++ [^\s\[\"]++ \[([^\]\n]{1,40}+)\]"
    r' "(?:([A-Z]{1,20}) (/[^\s"\\]*+) HTTP/(?:1\.[01]|2(?:\.0)?|3(?:\.0)?)|((?:[^"\\\n]++|\\[^\n])*+))"'
    r" (\d{3}) (0|[1-9]\d{0,14}+|-)"
)
_AGENT = r' "([^"\\\n]*+)" "((?:[^"\\\n]++|\\[^\n])*+)"'
_SAMPLE = re.compile(rf"^{_HEAD}(?P<agent>{_AGENT})?+(?P<rest> [^\r\n]*+)?\r?$", re.ASCII | re.MULTILINE)
_SAMPLES = 20
_NOTHING = ("", "-")
_QUERY = "query:"
_SESSIONS = ("client", "user_agent", "request_id")
_ATTRIBUTES = ',"attributes":{'


@lru_cache(64)
def _lines(layout: Layout) -> "re.Pattern[str]":
    """Matches every line: one of this layout, whose values are captured, or another one, which captures nothing."""
    agent = _AGENT if layout.has_agent else ""
    return re.compile(rf"{_HEAD}{agent}{layout.pattern}\r?\n|[^\n]*\n", re.ASCII)


class AccessBlocks:
    """Tells the lines of blocks of one log, in any order of these."""

    def __init__(self, session_by: str | None = None) -> None:
        self._session_by = session_by
        self._queries = Known(_query_of((session_by or "").removeprefix(_QUERY)))
        self._stamps = Known(_stamp_ns)
        self._requests = Known(_request)
        self._called = CalledRequests()
        self._addresses = Known(lambda text: first_address(None, text))
        self._forwarded = Known(lambda text: "" if text == "-" else forwarded_addresses(text) or "")
        self._agents = Known(text_or_none)
        self._clients = Known(_client)
        self._statuses = Known(_status)
        self._tooks = {"took_s": Known(_took_of_s), "took_us": Known(_took_of_us)}
        self._bodies = Known(lambda text: body_text(number(text)))
        self._upstreams = Known(_upstream)
        self._behind_ids = Known(_behind_id)

    @staticmethod
    def knows(session_by: str | None) -> bool:
        """Whether sessions that this tells apart are told here."""
        return session_by in (None, *_SESSIONS) or (session_by or "").startswith(_QUERY)

    def pieces(self, block: Block) -> Iterator[Columns | OddLine]:
        """What the lines say, in their order."""
        text = block.data.decode("utf-8", "replace")
        samples = (found.group("rest", "agent") for found in islice(_SAMPLE.finditer(text), _SAMPLES))
        layout = likely_layout((rest or "", agent is not None) for rest, agent in samples)
        if layout is None:
            yield from odd_lines(block)
            return
        peers, stamps, methods, targets, others, *rest = zip(*_lines(layout).findall(text), strict=True)
        if any(others):
            requests = zip(methods, targets, others, strict=True)
            told = [self._requests[other] if other else (method, target) for method, target, other in requests]
            methods, targets = zip(*told, strict=True)
        stamps_ns, called = self._stamps.of(stamps), self._called.of(methods, targets)
        is_odd: Sequence[bool] = [False] * len(peers)
        if "" in peers or ODD_NS in stamps_ns or None in called:
            found = zip(peers, stamps_ns, called, strict=True)
            is_odd = [not peer or stamp_ns == ODD_NS or what is None for peer, stamp_ns, what in found]
        columns = peers, stamps_ns, called, targets, *rest
        yield from pieces(
            block, is_odd, lambda begin, end: self._columns([each[begin:end] for each in columns], layout)
        )

    def _columns(self, columns: Sequence[Sequence[Any]], layout: Layout) -> Columns:
        peers, stamps_ns, called, targets, statuses, sizes, *rest = columns
        told = dict(zip(layout.columns, rest, strict=True))
        n = len(peers)
        heads, requests, has_secrets, has_body = zip(*called, strict=True)
        dropped = counted_but(LEFT_OUT_REFERERS, told["referer"], _NOTHING) if layout.has_agent else []
        inferred = counted(SECRET_PATHS, has_secrets)
        agents: Sequence[str | None] = self._agents.of(told["agent"]) if layout.has_agent else [None] * n
        addresses = peers
        if "forwarded" in told:
            forwarded = self._forwarded.of(told["forwarded"])
            addresses = [each or peer for each, peer in zip(forwarded, peers, strict=True)]
        tooks_us: Sequence[int] = [UNKNOWN_US] * n
        tooks: Sequence[str] = [""] * n
        if (took := next((role for role in self._tooks if role in told), None)) is not None:
            tooks_us, tooks = zip(*self._tooks[took].of(told[took]), strict=True)
        lengths = told.get("request_bytes")
        bodies: Sequence[str] = [""] * n
        if lengths is None:
            dropped += counted(BODY_UNKNOWN, has_body)
        elif True in has_body:
            pairs = list(zip(lengths, has_body, strict=True))
            bodies = [self._bodies[length] if has else "" for length, has in pairs]
            dropped += counted(BODY_UNKNOWN, [has and number(length) is None for length, has in pairs])
            inferred += counted(FILLED_BODIES, [body != "" for body in bodies])
        return Columns(
            stamps_ns=stamps_ns,
            tooks_us=tooks_us,
            is_end=took == "took_s",
            clients=[self._clients[who] for who in zip(addresses, agents, strict=True)],
            agents=agents,
            texts=[
                f"{head}{took_ms},{request}{body}}}{recorded}{attributes}}}"
                for head, took_ms, request, body, recorded, attributes in zip(
                    heads,
                    tooks,
                    requests,
                    bodies,
                    self._recorded(statuses, lengths, sizes),
                    self._attributes(told, n),
                    strict=True,
                )
            ],
            sessions=self._sessions(targets, addresses, agents, told),
            hosts=[host for host in told.get("host", ()) if host not in _NOTHING],
            inferred=inferred,
            dropped=dropped,
        )

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

    def _recorded(
        self, statuses: Sequence[str], lengths: Sequence[str] | None, sizes: Sequence[str]
    ) -> Sequence[str]:
        """What was seen of the responses. lengths, sizes: of requests and of answers."""
        if lengths is None and "-" not in sizes:
            return [
                f'{status},"response_bytes":{size}}}'
                for status, size in zip(self._statuses.of(statuses), sizes, strict=True)
            ]
        return [
            recorded_text(status_of(status), number(length), number(size), None)
            for status, length, size in zip(statuses, lengths or [""] * len(sizes), sizes, strict=True)
        ]

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


def _client(who: tuple[str, str | None]) -> int:
    """What tells a client apart. who: its address, or for whom its requests were forwarded, and its user agent."""
    address, agent = who
    return digest(client_key(first_address(None, address), agent))


def _request(text: str) -> tuple[str, str]:
    """The method and the target of a request line that is not as most are; "" twice where it has none."""
    return request_line(text) or ("", "")


def _query_of(name: str) -> Callable[[str], str | None]:
    """Finds the value of a query's parameter in a target."""

    def value(target: str) -> str | None:
        found = query_value(target, name)
        return found if found and found != "-" else None

    return value


def _status(text: str) -> str:
    """The beginning of what was seen of a response, up to the size of it."""
    return recorded_text(status_of(text), None, 0, None).removesuffix(',"response_bytes":0}')


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
